import math

import numpy as np
import pytest
import torch
from scipy import stats

from audio_cls.models.build import build_transformer
from audio_cls.models.features import Features
from audio_cls.models.late_fusion import LateFusion
from audio_cls.models.log_mel import LogMel
from audio_cls.models.settings import TransformerSettings
from audio_cls.models.stems import SpectrogramStem
from audio_cls.models.texture import LogMelTexture, band_moments

RATE = 16_000


@pytest.mark.parametrize("seconds", [0.5, 7.3])
def test_other_lengths_give_a_token_for_every_64_frames(seconds):
    front_end = LogMelTexture(RATE, 64, 512, 80, num_samples=RATE)
    num_samples = int(seconds * RATE)
    spectrogram, modulations, statistics, *_ = front_end(torch.randn(2, 1, num_samples))
    num_frames = num_samples // 80 + 1
    assert spectrogram.shape == (2, 1, 64, math.ceil(num_frames / 8))
    assert spectrogram.shape[-1] == front_end.num_frames(num_samples)
    assert modulations.shape == (2, 7 * 6, 8, math.ceil(num_frames / 64))
    assert statistics.shape == (2, 7 * 64 + 7 * 6 * 8) == (2, front_end.num_statistics)


def test_the_spectrogram_is_log_mel_with_the_mean_power_of_8_frames():
    torch.manual_seed(0)
    waveforms = torch.randn(2, 1, 8_000)
    front_end = LogMelTexture(RATE, 32, 512, 80, num_samples=8_000).eval()
    power = LogMel(RATE, 32, 512, 80).mel_power(waveforms)  # (2, 32, 101)
    level = (
        10 * torch.cat([power[..., :96].unflatten(-1, (12, 8)).mean(-1), power[..., 96:].mean(-1, True)], -1).log10()
    )
    level = level - level.mean((1, 2), keepdim=True)
    expected = level / level.std((1, 2), correction=0, keepdim=True)
    torch.testing.assert_close(front_end(waveforms).spectrogram[:, 0], expected, atol=1e-4, rtol=1e-4)


def test_the_level_of_a_recording_does_not_matter():
    torch.manual_seed(0)
    front_end = LogMelTexture(RATE, 64, 512, 80, num_samples=RATE).eval()
    waveforms = torch.randn(1, 1, RATE) * torch.linspace(0, 1, RATE)
    for quiet, loud in zip(front_end(0.01 * waveforms)[:3], front_end(waveforms)[:3], strict=True):
        torch.testing.assert_close(quiet, loud, atol=1e-3, rtol=1e-3)


def test_modulations_and_statistics_are_normalised_over_the_batch_in_training_and_by_the_running_mean_in_evaluation():
    torch.manual_seed(0)
    front_end = LogMelTexture(RATE, 64, 512, 80, num_samples=RATE)
    waveforms = torch.randn(4, 1, RATE)
    _, modulations, statistics, *_ = front_end(waveforms)
    torch.testing.assert_close(modulations.mean((0, 2, 3)), torch.zeros(42), atol=1e-4, rtol=0)
    torch.testing.assert_close(statistics.mean(0), torch.zeros(front_end.num_statistics), atol=1e-4, rtol=0)
    front_end.eval()
    for part in (1, 2):
        torch.testing.assert_close(front_end(waveforms[:1])[part], front_end(waveforms)[part][:1], atol=1e-4, rtol=1e-4)


def moments_of(level: torch.Tensor) -> torch.Tensor:
    """(6,) of one band beside one that is steady at 0 dB."""
    levels = torch.stack([level, torch.zeros_like(level)]).unsqueeze(0)
    return band_moments(levels, levels)[0, :, 0]


def test_moments_are_those_of_scipy():
    torch.manual_seed(0)
    level = 5 * torch.randn(1, 3, 500) + torch.tensor([-20.0, 0.0, 3.0]).view(1, 3, 1)
    moments = band_moments(level, level)[0].numpy()
    envelope = (10 ** (level / 10)) ** 0.3
    envelope = (envelope / envelope.mean()).numpy()[0]
    in_db = level.numpy()[0]
    expected = [
        np.log(in_db.std(1) + 0.1),
        stats.skew(in_db, axis=1),
        np.log(stats.kurtosis(in_db, axis=1, fisher=False) + 0.1),
        np.log(envelope.mean(1) + 1e-4),
        np.log(envelope.std(1) / envelope.mean(1) + 1e-3),
        stats.skew(envelope, axis=1),
    ]
    np.testing.assert_allclose(moments, expected, rtol=1e-3, atol=1e-3)


def test_sparse_clicks_are_skewed_and_gaps_the_other_way():
    clicks = torch.zeros(1_000) - 30
    clicks[::50] = 0
    gaps = -30 - clicks
    dense = -15 + 5 * torch.randn(1_000, generator=torch.Generator().manual_seed(0))
    skewness, kurtosis = 1, 2
    assert moments_of(clicks)[skewness] > 5 and moments_of(gaps)[skewness] < -5
    assert abs(moments_of(dense)[skewness]) < 0.3
    assert moments_of(clicks)[kurtosis] > moments_of(dense)[kurtosis] + 1


def test_a_band_that_does_not_move_has_finite_moments():
    assert moments_of(torch.full((100,), -80.0)).isfinite().all()


def test_moments_do_not_depend_on_when_something_happens():
    level = 10 * torch.randn(1, 4, 300, generator=torch.Generator().manual_seed(1))
    shuffled = level[..., torch.randperm(300)]
    torch.testing.assert_close(band_moments(level, level), band_moments(shuffled, shuffled), atol=1e-4, rtol=1e-4)


def test_both_parts_along_time_reach_the_tokens():
    torch.manual_seed(0)
    stem = SpectrogramStem(64, d_model=24, width=4, num_modulations=42).eval()
    parts = torch.randn(2, 1, 64, 26, requires_grad=True), torch.randn(2, 42, 8, 4, requires_grad=True)
    tokens = stem(Features(*parts))
    assert tokens.shape == (2, 4, 24) and stem.num_tokens(26) == 4
    tokens.sin().sum().backward()
    assert all((part.grad != 0).all() for part in parts)


def classifier() -> LateFusion:
    torch.manual_seed(0)
    options = {"front_end": "log_mel_texture", "n_fft": 512, "hop_length": 80, "d_model": 24, "num_layers": 1}
    sizes = {"num_classes": 3, "sample_rate": RATE, "num_samples": RATE}
    return build_transformer(TransformerSettings(**sizes, num_heads=2, stem_width=4, **options))


def test_the_probabilities_are_the_geometric_mean_of_two_classifiers():
    model = classifier().eval()
    waveforms = torch.randn(2, 1, RATE)
    by_sound, by_statistics = (logits.softmax(-1) for logits in model.branch_logits(model.extract(waveforms)))
    expected = (by_sound * by_statistics).sqrt()
    expected = expected / expected.sum(-1, keepdim=True)
    assert not torch.allclose(by_sound, by_statistics, atol=1e-3)
    torch.testing.assert_close(model(waveforms).softmax(-1), expected)


def test_neither_classifier_learns_from_the_others_loss():
    model = classifier()
    by_sound, by_statistics = model.branch_logits(model.extract(torch.randn(2, 1, RATE)))
    by_statistics.sum().backward(retain_graph=True)
    assert all(parameter.grad is None for parameter in model.transformer.parameters())
    by_sound.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_it_takes_crops_of_any_length():
    assert classifier().eval()(torch.randn(2, 1, 3 * RATE // 2)).shape == (2, 3)
