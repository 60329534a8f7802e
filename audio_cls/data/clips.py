"""What a data set is: labelled clips, and the recording each one was cut from."""

import operator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audio_cls.terminal import printable
from audio_cls.wording import UserError


class DataError(ValueError):
    """Data that cannot be used. One line, or one line a file where several are at fault."""


class PlaceError(DataError, UserError):
    """A path that does not exist, or that is not what the configuration says: no bad data, but a mistake."""


class SplitError(ValueError):
    """A split that cannot be made from the clips at hand, or that leaks."""


class FewSourcesError(SplitError, DataError):
    """A class that no split can both train and evaluate: its data are too few, whatever the configuration."""


class SameSoundError(SplitError, DataError):
    """Clips that hold the same sound lie in parts of the data's own split that must not share any."""


ROLES = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled piece of sound.

    `name` is the POSIX path relative to the data set's root and unique in it. `source` names the recording that the
    clip was cut from: clips that share one must not be parted between training and evaluation. `fold` is the published
    fold, counted from 1. Both are None where nobody has said.
    """

    path: Path
    name: str
    label: int
    source: str | None = None
    fold: int | None = None


@dataclass(frozen=True, slots=True)
class ClipSet:
    """All clips of a data set, sorted by name; `classes` are the names in the order of the labels.

    `root` is None where the clips are synthesised, so that there are no files.
    `num_published_folds` counts the folds that were published, also those that this copy lacks; where it is None, the
    highest fold of a clip says it. `notes` are sentences for the user, without a full stop: what was assumed, left out
    or found under another name. With `has_roles`, folds 1, 2 and 3 are train, val and test, and nothing rotates.
    """

    name: str
    root: Path | None
    classes: tuple[str, ...]
    clips: tuple[Clip, ...]
    num_published_folds: int | None = None
    notes: tuple[str, ...] = ()
    has_roles: bool = False

    def __len__(self) -> int:
        return len(self.clips)

    def fold_name(self, fold: int) -> str:
        """'2', or 'val' where folds are roles."""
        return ROLES[fold - 1] if self.has_roles else str(fold)


def check_clips(clip_set: Any, least_classes: int = 2) -> ClipSet:
    """The data set with plain integers and paths. Raises DataError for one that cannot be trained on, or with
    `least_classes=1` that no trained model can be tried on."""
    if not isinstance(clip_set, ClipSet):
        raise DataError(f"{type(clip_set).__name__} is no data set: return an audio_cls.ClipSet")
    root = None if clip_set.root is None else Path(clip_set.root)
    classes = tuple(printable(str(name)) for name in clip_set.classes)
    if not clip_set.clips or not classes:
        raise DataError("no clips are listed: look at the folder that is searched")
    if len(classes) < least_classes:
        raise DataError(
            f"{root or clip_set.name} holds one class only, {classes[0]!r}: a classifier needs at least two"
        )
    clips: dict[str, Clip] = {}
    for clip in clip_set.clips:
        try:
            label, fold = operator.index(clip.label), None if clip.fold is None else operator.index(clip.fold)
        except TypeError:
            raise DataError(f"{clip.name!r}: label {clip.label!r} and fold {clip.fold!r} must be integers") from None
        if not 0 <= label < len(classes):
            raise DataError(f"{clip.name!r}: label {label} must be 0 to {len(classes) - 1}, an index of `classes`")
        if fold is not None and fold < 1:
            raise DataError(f"{clip.name!r}: fold {fold} must be at least 1: folds are counted from 1")
        if clip.name in clips:
            raise DataError(f"two clips are called {clip.name!r}: give each a name of its own")
        if clip.name != printable(clip.name):
            raise DataError(f"{clip.name!r} has characters in its name that a table cannot hold: rename it")
        source = None if clip.source is None else str(clip.source)
        clips[clip.name] = Clip(Path(clip.path), clip.name, label, source, fold)
    if len(without := [name for name, clip in clips.items() if clip.fold is None]) not in (0, len(clips)):
        raise DataError(f"{without[0]!r} has no fold while other clips have one: give every clip a fold, or none")
    if clip_set.has_roles and (strange := [clip for clip in clips.values() if clip.fold not in (1, 2, 3)]):
        raise DataError(f"{strange[0].name!r}: fold {strange[0].fold} must be 1, 2 or 3: train, val or test")
    notes = tuple(map(str, clip_set.notes))
    return replace(clip_set, root=root and Path(root), classes=classes, clips=tuple(clips.values()), notes=notes)
