"""Several clips through the network at once.

Axis letters: B clips, C crops of a clip, T samples of a crop.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from audio_cls.data.crops import EVALUATION_SAMPLES
from audio_cls.data.decode import Recording, resample
from audio_cls.serving.classifier import LoadedClassifier
from audio_cls.serving.predict import Hearing, describe_clip
from audio_cls.serving.prediction import Prediction


class Clip(NamedTuple):
    """A sound, and its waveform (samples,) at the rate of the classifier."""

    recording: Recording
    waveform: np.ndarray


def batch_size(classifier: LoadedClassifier) -> int:
    """As many clips as evaluation takes at once."""
    return max(1, EVALUATION_SAMPLES // (classifier.crop_samples * classifier.eval_crops))


def crops_of(classifier: LoadedClassifier, recordings: Iterable[Recording]) -> Iterator[torch.Tensor]:
    """The crops (B, C, 1, T) of sounds, in batches."""
    size = batch_size(classifier)
    waiting: list[torch.Tensor] = []
    for recording in recordings:
        waiting.append(classifier.crops(_clip(classifier, recording).waveform))
        if len(waiting) == size:
            yield torch.stack(waiting)
            waiting = []
    if waiting:
        yield torch.stack(waiting)


def predict_in_batches(
    classifier: LoadedClassifier, sounds: Iterable[Recording | Prediction], hearing: Hearing
) -> Iterator[Prediction]:
    """Of each sound in its turn: clips are predicted together; what was said of a longer recording stays as it is."""
    size = batch_size(classifier)
    waiting: list[Clip] = []
    for sound in sounds:
        if isinstance(sound, Recording):
            waiting.append(_clip(classifier, sound))
        if len(waiting) == size or isinstance(sound, Prediction):
            yield from _predict(classifier, waiting, hearing)
            waiting = []
        if isinstance(sound, Prediction):
            yield sound
    yield from _predict(classifier, waiting, hearing)


def _predict(classifier: LoadedClassifier, clips: list[Clip], hearing: Hearing) -> Iterator[Prediction]:
    if not clips:
        return
    crops = torch.stack([classifier.crops(clip.waveform) for clip in clips])
    for clip, probabilities in zip(clips, classifier.clip_probabilities(crops).numpy(), strict=True):
        yield describe_clip(classifier, *clip, probabilities, "", hearing)


def _clip(classifier: LoadedClassifier, recording: Recording) -> Clip:
    return Clip(recording, resample(recording.waveform, recording.sample_rate, classifier.sample_rate))
