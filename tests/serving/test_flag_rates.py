from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from audio_cls.data.profile import TrainingProfile
from audio_cls.models.clip_classifier import ClipClassifier
from audio_cls.serving.classifier import LoadedClassifier
from audio_cls.serving.flag_rates import count_flags, flags_on, generated_rates, generated_sounds


class Even(nn.Module):
    """Two classes, always equally likely."""

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(waveforms), 2)


@pytest.fixture
def classifier() -> LoadedClassifier:
    module = ClipClassifier(Even(), normalize=True, silence_db=30.0)
    profile = TrainingProfile(1, 1, softest_db=-30, loudest_db=-20)
    return LoadedClassifier(module, ("a", "b"), 4_000, 400, 2, Path("job"), unsure_below=0.6, profile=profile)


def test_generated_sounds_are_the_same_each_time_and_at_any_rate() -> None:
    first, second = generated_sounds(4_000, 400), generated_sounds(4_000, 400)
    assert {name: len(sounds) for name, sounds in first.items()} == {"white noise": 100, "tones": 100}
    for name, sounds in first.items():
        assert all(np.array_equal(one, other) for one, other in zip(sounds, second[name], strict=True))
        assert {(len(sound), sound.dtype.name) for sound in sounds} == {(400, "float32")}


def test_tones_stay_below_half_the_rate() -> None:
    spectrum = np.abs(np.fft.rfft(generated_sounds(4_000, 4_000)["tones"][-1]))
    assert spectrum.argmax() == pytest.approx(1_800, abs=2)


def test_flags_are_counted_by_name(classifier: LoadedClassifier) -> None:
    rates = generated_rates(classifier)
    assert set(rates) == {"white noise", "tones"}
    assert rates["tones"].by_flag == {"silent": 0, "unlike training data": 0, "unsure": 100}
    assert rates["tones"].flagged == 100
    assert rates["tones"].share("unsure") == 1


def test_silence_and_levels_beyond_training_are_counted(classifier: LoadedClassifier) -> None:
    sounds = [np.zeros(400, np.float32), np.full(400, 0.9, np.float32) * np.sin(np.arange(400))]
    counts = count_flags(flags_on(classifier, [sound.astype(np.float32) for sound in sounds]))
    assert counts.by_flag == {"silent": 1, "unlike training data": 1, "unsure": 1}
    assert counts.flagged == 2
