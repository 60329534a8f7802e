"""The baseline as a job like any other."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import initialize_config_dir
from support.command_line import CONF
from support.tiny_jobs import CLASSES, write_tones

import audio_cls
from audio_cls.config.job import Job
from audio_cls.experiment.estimate import estimate_seconds
from audio_cls.experiment.plan import make_plan
from audio_cls.experiment.run_job import run_job
from audio_cls.models.attention_maps import NoAttention
from audio_cls.reports.commands import training_command
from audio_cls.reports.study.page import write_report
from audio_cls.serving.attention import explain_clip
from audio_cls.serving.load import load_classifier

pytestmark = pytest.mark.usefixtures("coarse_figures")

TINY = (
    "data=folder", "data.num_folds=2", "input.sample_rate=4000", "input.crop_seconds=0.1", "input.eval_crops=1",
    "model.num_mels=8", "model.n_fft=128", "model.hop_length=64", "trainer.num_threads=1", "logger=csv",
)  # fmt: skip


def plan(folder: Path, *more: str, multirun: bool = False) -> tuple[Job, ...]:
    places = [f"data.root={folder / 'tones'}", f"output_dir={folder / 'outputs'}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return make_plan([*TINY, *places, *more], multirun).jobs


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("baseline")
    write_tones(folder / "tones")
    for job in plan(folder, "model=baseline", "jobs=1", multirun=True):
        run_job(job)
    return folder


@pytest.fixture
def done(workspace) -> Job:
    return plan(workspace, "model=baseline")[0]


def test_a_sweep_fits_one_job_a_fold_with_the_files_of_any_job(workspace, done):
    assert done.variant == "baseline_crop_seconds-0.1_eval_crops-1_num_mels-8_n_fft-128_hop_length-64"
    folders = sorted(done.folder.parent.iterdir())
    assert [folder.name for folder in folders] == ["fold0-seed0", "fold1-seed0"]
    for folder in folders:
        names = {path.relative_to(folder).as_posix() for path in folder.rglob("*")}
        assert names >= {"metrics.json", "predictions.csv", "history.csv", "split.csv", "config.yaml"}
        assert names >= {"confusion_matrix.png", "roc_curves.png", "checkpoints/last.ckpt"}
        metrics = json.loads((folder / "metrics.json").read_text())
        assert (metrics["status"], metrics["heads"], metrics["epochs"]) == ("done", None, 1)
        assert metrics["num_parameters"] == 5 * 8 * 2 + 2
        assert metrics["val"]["accuracy"] == 1


@pytest.mark.parametrize(("source", "seed"), [(None, 8), ("*-{source}", 9)])
def test_who_trains_and_validates_is_said_where_sources_are_known(workspace, capfd, source, seed):
    more = [f"data.source={source}", "study=by_source"] if source else []
    run_job(plan(workspace, "model=baseline", f"seed={seed}", *more)[0])
    first, *lines = capfd.readouterr().err.splitlines()
    assert first.endswith(" | 1 thread")
    assert any(line.startswith("trains on ") and " sources (" in line for line in lines) == (source is not None)


def test_two_fits_give_the_same_probabilities_whatever_the_seed(workspace, done):
    (again,) = plan(workspace, "model=baseline", "seed=7")
    run_job(again)
    first, second = (torch.load(job.folder / "checkpoints/last.ckpt")["state_dict"] for job in (done, again))
    assert all(torch.equal(first[key], second[key]) for key in first if "linear" in key)


def test_it_is_loaded_and_predicts_as_it_was_evaluated(workspace, done):
    model = audio_cls.load(done.folder)
    assert tuple(model.classes) == CLASSES
    assert model.predict(workspace / "tones" / "low" / "low-3.wav").label == "low"


def test_it_has_no_attention_to_show(done):
    with pytest.raises(NoAttention, match="BandStatistics has no attention to show"):
        explain_clip(load_classifier(done.folder), np.zeros(800))


def test_its_time_is_estimated_and_its_command_is_written_down(done):
    assert 1 <= estimate_seconds(done) < 60
    command = training_command(done.folder, "study", "mine")
    assert "model=baseline" in command and "optimizer." not in command and "augment" not in command


def test_a_study_of_it_alone_has_a_report(workspace, done):
    page, summary = write_report(done.study_folder)
    assert page.exists() and summary.rows[0].model == "baseline"


def test_one_sweep_may_hold_it_and_a_network(workspace):
    jobs = plan(workspace, "model=baseline,transformer", multirun=True)
    assert [job.config.model.name for job in jobs] == ["baseline"] * 2 + ["transformer"] * 2
    assert [job.heads for job in jobs] == [None] * 2 + [4] * 2
