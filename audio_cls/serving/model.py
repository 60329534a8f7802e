"""A trained model as other programs use it: audio_cls.load(PATH).predict(SOUND)."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from audio_cls.data.decode import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, decode, resample
from audio_cls.serving.load import LoadedClassifier, load_classifier


@dataclass(frozen=True)
class SoundPrediction:
    """The most probable class of a sound, and the probability of each class by its name."""

    label: str
    probability: float
    probabilities: dict[str, float]


class Model:
    """A trained classifier for sound of any length and sample rate."""

    def __init__(self, classifier: LoadedClassifier) -> None:
        self._classifier = classifier

    @property
    def classes(self) -> tuple[str, ...]:
        return self._classifier.classes

    def predict(self, sound: str | os.PathLike[str] | np.ndarray, sample_rate: int | None = None) -> SoundPrediction:
        """Of a sound file, or of samples in [-1, 1]: (samples,) or (samples, channels) at `sample_rate` Hz.

        Raises ValueError for a file or samples that cannot be used, and where `sample_rate` is missing or needless.
        """
        if isinstance(sound, np.ndarray):
            waveform = _mono(sound, sample_rate, self._classifier.sample_rate)
        elif not isinstance(sound, str | os.PathLike):
            raise ValueError(
                f"{type(sound).__name__}: give the path of a sound file, or a numpy array with sample_rate=HZ"
            )
        elif sample_rate is not None:
            raise ValueError("sample_rate belongs to an array; a file says its own: leave it out")
        else:
            try:
                waveform = decode(Path(sound), self._classifier.sample_rate)
            except ValueError as error:
                raise ValueError(f"{sound}: {error}") from None
        values = self._classifier.probabilities(waveform).tolist()
        probabilities = dict(zip(self.classes, values, strict=True))
        label = max(probabilities, key=probabilities.__getitem__)
        return SoundPrediction(label, probabilities[label], probabilities)


def load(path: str | os.PathLike[str]) -> Model:
    """The model of a job's folder, on the CPU. Raises ValueError in one line where there is none."""
    return Model(load_classifier(Path(path).expanduser()))


def _mono(samples: np.ndarray, sample_rate: int | None, rate: int) -> np.ndarray:
    """The mean of the channels, float32 at `rate` Hz."""
    if not isinstance(sample_rate, int | np.integer) or not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        raise ValueError(f"sample_rate={sample_rate}: give the rate of the array, an integer from {MIN_SAMPLE_RATE} Hz")
    columns = samples.shape[1] if samples.ndim == 2 else 1
    if samples.ndim not in (1, 2) or not np.issubdtype(samples.dtype, np.floating) or not 0 < columns <= len(samples):
        raise ValueError(
            f"an array of shape {samples.shape} and type {samples.dtype}: give floats in [-1, 1], as (samples,) or"
            " (samples, channels)"
        )
    with np.errstate(over="ignore"):
        mono = np.ascontiguousarray(samples if samples.ndim == 1 else samples.mean(axis=1), np.float32)
    if not np.isfinite(mono).all():
        raise ValueError("the array has samples that are NaN, infinite or too large for float32; remove them")
    return resample(mono, int(sample_rate), rate)
