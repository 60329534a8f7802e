import os
import subprocess
import sys
from pathlib import Path

import pytest

from audio_cls.results import sweep_folder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _no_sweep():
    sweep_folder.end()
    yield
    sweep_folder.end()


def in_another_process(code: str) -> str:
    """What a process that this one starts prints."""
    command = [sys.executable, "-c", f"from audio_cls.results import sweep_folder\n{code}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()


def test_the_processes_of_a_sweep_read_what_it_began_with_and_leave_it_there():
    sweep_folder.begin({"folders": ["a"]})
    assert in_another_process("print(sweep_folder.read()['folders'])") == "['a']"
    assert sweep_folder.read() == {"folders": ["a"]}


def test_two_sweeps_at_once_do_not_see_each_other():
    sweep_folder.begin({"folders": ["mine"]})
    other = in_another_process("sweep_folder.begin({'folders': ['other']}); print(sweep_folder.read()['folders'])")
    assert other == "['other']"
    assert sweep_folder.read() == {"folders": ["mine"]}


def test_a_question_is_first_once_in_a_sweep_whoever_asks():
    sweep_folder.begin({})
    assert sweep_folder.is_first("line")
    assert in_another_process("print(sweep_folder.is_first('line'), sweep_folder.is_first('other'))") == "False True"


def test_outside_a_sweep_there_is_nothing_to_share():
    assert sweep_folder.read() is None
    assert sweep_folder.file("x") is None
    assert sweep_folder.is_first("line")
    assert sweep_folder.is_first("line")


def test_a_sweep_whose_folder_cannot_be_seen_is_none(tmp_path, monkeypatch):
    """As in a process on another machine, or once the sweep is over."""
    monkeypatch.setenv("AUDIO_CLS_SWEEP", str(tmp_path / "gone"))
    assert sweep_folder.read() is None
    assert sweep_folder.is_first("line")
    monkeypatch.setenv("AUDIO_CLS_SWEEP", str(tmp_path))
    assert sweep_folder.read() is None


def test_the_folder_ends_with_the_process_that_began_it(tmp_path):
    folder = in_another_process("sweep_folder.begin({}); import os; print(os.environ['AUDIO_CLS_SWEEP'])")
    assert not Path(folder).exists()
    sweep_folder.begin({})
    own = Path(os.environ["AUDIO_CLS_SWEEP"])
    in_another_process("sweep_folder.end()")
    assert own.is_dir()
    sweep_folder.end()
    assert not own.exists()
