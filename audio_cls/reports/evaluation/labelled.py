"""Sounds with labels, and which of the labels are classes of a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audio_cls.data.clips import Clip, ClipSet, DataError, PlaceError
from audio_cls.data.formats import AUDIO_SUFFIXES, OPTIONAL_SUFFIXES
from audio_cls.data.names import look
from audio_cls.data.sources import looks_like_esc10, read_any_folder, read_esc10
from audio_cls.wording import UserError, shorten

SHOWN = 12  # names in a message


@dataclass(frozen=True)
class Labelled:
    """The clips with the label of each, under the name that the model has for it; `notes` say what was assumed."""

    name: str
    clips: tuple[Clip, ...]
    labels: tuple[str, ...]
    notes: tuple[str, ...]

    def path_of(self, name: str) -> Path:
        return next(clip.path for clip in self.clips if clip.name == name)


def read_labelled(path: Path, classes: Sequence[str]) -> Labelled:
    """The clips of a folder of class folders, of ESC-10 or of a CSV file, by the rules of training.

    Labels that the model does not know keep their names. Raises UserError where the path leads nowhere or the model
    knows none of the labels, DataError for bad data.
    """
    clip_set = _read(path)
    names, notes = _matched(clip_set.classes, classes)
    if not set(names) & set(classes):
        raise UserError(
            f"none of the labels of {path} is a class of the model: there {shorten(clip_set.classes, SHOWN)}; in the"
            f" model {shorten(list(classes), SHOWN)}. Rename the class folders or the labels, or choose another model"
        )
    present = {names[clip.label] for clip in clip_set.clips}
    if without := [name for name in classes if name not in present]:
        notes.append(f"no clips of {shorten(without, SHOWN)}, which the model knows")
    labels = tuple(names[clip.label] for clip in clip_set.clips)
    return Labelled(clip_set.name, clip_set.clips, labels, (*clip_set.notes, *notes))


def _read(path: Path) -> ClipSet:
    if path.is_file() and path.suffix.lower() in AUDIO_SUFFIXES | OPTIONAL_SUFFIXES:
        raise UserError(
            f"{path} is a sound without a label; give a folder with one folder for each class, or a CSV file with the"
            " columns file and label. What one sound is says audio-cls predict"
        )
    try:
        root = path.expanduser().absolute()
        return read_esc10(root) if looks_like_esc10(root) else read_any_folder(root, least_classes=1)
    except DataError as error:
        message = str(error).replace("data.root=", "").replace("data.root", "DATA")  # of this command
        raise (PlaceError if isinstance(error, PlaceError) else DataError)(message) from None


def _matched(labels: Sequence[str], classes: Sequence[str]) -> tuple[list[str], list[str]]:
    """The name of each label among the classes, or its own, and notes about those that are only written alike."""
    names, notes = [], []
    for label in labels:
        alike = [name for name in classes if name not in labels and look(name) == look(label)]
        if label not in classes and len(alike) == 1:
            notes.append(f"label {label!r} is taken for the class {alike[0]!r}, as only the way of writing differs")
            label = alike[0]
        names.append(label)
    return names, notes
