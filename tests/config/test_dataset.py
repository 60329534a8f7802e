"""Functions of somebody else that list clips: whatever they do is one line."""

from dataclasses import replace
from pathlib import Path

import pytest

from audio_cls.config.dataset import load_clips
from audio_cls.config.schema import ConfigError, DataConfig
from audio_cls.data.clips import Clip, ClipSet


def lists_two() -> ClipSet:
    return ClipSet("two", None, ("a", "b"), (Clip(Path("1"), "1", 0), Clip(Path("2"), "2", 1)))


def lists_nothing() -> ClipSet:
    return None  # type: ignore


def lists_numbers() -> ClipSet:
    return ClipSet("numbers", None, ("a", "b"), (1, 2))  # type: ignore


def looks_up() -> ClipSet:
    return {}["birds"]  # type: ignore


def exits() -> ClipSet:
    raise SystemExit(0)


def opens() -> ClipSet:
    return Path("nowhere.csv").read_text()  # type: ignore


def data(function: str) -> DataConfig:
    return DataConfig.model_validate({"kind": "mine", "name": None, "_target_": f"{__name__}.{function}"})


def test_the_clips_of_ones_own_function_are_those_that_it_returns() -> None:
    assert load_clips(data("lists_two")) == lists_two()


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        ("lists_nothing", "data=mine: NoneType is no data set: return an audio_cls.ClipSet"),
        ("lists_numbers", f"data=mine: {__name__}.lists_numbers raised AttributeError: 'int' object has no"),
        ("looks_up", f"data=mine: {__name__}.looks_up raised KeyError: 'birds'"),
        ("exits", f"data=mine: {__name__}.exits raised SystemExit: 0"),
        ("opens", "nowhere.csv cannot be read"),
    ],
)
def test_what_goes_wrong_in_ones_own_function_is_one_line(function: str, problem: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_clips(data(function))
    assert problem in str(error.value) and "\n" not in str(error.value)


def takes_source(source: str = "own") -> ClipSet:
    return replace(lists_two(), name=source)


def test_a_function_of_ones_own_may_have_an_argument_called_as_a_key_of_ours() -> None:
    assert load_clips(data("takes_source")).name == "own"
