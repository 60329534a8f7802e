import csv
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from support.short_tones import RATE, train, train_cnn

from audio_cls.config.job import Job
from audio_cls.data.decode import decode
from audio_cls.serving.load import LoadError, load_classifier


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(scope="module")
def job(folder) -> Job:
    return train(folder)


def largest_difference(job: Job) -> float:
    """Between the probabilities in predictions.csv and those of the loaded classifier on the files themselves."""
    classifier = load_classifier(job.folder)
    with (job.folder / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    return max(
        np.abs(
            classifier.probabilities(decode(Path(job.config.data.root) / row["clip"], RATE)).numpy()
            - [float(row["p_0"]), float(row["p_1"])]
        ).max()
        for row in rows
    )


def test_a_loaded_classifier_predicts_what_the_job_wrote_down(job):
    assert largest_difference(job) < 1e-6


@pytest.mark.parametrize(
    "settings",
    [
        ("trainer.weights=best", "study=best"),
        ("input.normalize=false", "input.silence_db=0", "trainer.ema_decay=0", "study=plain"),
        ("model.num_segments=2", "study=segments"),
    ],
    ids=["best", "plain", "segments"],
)
def test_so_it_does_with_other_weights_other_input_and_segments(folder, settings):
    assert largest_difference(train(folder, *settings)) < 1e-6


def test_a_cnn_is_loaded_as_well(folder, job):
    assert largest_difference(train_cnn(folder)) < 1e-6


def test_it_knows_how_its_job_feeds_it(job):
    classifier = load_classifier(job.folder)
    assert classifier.classes == ("high", "low")
    assert (classifier.sample_rate, classifier.crop_samples, classifier.eval_crops) == (RATE, 1_000, 4)
    assert classifier.name == f"{job.variant}, fold 0, seed 0"
    assert not classifier.module.training
    assert classifier.crop_starts(3_000).tolist() == [0, 667, 1333, 2000]
    assert classifier.crops(np.ones(300, np.float32)).sum() == 4 * 300


def test_it_knows_the_clips_that_its_job_was_trained_on(job):
    with (job.folder / "split.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    digests = {row["content"][:16] for row in rows if row["split"] == "train"}
    assert 0 < len(digests) < len({row["content"] for row in rows})
    assert load_classifier(job.folder).trained_on == digests


def test_a_temperature_moves_probabilities_but_not_their_order(job):
    classifier, sound = load_classifier(job.folder), np.ones(RATE, np.float32)
    before = classifier.probabilities(sound)
    cooled = replace(classifier, temperature=0.5).probabilities(sound)
    torch.testing.assert_close(cooled, before.square() / before.square().sum())
    assert torch.equal(replace(classifier, temperature=1.0).probabilities(sound), before)


def copy(job: Job, target: Path) -> Path:
    return Path(shutil.copytree(job.folder, target / "variant" / "fold0-seed0"))


def test_nothing_else_of_the_job_is_needed(job, tmp_path):
    moved = copy(job, tmp_path)
    for path in moved.iterdir():
        if path.name not in ("config.yaml", "checkpoints"):
            path.unlink() if path.is_file() else shutil.rmtree(path)
    assert load_classifier(moved).classes == ("high", "low")


def remove_checkpoint(folder: Path) -> None:
    shutil.rmtree(folder / "checkpoints")


def cut_checkpoint(folder: Path) -> None:
    path = folder / "checkpoints" / "last.ckpt"
    path.write_bytes(path.read_bytes()[:1_000])


def other_file(folder: Path) -> None:
    torch.save({"weights": 1}, folder / "checkpoints" / "last.ckpt")


class Evil:
    def __reduce__(self):
        return print, ("code that must not run",)


def checkpoint_with_code(folder: Path) -> None:
    path = folder / "checkpoints" / "last.ckpt"
    torch.save(torch.load(path, weights_only=True) | {"evil": Evil()}, path)


def change_checkpoint(folder: Path, **parameters: object) -> None:
    path = folder / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["hyper_parameters"] |= parameters
    torch.save(checkpoint, path)


def model_without_name(folder: Path) -> None:
    change_checkpoint(folder, model={"num_heads": 2})


def silence_that_is_text(folder: Path) -> None:
    change_checkpoint(folder, model={"name": "odd", "_target_": 3}, silence_db="loud")


def crops_that_are_text(folder: Path) -> None:
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["input"]["eval_crops"] = "many"
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def damage_config(folder: Path) -> None:
    (folder / "config.yaml").write_text("input: [")


def shorten_config(folder: Path) -> None:
    config = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump({"model": config["model"]}))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (remove_checkpoint, "last.ckpt does not exist: kept results and jobs that did not finish an epoch"),
        (cut_checkpoint, "last.ckpt cannot be loaded"),
        (other_file, "last.ckpt lacks 'hyper_parameters': another version of audio_cls wrote it"),
        (model_without_name, "last.ckpt lacks 'name': another version of audio_cls wrote it"),
        (silence_that_is_text, "last.ckpt cannot be loaded"),
        (crops_that_are_text, "config.yaml cannot be read"),
        (checkpoint_with_code, "last.ckpt cannot be loaded"),
        (damage_config, "config.yaml cannot be read"),
        (shorten_config, "config.yaml cannot be read"),
    ],
)
def test_a_damaged_job_is_refused_in_one_line_and_runs_no_code(job, tmp_path, capsys, damage, reason):
    folder = copy(job, tmp_path)
    damage(folder)
    with pytest.raises(LoadError, match=reason) as error:
        load_classifier(folder)
    assert "\n" not in str(error.value)
    assert "code that must not run" not in capsys.readouterr().out


def test_folders_that_are_no_job_are_refused_with_what_was_meant(job, tmp_path):
    with pytest.raises(LoadError, match="does not exist; give a job's folder"):
        load_classifier(tmp_path / "nowhere")
    (tmp_path / "a.wav").touch()
    with pytest.raises(LoadError, match="a.wav is a file; give a job's folder"):
        load_classifier(tmp_path / "a.wav")
    with pytest.raises(LoadError, match=r"it holds neither config\.yaml nor config\.json"):
        load_classifier(tmp_path)
    for folder in (job.folder.parent, job.folder.parent.parent):
        with pytest.raises(LoadError, match=r"name one job in it, as .*fold0-seed0"):
            load_classifier(folder)
