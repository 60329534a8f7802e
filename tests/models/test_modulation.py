import math

import pytest
import torch

from audio_cls.models.modulation import SCALES, ModulationPower, modulation_rates

RATE = 16_000
FRAME_RATE, NUM_MELS, SECONDS = 200.0, 64, 5.0
FRAMES = int(FRAME_RATE * SECONDS) + 1


def ripple(rate: float = 0.0, scale: float = 0.0, depth: float = 10.0, first: int = 0, last: int = NUM_MELS):
    """Levels (1, M, F) in dB that go up and down `rate` times a second and `scale` times over all bands."""
    time, band = torch.arange(FRAMES) / FRAME_RATE, torch.arange(NUM_MELS) / NUM_MELS
    level = depth * torch.cos(2 * math.pi * (rate * time + scale * band[:, None]))
    level[:first], level[last:] = 0, 0
    return level.unsqueeze(0)


@pytest.fixture(scope="module")
def modulation():
    return ModulationPower(NUM_MELS, FRAME_RATE, SECONDS)


def strongest(modulation, level) -> tuple[float, int]:
    power = modulation(level)[0].unflatten(0, (-1, len(SCALES)))[..., 2:-2].mean((2, 3))  # (R, S)
    best = int(power.argmax())
    return modulation.rates[best // len(SCALES)], SCALES[best % len(SCALES)]


def test_rates_are_octaves_from_the_fastest_to_the_slowest_that_a_crop_shows():
    assert modulation_rates(200.0, 5.0) == [0.3125, 0.625, 1.25, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0]
    assert modulation_rates(200.0, 1.0)[0] == 1.25
    assert modulation_rates(10.0, 0.1) == []


@pytest.mark.parametrize("rate", [0.625, 40.0])
@pytest.mark.parametrize("scale", [1, 16])
@pytest.mark.parametrize("direction", [-1, 1])
def test_a_ripple_is_strongest_at_its_own_rate_and_scale_whichever_way_it_moves(modulation, rate, scale, direction):
    assert strongest(modulation, ripple(rate, direction * scale)) == (rate, scale)


@pytest.mark.parametrize("rate", [0.625, 5.0, 80.0])
def test_what_rises_in_all_bands_at_once_has_scale_0(modulation, rate):
    assert strongest(modulation, ripple(rate)) == (rate, 0)


@pytest.mark.parametrize(("rate", "scale"), [(1.25, 16), (5.0, 8), (20.0, 4)])
def test_the_power_of_a_ripple_at_a_filters_centre_is_the_square_of_its_depth(modulation, rate, scale):
    power = modulation(ripple(rate, scale, depth=10.0))[0].unflatten(0, (-1, len(SCALES)))
    at = power[modulation.rates.index(rate), SCALES.index(scale), 3:5, 4:-4]
    torch.testing.assert_close(at.mean(), torch.tensor(100.0), rtol=0.05, atol=0)


def test_twice_the_depth_is_four_times_the_power(modulation):
    once, twice = modulation(ripple(5.0, 4, depth=10.0)), modulation(ripple(5.0, 4, depth=20.0))
    at = modulation.rates.index(5.0) * len(SCALES) + SCALES.index(4)
    torch.testing.assert_close(twice[0, at], 4 * once[0, at], rtol=0.01, atol=0)


def test_a_steady_sound_has_no_modulation_and_is_finite(modulation):
    power = modulation(torch.full((2, NUM_MELS, FRAMES), -30.0))
    assert power.isfinite().all() and power.max() < 0.001


def test_groups_and_tokens_say_where_something_moves(modulation):
    level = ripple(10.0, first=40, last=48)
    level[..., 500:] = 0  # until 2.5 s: tokens 0 to 7
    power = modulation(level)[0, modulation.rates.index(10.0) * len(SCALES)]  # (8, 16), scale 0
    assert power[:, 2:6].mean(1).argmax() == 5
    assert power[5, :7].min() > 20 * power[5, 9:].max()


def test_a_level_that_is_constant_over_time_in_each_band_does_not_move(modulation):
    """The shape of the spectrum is not a modulation: the mean of each band goes."""
    steady = torch.randn(1, NUM_MELS, 1).expand(-1, -1, FRAMES)
    moving = ripple(5.0, 2)
    torch.testing.assert_close(modulation(moving + 10 * steady), modulation(moving), atol=1e-2, rtol=1e-2)


def test_clips_of_a_batch_do_not_meet(modulation):
    torch.manual_seed(0)
    levels = 10 * torch.randn(3, NUM_MELS, FRAMES)
    torch.testing.assert_close(modulation(levels)[1:2], modulation(levels[1:2]), atol=1e-4, rtol=1e-4)
