"""What could not be compared afterwards is refused before anything is trained."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from support.command_line import CONF, contents, write_sounds

from audio_cls.config.job import Job, clips, num_folds
from audio_cls.experiment import launch, signals, sweep
from audio_cls.experiment.compatibility import split_digest
from audio_cls.experiment.plan import Plan
from audio_cls.files import write_json
from audio_cls.results import job_files

SOUNDS = ("data=folder", "data.root=sounds", "heads=2")


@pytest.fixture(autouse=True)
def _workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signals, "handle", lambda *_: None)
    monkeypatch.setattr(sweep, "announce", lambda _: None)
    write_sounds(tmp_path / "sounds", {"Dog": 8, "Cat": 8})


def prepare(*arguments: str) -> Plan:
    return launch.prepare(arguments, CONF)


def begin(*arguments: str, **changes: Any) -> Job:
    """Leaves behind what a job leaves that is trained; `changes` are keys of metrics.json."""
    (job,) = prepare(*arguments).jobs
    job_files.write_config(job)
    metrics = {"dataset": job.dataset, "protocol": job.config.protocol, "num_folds": num_folds(job)}
    metrics |= {"classes": list(clips(job).classes), "split_digest": split_digest(job), "status": "running"}
    metrics |= {"num_train": 8, "num_val": 4, "num_test": len(clips(job)) - 12}
    write_json(job.folder / job_files.METRICS, metrics | changes)
    return job


def refused(capsys: pytest.CaptureFixture, *arguments: str) -> str:
    """The one line with which a command ends; nothing is written."""
    capsys.readouterr()
    before = contents(Path.cwd())
    with pytest.raises(SystemExit) as end:
        prepare(*arguments)
    assert end.value.code == 2
    assert contents(Path.cwd()) == before
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.parametrize("status", ["done", "failed", "interrupted", "running"])
def test_another_split_is_refused_by_the_study_of_whatever_has_begun(
    status: str, capsys: pytest.CaptureFixture
) -> None:
    begin(*SOUNDS, status=status)
    assert refused(capsys, *SOUNDS, "data.split_seed=1", "variant=other") == (
        "outputs/sounds-holdout holds what cannot be compared with this, as transformer_h2/fold0-seed0:"
        " data.split_seed 0 there, 1 now; choose another study=NAME"
    )
    assert prepare(*SOUNDS, "data.split_seed=1", "study=other").jobs


def test_two_folders_of_one_name_are_refused_in_one_study(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    begin(*SOUNDS)
    write_sounds(tmp_path / "elsewhere" / "sounds", {"Dog": 8, "Rain": 9})
    line = refused(capsys, "data=folder", "data.root=elsewhere/sounds", "heads=4")
    assert "classes Cat, Dog there, Dog, Rain and number of clips 16 there, 17" in line
    assert "data.root sounds there, elsewhere/sounds now; choose another study=NAME" in line


def test_clips_that_were_added_are_refused_in_the_study_of_those_before(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    begin(*SOUNDS)
    shutil.copy(tmp_path / "sounds/Dog/0.wav", tmp_path / "sounds/Dog/new.wav")
    assert "number of clips 16 there, 17 now" in refused(capsys, *SOUNDS, "fold=1", "variant=other")
    (tmp_path / "sounds/Dog/0.wav").unlink()
    line = refused(capsys, *SOUNDS, "variant=other")
    assert "other clips (files, labels, sources or folds) there than now; choose" in line


def test_another_protocol_is_refused_in_a_study_of_the_users_own_name(capsys: pytest.CaptureFixture) -> None:
    begin(*SOUNDS, "study=mine")
    line = refused(capsys, *SOUNDS, "study=mine", "protocol=crossval", "variant=other", "-m")
    assert "protocol holdout there, crossval" in line


def test_a_sweep_over_splits_is_refused_in_one_study(capsys: pytest.CaptureFixture) -> None:
    line = refused(capsys, *SOUNDS, "data.split_seed=0,1", "variant=a${data.split_seed}", "-m")
    assert "data.split_seed 0 in one, 1 in another; sweep each kind into a study of its own: study=NAME" in line
    assert len(prepare(*SOUNDS, "data.split_seed=0,1", "study=s${data.split_seed}", "fold=0", "-m").jobs) == 2


def test_the_same_data_elsewhere_and_files_that_say_nothing_are_no_obstacle(tmp_path: Path) -> None:
    job = begin(*SOUNDS)
    shutil.copytree(tmp_path / "sounds", tmp_path / "copy" / "sounds")
    assert prepare("data=folder", "data.root=copy/sounds", "heads=4").jobs
    (job.folder / job_files.METRICS).write_text("{}")
    assert prepare(*SOUNDS, "data.split_seed=1", "variant=other").jobs


def test_what_a_folder_without_a_readable_configuration_differs_in_is_said_as_far_as_it_is_known(
    capsys: pytest.CaptureFixture,
) -> None:
    job = begin(*SOUNDS, num_train=None)
    (job.folder / job_files.CONFIG).write_text("[]")
    line = refused(capsys, *SOUNDS, "data.split_seed=1", "variant=other")
    assert "transformer_h2/fold0-seed0: other clips (files, labels, sources or folds) there than now" in line
