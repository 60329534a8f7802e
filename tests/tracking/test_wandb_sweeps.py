import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hydra import initialize_config_dir
from support.command_line import CONF, REPOSITORY
from support.study_folders import write_job
from support.tiny_jobs import overrides, plan_jobs, write_tones
from support.wandb_server import WandbServer
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from audio_cls.cli.main import main
from audio_cls.config.schema import result_keys
from audio_cls.experiment.plan import make_plan
from audio_cls.tracking import wandb_logger

SWEEPS = {path.name: yaml.safe_load(path.read_text()) for path in sorted((CONF / "wandb").glob("*.yaml"))}
STEPPED = json.loads((Path(__file__).parents[1] / "support" / "data" / "sweep_combinations.json").read_text())


def command_line(sweep: dict, values: dict) -> list[str]:
    """What `wandb agent` would hand to train.py: wandb's own formatting of the values, in the place of the macro."""
    formatted = create_sweep_command_args({"args": {key: {"value": value} for key, value in values.items()}})
    command = sweep["command"][sweep["command"].index("${program}") + 1 :]
    place = command.index("${args_no_hyphens}")
    return [*command[:place], *formatted["args_no_hyphens"], *command[place + 1 :]]


def plan_one(arguments: list[str]):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        (job,) = make_plan([*arguments, "data=synthetic"], False).jobs
    return job


def test_the_stored_combinations_are_of_the_sweep_files_as_they_are_now():
    assert STEPPED.keys() == SWEEPS.keys(), "run tests/support/step_sweeps.py again"
    for name, sweep in SWEEPS.items():
        assert STEPPED[name]["parameters"] == sweep["parameters"], name


@pytest.mark.parametrize("name", SWEEPS)
def test_wandb_finds_nothing_wrong_with_the_sweep_file(name):
    assert STEPPED[name]["violations"] == []


@pytest.mark.parametrize("name", SWEEPS)
def test_every_combination_that_wandb_chooses_is_a_job_with_a_folder_of_its_own(name):
    stepped = STEPPED[name]["combinations"]
    jobs = [plan_one(command_line(SWEEPS[name], values)) for values in stepped]
    assert len({job.folder for job in jobs}) == len(jobs) > 1
    for job, values in zip(jobs, stepped, strict=True):
        composed = result_keys(job.config.model_dump()) | {"heads": job.heads}
        assert {key: composed[key] for key in values} == values


def test_the_head_sweep_is_every_number_of_heads_on_every_validation_fold():
    chosen = {(values["heads"], values["fold"]) for values in STEPPED["head_sweep.yaml"]["combinations"]}
    assert chosen == {(heads, fold) for heads in (1, 2, 4) for fold in range(4)}


def test_the_search_is_on_one_fold_and_stops_bad_jobs_early():
    jobs = [plan_one(command_line(SWEEPS["search.yaml"], v)) for v in STEPPED["search.yaml"]["combinations"][:5]]
    assert {job.config.fold for job in jobs} == {0}
    assert STEPPED["search.yaml"]["early_stopped"] == ["bad"]


def test_a_float_that_wandb_chose_names_a_variant_and_folder():
    values = {"optimizer.lr": 0.00031234123412341234, "model.dropout": 0.15000000000000002}
    job = plan_one(command_line(SWEEPS["search.yaml"], values))
    assert job.config.optimizer.lr == 0.00031234123412341234
    assert job.folder.parts[-2:] == ("transformer_h4_dropout-0.15_lr-0.000312341_max_epochs-20", "fold0-seed0")


def wandb_cli(server: WandbServer, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("WANDB_")}
    environment |= server.environment | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "WANDB_DIR": str(tmp_path),
        "AUDIO_CLS_CACHE": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "wandb", *arguments]
    return subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)


def test_wandb_registers_a_sweep_file_as_it_stands(tmp_path):
    with WandbServer() as server:
        finished = wandb_cli(server, tmp_path, "sweep", "conf/wandb/search.yaml")
    assert finished.returncode == 0, finished.stderr
    assert "wandb agent me/audio_cls/heads" in finished.stderr
    assert {key: server.sweep[key] for key in ("method", "command", "run_cap")} == {
        key: SWEEPS["search.yaml"][key] for key in ("method", "command", "run_cap")
    }


@pytest.mark.slow
def test_the_real_agent_drives_train_py_and_stops_a_job_when_the_sweep_says_so(tmp_path):
    write_tones(tmp_path / "tones")
    sweep = dict(SWEEPS["head_sweep.yaml"])
    place = sweep["command"].index("${args_no_hyphens}")
    tiny = [line for line in overrides(tmp_path) if not line.startswith("trainer.max_epochs")]
    sweep["command"] = [*sweep["command"][:place], *tiny, *sweep["command"][place:]]
    queue = [{"heads": 1, "fold": 0, "trainer.max_epochs": 2}, {"heads": 2, "fold": 1, "trainer.max_epochs": 100000}]
    with WandbServer(sweep, queue) as server:
        server.stopped_when_started = {"sweeprun1"}
        finished = wandb_cli(server, tmp_path, "agent", "me/audio_cls/heads")
        assert finished.returncode == 0, finished.stderr
        first, second = server.runs["sweeprun0"], server.runs["sweeprun1"]
    assert first["exit_code"] == 0, finished.stderr
    assert first["displayName"].endswith("fold0 seed0")
    assert first["groupName"] == "head-sweep"
    assert first["sweep"] == "heads"
    assert [row["epoch"] for row in first["rows"] if "train_loss" in row] == [0, 1]
    (metrics,) = [
        json.loads(path.read_text()) for path in tmp_path.glob("outputs/head-sweep/*/fold0-seed0/metrics.json")
    ]
    assert first["summary"]["val_accuracy"] == pytest.approx(metrics["val"]["accuracy"])
    assert second["exit_code"] == 255
    assert second["summary"]["status"] == "interrupted"
    assert "Ignoring" not in finished.stderr  # project and run id are the sweep's


def test_a_job_that_its_sweep_stopped_dies_of_the_signal_which_the_agent_does_not_count_as_a_failure(monkeypatch):
    registered = []
    monkeypatch.setattr(wandb_logger.atexit, "register", registered.append)
    logger = wandb_logger.JobLogger(run=FinishedRun(), project="p", save_dir=Path())
    wandb_logger.finish([logger], {"status": "interrupted"})
    monkeypatch.setenv("WANDB_SWEEP_ID", "heads")
    wandb_logger.finish([logger], {"status": "failed"})
    assert registered == []
    wandb_logger.finish([logger], {"status": "interrupted"})
    assert registered == [wandb_logger._die_of_signal]
    pid = os.fork()
    if pid == 0:
        wandb_logger._die_of_signal()
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGTERM


class FinishedRun:
    """As much of a run as `finish` needs."""

    def __init__(self) -> None:
        self.summary: dict = {}

    def finish(self, exit_code: int) -> None:
        """Nothing to end."""


def ask(*arguments: str) -> int:
    return main(["confirm", *arguments])


def test_the_best_variants_of_a_study_are_confirmed_by_commands_that_lead_to_their_configurations(tmp_path, capsys):
    from audio_cls.results import job_files

    jobs = [
        *plan_jobs(tmp_path, "study=search", "heads=2", "optimizer.lr=0.00031234123412341234", "augment=none"),
        *plan_jobs(tmp_path, "study=search", "heads=4", "model.dropout=0.15000000000000002", "variant=good"),
        *plan_jobs(tmp_path, "study=search", "heads=1", "variant=bad"),
    ]
    for job, chance in zip(jobs, (0.8, 0.95, 0.3), strict=True):
        write_job(Path(job.config.output_dir) / "search", job.variant, chance=chance, dataset="tones")
        job_files.write_config(job)
    assert ask("search", "--top", "2", "--output-dir", str(tmp_path / "outputs")) == 0
    printed = capsys.readouterr()
    commands = [shlex.split(line) for line in printed.out.splitlines()]
    assert [line.split()[1] for line in printed.err.splitlines()] == ["good:", "tiny_h2:"]
    for words, job in zip(commands, (jobs[1], jobs[0]), strict=True):
        assert words[:2] == ["audio-cls", "train"]
        assert words[-1] == "-m"
        with initialize_config_dir(str(CONF), version_base="1.3"):
            planned = make_plan(words[2:-1], True).jobs
        assert [one.config.fold for one in planned] == [0, 1]
        assert result_keys(planned[0].config.model_dump()) == result_keys(job.config.model_dump())
        assert {(one.study, one.variant) for one in planned} == {("search-confirmed", job.variant)}


def test_confirm_says_what_is_wrong_with_a_study_without_results_or_a_count_of_none(tmp_path, capsys):
    (tmp_path / "outputs" / "empty" / "cnn" / "fold0-seed0").mkdir(parents=True)
    output = ["--output-dir", str(tmp_path / "outputs")]
    assert ask("empty", *output) == 2
    assert "no finished job" in capsys.readouterr().err
    assert ask("empty", "--top", "0", *output) == 2
    assert "--top 0" in capsys.readouterr().err
