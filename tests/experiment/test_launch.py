"""train.py from outside: what it prints, what it skips, and how it ends."""

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.command_line import CONF, REPOSITORY, TINY, contents, forbid_heavy_imports, train, write_sounds

from audio_cls.config.checks import check_data
from audio_cls.config.help import help_text
from audio_cls.config.job import Job, JobBusy, clips_of
from audio_cls.data.clips import DataError
from audio_cls.experiment import launch, plan, signals
from audio_cls.files import write_csv, write_json
from audio_cls.results import job_files

RunJob = Callable[[Job], None]


@pytest.fixture(autouse=True)
def _workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUDIO_CLS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(plan, "num_cores", lambda: 1)  # jobs side by side would not see what is replaced here
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    signals.handle()  # forgets a signal that came
    for number, handler in handlers.items():
        signal.signal(number, handler)


def finish_job(job: Job, **changes: Any) -> None:
    """Leaves behind what a job leaves that is done; `changes` are keys of metrics.json."""
    job_files.write_config(job)
    write_csv(job.folder / job_files.PREDICTIONS, ["split"], [])
    metrics = {"variant": job.variant, "status": "done", "error": None, "val": {"accuracy": 0.5, "f1_macro": 0.4}}
    write_json(job.folder / job_files.METRICS, metrics | changes)


@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Callable[[RunJob], list[Job]]:
    """Puts a function in the place of training; returns the jobs that were trained. No torch is needed, or allowed."""
    forbid_heavy_imports(monkeypatch)
    monkeypatch.setattr(launch.sweep, "report", lambda plan: None)
    monkeypatch.setattr(launch, "_find_wandb_mode", lambda jobs: None)

    def install(run: RunJob) -> list[Job]:
        trained: list[Job] = []

        def run_job(job: Job) -> None:
            trained.append(job)
            run(job)

        module = types.ModuleType("audio_cls.experiment.run_job")
        module.run_job = run_job
        monkeypatch.setitem(sys.modules, module.__name__, module)
        estimate = types.ModuleType("audio_cls.experiment.estimate")
        estimate.estimate_seconds = lambda job: 1.0
        monkeypatch.setitem(sys.modules, estimate.__name__, estimate)
        return trained

    return install


# --- questions ---


def test_help_lists_every_group_option_and_key(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    forbid_heavy_imports(monkeypatch)
    assert train(monkeypatch, "--help") == 0
    text = capsys.readouterr().out
    for path in CONF.glob("*/*.yaml"):
        if path.parent.name != "wandb":
            assert f"{path.parent.name}={path.stem}" in text
    for key in ("protocol: holdout", "heads: 4", "d_model: 96", "max_epochs: 40", "lr: 1.0e-3", "spectrogram_masks: 2"):
        assert key in text
    assert "hydra" not in text.lower()
    assert max(map(len, text.splitlines())) < 145


def test_help_shows_the_keys_of_the_options_that_are_chosen() -> None:
    text = help_text(CONF, ["model=cnn", "data=folder", "logger=nonsense", "-h"])
    assert "* model=cnn" in text
    assert "name: cnn" in text
    assert "d_model" not in text
    assert "num_folds: auto" in text


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_is_given_whatever_else_is_asked_for(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert train(monkeypatch, "heads=7", option, "-m") == 0


def test_the_composed_configuration_can_be_looked_at(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    forbid_heavy_imports(monkeypatch)
    before = contents(tmp_path)
    assert train(monkeypatch, "model=cnn", "optimizer.lr=0.5", "--cfg", "job") == 0
    text, said = capsys.readouterr()
    assert "lr: 0.5" in text
    assert "name: cnn" in text
    assert "auto: input.sample_rate=16000, input.crop_seconds=1.0" in said
    assert contents(tmp_path) == before


# --- jobs ---


def test_a_job_that_is_done_ends_well(training: Callable, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    trained = training(finish_job)
    assert train(monkeypatch, "data=synthetic", "heads=2") == 0
    assert [job.variant for job in trained] == ["transformer_h2"]
    output = capsys.readouterr()
    assert output.out == ""
    assert "val accuracy 50.0%, F1 0.400" in output.err
    folder = "outputs/synthetic-holdout/transformer_h2/fold0-seed0"
    lead = f"to classify other sounds: audio-cls predict {folder} SOUND ..."
    assert output.err.splitlines()[-2:] == [f"results: {folder}", lead]


def test_a_sweep_runs_its_jobs_and_then_only_those_that_are_missing(
    training: Callable, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    trained = training(finish_job)
    assert train(monkeypatch, "data=synthetic", "heads=1,2", "fold=0,1", "-m") == 0
    assert len(trained) == 4
    again = training(finish_job)
    assert train(monkeypatch, "-m", "data=synthetic", "heads=1,2", "fold=0,1,2") == 0
    assert [(job.heads, job.config.fold) for job in again] == [(1, 2), (2, 2)]
    assert "job 1 of 6: transformer_h1 fold 0 seed 0 is done already: val accuracy 50.0%" in capsys.readouterr().err


def test_what_is_done_is_passed_over_without_torch(
    training: Callable, monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path
) -> None:
    training(finish_job)
    for arguments in (["fold=0"], ["fold=0,1", "-m"]):
        train(monkeypatch, "data=synthetic", *arguments)
    monkeypatch.setitem(sys.modules, "audio_cls.experiment.run_job", None)  # importing it fails, as it does for torch
    for arguments in (["fold=0"], ["fold=0,1", "-m"]):
        assert train(monkeypatch, "data=synthetic", *arguments) == 0
    assert "FAILED" not in capsys.readouterr().err


def test_a_failed_job_is_named_with_its_error_and_the_others_are_trained(
    training: Callable, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def fail_on_fold_1(job: Job) -> None:
        if job.config.fold == 1:
            finish_job(job, status="failed", error="the loss is not finite")
            raise RuntimeError("the loss\nis not finite")
        finish_job(job)

    trained = training(fail_on_fold_1)
    assert train(monkeypatch, "data=synthetic", "heads=1,2", "fold=0,1", "-m") == 1
    assert len(trained) == 4
    output = capsys.readouterr().err
    folder = Path("outputs/synthetic-holdout/transformer_h1/fold1-seed0")
    assert f"FAILED: the loss; is not finite (see {folder / 'error.txt'})" in output
    assert output.splitlines()[-4:-2] == [
        f"FAILED outputs/synthetic-holdout/transformer_h{heads}/fold1-seed0: the loss is not finite" for heads in (1, 2)
    ]
    assert "Traceback" not in output
    assert "RuntimeError: the loss" in (folder / "error.txt").read_text()


@pytest.mark.parametrize(
    ("more", "status", "last"),
    [
        ("", "done", "audio-cls export synthetic-holdout"),
        ("output_dir=other", "done", "audio-cls export synthetic-holdout --output-dir other"),
        ("protocol=all", "done", "audio-cls report outputs/synthetic-all"),
        ("", "failed", "audio-cls report outputs/synthetic-holdout"),
    ],
)
def test_the_last_line_of_a_sweep_takes_the_best_variant_away_where_one_can_be_told(
    more: str, status: str, last: str, training: Callable, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    training(lambda job: finish_job(job, status=status))
    train(monkeypatch, "data=synthetic", "heads=1,2", "fold=0", *more.split(), "-m")
    assert capsys.readouterr().err.splitlines()[-1].endswith(last)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (BrokenProcessPool("a worker\ndied"), "a process that trained a job was killed, most often for lack of memory"),
        (ValueError("no such\nlauncher"), "the jobs could not be run: no such; launcher (HYDRA_FULL_ERROR=1: where)"),
    ],
)
def test_a_sweep_that_its_launcher_gives_up_names_what_is_not_done_and_is_compared(
    error: Exception, line: str, training: Callable, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    reported: list[Any] = []
    usual = launch.run

    def give_up(overrides: list[str], number: int) -> None:
        if number == 1:
            raise error
        usual(overrides, number)

    trained = training(finish_job)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    monkeypatch.setattr(launch.sweep, "report", reported.append)
    arguments = ["data=synthetic", "heads=2", "fold=0,1", "-m"]
    with monkeypatch.context() as patch:
        patch.setattr(launch, "run", give_up)
        assert train(monkeypatch, *arguments) == 1
    output = capsys.readouterr().err
    assert line in output
    assert "Traceback" not in output
    assert "FAILED outputs/synthetic-holdout/transformer_h2/fold1-seed0: no result was written" in output
    assert len(reported) == 1
    assert "HYDRA_FULL_ERROR" not in os.environ
    assert train(monkeypatch, *arguments) == 0
    assert [job.config.fold for job in trained] == [0, 1]


def test_an_error_of_the_launcher_is_shown_whole_if_asked_for(
    training: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("no such launcher")

    training(finish_job)
    monkeypatch.setattr(launch, "run", fail)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ValueError, match="no such launcher"):
        train(monkeypatch, "data=synthetic", "heads=2", "fold=0,1", "-m")


def test_a_time_that_cannot_be_estimated_is_unknown_and_the_jobs_are_trained(
    training: Callable, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def fail(job: Job) -> float:
        raise RuntimeError("not enough memory for a batch")

    trained = training(finish_job)
    monkeypatch.setattr(sys.modules["audio_cls.experiment.estimate"], "estimate_seconds", fail)
    assert train(monkeypatch, "data=synthetic", "fold=0,1", "-m") == 0
    assert len(trained) == 2
    output = capsys.readouterr().err
    assert "time unknown of training for the 2 to do on this machine" in output
    assert "memory" not in output


def test_the_time_on_a_graphics_processor_is_not_measured_on_the_cpu(
    training: Callable, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    training(finish_job)
    measured: list[Job] = []
    monkeypatch.setattr(
        sys.modules["audio_cls.experiment.estimate"], "estimate_seconds", lambda job: measured.append(job) or 9
    )
    arguments = ["data=synthetic", "heads=2", "-m"]
    assert train(monkeypatch, *arguments, "fold=0,1", "trainer.accelerator=gpu") == 0
    assert not measured
    assert "time unknown of training for the 2 to do" in capsys.readouterr().err
    assert train(monkeypatch, *arguments, "fold=2,3", "trainer.accelerator=cpu") == 0
    assert len(measured) == 1
    assert "about 18 s of training for the 2 to do" in capsys.readouterr().err


def test_a_single_failure_is_said_once(training: Callable, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def fail(job: Job) -> None:
        finish_job(job, status="failed", error="no memory")
        raise MemoryError("no memory")

    training(fail)
    assert train(monkeypatch, "data=synthetic") == 1
    assert capsys.readouterr().err.count("no memory") == 1


def test_every_bad_file_is_named(training: Callable, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def fail(job: Job) -> None:
        finish_job(job, status="failed", error="a.wav: empty b.wav: truncated")
        raise DataError("a.wav: empty\nb.wav: truncated")

    training(fail)
    assert train(monkeypatch, "data=synthetic") == 1
    assert "a.wav: empty\nb.wav: truncated\n" in capsys.readouterr().err


def test_what_the_reader_of_the_clips_notes_is_said_once(
    training: Callable, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    training(finish_job)
    noted = replace(clips_of(check_data({"kind": "synthetic", "name": "synthetic"})), notes=("a note",))
    monkeypatch.setattr(launch, "clips", lambda job: noted)
    assert train(monkeypatch, "data=synthetic", "fold=0,1", *TINY, "-m") == 0
    assert capsys.readouterr().err.count("note: a note\n") == 1


def test_a_job_of_another_process_is_left_alone(
    training: Callable, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def busy(job: Job) -> None:
        finish_job(job, status="running")
        raise JobBusy(f"{job.folder} is being trained by another process")

    training(busy)
    assert train(monkeypatch, "data=synthetic", "fold=0,1", "-m") == 1
    output = capsys.readouterr().err
    assert "is being trained by another process" in output
    assert output.splitlines()[-2].endswith("another process is training it, or was killed while it did")
    assert not list(Path("outputs").rglob("error.txt"))


def test_a_job_without_any_result_is_named(training: Callable, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    training(lambda job: None)
    assert train(monkeypatch, "data=synthetic", "fold=0,1", "-m") == 1
    assert capsys.readouterr().err.count("no result was written") == 2


def test_an_installation_without_torch_is_named(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setitem(sys.modules, "audio_cls.experiment.run_job", None)
    assert train(monkeypatch, "data=synthetic") == 1
    output = capsys.readouterr().err
    assert "FAILED: import of audio_cls.experiment.run_job halted" in output
    assert "Traceback" not in output


def test_data_that_vanish_during_a_sweep_fail_the_jobs_that_are_left(
    training: Callable, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    write_sounds(Path("sounds"), {"Dog": 6, "Cat": 6})

    def vanish(job: Job) -> None:
        finish_job(job)
        Path("sounds").rename("moved")
        clips_of.cache_clear()  # as in a process of its own

    trained = training(vanish)
    assert train(monkeypatch, "data=folder", "data.root=sounds", "fold=0,1", *TINY, "-m") == 1
    assert len(trained) == 1
    assert re.search(r"fold=1.* FAILED: .*sounds does not exist", capsys.readouterr().err)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("multirun", [False, True])
def test_an_interrupted_run_ends_at_once_with_the_usual_status(
    number: int, status: int, multirun: bool, training: Callable, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def interrupt(job: Job) -> None:
        os.kill(os.getpid(), number)

    trained = training(interrupt)
    assert train(monkeypatch, "data=synthetic", *(["-m"] if multirun else [])) == status
    assert len(trained) == 1
    output = capsys.readouterr().err
    assert "Traceback" not in output
    assert "interrupted; the same command continues" in output.splitlines()[-1]


def test_the_synthetic_fallback_is_loud(training: Callable, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def fail(*_: Any) -> Path:
        raise DataError("no network")

    monkeypatch.setattr("audio_cls.data.download.download_esc10", fail)
    trained = training(finish_job)
    assert train(monkeypatch, "heads=2") == 0
    assert [(job.dataset, job.study) for job in trained] == [("synthetic", "synthetic-holdout")]
    loud = [line for line in capsys.readouterr().err.splitlines() if line.startswith("***")]
    assert len(loud) == 1
    assert "TRAINING ON THE SYNTHETIC SET INSTEAD" in loud[0]


def test_esc10_that_cannot_be_had_is_bad_data(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    def fail(*_: Any) -> Path:
        raise DataError("ESC-10 could not be downloaded: no network")

    monkeypatch.setattr("audio_cls.data.download.download_esc10", fail)
    assert train(monkeypatch, "data=esc10", "-m") == 1
    assert capsys.readouterr().err == "ESC-10 could not be downloaded: no network\n"
    assert not Path("outputs").exists()


def test_settings_of_hydra_reach_it(training: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def look(job: Job) -> None:
        from hydra.core.hydra_config import HydraConfig

        seen.append(HydraConfig.get().job.name)
        finish_job(job)

    training(look)
    train(monkeypatch, "data=synthetic", "hydra.job.name=mine")
    train(monkeypatch, "data=synthetic", "fold=1,2", "hydra.job.name=yours", "-m")
    assert seen == ["mine", "yours", "yours"]


# --- with real training ---


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str]:
    """Two folds of a tiny transformer: the folder, the exit status and what was said."""
    folder = tmp_path_factory.mktemp("trained")
    write_sounds(folder / "sounds", {"Dog": 6, "Cat": 6})
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(said):
        patch.chdir(folder)
        status = train(patch, "data=folder", "data.root=sounds", "heads=2", "fold=0,1", "jobs=1", *TINY, "-m")
    return folder, status, said.getvalue()


def test_a_sweep_over_a_users_own_folder_trains_and_compares(trained: tuple[Path, int, str]) -> None:
    folder, status, said = trained
    assert status == 0, said
    assert "Traceback" not in said
    study = folder / "outputs" / "sounds-holdout"
    for fold in (0, 1):
        metrics = json.loads((study / "tiny" / f"fold{fold}-seed0" / "metrics.json").read_text())
        assert (metrics["status"], metrics["dataset"], metrics["fold"]) == ("done", "sounds", fold)
    assert (study / "summary.md").is_file()
    *_, report, export = said.splitlines()
    assert report.endswith("audio-cls report outputs/sounds-holdout")
    assert export.endswith("audio-cls export sounds-holdout")
    assert {path.name for path in folder.iterdir()} == {"sounds", "outputs"}


@pytest.mark.slow
def test_jobs_side_by_side_end_at_a_signal_and_the_same_command_then_finishes_them(tmp_path: Path) -> None:
    write_sounds(tmp_path / "sounds", {"Dog": 6, "Cat": 6})
    settings = [setting for setting in TINY if not setting.startswith("trainer.max_epochs")]
    arguments = ["data=folder", "data.root=sounds", "heads=2", *settings, "trainer.max_epochs=80", "jobs=2"]
    folders = [tmp_path / "outputs" / "sounds-holdout" / "tiny" / f"fold{fold}-seed0" for fold in (0, 1, 2)]

    def begin() -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, str(REPOSITORY / "train.py"), *arguments, "fold=0,1,2", "-m"],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def rows(folder: Path) -> int:
        history = folder / "history.csv"
        return len(history.read_text().splitlines()) - 1 if history.exists() else 0

    def any_left(group: int) -> bool:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return False
        return True

    process = begin()
    deadline = time.monotonic() + 120
    while min(map(rows, folders[:2])) < 2:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert "Traceback" not in said
    assert said.count("interrupted; the same command continues") == 2
    while any_left(process.pid):  # soon no worker is
        assert time.monotonic() < deadline
        time.sleep(0.05)
    for folder in folders[:2]:
        assert json.loads((folder / "metrics.json").read_text())["status"] == "interrupted"
    assert not folders[2].exists()  # was waiting in a worker's queue

    process = begin()
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert said.count("continuing after epoch") == 2
    assert [rows(folder) for folder in folders] == [80, 80, 80]
    epochs = [line for line in said.splitlines() if "epoch 80/80" in line]
    assert sorted(line.split(" | ")[0] for line in epochs) == [f"tiny fold {fold} seed 0" for fold in (0, 1, 2)]


def test_a_finished_sweep_is_compared_again_without_torch(
    trained: tuple[Path, int, str], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    folder, _, _ = trained
    monkeypatch.chdir(folder)
    forbid_heavy_imports(monkeypatch)
    for arguments in (["heads=2", "fold=0,1", "-m"], ["heads=2", "fold=1"]):
        assert train(monkeypatch, "data=folder", "data.root=sounds", *TINY, *arguments) == 0
    assert capsys.readouterr().err.count("is done already") == 3


def test_damaged_files_are_all_named_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    sounds = write_sounds(Path("sounds"), {"Dog": 6, "Cat": 6})
    (sounds / "Dog" / "3.wav").write_bytes((sounds / "Dog" / "3.wav").read_bytes()[:1000])
    (sounds / "Cat" / "0.wav").write_text("not audio")
    assert train(monkeypatch, "data=folder", "data.root=sounds", "heads=2", *TINY) == 1
    output = capsys.readouterr()
    for name in ("Dog/3.wav", "Cat/0.wav"):
        assert len([line for line in output.err.splitlines() if name in line]) == 1
    assert "Traceback" not in output.err
    assert not Path("outputs").exists()


@pytest.mark.parametrize("sweep", [[], ["fold=0,1", "-m"]])
def test_a_job_without_the_gpu_that_was_asked_for_leaves_nothing_in_the_study(
    sweep: list[str], monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    arguments = ["data=synthetic", "heads=2", *TINY, "trainer.accelerator=gpu", *(["jobs=1", *sweep] if sweep else [])]
    assert train(monkeypatch, *arguments) == 1
    said = capsys.readouterr().err
    assert "FAILED: trainer.accelerator=gpu: no GPU can be used here; leave it out, or say cpu" in said
    assert "Traceback" not in said
    assert list(Path("outputs").iterdir()) == []


def test_a_command_that_could_not_start_a_job_leaves_a_study_as_it_was(
    training: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    training(finish_job)
    assert train(monkeypatch, "data=synthetic", "fold=0") == 0
    before = sorted(Path("outputs").rglob("*"))
    commands = Path("outputs/synthetic-holdout/commands.txt").read_text()
    training(lambda job: None)
    assert train(monkeypatch, "data=synthetic", "fold=1") == 1
    assert sorted(Path("outputs").rglob("*")) == before
    assert Path("outputs/synthetic-holdout/commands.txt").read_text() == commands
