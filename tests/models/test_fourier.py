"""What is exported agrees with what was trained."""

import pytest
import torch

from audio_cls.models.log_mel import LogMel
from audio_cls.models.modulation import ModulationPower


@pytest.mark.parametrize(("n_fft", "hop_length"), [(512, 80), (400, 160), (255, 100)])
def test_real_matrices_give_the_mel_power_of_torch(n_fft, hop_length, monkeypatch):
    front_end = LogMel(16_000, 32, n_fft, hop_length)
    waveforms = torch.randn(3, 1, 8_000, generator=torch.Generator().manual_seed(0))
    expected = front_end.mel_power(waveforms)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    torch.testing.assert_close(front_end.mel_power(waveforms), expected, rtol=1e-4, atol=1e-5 * expected.max().item())


@pytest.mark.parametrize("num_frames", [1, 63, 64, 201, 1003])
def test_real_matrices_give_the_modulations_of_torch(num_frames, monkeypatch):
    modulation = ModulationPower(64, 200.0, 5.0)
    level = 10 * torch.randn(2, 64, num_frames, generator=torch.Generator().manual_seed(0))
    expected = modulation(level)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    torch.testing.assert_close(modulation(level), expected, rtol=1e-4, atol=1e-5)
