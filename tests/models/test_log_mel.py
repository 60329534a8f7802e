import math

import pytest
import torch
from torchaudio.functional import melscale_fbanks
from torchaudio.transforms import MelSpectrogram

from audio_cls.models.log_mel import LogMel


def tone(frequency: float, sample_rate: int = 16_000, num_samples: int = 16_000) -> torch.Tensor:
    return torch.sin(2 * math.pi * frequency * torch.arange(num_samples) / sample_rate).view(1, 1, -1)


def test_it_is_torchaudios_mel_spectrogram_in_decibels_standardised():
    torch.manual_seed(0)
    waveforms = torch.randn(3, 1, 8_000)
    reference = MelSpectrogram(16_000, n_fft=512, hop_length=160, n_mels=40, mel_scale="slaney", norm=None)
    level = 10 * reference(waveforms[:, 0]).log10()
    mean, std = level.mean((1, 2), keepdim=True), level.std((1, 2), correction=0, keepdim=True)
    features = LogMel(16_000, num_mels=40, n_fft=512, hop_length=160)(waveforms).spectrogram
    torch.testing.assert_close(features[:, 0], (level - mean) / std, atol=1e-4, rtol=1e-4)


def test_a_tone_is_loudest_in_the_band_that_holds_its_frequency():
    front_end = LogMel(16_000)
    bands = melscale_fbanks(513, 0.0, 8_000.0, 64, 16_000, mel_scale="slaney")
    for frequency in (300, 1_000, 3_000, 7_000):
        loudest = front_end(tone(frequency)).spectrogram[0, 0].mean(-1).argmax()
        assert loudest == bands[round(frequency / 16_000 * 1024)].argmax()


def test_a_click_stands_in_the_frame_of_its_time():
    front_end = LogMel(16_000, hop_length=256)
    waveforms = 1e-3 * torch.randn(1, 1, 16_000)
    waveforms[..., 40 * 256] = 1.0
    assert front_end(waveforms).spectrogram[0, 0].mean(0).argmax() == 40


def test_every_clip_has_mean_0_and_deviation_1_whatever_stands_beside_it():
    torch.manual_seed(0)
    waveforms = torch.cat([torch.randn(1, 1, 8_000), 1e-3 * tone(440, num_samples=8_000)])
    features = LogMel(16_000)(waveforms).spectrogram
    torch.testing.assert_close(features.mean((1, 2, 3)), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(features.std((1, 2, 3), correction=0), torch.ones(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(features[1:], LogMel(16_000)(waveforms[1:]).spectrogram, atol=1e-4, rtol=1e-4)


def test_the_gain_of_a_recording_does_not_matter():
    front_end = LogMel(16_000)
    torch.manual_seed(0)
    waveforms = torch.randn(2, 1, 8_000)
    torch.testing.assert_close(
        *(front_end(gain * waveforms).spectrogram for gain in (0.001, 1.0)), atol=1e-3, rtol=1e-3
    )


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_silence_and_a_constant_stay_finite(value):
    assert LogMel(16_000)(torch.full((1, 1, 8_000), value)).spectrogram.isfinite().all()


def test_silence_becomes_zeros():
    assert (LogMel(16_000)(torch.zeros(1, 1, 8_000)).spectrogram == 0).all()


def test_digital_silence_counts_as_no_quieter_than_80_db_below_the_loudest_point():
    torch.manual_seed(0)
    noise = torch.randn(1, 1, 16_000)
    noise[..., 8_000:] = 0
    faint = noise.clone()
    faint[..., 8_000:] = 1e-6 * torch.randn(8_000)
    torch.testing.assert_close(*(LogMel(16_000)(sound).spectrogram for sound in (noise, faint)), atol=1e-3, rtol=1e-3)


def test_the_spectrum_of_a_steady_sound_survives_the_normalisation():
    features = LogMel(16_000)(torch.cat([tone(500), tone(5_000)])).spectrogram
    assert (features[0] - features[1]).abs().amax() > 1


@pytest.mark.parametrize("num_samples", [1024, 4_001])
def test_num_frames_is_the_number_of_frames(num_samples):
    front_end = LogMel(22_050)
    spectrogram = front_end(torch.randn(1, 1, num_samples)).spectrogram
    assert spectrogram.shape == (1, 1, 64, front_end.num_frames(num_samples))


def test_it_holds_nothing_that_a_checkpoint_would_have_to_carry():
    assert not LogMel(16_000).state_dict()


def test_clips_shorter_than_a_frame_are_refused():
    with pytest.raises(ValueError, match="clips of 1023 samples.*n_fft=1024.*pad"):
        LogMel(16_000)(torch.zeros(1, 1, 1023))


@pytest.mark.parametrize("shape", [(1, 2, 8_000), (1, 8_000)])
def test_anything_but_a_batch_of_mono_clips_is_refused(shape):
    with pytest.raises(ValueError, match="need \\(batch, 1, samples\\)"):
        LogMel(16_000)(torch.zeros(shape))
