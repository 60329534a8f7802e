"""A trained model as other programs use it: audio_cls.load(PATH).predict(SOUND)."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch

from audio_cls.data.crops import EVALUATION_SAMPLES
from audio_cls.data.decode import Recording, read_audio, resample
from audio_cls.serving.classifier import LoadedClassifier
from audio_cls.serving.load import load_classifier
from audio_cls.serving.samples import recording_of

Sound = str | os.PathLike[str] | np.ndarray | torch.Tensor
Sounds = list[Any] | tuple[Any, ...]  # of Sound; a list of one kind would be no list of all kinds


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
        flags = f", flags={self.flags}" if self.flags else ""
        duration = f"duration_seconds={self.duration_seconds:.6g}"
        return f"SoundPrediction(label={self.label!r}, probability={self.probability:.3f}, {duration}{flags})"


class Model:
    """A trained classifier for sound of any length and sample rate. `audio_cls.load` makes it.

    >>> import audio_cls
    >>> model = audio_cls.load("my_model")
    >>> model.classes
    ('dog', 'engine', 'rain', 'rooster')

    Several threads may use it at once, once it is where `to` has moved it.
    """

    def __init__(self, classifier: LoadedClassifier) -> None:
        self._classifier = classifier

    def __repr__(self) -> str:
        return f"<Model {self._classifier.name}: {len(self.classes)} classes, {self.sample_rate} Hz>"

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names, in index order."""
        return self._classifier.classes

    @property
    def sample_rate(self) -> int:
        """Hz, at which the network hears. Sounds at another rate are resampled."""
        return self._classifier.sample_rate

    def to(self, device: str | torch.device) -> "Model":
        """Moves the network to a device, as 'cuda'; returns this model. Raises ValueError for one that is not there."""
        try:
            torch.zeros(1, device=device).cpu()
        except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
            reason = f"{error}".partition("\n")[0].strip().rstrip(".")
            raise ValueError(f"device {device!s} cannot be used ({reason}); there is {_devices()}") from None
        self._classifier.module.to(device)
        return self

    @overload
    def predict(self, sound: Sound, sample_rate: int | None = None) -> SoundPrediction: ...
    @overload
    def predict(self, sound: Sounds, sample_rate: int | None = None) -> list[SoundPrediction]: ...
    def predict(self, sound: Sound | Sounds, sample_rate: int | None = None) -> SoundPrediction | list[SoundPrediction]:
        """Of a sound file, or of samples at `sample_rate` Hz; of a list of these, a list, computed in batches.

        Samples are a numpy array or a torch tensor, (samples,) or (channels, samples): floats in [-1, 1], or int16.
        Raises ValueError, in one line, for a sound that cannot be used; a list with such a sound gives nothing.

        >>> import audio_cls, soundfile
        >>> model = audio_cls.load("my_model")
        >>> model.predict("dog.wav").label
        'dog'
        >>> samples, rate = soundfile.read("rain.wav")
        >>> [found.label for found in model.predict([samples, "dog.wav"], sample_rate=rate)]
        ['rain', 'dog']
        """
        found = [
            self._answer(recording, values)
            for recordings, crops in self._batches(sound, sample_rate)
            for recording, values in zip(recordings, self._classifier.clip_probabilities(crops).numpy(), strict=True)
        ]
        return found if isinstance(sound, list | tuple) else found[0]

    def embed(self, sound: Sound | Sounds, sample_rate: int | None = None) -> np.ndarray:
        """What the last layer of the network gets, (D,) float32, or (N, D) for a list of N sounds; as in `predict`.

        Of a sound it is the mean over the evenly spaced crops that evaluation looks at, without silent ones. Raises
        ValueError also where the network, one of somebody else, has no method `embed`.

        >>> import audio_cls
        >>> audio_cls.load("my_model").embed(["dog.wav", "rain.wav"]).shape
        (2, 352)
        """
        found = [self._classifier.clip_embeddings(crops).numpy() for _, crops in self._batches(sound, sample_rate)]
        if not found:
            raise ValueError("an empty list has no embeddings; give one sound at least")
        embeddings = np.concatenate(found)
        return embeddings if isinstance(sound, list | tuple) else embeddings[0]

    def _answer(self, recording: Recording, values: np.ndarray) -> SoundPrediction:
        probabilities = dict(zip(self.classes, values.tolist(), strict=True))
        label = max(probabilities, key=probabilities.__getitem__)
        seconds = recording.frames / recording.sample_rate
        return SoundPrediction(label, probabilities[label], probabilities, seconds, notes=recording.notes)

    def _batches(
        self, sound: Sound | Sounds, sample_rate: int | None
    ) -> Iterator[tuple[list[Recording], torch.Tensor]]:
        """Sounds and their crops (B, C, 1, T), as many at once as at evaluation."""
        classifier = self._classifier
        size = max(1, EVALUATION_SAMPLES // (classifier.crop_samples * classifier.eval_crops))
        recordings: list[Recording] = []
        crops: list[torch.Tensor] = []
        for recording in _recordings(sound, sample_rate):
            waveform = resample(recording.waveform, recording.sample_rate, self.sample_rate)
            recordings.append(recording)
            crops.append(classifier.crops(waveform))
            if len(crops) == size:
                yield recordings, torch.stack(crops)
                recordings, crops = [], []
        if crops:
            yield recordings, torch.stack(crops)


def load(path: str | os.PathLike[str]) -> Model:
    """The model of an exported folder or of a job's, on the CPU. Raises ValueError in one line where there is none."""
    return Model(load_classifier(Path(path).expanduser()))


def _recordings(sound: Sound | Sounds, sample_rate: int | None) -> Iterator[Recording]:
    """Reads the sounds one after the other. Raises ValueError that says which of them cannot be used."""
    if not isinstance(sound, list | tuple):
        yield _recording(sound, sample_rate)
        return
    if sample_rate is not None and sound and all(_is_path(each) for each in sound):
        raise ValueError("sample_rate belongs to samples; a file says its own: leave it out")
    for index, each in enumerate(sound):
        try:
            yield _recording(each, sample_rate if _is_samples(each) else None)
        except ValueError as error:
            raise ValueError(f"{error}" if _is_path(each) else f"sounds[{index}]: {error}") from None


def _recording(sound: Any, sample_rate: int | None) -> Recording:
    if _is_samples(sound):
        return recording_of(sound, sample_rate)
    if not _is_path(sound):
        raise ValueError(f"{type(sound).__name__}: give the path of a sound file, or an array of samples")
    if sample_rate is not None:
        raise ValueError("sample_rate belongs to samples; a file says its own: leave it out")
    try:
        return read_audio(Path(sound).expanduser())
    except ValueError as error:
        raise ValueError(f"{os.fspath(sound)}: {error}") from None


def _is_samples(sound: Any) -> bool:
    return isinstance(sound, np.ndarray | torch.Tensor)


def _is_path(sound: Any) -> bool:
    return isinstance(sound, str | os.PathLike)


def _devices() -> str:
    found = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    return ", ".join([*found, "mps"] if torch.backends.mps.is_available() else found)
