import math

import pytest
import torch
from torch import nn

from audio_cls.models.cnn import WaveformCNN
from audio_cls.models.stem import ChannelTokens, SpectrogramStem, WaveformStem


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("num_mels", "num_frames"), [(64, 216), (64, 1), (40, 101), (61, 8), (128, 9)])
def test_a_spectrogram_becomes_one_token_for_every_8_frames(num_mels, num_frames):
    stem = SpectrogramStem(num_mels, d_model=24, width=4)
    tokens = stem(torch.randn(2, 1, num_mels, num_frames))
    assert tokens.shape == (2, math.ceil(num_frames / 8), 24)
    assert stem.num_tokens(num_frames) == tokens.shape[1]


@pytest.mark.parametrize("num_samples", [1024, 4_000, 16_001, 80_000, 110_250])
def test_a_waveform_becomes_one_token_for_every_1024_samples(num_samples):
    stem = WaveformStem(d_model=24, width=2)
    tokens = stem(torch.randn(2, 1, num_samples))
    assert tokens.shape == (2, math.ceil(num_samples / 1024), 24)
    assert stem.num_tokens(num_samples) == tokens.shape[1]


def test_tokens_run_along_time():
    torch.manual_seed(0)
    for stem, features in (
        (SpectrogramStem(16, 8, width=4), torch.zeros(1, 1, 16, 240)),
        (WaveformStem(8, width=4), torch.zeros(1, 1, 30 * 1024)),
    ):
        stem.eval()
        changed = features.clone()
        length = features.shape[-1]
        changed[..., length // 2 : length // 2 + length // 30] = 1.0  # one token's worth, in the middle
        moved = (stem(changed) - stem(features)).abs().amax(-1)[0] > 1e-6
        assert moved[15]
        assert not moved[:13].any() and not moved[18:].any()


def test_every_sample_and_every_band_of_every_frame_reaches_the_tokens():
    torch.manual_seed(0)
    for stem, shape in ((SpectrogramStem(20, 8, width=4), (1, 1, 20, 43)), (WaveformStem(8, width=4), (1, 1, 5_000))):
        features = torch.randn(shape, requires_grad=True)
        stem.eval()(features).sin().sum().backward()
        assert (features.grad != 0).all()


def test_widths_double_and_further_layers_keep_the_size():
    stem = SpectrogramStem(64, 96, width=16, num_layers=5)
    convolutions = [layer for layer in stem.convolutions if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [16, 32, 64, 64, 64]
    assert [layer.kernel_size[0] for layer in convolutions] == [5, 3, 3, 3, 3]
    assert stem(torch.randn(2, 1, 64, 80)).shape == (2, 10, 96)


def test_the_bands_and_channels_of_one_time_make_one_token():
    torch.manual_seed(0)
    stem = SpectrogramStem(16, 8, width=4).eval()
    spectrogram = torch.randn(2, 1, 16, 24)
    maps = stem.convolutions(spectrogram)  # (2, 16, 2, 3)
    column = torch.stack([maps[1, :, band, 2] for band in range(2)]).flatten()  # band by band, all channels
    torch.testing.assert_close(stem(spectrogram)[1, 2], stem.projection(column))


def test_convolutions_see_the_channels_innermost_and_parameters_stay_as_they_are_saved():
    stem = SpectrogramStem(64, 24)
    seen = []
    for layer in stem.convolutions:
        layer.register_forward_hook(lambda layer, inputs, output: seen.append(output))
    stem(torch.randn(2, 1, 64, 40))
    assert len(seen) == 9
    assert all(output.is_contiguous(memory_format=torch.channels_last) for output in seen)
    assert all(parameter.is_contiguous() for parameter in stem.parameters())


def test_stems_use_the_activation_asked_for():
    for activation, layer in (("relu", nn.ReLU), ("gelu", nn.GELU)):
        for stem in (SpectrogramStem(64, 8, activation=activation), WaveformStem(8, activation=activation)):
            assert sum(isinstance(module, layer) for module in stem.convolutions) == len(stem.convolutions) // 3


def test_projected_tokens_have_about_the_scale_of_the_positions():
    torch.manual_seed(0)
    for stem, features in (
        (SpectrogramStem(64, 96), torch.randn(8, 1, 64, 80)),
        (WaveformStem(96), torch.randn(8, 1, 16_000)),
    ):
        assert 0.3 < stem(features).std() < 2


def test_channel_tokens_are_the_features_of_the_cnn_as_they_stand():
    cnn, stem = WaveformCNN(10, 800), ChannelTokens(100, 800)
    stem.features.load_state_dict(cnn.features.state_dict())
    waveforms = torch.randn(2, 1, 800)
    assert torch.equal(stem(waveforms), cnn.features(waveforms))
    assert stem.num_tokens(800) == stem(waveforms).shape[1] == 128
    assert count(stem) == 31_040


def test_fewer_layers_than_the_strided_ones_are_refused():
    with pytest.raises(ValueError, match="num_stem_layers=2: .*set it to 3 or more"):
        SpectrogramStem(64, 96, num_layers=2)


def test_a_waveform_shorter_than_a_token_is_refused():
    with pytest.raises(ValueError, match="clips of 1023 samples: one token takes 1024; pad"):
        WaveformStem(8)(torch.zeros(1, 1, 1023))


def test_channel_tokens_refuse_another_width_or_length():
    with pytest.raises(ValueError, match="d_model=96: .*set d_model=2000"):
        ChannelTokens(96, 16_000)
    with pytest.raises(ValueError, match="num_samples=16001: .*multiple of 8"):
        ChannelTokens(2000, 16_001)
    with pytest.raises(ValueError, match="clips of 808 samples: .*num_samples=800"):
        ChannelTokens(100, 800)(torch.zeros(1, 1, 808))
