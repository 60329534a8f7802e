"""A trained model as other programs use it: audio_cls.load(PATH).predict(SOUND)."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
import torch

from audio_cls.data.decode import BadAudio, Recording, read_audio
from audio_cls.serving.answers import SoundEvent, SoundPrediction, SoundWindow, answer_of, event_of, window_of
from audio_cls.serving.batches import crops_of, predict_in_batches
from audio_cls.serving.classifier import LoadedClassifier
from audio_cls.serving.events import merge
from audio_cls.serving.load import load_classifier
from audio_cls.serving.predict import Hearing, hear_file, hear_samples, predict_by_windows
from audio_cls.serving.prediction import Prediction, Window
from audio_cls.serving.samples import recording_of
from audio_cls.wording import UserError

Sound = str | os.PathLike[str] | np.ndarray | torch.Tensor
Sounds = list[Any] | tuple[Any, ...]  # of Sound; a list of one kind would be no list of all kinds
Heard = TypeVar("Heard")


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
        hearing = Hearing(windows=False)
        found = predict_in_batches(self._classifier, self._heard(sound, sample_rate, hearing), hearing)
        answers = [answer_of(prediction, self.classes) for prediction in found]
        return answers if isinstance(sound, list | tuple) else answers[0]

    def windows(
        self,
        sound: Sound,
        sample_rate: int | None = None,
        *,
        window: float | None = None,
        hop: float | None = None,
        min_confidence: float = 0.0,
    ) -> list[SoundWindow]:
        """What is heard in each window of a sound, of any length; a file is read piece by piece.

        Args:
            window: seconds; None: one crop, which is what the network hears at once.
            hop: seconds from one window to the next; None: half a window. The last window ends with the sound.
            min_confidence: windows whose top probability is lower are left out.

        >>> import audio_cls
        >>> audio_cls.load("my_model").windows("hour.wav", hop=0.5)[0]
        SoundWindow(label='rain', probability=..., start_seconds=0, end_seconds=0.5)
        """
        heard = self._windows(sound, sample_rate, window, hop, min_confidence)
        return [window_of(each, self.classes) for each in heard]

    def events(
        self,
        sound: Sound,
        sample_rate: int | None = None,
        *,
        window: float | None = None,
        hop: float | None = None,
        min_confidence: float = 0.0,
    ) -> list[SoundEvent]:
        """Windows in a row with the same most probable class, merged; silent and unsure ones are left out."""
        heard = self._windows(sound, sample_rate, window, hop, min_confidence)
        return [event_of(each, self.classes) for each in merge(heard)]

    def embed(self, sound: Sound | Sounds, sample_rate: int | None = None) -> np.ndarray:
        """What the last layer of the network gets, (D,) float32, or (N, D) for a list of N sounds; as in `predict`.

        Of a sound it is the mean over the evenly spaced crops that evaluation looks at, without silent ones. Raises
        ValueError also where the network, one of somebody else, has no method `embed`.

        >>> import audio_cls
        >>> audio_cls.load("my_model").embed(["dog.wav", "rain.wav"]).shape
        (2, 352)
        """
        recordings = _each(sound, sample_rate, read_audio, lambda recording: recording)
        found = [self._classifier.clip_embeddings(crops).numpy() for crops in crops_of(self._classifier, recordings)]
        if not found:
            raise ValueError("an empty list has no embeddings; give one sound at least")
        embeddings = np.concatenate(found)
        return embeddings if isinstance(sound, list | tuple) else embeddings[0]

    def _windows(
        self, sound: Sound, sample_rate: int | None, window: float | None, hop: float | None, min_confidence: float
    ) -> tuple[Window, ...]:
        if isinstance(sound, list | tuple):
            raise ValueError(f"{type(sound).__name__}: windows are those of one sound; give them one by one")
        try:
            hearing = Hearing(window, hop, min_confidence)
            hearing.sizes(self._classifier)
        except UserError as error:  # which names the options of the command
            raise ValueError(f"{error}".replace("--min-confidence", "min_confidence").replace("--", "")) from None
        (heard,) = self._heard(sound, sample_rate, hearing)
        if isinstance(heard, Recording):
            heard = predict_by_windows(self._classifier, heard, "", hearing)
        return heard.windows or ()

    def _heard(
        self, sound: Sound | Sounds, sample_rate: int | None, hearing: Hearing
    ) -> Iterator[Recording | Prediction]:
        """Each sound: as it is read if it is a clip, or what is said of a longer recording."""
        return _each(
            sound,
            sample_rate,
            lambda path: hear_file(self._classifier, path, hearing),
            lambda recording: hear_samples(self._classifier, recording, "", hearing),
        )


def load(path: str | os.PathLike[str]) -> Model:
    """The model of an exported folder or of a job's, on the CPU. Raises ValueError in one line where there is none."""
    return Model(load_classifier(Path(path).expanduser()))


def _each(
    sound: Sound | Sounds,
    sample_rate: int | None,
    of_file: Callable[[Path], Heard],
    of_samples: Callable[[Recording], Heard],
) -> Iterator[Heard]:
    """What becomes of the sounds, one after the other. Raises ValueError that says which of them cannot be used."""

    def one(sound: Any, sample_rate: int | None) -> Heard:
        if _is_samples(sound):
            return of_samples(recording_of(sound, sample_rate))
        if not _is_path(sound):
            raise ValueError(
                f"{type(sound).__name__}: give the path of a sound file, an array of samples, or a list of these"
            )
        if sample_rate is not None:
            raise ValueError("sample_rate belongs to samples; a file says its own: leave it out")
        try:
            return of_file(Path(sound).expanduser())
        except BadAudio as error:
            raise ValueError(f"{os.fspath(sound)}: {error}") from None

    if not isinstance(sound, list | tuple):
        yield one(sound, sample_rate)
        return
    if sample_rate is not None and sound and all(_is_path(each) for each in sound):
        raise ValueError("sample_rate belongs to samples; a file says its own: leave it out")
    for index, each in enumerate(sound):
        try:
            heard = one(each, sample_rate if _is_samples(each) else None)
        except ValueError as error:
            raise ValueError(f"{error}" if _is_path(each) else f"sounds[{index}]: {error}") from None
        yield heard


def _is_samples(sound: Any) -> bool:
    return isinstance(sound, np.ndarray | torch.Tensor)


def _is_path(sound: Any) -> bool:
    return isinstance(sound, str | os.PathLike)


def _devices() -> str:
    found = ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    return ", ".join([*found, "mps"] if torch.backends.mps.is_available() else found)
