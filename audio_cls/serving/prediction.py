"""What a classifier says of a sound: of a clip, or of the windows of a long recording.

Axis letters: K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

DECIMALS = 6  # of seconds and probabilities in JSON


@dataclass(frozen=True)
class Window:
    """A stretch of a recording, judged like a clip. Probabilities (K,)."""

    start_seconds: float
    end_seconds: float
    probabilities: np.ndarray
    flags: tuple[str, ...] = ()

    @property
    def best(self) -> int:
        """The index of the most probable class."""
        return int(self.probabilities.argmax())

    @property
    def confidence(self) -> float:
        """The probability of the most probable class."""
        return float(self.probabilities.max())


@dataclass(frozen=True)
class Event:
    """Windows in a row in which the same class is the most probable one. `probability`: the highest of them."""

    start_seconds: float
    end_seconds: float
    label: int
    probability: float


@dataclass(frozen=True)
class Prediction:
    """What is said of one file, or why nothing is.

    Args:
        file: as it was named; '-' for standard input.
        duration_seconds: None where the file could not be read.
        probabilities: (K,); of a recording the mean over its windows that are not silent. None where there is a
            `problem`.
        windows: of a sound that is longer than three crops; None for others, and where they were not asked for.
        is_recording: whether it was judged by its windows, not as one clip.
        flags: why the answer should not be relied on, of `serving.flags`.
        problem: why it could not be read, in one line.
        notes: sentences that say what was assumed about the file, and why there are flags.
    """

    file: str
    duration_seconds: float | None
    probabilities: np.ndarray | None
    windows: tuple[Window, ...] | None = None
    is_recording: bool = False
    flags: tuple[str, ...] = ()
    problem: str | None = None
    notes: tuple[str, ...] = ()


def ranked(probabilities: np.ndarray, classes: Sequence[str]) -> list[tuple[str, float]]:
    """Classes and their probabilities, the most probable first."""
    return [(classes[index], float(probabilities[index])) for index in np.argsort(-probabilities, kind="stable")]


def as_json(prediction: Prediction, classes: Sequence[str]) -> dict[str, Any]:
    """What `predict --json` prints of a file, as plain values."""
    found = [] if prediction.probabilities is None else ranked(prediction.probabilities, classes)
    seconds = prediction.duration_seconds
    windows = None if prediction.windows is None else [_window(each, classes) for each in prediction.windows]
    return {
        "file": prediction.file,
        "duration_seconds": None if seconds is None else round(seconds, DECIMALS),
        "predictions": [{"label": label, "probability": round(value, DECIMALS)} for label, value in found],
        "windows": windows,
        "flags": list(prediction.flags),
        "error": prediction.problem,
        "notes": list(prediction.notes),
    }


def _window(window: Window, classes: Sequence[str]) -> dict[str, Any]:
    return {
        "start_seconds": round(window.start_seconds, DECIMALS),
        "end_seconds": round(window.end_seconds, DECIMALS),
        "label": classes[window.best],
        "probability": round(window.confidence, DECIMALS),
        "flags": list(window.flags),
    }
