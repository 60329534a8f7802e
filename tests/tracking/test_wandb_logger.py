import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import wandb
from support.command_line import REPOSITORY
from support.tiny_jobs import CLASSES, overrides, plan_jobs
from support.wandb_server import KEY, WandbServer

from audio_cls.config.schema import flatten
from audio_cls.experiment.run_job import run_job
from audio_cls.results import job_files
from audio_cls.tracking import wandb_logger, wandb_media
from audio_cls.tracking.wandb_mode import REQUEST_SECONDS, find_mode, sync_command
from audio_cls.training.modules import ClassifierModule


def offline_runs(job) -> list[Path]:
    return sorted(job.folder.glob("wandb/offline-run-*"))


def inspect(folder: Path, *options: str) -> str:
    """What wandb itself reads out of a run's file."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", *options, str(folder)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, cwd=folder).stdout


def read_summary(folder: Path) -> dict:
    return json.loads(inspect(folder, "--summary"))


def read_rows(folder: Path) -> list[dict]:
    records = [json.loads(line) for line in inspect(folder).splitlines()]
    return [record["history"]["item"] for record in records if record["type"] == "history"]


def artifacts(folder: Path) -> list[dict]:
    records = [json.loads(line) for line in inspect(folder).splitlines()]
    return [record["artifact"] for record in records if record["type"] == "artifact"]


def fail_in_epoch(monkeypatch, epoch: int, error: BaseException) -> None:
    original = ClassifierModule.on_validation_epoch_end

    def fail(module):
        original(module)
        if module.current_epoch == epoch:
            raise error

    monkeypatch.setattr(ClassifierModule, "on_validation_epoch_end", fail)


def test_a_sweep_gives_every_job_one_run_with_its_group_configuration_and_last_values(tmp_path):
    jobs = plan_jobs(tmp_path, "heads=1,2", "fold=0,1", "study=tones", multirun=True)
    assert len(jobs) == 4
    for job in jobs:
        run_job(job)
        assert wandb.run is None, "a run must not outlive its job"
    seen = set()
    for job in jobs:
        (folder,) = offline_runs(job)
        run_file = read_summary(folder)
        seen.add(run_file["run_id"])
        metrics = job_files.read_metrics(job.folder)
        assert run_file["state"] == "finished"
        assert run_file["exit_code"] == 0
        assert run_file["project"] == "audio_cls"
        assert run_file["name"] == f"{job.variant} fold{job.config.fold} seed0"
        config = run_file["config"]
        assert {key: value for key, value in flatten(config).items() if key in flatten(job.config.model_dump())} == {
            key: value for key, value in flatten(job.config.model_dump()).items() if not key.startswith("logger.")
        }
        for key in ("study", "variant", "heads", "dataset", "fold", "seed", "num_parameters", "num_train"):
            assert config[key] == metrics[key], key
        summary = run_file["summary"]
        for split in ("train", "val", "test"):
            for name in ("accuracy", "balanced_accuracy", "f1_macro", "auroc_macro"):
                assert summary[f"{split}_{name}"] == pytest.approx(metrics[split][name]), (split, name)
        for key in ("status", "train_seconds", "num_parameters", "epochs"):
            assert summary[key] == metrics[key], key
    assert len(seen) == 4


def test_a_run_has_one_row_for_each_epoch_as_in_history_csv_and_charts_of_the_held_out_clips(tmp_path):
    (job,) = plan_jobs(tmp_path, "study=tones")
    run_job(job)
    (folder,) = offline_runs(job)
    records = [json.loads(line) for line in inspect(folder).splitlines()]
    (started,) = [record["run"] for record in records if record["type"] == "run"]
    assert started["run_group"] == "tones"
    assert started["job_type"] == job.variant
    assert started["tags"] == ["tones", "holdout", "transformer", "heads-4"]
    assert {"name": "epoch", "options": {"defined": True}} in [r["metric"] for r in records if r["type"] == "metric"]
    assert any(r["type"] == "metric" and r["metric"].get("step_metric") == "epoch" for r in records)
    rows = [record["history"]["item"] for record in records if record["type"] == "history"]
    with (job.folder / "history.csv").open() as file:
        epochs = list(csv.DictReader(file))
    assert len(rows) == len(epochs) + 1  # and one with the charts
    for row, epoch in zip(rows, epochs, strict=False):
        for key, value in epoch.items():
            if value and key != "epoch_seconds":
                assert row[key] == pytest.approx(float(value), rel=1e-5), key
    charts = rows[-1]
    metrics = job_files.read_metrics(job.folder)
    for split in ("val", "test"):
        confusion = table(folder, charts[f"{split}_confusion_matrix_table.path"])
        for true, actual in enumerate(CLASSES):
            for guess, predicted in enumerate(CLASSES):
                counted = [row[2] for row in confusion if row[:2] == [actual, predicted]]
                assert counted == [metrics[split]["confusion"][true][guess]]
        points = table(folder, charts[f"{split}_roc_curves_table.path"])
        assert {row[1] for row in points} == set(CLASSES)
        assert all(0 <= row[0] <= 1 and 0 <= row[2] <= 1 for row in points)


def table(folder: Path, path: str) -> list[list]:
    return json.loads((folder / "files" / path).read_text())["data"]


def test_a_run_shows_the_figures_of_its_folder_and_a_few_clips_to_listen_to(tmp_path):
    (job,) = plan_jobs(tmp_path, "study=tones", "optimizer.lr=1e-6")  # learns nothing: some clips are wrong
    run_job(job)
    (folder,) = offline_runs(job)
    shown = read_rows(folder)[-1]
    for path in job.folder.glob("*.png"):
        assert (folder / "files" / shown[f"figures/{path.stem}.path"]).read_bytes() == path.read_bytes()
    (artifact,) = [artifact for artifact in artifacts(folder) if artifact["name"].endswith("-val_clips")]
    files = {entry["path"]: Path(entry["local_path"]) for entry in artifact["manifest"]["contents"]}
    rows = json.loads(files["val_clips.table.json"].read_text())["data"]
    with (job.folder / "predictions.csv").open() as file:
        predictions = {row["clip"]: row for row in csv.DictReader(file) if row["split"] == "val"}
    assert {row[-1] for row in rows} == {True, False}
    for clip, sound, label, predicted, probability, right in rows:
        row = predictions[clip]
        assert (label, predicted) == (CLASSES[int(row["label"])], CLASSES[int(row["predicted"])])
        assert probability == pytest.approx(max(float(row["p_0"]), float(row["p_1"])), rel=1e-4)
        assert right == (label == predicted)
        heard = io.BytesIO(files[sound["path"]].read_bytes())
        assert soundfile.info(heard).duration == pytest.approx(0.2, abs=0.1)
    assert sum(path.stat().st_size for path in files.values()) < 20_000


def test_the_clips_to_listen_to_are_the_surest_mistakes_and_one_right_clip_of_each_class():
    labels = np.array([0, 0, 0, 1, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.4, 0.6], [0.1, 0.9], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3]])
    assert wandb_media.choose_clips(probabilities, labels) == [2, 5, 1, 0, 3]
    assert wandb_media.choose_clips(probabilities[:1], labels[:1]) == [0]


def test_the_final_weights_are_an_artifact_if_asked_for(tmp_path):
    (job,) = plan_jobs(tmp_path, "study=tones", "variant='tiny,lr=1'", "logger.log_checkpoint=true")
    run_job(job)
    (folder,) = offline_runs(job)
    (artifact,) = [artifact for artifact in artifacts(folder) if artifact["type"] == "model"]
    assert artifact["name"] == "tones-tiny_lr_1-fold0-seed0"
    (entry,) = artifact["manifest"]["contents"]
    assert entry["path"] == "last.ckpt"
    assert Path(entry["local_path"]).read_bytes() == (job.folder / "checkpoints/last.ckpt").read_bytes()


def test_without_being_asked_no_weights_are_sent(tmp_path):
    (job,) = plan_jobs(tmp_path, "study=tones")
    run_job(job)
    assert "model" not in {artifact["type"] for artifact in artifacts(offline_runs(job)[0])}


def test_classes_without_clips_have_no_roc_curve_and_long_curves_keep_their_ends():
    import torch

    class Result:
        labels = torch.tensor([0, 1] * 400)
        probabilities = torch.rand(800, 3, generator=torch.Generator().manual_seed(0)).softmax(-1)

    charts = wandb_media.charts("val", Result, ["a", "b", "c"])
    rows = charts["val_roc_curves"].table.data
    assert {row[1] for row in rows} == {"a", "b"}
    for name in ("a", "b"):
        points = [(row[0], row[2]) for row in rows if row[1] == name]
        assert len(points) <= wandb_media.MAX_ROC_POINTS
        assert points[0] == (0, 0)
        assert points[-1] == (1, 1)


@pytest.mark.slow
def test_a_failed_job_is_a_failed_run_and_the_next_job_gets_its_own(tmp_path, monkeypatch):
    first, second = plan_jobs(tmp_path, "fold=0,1", multirun=True)
    with monkeypatch.context() as patch:
        fail_in_epoch(patch, 1, RuntimeError("disk on fire"))
        with pytest.raises(RuntimeError, match="disk on fire"):
            run_job(first)
    run_job(second)
    failed, finished = read_summary(offline_runs(first)[0]), read_summary(offline_runs(second)[0])
    assert (failed["state"], failed["exit_code"]) == ("failed", 1)
    assert failed["summary"]["status"] == "failed"
    assert failed["summary"]["error"] == "disk on fire"
    assert (finished["state"], finished["exit_code"]) == ("finished", 0)
    assert failed["run_id"] != finished["run_id"]


@pytest.mark.slow
def test_an_interrupted_job_ends_as_killed_and_goes_on_with_the_same_run(tmp_path, monkeypatch):
    (job,) = plan_jobs(tmp_path, "trainer.max_epochs=3")
    with WandbServer() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        with monkeypatch.context() as patch:
            fail_in_epoch(patch, 1, SystemExit(143))
            with pytest.raises(SystemExit):
                run_job(job)
        (name,) = server.runs
        assert server.runs[name]["exit_code"] == 255
        assert server.runs[name]["summary"]["status"] == "interrupted"
        run_job(job)
        assert list(server.runs) == [name]
        received = server.runs[name]
        assert "RunResumeStatus" in server.operations
        assert received["exit_code"] == 0
        assert received["summary"]["status"] == "done"
        assert [row["epoch"] for row in received["rows"] if "train_loss" in row] == [0, 1, 2]


def test_an_interruption_while_the_run_begins_ends_it_as_killed(tmp_path, monkeypatch):
    (job,) = plan_jobs(tmp_path)

    def interrupt(*_):
        raise SystemExit(143)

    with WandbServer() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(wandb.Run, "define_metric", interrupt)
        with pytest.raises(SystemExit):
            run_job(job)
        assert job_files.read_metrics(job.folder)["status"] == "interrupted"
        assert [received["exit_code"] for received in server.runs.values()] == [255]


def test_the_run_id_follows_folder_and_configuration_only(tmp_path):
    (job,) = plan_jobs(tmp_path)
    (again,) = plan_jobs(tmp_path, "trainer.num_threads=1", "logger.project=other")
    assert wandb_logger.run_id(job) == wandb_logger.run_id(again)
    others = [
        ("fold=1",),
        ("seed=1",),
        ("variant=other",),
        ("study=other",),
        ("optimizer.lr=1e-4",),
    ]
    ids = {wandb_logger.run_id(plan_jobs(tmp_path, *changed)[0]) for changed in others}
    assert len(ids | {wandb_logger.run_id(job)}) == len(others) + 1


def test_without_a_key_runs_are_offline_said_in_one_line_with_the_command_that_uploads_them(tmp_path, capfd):
    jobs = plan_jobs(tmp_path, "fold=0,1", "study=tones", multirun=True)
    find_mode("auto", [jobs[0].folder.parent.parent])
    for job in jobs:
        run_job(job)
    out, err = capfd.readouterr()
    about = [line for line in (out + err).splitlines() if "wandb" in line.lower() or "W&B" in line]
    assert len(about) == 1
    assert "no key" in about[0]
    assert f"wandb sync {tmp_path}/outputs/tones/*/*/wandb/offline-run-*" in about[0]
    assert not [path for job in jobs for path in (job.folder / "wandb").iterdir() if path.is_symlink()]


def test_with_a_key_the_run_is_online_and_complete_on_the_server(tmp_path, monkeypatch, capfd):
    (job,) = plan_jobs(tmp_path, "study=tones")
    with WandbServer() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        metrics = run_job(job)
        (name,) = server.runs
        received = server.runs[name]
        assert capfd.readouterr().err.count("W&B: http") == 1
        assert name == wandb_logger.run_id(job)
        assert received["groupName"] == "tones"
        assert received["jobType"] == job.variant
        assert json.loads(received["config"])["num_parameters"]["value"] == metrics["num_parameters"]
        assert received["exit_code"] == 0
        assert received["summary"]["val_accuracy"] == pytest.approx(metrics["val"]["accuracy"])
        assert "val_confusion_matrix_table" in received["summary"]


@pytest.mark.parametrize("source", ["netrc", "settings"])
def test_a_key_is_found_where_wandb_keeps_it(tmp_path, monkeypatch, source):
    (job,) = plan_jobs(tmp_path)
    with WandbServer() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        if source == "netrc":
            host = server.url.removeprefix("http://")
            (tmp_path / "netrc").write_text(f"machine {host}\n  login user\n  password {KEY}\n")
        else:
            (tmp_path / "home").mkdir(exist_ok=True)
            (tmp_path / "home" / "settings").write_text(f"[default]\napi_key = {KEY}\n")
        logger = wandb_logger.make_wandb_logger(job, project="p", entity=None, mode="auto")
        wandb_logger.finish([logger], {"status": "done"})
        assert [received["exit_code"] for received in server.runs.values()] == [0]


@pytest.mark.parametrize(
    ("environment", "mode", "reason"),
    [
        ({"WANDB_API_KEY": "short"}, "auto", "40+ characters"),
        ({"WANDB_API_KEY": KEY, "WANDB_MODE": "offline"}, "auto", "WANDB_MODE=offline"),
        ({"WANDB_API_KEY": KEY, "WANDB_MODE": "dryrun"}, "online", "WANDB_MODE=dryrun"),
        ({"WANDB_API_KEY": KEY}, "offline", "logger.mode=offline"),
        ({}, "online", "no key"),
    ],
)
def test_runs_are_offline_where_they_cannot_or_must_not_be_online(
    tmp_path, monkeypatch, capfd, environment, mode, reason
):
    (job,) = plan_jobs(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    find_mode(mode, [])
    logger = wandb_logger.make_wandb_logger(job, project="p", entity=None, mode=mode)
    wandb_logger.finish([logger], {"status": "done"})
    assert len(offline_runs(job)) == 1
    assert reason in capfd.readouterr().err


def test_wandb_mode_disabled_trains_without_a_run(tmp_path, monkeypatch):
    (job,) = plan_jobs(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert run_job(job)["status"] == "done"
    assert not (job.folder / "wandb").exists()


def test_the_server_is_tried_once_before_the_jobs_start(tmp_path, monkeypatch, capfd):
    jobs = plan_jobs(tmp_path, "fold=0,1", multirun=True)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    started = time.monotonic()
    find_mode("auto", [tmp_path / "outputs" / "tones"])
    assert time.monotonic() - started < 15
    assert os.environ["WANDB_MODE"] == "offline"
    for job in jobs:
        logger = wandb_logger.make_wandb_logger(job, project="p", entity=None, mode="auto")
        wandb_logger.finish([logger], {"status": "done"})
        assert len(offline_runs(job)) == 1
    assert capfd.readouterr().err.count("W&B: ") == 1


def test_a_server_that_answers_leaves_the_jobs_online(monkeypatch, capfd):
    with WandbServer() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        find_mode("auto", [])
        assert server.operations == ["Viewer"]
    assert "WANDB_MODE" not in os.environ
    assert capfd.readouterr().err == ""


def test_a_server_that_is_lost_before_a_run_begins_is_waited_for_once(tmp_path, monkeypatch, capfd):
    jobs = plan_jobs(tmp_path, "fold=0,1", multirun=True)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    assert wandb_logger.INIT_SECONDS + REQUEST_SECONDS < 15
    monkeypatch.setattr(wandb_logger, "INIT_SECONDS", 1.0)
    attempts = []
    original = wandb_logger._start
    monkeypatch.setattr(
        wandb_logger, "_start", lambda *arguments: attempts.append(arguments[-1]) or original(*arguments)
    )
    for job in jobs:
        logger = wandb_logger.make_wandb_logger(job, project="p", entity=None, mode="auto")
        wandb_logger.finish([logger], {"status": "done"})
    assert attempts == ["online", "offline", "offline"]
    assert os.environ["WANDB_MODE"] == "offline"
    assert capfd.readouterr().err.count("this one is offline") == 1
    for job in jobs:
        assert len(offline_runs(job)) == 1
        assert not list(job.folder.glob("wandb/run-*")), "an empty run would be uploaded with the others"


def test_a_run_that_breaks_does_not_fail_training(tmp_path, monkeypatch, capfd):
    (job,) = plan_jobs(tmp_path)

    def broken(*_, **__):
        raise ConnectionError("the service is gone")

    monkeypatch.setattr(wandb.Run, "log", broken)
    assert run_job(job)["status"] == "done"
    assert capfd.readouterr().err.count("W&B: stopped receiving (the service is gone)") == 1


def test_a_service_process_that_dies_fails_no_job_and_the_next_job_has_its_run(tmp_path, monkeypatch, capfd):
    first, second = plan_jobs(tmp_path, "fold=0,1", multirun=True)
    original = ClassifierModule.on_validation_epoch_end

    def kill_service(module):
        original(module)
        found = subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", "wandb-core"], capture_output=True, text=True)
        for pid in found.stdout.split():
            os.kill(int(pid), signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(ClassifierModule, "on_validation_epoch_end", kill_service)
        assert run_job(first)["status"] == "done"
    assert "W&B: not everything was sent" in capfd.readouterr().err
    assert run_job(second)["status"] == "done"
    assert read_summary(offline_runs(second)[0])["state"] == "finished"


def test_a_service_that_dies_while_a_run_begins_fails_no_job(tmp_path, monkeypatch):
    (job,) = plan_jobs(tmp_path)
    original = wandb.teardown

    def broken(*arguments, **more):
        original(*arguments, **more)
        raise ConnectionResetError("Connection lost")

    def lost(*_, **more):
        if more["mode"] != "disabled":
            raise ConnectionResetError("Connection lost")
        return init(**more)

    init = wandb.init
    with monkeypatch.context() as patch:
        patch.setattr(wandb, "teardown", broken)
        patch.setattr(wandb, "init", lost)
        assert run_job(job)["status"] == "done"
    assert os.environ["WANDB_MODE"] == "disabled"


def test_a_server_that_is_lost_later_does_not_fail_training_and_says_how_to_upload(tmp_path, monkeypatch, capfd):
    (job,) = plan_jobs(tmp_path)
    monkeypatch.setattr(wandb_logger, "FINISH_SECONDS", 1.0)
    with WandbServer() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("WANDB_HTTP_TIMEOUT", "1")
        logger = wandb_logger.make_wandb_logger(job, project="p", entity=None, mode="auto")
    logger.log_metrics({"epoch": 0, "val_accuracy": 0.5})
    started = time.monotonic()
    wandb_logger.finish([logger], {"status": "done"})
    assert time.monotonic() - started < 15
    (folder,) = job.folder.glob("wandb/run-*")
    assert f"wandb sync {folder}" in capfd.readouterr().err
    assert os.environ["WANDB_MODE"] == "offline"


@pytest.mark.slow
def test_other_loggers_are_one_line_of_yaml_and_do_not_import_wandb(tmp_path):
    plan_jobs(tmp_path)  # makes the tones
    code = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
from support.tiny_jobs import plan_jobs
from audio_cls.experiment.run_job import run_job
for logger in ("csv", "none"):
    (job,) = plan_jobs(Path({str(tmp_path)!r}), f"logger={{logger}}", f"study={{logger}}")
    assert run_job(job)["status"] == "done"
assert "wandb" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY, timeout=300)
    (logged,) = (tmp_path / "outputs" / "csv").glob("*/*/metrics.csv")
    assert "final_val_accuracy" in logged.read_text()
    assert overrides(tmp_path)  # nothing else of the command line had to change


@pytest.mark.slow
def test_an_offline_study_is_uploaded_by_the_printed_command_a_resumed_job_as_one_run(tmp_path, monkeypatch):
    jobs = plan_jobs(tmp_path, "fold=0,1", "study=tones", multirun=True)
    with monkeypatch.context() as patch:
        fail_in_epoch(patch, 1, SystemExit(143))
        with pytest.raises(SystemExit):
            run_job(jobs[0])
    metrics = [run_job(job) for job in jobs]
    command = sync_command(jobs[0].folder.parent.parent)
    with WandbServer() as server:
        environment = {**os.environ, **server.environment}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        subprocess.run(command, shell=True, check=True, env=environment, timeout=120, capture_output=True, cwd=tmp_path)
        assert set(server.runs) == {wandb_logger.run_id(job) for job in jobs}
        for job, record in zip(jobs, metrics, strict=True):
            received = server.runs[wandb_logger.run_id(job)]
            assert received["groupName"] == "tones"
            assert received["exit_code"] == 0
            assert received["summary"]["val_accuracy"] == pytest.approx(record["val"]["accuracy"])
            assert [row["epoch"] for row in received["rows"] if "train_loss" in row] == [0, 1]
