import warnings

import numpy as np
import pytest

from audio_cls.data.profile import NUM_FEATURES as READ
from audio_cls.models.crop_features import NUM_FEATURES, crop_features, frame_length, long_enough

RATE = 16_000


def noise(*shape: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal(shape)).astype(np.float32)


def test_a_profile_reads_as_many_features_as_there_are() -> None:
    assert READ == NUM_FEATURES == crop_features(noise(2, RATE), RATE).shape[1]


def test_level_does_not_change_the_features() -> None:
    crops = noise(3, RATE)
    np.testing.assert_allclose(crop_features(crops, RATE), crop_features(0.01 * crops, RATE), atol=2e-3)


def test_a_tone_moves_less_than_noise_and_lies_in_another_band() -> None:
    tone = np.sin(2 * np.pi * 1_000 * np.arange(RATE) / RATE).astype(np.float32)
    features = crop_features(np.stack([tone, noise(RATE)]), RATE)
    assert (features[0, 16:32] < features[1, 16:32]).mean() > 0.9
    assert np.abs(features[0, :16] - features[1, :16]).max() > 10


@pytest.mark.parametrize("rate", [4_000, 8_000, 11_025, 16_000, 44_100, 48_000, 384_000])
@pytest.mark.parametrize("seconds", [0.005, 0.02, 0.1, 1.0])
def test_crops_of_any_length_have_features_or_are_known_to_be_too_short(rate: int, seconds: float) -> None:
    samples = round(rate * seconds)
    assert long_enough(samples, rate) or seconds < 0.05
    if long_enough(samples, rate):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of mel bands that hold no frequency
            features = crop_features(noise(2, samples), rate)
        assert features.shape == (2, NUM_FEATURES)
        assert np.isfinite(features).all()


def test_a_frame_lasts_64_ms_at_most() -> None:
    assert frame_length(16_000, 16_000) == 1_024
    assert frame_length(44_100, 44_100) == 2_048
    assert frame_length(800, 16_000) == 256
