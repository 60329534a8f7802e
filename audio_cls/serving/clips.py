"""A clip to look at, by the name of its file or by that which it has in the data of a job."""

import csv
import difflib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audio_cls.config.dataset import load_clips
from audio_cls.config.schema import DataConfig
from audio_cls.data.clips import ClipSet
from audio_cls.data.decode import decode, resample
from audio_cls.data.synthetic import SAMPLE_RATE, synthesize
from audio_cls.files import read_csv
from audio_cls.serving.load import LoadedClassifier
from audio_cls.wording import UserError


class NoSuchClip(UserError):
    """Neither a file nor a clip of the job's data set."""


@dataclass(frozen=True)
class ShownClip:
    """A clip to look at: its waveform (samples,), and what the job's files say about it, if anything."""

    name: str
    waveform: np.ndarray
    sample_rate: int
    label: str | None = None
    split: str | None = None


def find_clip(classifier: LoadedClassifier, clip: str) -> ShownClip:
    """A file, or else a clip of the job's data set by its name, in whole or without its folder.

    Raises NoSuchClip, ConfigError where the data set is not where it was, BadAudio for what cannot be decoded.
    """
    known = _evaluated_clips(classifier.folder)
    path = Path(clip).expanduser()
    if path.is_file():
        waveform = decode(path, classifier.sample_rate)
        name = next((name for name in known if path.resolve().as_posix().endswith(f"/{name}")), path.name)
    elif classifier.config is None:
        raise NoSuchClip(
            f"{clip!r} is no file, and {classifier.folder} is an exported model without clips; give a file"
        )
    else:
        clip_set = load_clips(DataConfig(**classifier.config["data"]))
        found = clip_set.clips[_index(clip_set, clip)]
        name = found.name
        if found.path.is_file():
            waveform = decode(found.path, classifier.sample_rate)
        else:
            waveform = resample(synthesize(found), SAMPLE_RATE, classifier.sample_rate)
    split, label = known.get(name, (None, None))
    return ShownClip(
        name, waveform, classifier.sample_rate, None if label is None else classifier.classes[label], split
    )


def _evaluated_clips(folder: Path) -> dict[str, tuple[str, int]]:
    """Split and label of each clip of the job, as its predictions say; empty where there are none."""
    try:
        _, rows = read_csv(folder / "predictions.csv")
        return {row["clip"]: (row["split"], int(row["label"])) for row in rows}
    except (OSError, KeyError, TypeError, ValueError, csv.Error):
        return {}


def _index(clip_set: ClipSet, name: str) -> int:
    """The place of the clip in the data set. Raises NoSuchClip, with the nearest name."""
    names = [clip.name for clip in clip_set.clips]
    if name in names:
        return names.index(name)
    alike = [index for index, full in enumerate(names) if full.endswith(f"/{name}")]
    if len(alike) == 1:
        return alike[0]
    if alike:
        raise NoSuchClip(f"{name!r} is the name of several clips; say which: {', '.join(names[i] for i in alike[:3])}")
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"its clips are called like {names[0]!r}"
    raise NoSuchClip(f"{name!r} is neither a file nor a clip of {clip_set.name}; {hint}")
