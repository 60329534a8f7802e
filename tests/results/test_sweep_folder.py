import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.command_line import REPOSITORY
from support.tiny_jobs import plan_jobs

from audio_cls.config.schema import ConfigError
from audio_cls.results import sweep_folder


@pytest.fixture(autouse=True)
def _no_sweep():
    sweep_folder.end()
    yield
    sweep_folder.end()


def in_another_process(code: str) -> str:
    """What a process that this one starts prints."""
    command = [sys.executable, "-c", f"from audio_cls.results import sweep_folder\n{code}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY).stdout.strip()


def test_the_processes_of_a_sweep_read_its_checked_jobs_and_what_it_left_for_them(tmp_path):
    jobs = plan_jobs(tmp_path, "heads=1,2", "fold=0", multirun=True)
    sweep_folder.begin(jobs)
    sweep_folder.write_sweep({"folders": ["a"]})
    assert [sweep_folder.read_job(number) for number in (0, 1)] == list(jobs)
    assert in_another_process("print(sweep_folder.read_job(1).config.model.num_heads)") == "2"
    assert in_another_process("print(sweep_folder.read_sweep()['folders'])") == "['a']"


def test_a_job_that_was_changed_meanwhile_is_checked_again(tmp_path):
    sweep_folder.begin(plan_jobs(tmp_path))
    path = Path(os.environ["AUDIO_CLS_SWEEP"]) / "job-0.json"
    path.write_text(path.read_text().replace('"max_epochs": 2', '"max_epochs": "many"'))
    with pytest.raises(ConfigError, match="trainer.max_epochs=many cannot be used"):
        sweep_folder.read_job(0)


def test_two_sweeps_at_once_do_not_see_each_other():
    sweep_folder.begin([])
    sweep_folder.write_sweep({"folders": ["mine"]})
    other = in_another_process("sweep_folder.begin([]); print(sweep_folder.read_sweep())")
    assert other == "None"
    assert sweep_folder.read_sweep() == {"folders": ["mine"]}


def test_a_folder_that_cannot_be_seen_holds_nothing(tmp_path, monkeypatch):
    """As in a process on another machine, or once the sweep is over."""
    assert sweep_folder.read_sweep() is None
    monkeypatch.setenv("AUDIO_CLS_SWEEP", str(tmp_path / "gone"))
    assert sweep_folder.read_sweep() is None
    assert sweep_folder.read_job(0) is None


def test_the_folder_ends_with_the_process_that_began_it(tmp_path):
    folder = in_another_process("sweep_folder.begin([]); import os; print(os.environ['AUDIO_CLS_SWEEP'])")
    assert not Path(folder).exists()
    sweep_folder.begin([])
    own = Path(os.environ["AUDIO_CLS_SWEEP"])
    in_another_process("sweep_folder.end()")
    assert own.is_dir()
    sweep_folder.end()
    assert not own.exists()
