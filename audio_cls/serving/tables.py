"""Predictions as text: lines for the terminal, CSV, label tracks of Audacity, selection tables of Raven."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from audio_cls.files import cell_of, csv_encoding
from audio_cls.serving.events import merge
from audio_cls.serving.prediction import Event, Prediction, ranked
from audio_cls.terminal import printable
from audio_cls.wording import listed, shorten

SHOWN = 3  # classes on a line, and files in a message
LEAST_SHOWN = 0.005  # as it would be shown as 0%
RAVEN_HEAD = (
    *("Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)", "High Freq (Hz)"),
    *("Begin Path", "File Offset (s)", "Label", "Confidence"),
)


def lines_of(prediction: Prediction, classes: Sequence[str], hearing: str = "") -> list[str]:
    """'bark.wav: Dog bark 93%, Rooster 5%', or a recording and its events. `hearing`: how its windows were made."""
    if not prediction.is_recording or prediction.windows is None:
        return [printable(f"{prediction.file}: {_clip(prediction, classes)}")]
    assert prediction.duration_seconds is not None
    head = f"{prediction.file}: {clock(prediction.duration_seconds)}, {hearing}"
    if prediction.flags:
        return [printable(f"{head}: {listed(prediction.flags)}")]
    events = merge(prediction.windows)
    found = f"{len(events)} event{'s' * (len(events) != 1)}"
    return [printable(f"{head}: {found}"), *(printable(_event(event, classes)) for event in events)]


def _clip(prediction: Prediction, classes: Sequence[str]) -> str:
    assert prediction.probabilities is not None
    first, *others = ranked(prediction.probabilities, classes)
    shown = [first, *(each for each in others[: SHOWN - 1] if each[1] >= LEAST_SHOWN)]
    said = ", ".join(f"{label} {probability:.0%}" for label, probability in shown)
    if "silent" in prediction.flags:
        return "silent"
    return f"{listed(prediction.flags)} ({said})" if prediction.flags else said


def _event(event: Event, classes: Sequence[str]) -> str:
    start, end = clock(event.start_seconds), clock(event.end_seconds)
    return f"  {start} - {end}  {classes[event.label]} {event.probability:.0%}"


def clock(seconds: float) -> str:
    """'0:01:05.5': hours, minutes, seconds."""
    tenths = round(seconds * 10)
    return f"{tenths // 36000}:{tenths // 600 % 60:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"


def assumptions(noted: Iterable[Prediction]) -> list[str]:
    """A line for each kind of note: '3 files: the header was never closed (a.wav, b.wav, c.wav)'.

    Of a kind is what is alike up to a colon; where it is said of one file, what follows is said too.
    """
    kinds: dict[str, dict[str, str]] = {}
    for prediction in noted:
        for note in prediction.notes:
            kinds.setdefault(note.partition(":")[0], {})[prediction.file] = note
    return [
        f"{next(iter(files))}: {next(iter(files.values()))}"
        if len(files) == 1
        else f"{len(files)} files: {kind} ({shorten(list(files), SHOWN)})"
        for kind, files in kinds.items()
    ]


def csv_header(classes: Sequence[str]) -> list[str]:
    fixed = ["file", "start_seconds", "end_seconds", "predicted", "probability", "flags"]
    return [*fixed, *(f"p_{name}" for name in classes)]


def csv_rows(prediction: Prediction, classes: Sequence[str]) -> list[list[str]]:
    """A row of a clip, a row of each window of a recording; none of a file that could not be read."""
    if prediction.probabilities is None or prediction.duration_seconds is None:
        return []
    if prediction.is_recording and prediction.windows is not None:
        found = [(each.start_seconds, each.end_seconds, each.probabilities, each.flags) for each in prediction.windows]
    else:
        found = [(0.0, prediction.duration_seconds, prediction.probabilities, prediction.flags)]
    return [
        [
            *(cell_of(prediction.file), f"{start:.6g}", f"{end:.6g}", cell_of(classes[int(values.argmax())])),
            *(f"{values.max():.6g}", "; ".join(flags), *(f"{value:.6g}" for value in values)),
        ]
        for start, end, values, flags in found
    ]


class PredictionTable:
    """A CSV file that grows as files are predicted: `csv_header`, then `csv_rows` of each.

    Rows are on disk when `add` returns, so that an interruption loses none. `names`: of the files that may be added.
    """

    def __init__(self, path: Path, classes: Sequence[str], names: Iterable[str] = ()) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        encoding = csv_encoding("".join([*classes, *names]))
        self._file = path.open("w", 1, encoding, errors="backslashreplace", newline="")  # a line at a time
        self._writer = csv.writer(self._file)
        self._writer.writerow(csv_header(classes))

    def __enter__(self) -> "PredictionTable":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, rows: Iterable[Sequence[str]]) -> None:
        self._writer.writerows(rows)


def events_of(prediction: Prediction) -> list[Event]:
    """The events of a recording; of a clip the whole of it, unless it is silent or nothing is certain in it."""
    if prediction.probabilities is None or prediction.duration_seconds is None:
        return []
    if prediction.is_recording and prediction.windows is not None:
        return merge(prediction.windows)
    if {"silent", "unsure"} & set(prediction.flags):
        return []
    best = int(np.argmax(prediction.probabilities))
    return [Event(0.0, prediction.duration_seconds, best, float(prediction.probabilities[best]))]


def audacity_lines(prediction: Prediction, classes: Sequence[str]) -> list[str]:
    """A label track of Audacity: start, end and label of each event, separated by tabs."""
    return [
        f"{event.start_seconds:.6f}\t{event.end_seconds:.6f}\t{_word(classes[event.label])} {event.probability:.2f}"
        for event in events_of(prediction)
    ]


def raven_rows(
    prediction: Prediction, classes: Sequence[str], first: int, before_seconds: float, highest: float
) -> list[str]:
    """Rows of a Raven selection table, numbered from `first`; its boxes reach from 0 to `highest` Hz.

    Raven opens several files as one sequence: times count from its beginning, `before_seconds` before this file's.
    """
    return [
        "\t".join(
            [
                *(str(number), "Spectrogram 1", "1"),
                *(f"{before_seconds + seconds:.6f}" for seconds in (event.start_seconds, event.end_seconds)),
                *("0", f"{highest:g}", _word(prediction.file), f"{event.start_seconds:.6f}"),
                *(_word(classes[event.label]), f"{event.probability:.4f}"),
            ]
        )
        for number, event in enumerate(events_of(prediction), start=first)
    ]


def _word(text: str) -> str:
    """The text in one cell of a table whose cells are separated by tabs."""
    return printable(text)
