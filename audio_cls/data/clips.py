"""What a data set is: labelled clips, and the recording each one was cut from."""

from dataclasses import dataclass
from pathlib import Path


class DataError(ValueError):
    """Data that cannot be used. One line, or one line a file where several are at fault."""


class SplitError(ValueError):
    """A split that cannot be made from the clips at hand, or that leaks."""


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
    highest fold of a clip says it.
    """

    name: str
    root: Path | None
    classes: tuple[str, ...]
    clips: tuple[Clip, ...]
    num_published_folds: int | None = None

    def __len__(self) -> int:
        return len(self.clips)
