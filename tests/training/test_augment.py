import math

import pytest
import torch

from audio_cls.models.features import Features
from audio_cls.training.augment import BetweenClassMix, Gain, SpectrogramMask, TimeScale, WaveformAugment, input_samples

RATE = 8_000
NUM_SAMPLES = 4_000


def tone(frequency: float, num_samples: int, amplitude: float = 1.0) -> torch.Tensor:
    """(1, 1, num_samples)"""
    return amplitude * torch.sin(2 * math.pi * frequency * torch.arange(num_samples) / RATE).view(1, 1, -1)


def noise(batch: int, num_samples: int = NUM_SAMPLES) -> torch.Tensor:
    return torch.randn(batch, 1, num_samples, generator=torch.Generator().manual_seed(0))


def one_hot(batch: int, num_classes: int = 3) -> torch.Tensor:
    return torch.eye(num_classes)[torch.arange(batch) % num_classes]


def loudest_frequency(waveform: torch.Tensor) -> float:
    """Hz, between the bins of the spectrum by a parabola through its logarithm."""
    spectrum = torch.fft.rfft(waveform.flatten().double() * torch.hann_window(waveform.numel())).abs().log()
    peak = int(spectrum.argmax())
    before, at, after = spectrum[peak - 1 : peak + 2].tolist()
    return (peak + 0.5 * (before - after) / (before - 2 * at + after)) * RATE / waveform.numel()


def rms(waveforms: torch.Tensor) -> torch.Tensor:
    return waveforms.square().mean(-1).sqrt().flatten()


OFF = {
    "time scale": TimeScale(NUM_SAMPLES, 1.0),
    "gain": Gain(0.0),
}
ON = {
    "time scale": TimeScale(NUM_SAMPLES, 2.0),
    "gain": Gain(20.0),
}


@pytest.mark.parametrize("part", OFF.values(), ids=OFF)
def test_a_part_that_is_switched_off_changes_nothing_in_training(part):
    inputs = noise(4)
    assert torch.equal(part.train()(inputs), inputs)


@pytest.mark.parametrize("part", ON.values(), ids=ON)
def test_a_part_that_is_on_changes_training_and_leaves_evaluation_as_it_is(part):
    inputs = noise(4)
    longer = torch.cat([inputs, noise(4, NUM_SAMPLES + 1)], dim=-1) if isinstance(part, TimeScale) else inputs
    assert not torch.equal(part.train()(longer), inputs)
    assert torch.equal(part.eval()(inputs), inputs)


@pytest.mark.parametrize("mask", [SpectrogramMask(num_masks=0), SpectrogramMask(max_fraction=0.0)])
def test_masks_that_are_switched_off_change_nothing_in_training(mask):
    inputs = torch.randn(4, 1, 16, 20)
    assert torch.equal(mask.train()(Features(inputs)).spectrogram, inputs)


def test_masks_change_training_and_leave_evaluation_as_it_is():
    mask, features = SpectrogramMask(4, 0.5), Features(torch.randn(4, 1, 16, 20))
    assert not torch.equal(mask.train()(features).spectrogram, features.spectrogram)
    assert mask.eval()(features) is features


def test_mixing_leaves_evaluation_as_it_is():
    mixed, targets = BetweenClassMix().eval()(noise(6), one_hot(6))
    assert torch.equal(mixed, noise(6))
    assert torch.equal(targets, one_hot(6))


def test_all_of_it_together_leaves_evaluation_as_it_is_and_draws_nothing():
    augment = WaveformAugment(NUM_SAMPLES, time_scale=1.5, gain_db=6.0, mix=True).eval()
    before = torch.get_rng_state()
    waveforms, targets = augment(noise(6), one_hot(6))
    assert torch.equal(waveforms, noise(6))
    assert torch.equal(targets, one_hot(6))
    assert torch.equal(torch.get_rng_state(), before)


def test_all_of_it_switched_off_leaves_training_as_it_is():
    waveforms, targets = WaveformAugment(NUM_SAMPLES).train()(noise(6), one_hot(6))
    assert torch.equal(waveforms, noise(6))
    assert torch.equal(targets, one_hot(6))


def test_the_same_torch_seed_draws_the_same_augmentation_and_another_seed_another():
    augment = WaveformAugment(NUM_SAMPLES, time_scale=1.2, gain_db=6.0, mix=True).train()
    inputs = noise(6, input_samples(NUM_SAMPLES, 1.2))

    def augmented(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return torch.cat([part.flatten() for part in augment(inputs, one_hot(6))])

    assert torch.equal(augmented(1), augmented(1))
    assert not torch.equal(augmented(1), augmented(2))


def test_time_scaling_moves_a_tone_by_the_factor_drawn():
    scale = TimeScale(NUM_SAMPLES, 1.5).train()
    inputs = tone(500.0, input_samples(NUM_SAMPLES, scale.factor)).expand(32, 1, -1)
    torch.manual_seed(0)
    factors = 1.5 ** torch.empty(32, 1, 1).uniform_(-1, 1).flatten()
    torch.manual_seed(0)
    scaled = scale(inputs)
    assert scaled.shape == (32, 1, NUM_SAMPLES)
    measured = torch.tensor([loudest_frequency(waveform) for waveform in scaled])
    assert torch.allclose(measured, 500 * factors, atol=1.0)
    assert measured.min() < 400
    assert measured.max() > 640


@pytest.mark.parametrize("factor", [1.0, 1.1, 4.0])
def test_the_fastest_speed_stays_within_the_input(factor, monkeypatch):
    scale = TimeScale(NUM_SAMPLES, factor).train()
    ramp = torch.arange(input_samples(NUM_SAMPLES, scale.factor), dtype=torch.float32).view(1, 1, -1)
    monkeypatch.setattr(torch.Tensor, "uniform_", lambda self, *_: self.fill_(1.0))
    expected = factor * (NUM_SAMPLES - 1)  # the ramp's value is the position read
    assert scale(ramp)[0, 0, -1].item() == pytest.approx(expected, abs=0.51)  # a whole sample's position


def test_a_time_scale_below_one_is_refused():
    with pytest.raises(ValueError, match=r"factor=0.5.*factor >= 1"):
        TimeScale(NUM_SAMPLES, 0.5)


def test_gain_scales_each_waveform_by_its_own_factor_within_the_decibels():
    inputs = noise(200, 50)
    torch.manual_seed(0)
    ratio = Gain(6.0).train()(inputs) / inputs
    assert torch.allclose(ratio, ratio[..., :1].expand_as(ratio), rtol=1e-4)
    decibels = 20 * ratio[:, 0, 0].log10()
    assert decibels.abs().max() <= 6.001
    assert decibels.min() < -5
    assert decibels.max() > 5


def test_mixed_labels_are_shares_of_two_classes_that_sum_to_one():
    torch.manual_seed(0)
    _, targets = BetweenClassMix().train()(noise(64), one_hot(64, 5))
    assert torch.allclose(targets.sum(1), torch.ones(64))
    assert targets.min() >= 0
    assert ((targets > 0).sum(1) <= 2).all()
    assert ((targets > 0).sum(1) == 2).any()


def test_the_share_of_a_label_is_how_loud_its_sound_is_in_the_mix(monkeypatch):
    quiet, loud = tone(400, NUM_SAMPLES, 0.01), tone(1000, NUM_SAMPLES, 1.0)
    inputs = torch.cat([quiet, loud])
    monkeypatch.setattr(torch, "randperm", lambda size, device=None: torch.tensor([1, 0]))
    for seed in range(5):
        torch.manual_seed(seed)
        mixed, targets = BetweenClassMix().train()(inputs, torch.eye(2))
        amplitudes = torch.fft.rfft(mixed.squeeze(1)).abs()[:, [200, 500]]  # of the two tones
        assert torch.allclose(amplitudes / amplitudes.sum(1, keepdim=True), targets, atol=1e-3)


def test_a_mix_of_sounds_of_one_loudness_is_as_loud_as_they_are():
    torch.manual_seed(0)
    inputs = noise(64)
    mixed, _ = BetweenClassMix().train()(inputs / rms(inputs).view(-1, 1, 1), one_hot(64))
    assert torch.allclose(rms(mixed), torch.ones(64), atol=0.05)  # noises of 4000 samples are nearly uncorrelated


def test_a_clip_mixed_with_itself_is_itself():
    torch.manual_seed(0)
    for _ in range(5):
        mixed, targets = BetweenClassMix().train()(noise(1), one_hot(1))
        assert torch.allclose(mixed, noise(1), atol=1e-5)
        assert torch.allclose(targets, one_hot(1))


def test_mixed_power_is_as_loud_as_its_parts_and_shares_it_by_the_label(monkeypatch):
    power = torch.zeros(2, 3, 50)
    power[0, 0], power[1, 2] = 4.0, 0.25  # two sounds in bands of their own, 12 dB apart
    monkeypatch.setattr(torch, "randperm", lambda size, **_: torch.tensor([1, 0]))
    mixed, targets = BetweenClassMix(power=True).train()(power, one_hot(2))
    amplitudes = mixed[0, :, 0].sqrt()
    assert float(amplitudes[0] / amplitudes[2]) == pytest.approx(float(targets[0, 0] / targets[0, 1]), rel=1e-4)


def test_power_mixed_with_itself_is_itself():
    power = torch.rand(1, 4, 20).expand(6, -1, -1)
    mixed, _ = BetweenClassMix(power=True).train()(power, one_hot(6))
    assert torch.allclose(mixed, power)


def test_mixing_silence_gives_finite_values():
    inputs = torch.cat([torch.zeros(1, 1, NUM_SAMPLES), noise(1), torch.zeros(1, 1, NUM_SAMPLES)])
    for seed in range(10):
        torch.manual_seed(seed)
        mixed, targets = BetweenClassMix().train()(inputs, one_hot(3))
        assert mixed.isfinite().all()
        assert targets.isfinite().all()


def stripes(masked: torch.Tensor, dim: int) -> torch.Tensor:
    """(B, size) bool: positions of the axis `dim` that are 0 all along the other axis."""
    return (masked == 0).all(dim=5 - dim).squeeze(1)


@pytest.mark.parametrize(("mels", "frames"), [(16, 8), (64, 63), (7, 100)])
def test_masks_set_whole_rows_and_columns_to_zero_and_leave_the_rest(mels, frames):
    inputs = torch.rand(100, 1, mels, frames) + 1
    torch.manual_seed(0)
    masked = SpectrogramMask(2, 0.3).train()(Features(inputs)).spectrogram
    covered = stripes(masked, 2)[:, None, :, None] | stripes(masked, 3)[:, None, None, :]
    assert torch.equal(masked, inputs.masked_fill(covered, 0.0))
    assert covered.any()
    assert not covered.all()


def test_masks_cover_the_same_moments_and_bands_of_coarser_features_beside_a_spectrogram():
    torch.manual_seed(0)
    features = Features(torch.ones(50, 1, 64, 120), modulations=torch.ones(50, 3, 8, 15))
    fine, coarse, *_ = SpectrogramMask(2, 0.4).train()(features)
    covered = fine[:, 0] == 0
    in_frequency, in_time = covered.all(2), covered.all(1)
    rows = in_frequency.unflatten(1, (8, 8)).float().mean(2) > 0.5
    columns = in_time.unflatten(1, (15, 8)).float().mean(2) > 0.5
    expected = (rows[:, :, None] | columns[:, None, :]).unsqueeze(1).expand(-1, 3, -1, -1)
    assert torch.equal(coarse == 0, expected) and 0 < expected.float().mean() < 1


@pytest.mark.parametrize("fraction", [0.35, 0.5, 0.7, 0.9])
def test_masks_leave_the_statistics_of_every_clip_and_segment_as_they_are(fraction):
    torch.manual_seed(0)
    whole, segments = (
        Features(torch.rand(size, 1, 64, 120) + 1, torch.rand(size, 42, 8, 15) + 1, torch.rand(size, 784))
        for size in (200, 400)
    )
    features = whole._replace(segments=segments, segment_weights=torch.full((200, 2), 0.5))
    masked = SpectrogramMask(2, fraction).train()(features)
    assert torch.equal(masked.statistics, whole.statistics)
    assert torch.equal(masked.segments.statistics, segments.statistics)
    for before, after in ((whole, masked), (segments, masked.segments)):
        assert (after.spectrogram == 0).any() and (after.modulations == 0).any()
        assert torch.equal(after.spectrogram, before.spectrogram * (after.spectrogram != 0))


@pytest.mark.parametrize(("size", "fraction"), [(16, 0.2), (64, 0.2), (63, 0.31), (100, 0.29)])
def test_a_mask_is_one_stripe_of_at_most_its_share_and_reaches_both_ends(size, fraction):
    torch.manual_seed(0)
    covered = stripes(SpectrogramMask(1, fraction).train()(Features(torch.ones(3000, 1, size, 50))).spectrogram, 2)
    width = covered.sum(1)
    assert width.max() == int(fraction * size)
    assert width.min() == 0
    assert (covered.int().diff(dim=1).abs().sum(1) <= 2).all()  # no holes
    assert covered[:, 0].any()
    assert covered[:, -1].any()
    touched = covered[width > 0].float().mean(0)
    assert touched.min() > 0  # every position is masked sometimes
