import numpy as np
import torch
from scipy import stats

from audio_cls.models.baseline import BandStatistics
from audio_cls.models.build import build_network
from audio_cls.models.log_mel import LogMel

RATE = 16_000
MODEL = {"name": "baseline", "num_mels": 32, "n_fft": 512, "hop_length": 128, "regularization": 30.0}


def baseline() -> BandStatistics:
    return build_network(MODEL, num_classes=3, sample_rate=RATE, num_samples=RATE)


def test_statistics_are_those_of_numpy_and_scipy():
    torch.manual_seed(0)
    waveforms = torch.randn(2, 1, RATE) * torch.linspace(0.1, 1, RATE)
    level = 10 * LogMel(RATE, 32, 512, 128).mel_power(waveforms).double().log10().numpy()  # (2, 32, F)
    expected = [level.mean(-1), level.std(-1), stats.skew(level, axis=-1), stats.kurtosis(level, axis=-1, fisher=False)]
    expected.append(np.abs(np.diff(level)).mean(-1))
    found = baseline().statistics(waveforms).numpy()
    np.testing.assert_allclose(found, np.concatenate(expected, axis=1), rtol=1e-3, atol=1e-3)


def test_silence_a_constant_and_a_crop_of_one_frame_have_finite_statistics():
    network = build_network(MODEL | {"hop_length": 512}, num_classes=3, sample_rate=RATE, num_samples=512)
    for waveforms in (torch.zeros(1, 1, 512), torch.full((1, 1, 512), 0.5), torch.zeros(1, 1, 600)):
        assert network.statistics(waveforms).isfinite().all()


def test_time_runs_in_either_direction():
    waveforms = torch.randn(1, 1, RATE, generator=torch.Generator().manual_seed(0))
    network = baseline()
    waveforms = waveforms[..., : 128 * 100 + 1]  # whole hops: the frames of both directions are the same
    torch.testing.assert_close(network(waveforms), network(waveforms.flip(-1)), rtol=1e-3, atol=1e-3)


def test_an_embedding_is_what_the_linear_layer_gets():
    network, waveforms = baseline(), torch.randn(2, 1, RATE)
    network.mean += 3
    network.deviation *= 2
    torch.testing.assert_close(network.embed(waveforms), (network.statistics(waveforms) - 3) / 2)
    torch.testing.assert_close(network.linear(network.embed(waveforms)), network(waveforms))
