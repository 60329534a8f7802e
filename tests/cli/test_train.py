"""`audio-cls train` is `python train.py`, from any folder and with options of one's own."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command_line import REPOSITORY, TINY, write_sounds

import audio_cls
from audio_cls.cli.main import main
from audio_cls.config import compose


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["audio-cls"])
    yield tmp_path
    compose._forget()  # options of one's own, which a process keeps until it ends


def write_own_model(folder: Path) -> None:
    (folder / "model").mkdir(parents=True)
    lines = (REPOSITORY / "conf/model/transformer.yaml").read_text().replace("d_model: 96", "d_model: 64").splitlines()
    (folder / "model/narrow.yaml").write_text("\n".join([lines[0], "# A narrow one", *lines[1:]]))


def ending(arguments: list[str]) -> int:
    """The exit status, whether it is returned or ends the process."""
    try:
        return main(arguments)
    except SystemExit as end:
        return int(end.code or 0)


def test_the_help_names_the_command_that_was_typed_and_lists_the_groups(capsys):
    assert ending(["train", "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("audio-cls train [GROUP=OPTION ...]")
    assert "model=transformer" in said
    assert "train.py" not in said


@pytest.mark.parametrize("arguments", ["heads=5", "modle=cnn", "--nonsense", "--config-dir", "--config-dir=nowhere"])
def test_a_mistake_is_one_line_with_status_2_and_writes_nothing(workplace, capsys, arguments):
    assert ending(["train", *arguments.split()]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not list(workplace.iterdir())


def test_the_configuration_can_be_shown_with_options_of_ones_own(workplace, capsys):
    write_own_model(workplace / "own")
    assert ending(["train", "--config-dir", "own", "model=narrow", "data=synthetic", "--cfg", "job"]) == 0
    assert "d_model: 64" in capsys.readouterr().out
    assert ending(["train", "--config-dir=own", "--help"]) == 0
    assert "A narrow one" in capsys.readouterr().out


@pytest.mark.slow
def test_a_sweep_trains_options_of_ones_own_side_by_side_and_is_recorded_as_it_was_typed(workplace):
    write_own_model(workplace / "own")
    write_sounds(workplace / "sounds", {"a": 4, "b": 4})
    sizes = [word for word in TINY if not word.startswith("model.d_model=")]
    words = ["--config-dir", "own", "model=narrow", "data=folder", "data.root=sounds", "heads=1", "fold=0,1"]
    command = [sys.executable, "-m", "audio_cls.cli.main", "train", *words, *sizes, "jobs=2", "-m"]
    subprocess.run(command, check=True, env=environment(workplace))
    assert len(list(workplace.glob("outputs/sounds-holdout/*/fold*-seed0/metrics.json"))) == 2
    recorded = (workplace / "outputs/sounds-holdout/commands.txt").read_text()
    assert recorded.startswith("audio-cls train --config-dir own model=narrow")


@pytest.mark.parametrize("command", [["-m", "audio_cls.cli.main"], [str(REPOSITORY / "train.py")]])
def test_the_version_is_ours(workplace, command):
    done = subprocess.run(
        [sys.executable, *command, "--version"], capture_output=True, text=True, env=environment(workplace), check=True
    )
    assert done.stdout == f"audio_cls {audio_cls.__version__}\n"


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), "AUDIO_CLS_CACHE": str(folder / "cache")}
