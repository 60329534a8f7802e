"""Where `audio-cls predict` puts what it found: printed lines, tables, label tracks, pictures."""

import csv
import io
import json
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from audio_cls.cli.arguments import check_suffix
from audio_cls.files import check_replaceable, write_text
from audio_cls.serving import tables
from audio_cls.serving.prediction import Prediction, as_json
from audio_cls.terminal import answer
from audio_cls.wording import UserError

COMMAND = "audio-cls predict"
_OWN_LABEL = re.compile(r"\d+\.\d{6}\t\d+\.\d{6}\t.* \d\.\d\d")


class Output(ABC):
    """One kind of output. `place`: the file or folder it is written to, None for what is printed."""

    place: Path | None = None

    @abstractmethod
    def add(self, path: Path, prediction: Prediction) -> None:
        """Takes what was found in one file after the other, also in those that could not be read."""

    def watch(self, start_seconds: float, end_seconds: float, waveform: np.ndarray) -> None:  # noqa: B027
        """Is shown the waveform (samples,) of each window of the file that comes next; most outputs look at none."""


class Lines(Output):
    """A line for each clip, the events of each recording."""

    def __init__(self, classes: Sequence[str], hearing: str) -> None:
        self._classes, self._hearing = classes, hearing

    def add(self, path: Path, prediction: Prediction) -> None:
        if prediction.problem is None:
            answer("\n".join(tables.lines_of(prediction, self._classes, self._hearing)))


class JsonLines(Output):
    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = classes

    def add(self, path: Path, prediction: Prediction) -> None:
        answer(json.dumps(as_json(prediction, self._classes), ensure_ascii=False, allow_nan=False))


class Table(Output):
    """CSV, into a file or printed. Rows are on disk when `add` returns, so that an interruption loses none."""

    def __init__(self, classes: Sequence[str], place: Path | None, names: Sequence[str]) -> None:
        self.place, self._classes = place, classes
        if place is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
        self._table = tables.PredictionTable(place, classes, names) if place else None
        if place is None:
            answer(_csv_line(tables.csv_header(classes)))

    def add(self, path: Path, prediction: Prediction) -> None:
        rows = tables.csv_rows(prediction, self._classes)
        if self._table is not None:
            self._table.add(rows)
        elif rows:
            answer("\n".join(map(_csv_line, rows)))


class Selections(Output):
    """A selection table of Raven, of all files."""

    def __init__(self, classes: Sequence[str], place: Path | None, highest: float) -> None:
        self.place, self._classes, self._highest = place, classes, highest
        head = "\t".join(tables.RAVEN_HEAD)
        self._rows, self._seconds = [head], 0.0
        if place is None:
            answer(head)
        else:
            check_suffix(place, ".txt", "a selection table is text", option="--raven")
            check_replaceable(place, head, "choose another --raven")

    def add(self, path: Path, prediction: Prediction) -> None:
        rows = tables.raven_rows(prediction, self._classes, len(self._rows), self._seconds, self._highest)
        self._rows += rows
        self._seconds += prediction.duration_seconds or 0.0
        if self.place is not None:
            write_text(self.place, "".join(f"{row}\n" for row in self._rows))
        elif rows:
            answer("\n".join(rows))


class Tracks(Output):
    """Label tracks of Audacity, one for each file."""

    def __init__(self, classes: Sequence[str], place: Path | None, paths: Sequence[Path]) -> None:
        self.place, self._classes = place, classes
        if place is None and len(paths) > 1:
            raise UserError("--audacity: a label track belongs to one recording; name a folder for those of several")
        self._files = {} if place is None else files_for(paths, place, ".txt", "--audacity")
        for file in self._files.values():
            if file.exists() and not all(map(_OWN_LABEL.fullmatch, file.read_text("utf-8", "replace").splitlines())):
                raise UserError(f"{file} was not written by this command, so it is not replaced; choose another place")

    def add(self, path: Path, prediction: Prediction) -> None:
        if prediction.problem is not None:
            return
        lines = tables.audacity_lines(prediction, self._classes)
        if self._files:
            write_text(self._files[path], "".join(f"{line}\n" for line in lines))
        elif lines:
            answer("\n".join(lines))


class Pictures(Output):
    """The spectrogram of each file with the classes over time."""

    def __init__(self, classes: Sequence[str], place: Path | None, paths: Sequence[Path], sample_rate: int) -> None:
        try:
            from audio_cls.figures import timeline
        except ImportError as error:
            raise UserError(f"--plot needs {error.name}: pip install matplotlib scipy") from None
        self._timeline, self._classes, self._rate = timeline, classes, sample_rate
        self.place = place or Path(f"{_names(paths)[0]}.png" if len(paths) == 1 else ".")
        self._files = files_for(paths, self.place, ".png", "--plot")
        for file in self._files.values():
            check_replaceable(file, f"Software\0{COMMAND}", "choose another --plot")
        self._columns: list[timeline.Column] = []

    def watch(self, start_seconds: float, end_seconds: float, waveform: np.ndarray) -> None:
        self._columns.append(self._timeline.column(start_seconds, end_seconds, waveform, self._rate))

    def add(self, path: Path, prediction: Prediction) -> None:
        columns, self._columns = self._columns, []
        if prediction.problem is None:
            place = self._files[path]
            self._timeline.save_timeline(place, path, prediction, self._classes, columns, self._rate, COMMAND)


def files_for(paths: Sequence[Path], place: Path, suffix: str, option: str) -> dict[Path, Path]:
    """Where each sound's file goes: the place itself for one sound, else files in a folder, each with its own name.

    Raises UserError for a place that is neither.
    """
    is_file = place.suffix.lower() == suffix and not place.is_dir()
    if is_file and len(paths) == 1:
        return {paths[0]: place}
    if is_file:
        raise UserError(f"{option} {place}: {len(paths)} sounds need a folder; give one")
    if place.is_file():
        raise UserError(f"{option} {place} is a file; name a {suffix} file, or a folder")
    return {path: place / f"{name}{suffix}" for path, name in zip(paths, _names(paths), strict=True)}


def _names(paths: Sequence[Path]) -> list[str]:
    """A name for each path: that of the file, with those of its folders where several files are called the same."""
    count = Counter(path.stem.lower() for path in paths)
    names = [path.stem if count[path.stem.lower()] == 1 else "_".join(path.parts).lstrip("/_.") for path in paths]
    return [name or "sound" for name in names]


def _csv_line(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
