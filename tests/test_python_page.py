"""Every example of docs/python.md and of the model's docstrings gives what stands there."""

import doctest
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support import animal_sounds
from support.animal_sounds import RATE, sound
from support.command_line import REPOSITORY

import audio_cls.serving.model
from audio_cls.config.job import Job
from audio_cls.serving.export import write_exported
from audio_cls.serving.load import load_classifier

PAGE = REPOSITORY / "docs" / "python.md"
OPTIONS = doctest.ELLIPSIS


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, coarse_figures: None) -> Job:
    return animal_sounds.train(tmp_path_factory.mktemp("jobs"))


@pytest.fixture
def folder(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the model and the sounds that the page names."""
    write_exported(tmp_path / "my_model", load_classifier(job.folder), "# A model of animals\n")
    shutil.copytree(str(job.config.data.root), tmp_path / "my_sounds")
    new = tmp_path / "new_sounds"
    new.mkdir()
    for name, kind in {"barking": "dog", "crowing": "rooster", "drizzle": "rain", "storm": "rain"}.items():
        soundfile.write(new / f"{name}.wav", sound(kind, 2.0, seed=len(name)), RATE)
    (new / "empty.wav").touch()
    for kind in ("dog", "rain"):
        soundfile.write(tmp_path / f"{kind}.wav", sound(kind, 1.5), RATE)
    soundfile.write(tmp_path / "nothing.wav", np.zeros(RATE), RATE)
    # Not an hour, which would take as long to write as all other tests to run.
    silence = np.zeros(2 * RATE, np.float32)
    hour = [sound("rain", 4.0), sound("dog", 4.0), silence, sound("engine", 4.0)]
    soundfile.write(tmp_path / "hour.wav", np.concatenate(hour), RATE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_examples_of_the_page_are_true(folder: Path) -> None:
    failed, tried = doctest.testfile(str(PAGE), module_relative=False, optionflags=OPTIONS, encoding="utf-8")
    assert tried > 30
    assert failed == 0


def test_the_examples_of_the_docstrings_are_true(folder: Path) -> None:
    failed, tried = doctest.testmod(audio_cls.serving.model, optionflags=OPTIONS)
    assert tried > 3
    assert failed == 0


def test_neighbours_are_counted(folder: Path, job: Job) -> None:
    count_neighbours = runpy.run_path(str(REPOSITORY / "docs" / "neighbours.py"))["count_neighbours"]
    assert count_neighbours(Path("my_sounds"), job.folder) == (27, 27, 27)
