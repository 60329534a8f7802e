"""Clips that hold the same sound, which no split may part."""

from collections.abc import Sequence

import numpy as np

from audio_cls.data.clips import ClipSet, SameSoundError
from audio_cls.data.folds import role_of
from audio_cls.wording import shorten

PUBLISHED = ("esc10", "esc50")  # with folds that are not ours to change
Groups = Sequence[Sequence[int]]  # of clips, by index


def note_parted(clip_set: ClipSet, places: Sequence[str], identical: Groups, similar: Groups) -> tuple[str, ...]:
    """Raises SameSoundError for identical clips in different `places`, which has an entry for each clip; notes similar
    ones."""
    if copies := _parted(identical, places):
        one, other = copies[0]
        first, second = clip_set.clips[one].name, clip_set.clips[other].name
        rest = f", and there are {len(copies) - 1} more groups of clips like them" if len(copies) > 1 else ""
        raise SameSoundError(
            f"{first!r} and {second!r} hold the same sound and are in {places[one]} and in {places[other]}{rest}: "
            f"put them into one {'part' if clip_set.has_roles else 'fold'} or remove one"
            + _one_level_down(clip_set, second)
        )
    pairs = _parted(similar, places)
    if not pairs:
        return ()
    named = [f"{clip_set.clips[one].name} ~ {clip_set.clips[other].name}" for one, other in pairs]
    return (
        f"clips that seem to hold the same sound could not be kept on one side of the split ({shorten(named, 3)}): "
        "listen, then put them into one fold, remove one, or say in a column source that they are two recordings",
    )


def _one_level_down(clip_set: ClipSet, name: str) -> str:
    """That a clip's part is a folder with class folders of its own, where it is."""
    folder = name.partition("/")[0]
    if not clip_set.has_roles or clip_set.root is None or role_of(folder) is None:
        return ""
    place = clip_set.root / folder
    return f"; the class folders are one level down, and data.root={place} takes those of one part alone"


def _parted(groups: Groups, places: Sequence[str]) -> list[tuple[int, int]]:
    """Of each group with clips in different places, a pair of them."""
    pairs = [(group[0], next((clip for clip in group if places[clip] != places[group[0]]), None)) for group in groups]
    return [(one, other) for one, other in pairs if other is not None]


def joined(groups: np.ndarray, together: Groups) -> np.ndarray:
    """The group of each clip, (clips,), after all groups that `together` connects became one."""
    parent = list(range(len(groups)))

    def root(group: int) -> int:
        while parent[group] != group:
            parent[group] = parent[parent[group]]
            group = parent[group]
        return group

    for first, *others in together:
        for other in others:
            low, high = sorted((root(groups[first]), root(groups[other])))
            parent[high] = low
    return np.unique([root(group) for group in groups.tolist()], return_inverse=True)[1] if together else groups
