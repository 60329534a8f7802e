import dataclasses
import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support.tiny_jobs import plan_jobs

from audio_cls.config.job import Job
from audio_cls.config.schema import ConfigError, Section
from audio_cls.data.clips import Clip, ClipSet
from audio_cls.files import write_csv, write_json
from audio_cls.results import job_files

CLIPS = ClipSet(
    "sounds",
    Path("/somewhere"),
    ("cat", "dog"),
    tuple(Clip(Path(f"/somewhere/{index}.wav"), f"{index}.wav", index % 2, f"source {index}") for index in range(4)),
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture
def job(workspace, tmp_path) -> Job:
    (job,) = plan_jobs(workspace, "logger=none")
    return changed(job, output_dir=str(tmp_path))


def changed(job: Job, **keys) -> Job:
    """The job with other values; `trainer={...}` changes keys of a block."""
    update = {
        key: block.model_copy(update=value) if isinstance(block := getattr(job.config, key), Section) else value
        for key, value in keys.items()
    }
    return dataclasses.replace(job, config=job.config.model_copy(update=update))


def failing_rows():
    yield [1]
    raise OSError("disk full")


def test_a_file_that_cannot_be_written_whole_leaves_the_one_before_and_nothing_else(tmp_path):
    path = tmp_path / "new" / "predictions.csv"
    write_csv(path, ["a"], [[0]])
    with pytest.raises(OSError, match="disk full"):
        write_csv(path, ["a"], failing_rows())
    assert path.read_text().split() == ["a", "0"]
    assert list(path.parent.iterdir()) == [path]


def test_values_that_json_does_not_know_are_refused_before_anything_is_written(tmp_path):
    path = tmp_path / "metrics.json"
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"accuracy": float("nan")})
    assert not path.exists()


def test_metrics_are_read_as_they_were_written_in_any_script(tmp_path):
    metrics = {"classes": ["Hund", "дождь", "犬"], "val": None, "accuracy": 0.1}
    write_json(tmp_path / "metrics.json", metrics)
    assert job_files.read_metrics(tmp_path) == metrics


@pytest.mark.parametrize("content", [None, b"", b'{"status": "do', b"\xff\xfe\x00", b"[1, 2]", b"null"])
def test_metrics_that_are_missing_or_damaged_are_no_metrics(tmp_path, content):
    if content is not None:
        (tmp_path / "metrics.json").write_bytes(content)
    assert job_files.read_metrics(tmp_path) is None


def digest(clip_set: ClipSet = CLIPS, protocol: str = "holdout", num_folds: int = 4, split_seed: int = 0) -> str:
    return job_files.split_digest(clip_set, protocol, num_folds, split_seed)


def with_clip(**values) -> ClipSet:
    return dataclasses.replace(CLIPS, clips=(dataclasses.replace(CLIPS.clips[0], **values), *CLIPS.clips[1:]))


def test_the_digest_of_the_same_clips_is_the_same_wherever_they_lie():
    moved = [dataclasses.replace(clip, path=Path("/elsewhere") / clip.name) for clip in CLIPS.clips]
    assert digest(dataclasses.replace(CLIPS, root=Path("/elsewhere"), clips=tuple(moved))) == digest()


@pytest.mark.parametrize(
    "other",
    [
        {"clip_set": dataclasses.replace(CLIPS, name="noises")},
        {"clip_set": dataclasses.replace(CLIPS, classes=("dog", "cat"))},
        {"clip_set": dataclasses.replace(CLIPS, clips=CLIPS.clips[1:])},
        {"clip_set": with_clip(name="00.wav")},
        {"clip_set": with_clip(label=1)},
        {"clip_set": with_clip(source="source 1")},
        {"clip_set": with_clip(source=None)},
        {"protocol": "crossval"},
        {"num_folds": 5},
        {"split_seed": 1},
    ],
)
def test_other_clips_labels_sources_or_another_split_have_another_digest(other):
    assert digest(**other) != digest()


def test_where_folds_are_published_the_seed_of_the_split_does_not_matter_and_the_folds_do():
    def published(shift: int) -> ClipSet:
        clips = [dataclasses.replace(clip, fold=1 + (i + shift) % 4) for i, clip in enumerate(CLIPS.clips)]
        return dataclasses.replace(CLIPS, clips=tuple(clips))

    assert digest(published(0), split_seed=1) == digest(published(0), split_seed=2)
    assert digest(published(0)) != digest(published(1))


def test_a_folder_without_a_result_is_free(job):
    job_files.check_folder(job)
    assert not job_files.is_done(job)


def test_a_folder_takes_the_job_that_it_belongs_to_wherever_and_with_whatever_logger_it_runs(job):
    job_files.write_config(job)
    job_files.check_folder(job)
    elsewhere = changed(job, jobs=2, logger={"_target_": "any"}, trainer={"num_threads": 5}, data={"root": "/moved"})
    job_files.check_folder(elsewhere)


def test_a_job_of_another_configuration_is_refused_with_the_keys_and_both_values(job):
    job_files.write_config(job)
    other = changed(job, optimizer={"lr": 0.5}, trainer={"max_epochs": 7})
    with pytest.raises(ConfigError) as error:
        job_files.check_folder(other)
    message = str(error.value)
    assert f"optimizer.lr ({job.config.optimizer.lr} there, 0.5 now)" in message
    assert "trainer.max_epochs (2 there, 7 now)" in message
    assert "study=NAME or variant=NAME" in message
    assert "num_threads" not in message
    assert "\n" not in message


@pytest.mark.parametrize("content", [b"", b"[1, 2]", b"{unbalanced", b"\xff\xfe\x00", b"a: b: c"])
def test_a_configuration_that_cannot_be_read_is_not_written_over(job, content):
    job.folder.mkdir(parents=True)
    (job.folder / "config.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"config.yaml cannot be read; move .* away"):
        job_files.check_folder(job)


@pytest.mark.parametrize(
    ("status", "done"), [("done", True), ("running", False), ("failed", False), ("interrupted", False)]
)
def test_only_a_job_that_says_so_and_has_predictions_is_done(job, status, done):
    write_json(job.folder / "metrics.json", {"status": status})
    assert not job_files.is_done(job)
    write_csv(job.folder / "predictions.csv", ["split"], [])
    assert job_files.is_done(job) == done


def test_a_command_is_recorded_once_and_can_be_pasted_into_a_shell(tmp_path):
    for _ in range(2):
        job_files.record_command(tmp_path, ["heads=1,2", "data.root=my sounds", "-m"])
    job_files.record_command(tmp_path, ["model=cnn", "-m"])
    assert (tmp_path / "commands.txt").read_text().splitlines() == [
        "python train.py heads=1,2 'data.root=my sounds' -m",
        "python train.py model=cnn -m",
    ]


def test_commands_that_are_recorded_at_once_all_stay(tmp_path, monkeypatch):
    write_text = job_files.write_text

    def write_slowly(path, text):
        time.sleep(0.01)
        write_text(path, text)

    monkeypatch.setattr(job_files, "write_text", write_slowly)
    seeds = range(8)
    with ThreadPoolExecutor(len(seeds)) as pool:
        list(pool.map(lambda seed: job_files.record_command(tmp_path, [f"seed={seed}"]), seeds))
    lines = (tmp_path / "commands.txt").read_text().splitlines()
    assert sorted(lines) == [f"python train.py seed={seed}" for seed in seeds]


@pytest.mark.parametrize("error", [FileNotFoundError("git"), subprocess.CalledProcessError(128, "git")])
def test_without_git_or_a_checkout_there_is_no_commit(monkeypatch, error):
    def run(*_, **__):
        raise error

    monkeypatch.setattr(subprocess, "run", run)
    assert job_files.code_commit() is None


def test_the_commit_of_another_project_s_repository_is_not_taken(monkeypatch, tmp_path):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    identity = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", *identity, "commit", "--quiet", "--allow-empty", "-m", "theirs"], cwd=tmp_path, check=True)
    installed = tmp_path / "environment" / "job_files.py"
    installed.parent.mkdir()
    installed.touch()
    monkeypatch.setattr(job_files, "__file__", str(installed))
    assert job_files.code_commit() is None


def test_numpy_numbers_are_not_written_by_accident(tmp_path):
    with pytest.raises(TypeError):
        write_json(tmp_path / "metrics.json", {"accuracy": np.float32(0.5)})
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_is_readable_json_with_a_key_a_line(tmp_path):
    write_json(tmp_path / "metrics.json", {"a": 1, "b": 2})
    lines = (tmp_path / "metrics.json").read_text().splitlines()
    assert len(lines) == 4
    assert json.loads("".join(lines)) == {"a": 1, "b": 2}
