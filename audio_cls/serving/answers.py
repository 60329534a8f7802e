"""What `Model` answers: plain values, classes by their names."""

from collections.abc import Sequence
from dataclasses import dataclass

from audio_cls.serving.prediction import Event, Prediction, Window


@dataclass(frozen=True, repr=False)
class SoundPrediction:
    """What a model makes of a sound.

    Args:
        label: the most probable class, and `probability` its probability.
        probabilities: of each class by its name, in the order of `Model.classes`.
        duration_seconds: of the sound.
        flags: why the answer should not be relied on: 'silent', 'unlike training data', 'unsure'.
        notes: sentences that say what was assumed of the file, and why there are flags.
    """

    label: str
    probability: float
    probabilities: dict[str, float]
    duration_seconds: float
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"{_best(self)}, duration_seconds={self.duration_seconds:.6g}{_flags(self)})"


@dataclass(frozen=True, repr=False)
class SoundWindow:
    """What a model makes of a stretch of a sound; fields as those of a SoundPrediction."""

    start_seconds: float
    end_seconds: float
    label: str
    probability: float
    probabilities: dict[str, float]
    flags: tuple[str, ...] = ()

    def __repr__(self) -> str:
        times = f"start_seconds={self.start_seconds:.6g}, end_seconds={self.end_seconds:.6g}"
        return f"{_best(self)}, {times}{_flags(self)})"


@dataclass(frozen=True)
class SoundEvent:
    """A stretch of a sound in which one class is the most probable one; `probability` is the highest in it."""

    start_seconds: float
    end_seconds: float
    label: str
    probability: float


def answer_of(prediction: Prediction, classes: Sequence[str]) -> SoundPrediction:
    """Of a sound that could be read."""
    assert prediction.probabilities is not None and prediction.duration_seconds is not None
    probabilities = dict(zip(classes, prediction.probabilities.tolist(), strict=True))
    label = classes[int(prediction.probabilities.argmax())]
    seconds, flags, notes = prediction.duration_seconds, prediction.flags, prediction.notes
    return SoundPrediction(label, probabilities[label], probabilities, seconds, flags, notes)


def window_of(window: Window, classes: Sequence[str]) -> SoundWindow:
    probabilities = dict(zip(classes, window.probabilities.tolist(), strict=True))
    label = classes[window.best]
    return SoundWindow(
        window.start_seconds, window.end_seconds, label, probabilities[label], probabilities, window.flags
    )


def event_of(event: Event, classes: Sequence[str]) -> SoundEvent:
    return SoundEvent(event.start_seconds, event.end_seconds, classes[event.label], event.probability)


def _best(answer: SoundPrediction | SoundWindow) -> str:
    return f"{type(answer).__name__}(label={answer.label!r}, probability={answer.probability:.3f}"


def _flags(answer: SoundPrediction | SoundWindow) -> str:
    return f", flags={answer.flags}" if answer.flags else ""
