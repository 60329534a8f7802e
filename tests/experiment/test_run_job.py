import csv
import itertools
import json
import os
import runpy
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
import yaml
from filelock import FileLock
from hydra import initialize_config_dir
from lightning.pytorch.loggers import Logger
from matplotlib.image import imread
from sklearn import metrics as sklearn_metrics
from support.command_line import CONF, REPOSITORY
from support.tiny_jobs import CLASSES, overrides, plan_jobs

from audio_cls.config.job import Job, JobBusy, clips
from audio_cls.data import batches as batches_module
from audio_cls.data.clips import DataError
from audio_cls.data.splits import make_split
from audio_cls.experiment import evaluate, signals
from audio_cls.experiment import run_job as job_module
from audio_cls.experiment.build import cpu_settings, make_datamodule, make_module
from audio_cls.experiment.evaluate import predict_clips
from audio_cls.experiment.plan import make_plan
from audio_cls.experiment.run_job import run_job
from audio_cls.models.clip_classifier import ClipClassifier
from audio_cls.results import job_files
from audio_cls.training.checkpoint import AtomicCheckpointIO
from audio_cls.training.history import HISTORY_COLUMNS, read_history
from audio_cls.training.modules import ClassifierModule

pytestmark = pytest.mark.usefixtures("coarse_figures")

QUICK = ("trainer.crops_per_clip=4", "logger=none")  # three steps an epoch
SPLIT_KEYS = {
    "accuracy",
    "balanced_accuracy",
    "f1_macro",
    "auroc_macro",
    "f1_per_class",
    "auroc_per_class",
    "confusion",
}
METRICS_KEYS = {
    "study", "variant", "model", "heads", "dataset", "protocol", "fold", "seed", "epochs", "classes", "num_parameters",
    "num_train", "num_val", "num_test", "train_seconds", "status", "error", "split_digest", "clips_without_source",
    "commit", "train", "val", "test",
}  # fmt: skip


class Recorder(Logger):
    """A logger of another library, which notes how it was ended."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[str] = []

    name = "recorder"
    version = 0

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        pass

    def log_hyperparams(self, params: Any) -> None:
        pass

    def finalize(self, status: str) -> None:
        self.ends.append(status)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("jobs")


def train(workspace: Path, *more: str, logger: Logger | None = None) -> Job:
    """Runs one job to its end."""
    (job,) = plan_jobs(workspace, *QUICK, *more)
    run_job(job, lambda _: [logger] if logger else [])
    return job


def metrics_of(job: Job) -> dict[str, Any]:
    return json.loads((job.folder / "metrics.json").read_text())


def predictions_of(job: Job) -> list[dict[str, str]]:
    with (job.folder / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def probabilities_of(rows: list[dict[str, str]]) -> np.ndarray:
    return np.array([[float(row[f"p_{k}"]) for k in range(len(CLASSES))] for row in rows])


def outcome(job: Job) -> dict[str, Any]:
    """All that a job computed, without its name, the time it took and the state of the checkout."""
    last = torch.load(job.folder / "checkpoints" / "last.ckpt", weights_only=True)
    states = {key: last[key] for key in ("state_dict", "current_model_state", "averaging_state") if key in last}
    tensors = {f"{key}.{name}": value for key, state in states.items() for name, value in state.items()}
    for index, state in last["optimizer_states"][0]["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
    history = [
        {key: row[key] for key in row if key != "epoch_seconds"} for row in read_history(job.folder / "history.csv")
    ]
    metrics = {key: value for key, value in metrics_of(job).items() if key not in ("train_seconds", "study", "commit")}
    return {
        "tensors": {name: value.numpy().tobytes() for name, value in tensors.items()},
        "history": history,
        "metrics": metrics,
        "predictions": (job.folder / "predictions.csv").read_bytes(),
    }


@pytest.fixture(scope="module")
def done(workspace) -> Job:
    """A job of three epochs that ran to its end."""
    return train(workspace, "study=done", "trainer.max_epochs=3")


def test_the_folder_holds_all_that_a_job_writes_and_nothing_half_written(done):
    files = {path.relative_to(done.folder).as_posix() for path in done.folder.rglob("*") if path.is_file()}
    assert files >= {
        "metrics.json",
        "profile.json",
        "predictions.csv",
        "split.csv",
        "history.csv",
        "config.yaml",
        "confusion_matrix.png",
        "roc_curves.png",
        "checkpoints/last.ckpt",
        "checkpoints/best.ckpt",
    }
    assert {Path(name).suffix for name in files - {".lock"}} == {".json", ".csv", ".yaml", ".png", ".ckpt"}


def test_the_metrics_say_what_was_trained_and_what_it_scored(done):
    metrics = metrics_of(done)
    assert set(metrics) >= METRICS_KEYS
    expected = {"study": "done", "variant": "tiny_h4", "model": "transformer", "heads": 4, "dataset": "tones"}
    expected |= {"protocol": "holdout", "fold": 0, "seed": 0, "epochs": 3, "classes": list(CLASSES)}
    expected |= {"num_train": 6, "num_val": 6, "num_test": 6, "status": "done", "error": None}
    expected |= {"clips_without_source": True}
    assert {key: metrics[key] for key in expected} == expected
    checkpoint = torch.load(done.folder / "checkpoints" / "last.ckpt", weights_only=True)
    names = [name for name, _ in make_module(done, CLASSES).named_parameters()]
    assert metrics["num_parameters"] == sum(checkpoint["state_dict"][name].numel() for name in names)
    for split in ("train", "val", "test"):
        assert set(metrics[split]) == SPLIT_KEYS


def test_the_history_has_a_row_for_each_epoch_and_its_seconds_are_the_training_time(done):
    with (done.folder / "history.csv").open() as file:
        assert file.readline().strip().split(",") == list(HISTORY_COLUMNS)
    history = read_history(done.folder / "history.csv")
    assert [row["epoch"] for row in history] == [0, 1, 2]
    assert metrics_of(done)["train_seconds"] == pytest.approx(sum(row["epoch_seconds"] for row in history), abs=1e-3)


def test_the_last_row_of_the_history_validates_the_model_that_is_scored(done):
    last = read_history(done.folder / "history.csv")[-1]
    val = metrics_of(done)["val"]
    assert last["val_accuracy"] == pytest.approx(val["accuracy"], rel=1e-5)
    assert last["val_f1_macro"] == pytest.approx(val["f1_macro"], rel=1e-5)
    assert last["val_auroc_macro"] == pytest.approx(val["auroc_macro"], rel=1e-5)


def test_the_predictions_have_every_clip_of_the_split_with_its_label_and_probabilities(done):
    with (done.folder / "predictions.csv").open() as file:
        assert file.readline().strip() == "split,clip,label,predicted,label_name,predicted_name,p_0,p_1"
    rows = predictions_of(done)
    clip_set = clips(done)
    split = make_split(clip_set, "holdout", 0, num_folds=2, split_seed=0)
    expected = [
        (name, clip_set.clips[index].name, str(clip_set.clips[index].label))
        for name in ("train", "val", "test")
        for index in getattr(split, name)
    ]
    assert [(row["split"], row["clip"], row["label"]) for row in rows] == expected
    probabilities = probabilities_of(rows)
    assert probabilities.sum(1) == pytest.approx(np.ones(len(rows)), abs=1e-6)
    assert [int(row["predicted"]) for row in rows] == probabilities.argmax(1).tolist()


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_the_scores_can_be_recomputed_from_the_predictions(done, split):
    rows = [row for row in predictions_of(done) if row["split"] == split]
    scores = metrics_of(done)[split]
    labels, predicted = ([int(row[column]) for row in rows] for column in ("label", "predicted"))
    assert scores["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(labels, predicted))
    assert scores["f1_macro"] == pytest.approx(sklearn_metrics.f1_score(labels, predicted, average="macro"))
    assert scores["confusion"] == sklearn_metrics.confusion_matrix(labels, predicted, labels=[0, 1]).tolist()
    probabilities = probabilities_of(rows)
    areas = [sklearn_metrics.roc_auc_score(np.array(labels) == k, probabilities[:, k]) for k in (0, 1)]
    assert scores["auroc_per_class"] == pytest.approx(areas)
    assert scores["auroc_macro"] == pytest.approx(np.mean(areas))


def test_the_split_names_the_source_of_every_clip_where_it_is_known(done):
    with (done.folder / "split.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["split"], row["clip"]) for row in rows] == [
        (row["split"], row["clip"]) for row in predictions_of(done)
    ]
    assert {row["source"] for row in rows} == {""}


def test_the_figures_are_images(done):
    for name in ("confusion_matrix.png", "roc_curves.png"):
        assert min(imread(done.folder / name).shape[:2]) > 100


def test_the_configuration_is_the_resolved_one_and_fits_the_folder(done):
    config = yaml.safe_load((done.folder / "config.yaml").read_text())
    assert config["model"]["num_heads"] == 4 and "heads" not in config
    assert config["trainer"]["max_epochs"] == 3
    job_files.check_folder(done)
    assert job_files.is_done(done)


def test_with_crossval_there_is_no_validation_and_the_fold_is_the_test_set(workspace):
    job = train(workspace, "study=crossval", "protocol=crossval", "fold=1")
    metrics = metrics_of(job)
    assert metrics["val"] is None
    assert (metrics["num_train"], metrics["num_val"], metrics["num_test"]) == (9, 0, 9)
    assert [row["split"] for row in predictions_of(job)] == 9 * ["train"] + 9 * ["test"]
    assert not (job.folder / "checkpoints" / "best.ckpt").exists()


def test_with_all_every_clip_trains_and_nothing_is_held_out(workspace):
    job = train(workspace, "study=all", "protocol=all")
    metrics = metrics_of(job)
    assert metrics["val"] is None
    assert metrics["test"] is None
    assert (metrics["num_train"], metrics["num_val"], metrics["num_test"]) == (18, 0, 0)
    assert {row["split"] for row in predictions_of(job)} == {"train"}
    assert (job.folder / "confusion_matrix.png").exists()


def test_without_the_published_test_fold_there_are_no_test_results_and_it_is_said(tmp_path, capfd):
    """As in a copy of ESC-10 that lacks published fold 1."""
    for number, fold in itertools.product(range(10), range(2, 6)):
        path = tmp_path / "tones" / f"{number + 1:03d} - Class {number}" / f"{fold}-{100 * number + fold}-A.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.random.default_rng(number).normal(0, 0.1, 800), 4000)
    arguments = [line for line in overrides(tmp_path, *QUICK, "data=esc10") if not line.startswith("data.num_folds")]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        (job,) = make_plan(arguments, multirun=False).jobs
    run_job(job, lambda _: [])
    metrics = metrics_of(job)
    assert metrics["test"] is None
    assert (metrics["num_train"], metrics["num_val"], metrics["num_test"]) == (30, 10, 0)
    assert metrics["clips_without_source"] is False
    assert {row["split"] for row in predictions_of(job)} == {"train", "val"}
    assert "note: published fold 1" in capfd.readouterr().err


def probabilities_by(job: Job, checkpoint: str) -> np.ndarray:
    """Of the validation clips."""
    module = make_module(job, CLASSES)
    module.load_state_dict(torch.load(job.folder / "checkpoints" / checkpoint, weights_only=True)["state_dict"])
    datamodule = make_datamodule(job, 2)
    with cpu_settings(job):
        return predict_clips(module, datamodule, datamodule.split.val).probabilities.numpy()


@pytest.mark.parametrize(("weights", "checkpoint", "epoch"), [("last", "last.ckpt", 2), ("best", "best.ckpt", 1)])
def test_the_weights_that_were_asked_for_are_scored(workspace, monkeypatch, weights, checkpoint, epoch):
    original = ClassifierModule.on_validation_epoch_end

    def lowest_in_epoch_1(module):
        module._val_loss = torch.tensor([3.0, 1.0, 2.0][module.current_epoch])
        original(module)

    monkeypatch.setattr(ClassifierModule, "on_validation_epoch_end", lowest_in_epoch_1)
    settings = (f"study=scored-{weights}", f"trainer.weights={weights}", "trainer.max_epochs=3", "optimizer.lr=0.01")
    job = train(workspace, *settings)
    assert torch.load(job.folder / "checkpoints" / checkpoint, weights_only=True)["epoch"] == epoch
    scored = probabilities_of([row for row in predictions_of(job) if row["split"] == "val"])
    assert scored == pytest.approx(probabilities_by(job, checkpoint), abs=1e-6)
    other = {"last.ckpt": "best.ckpt", "best.ckpt": "last.ckpt"}[checkpoint]
    assert np.abs(scored - probabilities_by(job, other)).max() > 1e-3


def test_an_evaluation_in_many_batches_gives_what_one_gives_and_keeps_none_of_them(workspace, done, monkeypatch):
    whole = probabilities_by(done, "last.ckpt")
    original, given, most_kept = ClipClassifier.clip_probabilities, [], 0

    def watched(module, waveforms):
        nonlocal most_kept
        most_kept = max(most_kept, sum(tensor() is not None for tensor in given))
        probabilities = original(module, waveforms)
        given.append(weakref.ref(probabilities))
        return probabilities

    monkeypatch.setattr(ClipClassifier, "clip_probabilities", watched)
    monkeypatch.setattr(batches_module, "EVALUATION_SAMPLES", 1)
    assert np.allclose(probabilities_by(done, "last.ckpt"), whole, atol=1e-6)
    assert len(given) == len(whole) > 2
    assert most_kept <= 1


def test_a_job_that_stopped_early_and_was_interrupted_in_its_evaluation_is_not_trained_on(workspace, monkeypatch):
    original = ClassifierModule.on_validation_epoch_end

    def never_lower(module):
        module._val_loss = torch.tensor(1.0 + module.current_epoch)
        original(module)

    monkeypatch.setattr(ClassifierModule, "on_validation_epoch_end", never_lower)
    settings = ("study=stopped", "trainer.early_stopping=1", "trainer.max_epochs=9")
    with pytest.MonkeyPatch.context() as patch:
        after_the_last_epoch(patch)
        with pytest.raises(SystemExit):
            train(workspace, *settings)
    resumed = train(workspace, *settings)
    assert metrics_of(resumed)["epochs"] == 2
    assert outcome(resumed) == outcome(train(workspace, *settings[1:], "study=stopped-without-interruption"))


def test_a_job_takes_denormal_numbers_as_zero_while_it_runs(workspace, monkeypatch):
    original, products = ClassifierModule.training_step, []

    def watched(module, batch, batch_idx):
        products.append(float(torch.tensor([1e-30]) * 1e-10))
        return original(module, batch, batch_idx)

    monkeypatch.setattr(ClassifierModule, "training_step", watched)
    train(workspace, "study=denormal", "trainer.max_epochs=1")
    assert set(products) == {0.0}
    assert float(torch.tensor([1e-30]) * 1e-10) > 0


def test_a_job_after_another_in_one_process_gives_what_it_gives_alone(workspace, done):
    train(workspace, "study=before", "fold=1", "seed=3", "trainer.max_epochs=1")
    torch.manual_seed(99)
    again = train(workspace, "study=again", "trainer.max_epochs=3")
    assert outcome(again) == outcome(done)


def test_another_seed_trains_another_model_on_the_same_split(workspace, done):
    other = train(workspace, "study=seed", "seed=1", "trainer.max_epochs=3")
    assert metrics_of(other)["split_digest"] == metrics_of(done)["split_digest"]
    assert [row["clip"] for row in predictions_of(other)] == [row["clip"] for row in predictions_of(done)]
    assert outcome(other)["tensors"] != outcome(done)["tensors"]


def test_the_number_of_threads_of_the_process_is_given_back(workspace):
    before = torch.get_num_threads()
    (job,) = plan_jobs(workspace, *QUICK, "trainer.num_threads=3")
    with cpu_settings(job):
        assert torch.get_num_threads() == 3
    assert torch.get_num_threads() == before


# Where a run may be interrupted: what to replace, and from which call on it ends the process.


def in_the_middle_of_an_epoch(patch: pytest.MonkeyPatch) -> None:
    original = ClassifierModule.training_step

    def step(module, batch, batch_idx):
        if module.global_step == 4:
            raise SystemExit(143)
        return original(module, batch, batch_idx)

    patch.setattr(ClassifierModule, "training_step", step)


def in_validation(patch: pytest.MonkeyPatch) -> None:
    original = ClassifierModule.validation_step

    def step(module, batch, batch_idx):
        original(module, batch, batch_idx)
        if module.current_epoch == 1:
            raise SystemExit(143)

    patch.setattr(ClassifierModule, "validation_step", step)


def while_a_checkpoint_is_saved(patch: pytest.MonkeyPatch) -> None:
    """The history has the epoch's row by then, and best.ckpt may be of that epoch."""
    original = AtomicCheckpointIO.save_checkpoint

    def save(self, checkpoint, path, storage_options=None):
        if checkpoint["epoch"] == 1 and Path(path).name == "last.ckpt":
            raise SystemExit(143)
        original(self, checkpoint, path, storage_options)

    patch.setattr(AtomicCheckpointIO, "save_checkpoint", save)


def after_the_last_epoch(patch: pytest.MonkeyPatch) -> None:
    def interrupt(module, datamodule):
        raise SystemExit(143)

    patch.setattr(job_module, "evaluate", interrupt)


def while_results_are_written(patch: pytest.MonkeyPatch) -> None:
    """The predictions are there by then."""
    original = evaluate.write_csv

    def write(path, header, rows):
        if path.name == "split.csv":
            raise KeyboardInterrupt
        original(path, header, rows)

    patch.setattr(evaluate, "write_csv", write)


@pytest.mark.parametrize(
    ("interrupt", "weights"),
    [
        (in_the_middle_of_an_epoch, "last"),
        (in_validation, "last"),
        (while_a_checkpoint_is_saved, "last"),
        (while_a_checkpoint_is_saved, "best"),
        (after_the_last_epoch, "last"),
        (while_results_are_written, "last"),
    ],
)
def test_an_interrupted_job_that_is_resumed_ends_bit_by_bit_as_if_nothing_had_happened(
    workspace, done, interrupt, weights
):
    """With averaged weights, dropout, mixing, masks and random crops, as they are by default."""
    settings = (f"study={interrupt.__name__}-{weights}", "trainer.max_epochs=3", f"trainer.weights={weights}")
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch)
        with pytest.raises((SystemExit, KeyboardInterrupt)):
            train(workspace, *settings)
    (job,) = plan_jobs(workspace, *QUICK, *settings)
    assert (metrics_of(job)["status"], metrics_of(job)["error"]) == ("interrupted", "interrupted")
    assert not job_files.is_done(job)
    resumed = train(workspace, *settings)
    expected = done if weights == "last" else train(workspace, *settings[1:], "study=uninterrupted-best")
    assert outcome(resumed) == outcome(expected)


def test_the_job_that_is_resumed_uses_what_would_make_it_differ(done):
    config = yaml.safe_load((done.folder / "config.yaml").read_text())
    assert config["trainer"]["ema_decay"] > 0
    assert config["model"]["dropout"] > 0
    assert config["augment"]["mix"]
    assert config["augment"]["random_crop"]
    assert config["augment"]["spectrogram_masks"] > 0


def test_a_job_that_fails_says_why_in_its_folder_and_its_loggers_end_as_failed(workspace, monkeypatch):
    def step(module, batch, batch_idx):
        raise RuntimeError("the first line\nand the second")

    monkeypatch.setattr(ClassifierModule, "training_step", step)
    logger = Recorder()
    with pytest.raises(RuntimeError, match="the first line"):
        train(workspace, "study=failed", logger=logger)
    (job,) = plan_jobs(workspace, *QUICK, "study=failed")
    metrics = metrics_of(job)
    assert set(metrics) >= METRICS_KEYS
    assert metrics["status"] == "failed"
    assert metrics["error"] == "the first line; and the second"
    assert (metrics["train"], metrics["val"], metrics["test"]) == (None, None, None)
    assert metrics["epochs"] == 0
    assert logger.ends[-1] == "failed"


def test_a_job_that_fails_after_training_ends_as_failed_too(workspace, monkeypatch):
    monkeypatch.setattr(evaluate, "write_csv", lambda *_: 1 / 0)
    logger = Recorder()
    with pytest.raises(ZeroDivisionError):
        train(workspace, "study=failed-late", logger=logger)
    (job,) = plan_jobs(workspace, *QUICK, "study=failed-late")
    assert metrics_of(job)["status"] == "failed"
    assert metrics_of(job)["epochs"] == 2
    assert not job_files.is_done(job)
    assert logger.ends[-1] == "failed"


def test_the_loggers_of_a_job_that_is_done_end_as_successful_and_of_an_interrupted_one_as_failed(
    workspace, monkeypatch
):
    logger = Recorder()
    train(workspace, "study=logged", logger=logger)
    assert set(logger.ends) == {"success"}
    in_validation(monkeypatch)
    logger = Recorder()
    with pytest.raises(SystemExit):
        train(workspace, "study=logged-interrupted", logger=logger)
    assert set(logger.ends) == {"failed"}


def no_final_scores(self, metrics, step=None):
    if "final_val_accuracy" in metrics:
        raise ConnectionError("the server\nis gone")


def no_second_end(self, status):
    if self.ends:  # the first is Lightning's own call, when fitting is over
        raise ConnectionError("the server\nis gone")
    self.ends.append(status)


@pytest.mark.parametrize(("method", "refuse"), [("log_metrics", no_final_scores), ("finalize", no_second_end)])
def test_a_result_that_another_librarys_logger_does_not_take_is_done_and_noted(
    workspace, monkeypatch, capfd, method, refuse
):
    monkeypatch.setattr(Recorder, method, refuse)
    job = train(workspace, f"study=refused-{method}", logger=Recorder())
    assert metrics_of(job)["status"] == "done"
    assert job_files.is_done(job)
    notes = [line for line in capfd.readouterr().err.splitlines() if "Recorder" in line]
    assert notes == ["note: Recorder did not take the result (the server; is gone); the job's folder has it"]


def test_a_result_that_is_complete_stays_done_if_its_loggers_are_interrupted(workspace, monkeypatch):
    def interrupt(*_, **__):
        raise SystemExit(130)

    logger = Recorder()
    monkeypatch.setattr(job_module.wandb_logger, "log_result", interrupt)
    with pytest.raises(SystemExit):
        train(workspace, "study=interrupted-late", logger=logger)
    (job,) = plan_jobs(workspace, *QUICK, "study=interrupted-late")
    assert (metrics_of(job)["status"], metrics_of(job)["error"]) == ("done", None)
    assert job_files.is_done(job)
    assert logger.ends[-1] == "success"


def test_a_diverging_loss_fails_the_job_with_the_remedy(workspace, monkeypatch):
    monkeypatch.setattr(ClassifierModule, "_loss", lambda self, logits, targets: (logits * float("nan")).sum())
    with pytest.raises(RuntimeError):
        train(workspace, "study=diverged")
    (job,) = plan_jobs(workspace, *QUICK, "study=diverged")
    assert "lower optimizer.lr" in metrics_of(job)["error"]


def test_bad_files_are_all_named_before_any_logger_is_made(tmp_path):
    (job,) = plan_jobs(tmp_path, *QUICK)
    for name in ("high/high-3.wav", "low/low-5.wav"):
        (tmp_path / "tones" / name).write_bytes(b"RIFF, but not really")
    with pytest.raises(DataError, match=r"2 of 18 clips(.|\n)*high/high-3.wav(.|\n)*low/low-5.wav"):
        run_job(job, lambda _: pytest.fail("a logger was made"))
    assert not job.folder.parent.exists()  # nothing was trained


def test_a_job_that_could_not_start_leaves_what_an_earlier_attempt_left(workspace, monkeypatch):
    (job,) = plan_jobs(workspace, *QUICK, "study=resumable")
    job.folder.mkdir(parents=True)
    (job.folder / "metrics.json").write_text('{"status": "interrupted"}')
    monkeypatch.setattr("audio_cls.experiment.run_job.make_module", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_job(job, lambda _: [])
    assert metrics_of(job) == {"status": "interrupted"}
    assert not (job.folder / "config.yaml").exists()


def test_the_cache_may_be_named_with_a_tilde(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUDIO_CLS_CACHE", "~/cache")
    (job,) = plan_jobs(tmp_path, *QUICK)
    store = make_datamodule(job, 2).store
    assert store.folder.is_relative_to(tmp_path / "home" / "cache")
    assert not (tmp_path / "~").exists()


def test_a_job_that_another_process_trains_is_left_alone(workspace):
    (job,) = plan_jobs(workspace, *QUICK, "study=busy")
    job.folder.mkdir(parents=True)
    with FileLock(job.folder / ".lock"), pytest.raises(JobBusy, match=r"fold0-seed0 .*another process"):
        run_job(job, lambda _: [])
    assert [path.name for path in job.folder.iterdir()] == [".lock"]
    run_job(job, lambda _: [])  # afterwards it can be trained
    assert metrics_of(job)["status"] == "done"


def test_the_csv_logger_writes_into_the_job_s_folder(workspace):
    (job,) = plan_jobs(workspace, QUICK[0], "logger=csv", "study=csv")
    run_job(job)
    assert "val_loss" in (job.folder / "metrics.csv").read_text().splitlines()[0]
    assert metrics_of(job)["status"] == "done"


def run_train_py(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> int:
    """Runs train.py in this process, as its import takes longer than these jobs; returns its exit status."""
    monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with pytest.raises(SystemExit) as end:
            runpy.run_path(str(REPOSITORY / "train.py"), run_name="__main__")
    finally:
        signals.handle()  # forgets the last signal
        for number, handler in before.items():
            signal.signal(number, handler)
    return end.value.code


def rows_of(job: Job) -> int:
    return len(read_history(job.folder / "history.csv"))


@pytest.mark.slow
def test_signals_end_the_process_with_their_status_and_the_same_command_then_finishes_the_job(workspace, monkeypatch):
    settings = (*QUICK, "study=signals", "trainer.max_epochs=40")
    (job,) = plan_jobs(workspace, *settings)
    arguments = overrides(workspace, *settings)
    process = subprocess.Popen(
        [sys.executable, str(REPOSITORY / "train.py"), *arguments],
        cwd=workspace,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 300
    while rows_of(job) < 3:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert "Traceback" not in err
    rows = rows_of(job)
    assert (metrics_of(job)["status"], metrics_of(job)["epochs"]) == ("interrupted", rows)
    assert 3 <= rows < 40

    original = ClassifierModule.training_step

    def interrupted_by_the_user(module, batch, batch_idx):
        if module.global_step == 3 * 39:
            os.kill(os.getpid(), signal.SIGINT)
        return original(module, batch, batch_idx)

    monkeypatch.chdir(workspace)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClassifierModule, "training_step", interrupted_by_the_user)
        assert run_train_py(monkeypatch, arguments) == 130
    assert (metrics_of(job)["status"], metrics_of(job)["epochs"]) == ("interrupted", 39)
    assert run_train_py(monkeypatch, arguments) == 0
    assert outcome(job) == outcome(train(workspace, "study=no-signals", "trainer.max_epochs=40"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_comes_while_python_is_in_a_finalizer_is_not_lost(workspace, monkeypatch, capsys, number):
    settings = (*QUICK, f"study=finalizer-{number}", "trainer.max_epochs=40")
    (job,) = plan_jobs(workspace, *settings)
    original = ClassifierModule.training_step

    def interrupted_in_a_finalizer(module, batch, batch_idx):
        if module.global_step == 3 * 2 + 1:
            weakref.finalize(Recorder(), os.kill, os.getpid(), number)  # called at once, as nothing holds the object
        return original(module, batch, batch_idx)

    monkeypatch.chdir(workspace)
    monkeypatch.setattr(ClassifierModule, "training_step", interrupted_in_a_finalizer)
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    assert run_train_py(monkeypatch, overrides(workspace, *settings)) == 128 + number
    assert (metrics_of(job)["status"], metrics_of(job)["epochs"]) == ("interrupted", 2)
    assert "Traceback" not in capsys.readouterr().err


def test_a_signal_that_a_library_takes_for_another_error_is_no_failure(workspace, monkeypatch):
    settings = (*QUICK, "study=swallowed", "trainer.max_epochs=40")
    (job,) = plan_jobs(workspace, *settings)

    def as_fsspec_does(module, batch, batch_idx):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except BaseException:
            raise FileNotFoundError("last.ckpt") from None

    monkeypatch.chdir(workspace)
    monkeypatch.setattr(ClassifierModule, "training_step", as_fsspec_does)
    assert run_train_py(monkeypatch, overrides(workspace, *settings)) == 143
    assert (metrics_of(job)["status"], metrics_of(job)["error"]) == ("interrupted", "interrupted")
