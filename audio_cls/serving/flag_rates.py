"""How often a classifier raises flags: on any sounds, and on noise and tones, which are none of its classes."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from audio_cls.serving.classifier import LoadedClassifier
from audio_cls.serving.flags import FLAGS, flags_of

NUM_GENERATED = 100  # of each kind
LEVELS_DB = (-40.0, -10.0)  # RMS below full scale
TONES_HZ = (100.0, 8_000.0)


@dataclass(frozen=True)
class FlagCounts:
    """How many of `sounds` have each flag, by its name, and how many have any."""

    sounds: int
    flagged: int
    by_flag: dict[str, int]

    def share(self, flag: str) -> float:
        return self.by_flag[flag] / max(1, self.sounds)


def count_flags(raised: Iterable[tuple[str, ...]]) -> FlagCounts:
    """Of the flags of each sound."""
    flags = list(raised)
    return FlagCounts(len(flags), sum(map(bool, flags)), {name: sum(name in each for each in flags) for name in FLAGS})


def flags_on(classifier: LoadedClassifier, waveforms: Iterable[np.ndarray]) -> list[tuple[str, ...]]:
    """The flags of clips (samples,) float32 at the classifier's rate."""
    return [flags_of(classifier, each, _probabilities(classifier, each))[0] for each in waveforms]


def generated_rates(classifier: LoadedClassifier, seconds: float | None = None) -> dict[str, FlagCounts]:
    """Of white noise and of tones, as long as a crop or `seconds`; always the same sounds."""
    length = round(seconds * classifier.sample_rate) if seconds else classifier.crop_samples
    sounds = generated_sounds(classifier.sample_rate, length)
    return {name: count_flags(flags_on(classifier, waveforms)) for name, waveforms in sounds.items()}


def generated_sounds(sample_rate: int, num_samples: int) -> dict[str, list[np.ndarray]]:
    """White noise, and tones evenly spaced on a logarithmic scale, at random levels: (samples,) float32 each."""
    rng = np.random.default_rng(0)
    times = np.arange(num_samples) / sample_rate
    frequencies = np.geomspace(TONES_HZ[0], min(TONES_HZ[1], 0.45 * sample_rate), NUM_GENERATED)
    noise = [rng.standard_normal(num_samples) for _ in range(NUM_GENERATED)]
    tones = [np.sqrt(2) * np.sin(2 * np.pi * (frequency * times + rng.random())) for frequency in frequencies]

    def at_levels(sounds: list[np.ndarray]) -> list[np.ndarray]:
        gains = 10 ** (rng.uniform(*LEVELS_DB, size=len(sounds)) / 20)
        return [(gain * sound).astype(np.float32) for gain, sound in zip(gains, sounds, strict=True)]

    return {"white noise": at_levels(noise), "tones": at_levels(tones)}


def _probabilities(classifier: LoadedClassifier, waveform: np.ndarray) -> np.ndarray:
    crops = classifier.crops(waveform)
    if len(waveform) <= classifier.crop_samples:
        crops = crops[:1]  # all of them are the same
    return classifier.clip_probabilities(crops.unsqueeze(0))[0].numpy()
