"""What a data set has to be before anything is trained on it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio_cls.data.clips import Clip, ClipSet, DataError, check_clips


def clip_set(*clips: Clip, classes: tuple[str, ...] = ("a", "b")) -> ClipSet:
    return ClipSet("set", None, classes, clips)


def clip(name: str = "1.wav", label: Any = 0, fold: Any = None) -> Clip:
    return Clip(Path(name), name, label, None, fold)


def test_what_tables_and_arrays_give_becomes_plain() -> None:
    clips = [Clip("/sounds/1.wav", "1.wav", np.int64(1), 7, np.int32(2))]  # type: ignore
    given = ClipSet("set", "/sounds", ["a", "b"], clips, notes=["one"])  # type: ignore
    plain = Clip(Path("/sounds/1.wav"), "1.wav", 1, "7", 2)
    checked = check_clips(given)
    assert checked == ClipSet("set", Path("/sounds"), ("a", "b"), (plain,), notes=("one",))
    assert (type(checked.clips[0].label), type(checked.clips[0].fold)) == (int, int)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (None, "NoneType is no data set: return an audio_cls.ClipSet"),
        ([clip()], "list is no data set"),
        (clip_set(), "no clips are listed"),
        (clip_set(clip(), classes=()), "no clips are listed"),
        (clip_set(clip(), classes=("a",)), "set holds one class only, 'a'"),
        (clip_set(clip(label=1.0)), r"'1.wav': label 1.0 and fold None must be integers"),
        (clip_set(clip(fold="2")), r"'1.wav': label 0 and fold '2' must be integers"),
        (clip_set(clip(), clip("2.wav", 2)), "'2.wav': label 2 must be 0 to 1"),
        (clip_set(clip(label=-1)), "'1.wav': label -1 must be 0 to 1"),
        (clip_set(clip(fold=0)), "'1.wav': fold 0 must be at least 1"),
        (clip_set(clip(), clip()), "two clips are called '1.wav'"),
        (clip_set(clip("a\nb.wav")), "rename it"),
        (clip_set(clip(fold=1), clip("2.wav", 1)), "'2.wav' has no fold while other clips have one"),
        (ClipSet("set", None, ("a", "b"), (clip(fold=4),), has_roles=True), "fold 4 must be 1, 2 or 3: train, val or"),
    ],
)
def test_what_cannot_be_trained_on_is_told_naming_the_clip(given: Any, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        check_clips(given)
