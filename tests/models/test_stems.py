import math

import pytest
import torch
from torch import Tensor, nn

from audio_cls.models.cnn import WaveformCNN
from audio_cls.models.features import Features
from audio_cls.models.original import ChannelTokens, FrameTokens
from audio_cls.models.stems import SpectrogramStem, WaveformStem


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def tokens(stem: nn.Module, values: Tensor) -> Tensor:
    """Of a spectrogram or a waveform."""
    return stem(Features(values) if values.ndim == 4 else values)


@pytest.mark.parametrize(("num_mels", "num_frames"), [(64, 1), (61, 8), (40, 101)])
def test_a_spectrogram_becomes_one_token_for_every_8_frames(num_mels, num_frames):
    stem = SpectrogramStem(num_mels, d_model=24, width=4)
    shape = stem(Features(torch.randn(2, 1, num_mels, num_frames))).shape
    assert shape == (2, math.ceil(num_frames / 8), 24)
    assert stem.num_tokens(num_frames) == shape[1]


@pytest.mark.parametrize("num_samples", [1024, 16_001])
def test_a_waveform_becomes_one_token_for_every_1024_samples(num_samples):
    stem = WaveformStem(d_model=24, width=2)
    shape = stem(torch.randn(2, 1, num_samples)).shape
    assert shape == (2, math.ceil(num_samples / 1024), 24)
    assert stem.num_tokens(num_samples) == shape[1]


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
        moved = (tokens(stem, changed) - tokens(stem, features)).abs().amax(-1)[0] > 1e-6
        assert moved[15]
        assert not moved[:13].any() and not moved[18:].any()


def test_every_sample_and_every_band_of_every_frame_reaches_the_tokens():
    torch.manual_seed(0)
    for stem, shape in ((SpectrogramStem(20, 8, width=4), (1, 1, 20, 43)), (WaveformStem(8, width=4), (1, 1, 5_000))):
        features = torch.randn(shape, requires_grad=True)
        tokens(stem.eval(), features).sin().sum().backward()
        assert (features.grad != 0).all()


def test_widths_double_and_further_layers_keep_the_size():
    stem = SpectrogramStem(64, 96, width=16, num_layers=5)
    convolutions = [layer for layer in stem.convolutions if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == [16, 32, 64, 64, 64]
    assert [layer.kernel_size[0] for layer in convolutions] == [5, 3, 3, 3, 3]
    assert stem(Features(torch.randn(2, 1, 64, 80))).shape == (2, 10, 96)


def test_the_bands_and_channels_of_one_time_make_one_token():
    torch.manual_seed(0)
    stem = SpectrogramStem(16, 8, width=4).eval()
    spectrogram = torch.randn(2, 1, 16, 24)
    maps = stem.convolutions(spectrogram)  # (2, 16, 2, 3)
    column = torch.stack([maps[1, :, band, 2] for band in range(2)]).flatten()  # band by band, all channels
    torch.testing.assert_close(stem(Features(spectrogram))[1, 2], stem.projection(column))


def test_convolutions_see_the_channels_innermost_and_parameters_stay_as_they_are_saved():
    stem = SpectrogramStem(64, 24)
    seen = []
    for layer in stem.convolutions:
        layer.register_forward_hook(lambda layer, inputs, output: seen.append(output))
    stem(Features(torch.randn(2, 1, 64, 40)))
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
        assert 0.3 < tokens(stem, features).std() < 2


def test_channel_tokens_are_the_features_of_the_cnn_as_they_stand():
    cnn, stem = WaveformCNN(10, 800), ChannelTokens(800)
    stem.features.load_state_dict(cnn.features.state_dict())
    waveforms = torch.randn(2, 1, 800)
    assert torch.equal(stem(waveforms), cnn.features(waveforms))
    assert stem.num_tokens(800) == stem(waveforms).shape[1] == 128
    assert count(stem) == 31_040


@pytest.mark.parametrize(("d_model", "num_tokens"), [(1280, 200), (2048, 125)])
def test_frame_tokens_are_consecutive_steps_of_all_channels_of_the_cnns_features(d_model, num_tokens):
    cnn, stem = WaveformCNN(10, 16_000), FrameTokens(d_model)
    stem.convolutions.load_state_dict(cnn.features.state_dict())
    waveforms = torch.randn(2, 1, 16_000)
    tokens, features = stem(waveforms), cnn.features(waveforms)
    assert tokens.shape == (2, num_tokens, d_model) and stem.num_tokens(16_000) == num_tokens
    assert count(stem) == 31_040
    steps = d_model // 128
    for token in (0, 7, num_tokens - 1):
        span = features[1, :, token * steps : (token + 1) * steps]
        assert torch.equal(tokens[1, token], torch.cat(list(span.unbind(1))))


def test_frames_of_one_step_are_the_channels_read_the_other_way_round():
    frames, channels = FrameTokens(128), ChannelTokens(800)
    frames.convolutions.load_state_dict(channels.features.state_dict())
    waveforms = torch.randn(2, 1, 800)
    assert torch.equal(frames(waveforms), channels(waveforms).transpose(1, 2))


def test_frame_tokens_hear_their_own_span_of_time_and_what_the_convolutions_reach_beside_it():
    torch.manual_seed(0)
    stem = FrameTokens(640)  # 5 steps, 40 samples a token
    waveforms = torch.randn(1, 1, 1_600)
    # Three convolutions of 3, at a pace of 1, 2 and 4 samples: 1 + 2 + 4 = 7 samples beyond the token's own.
    for spared, moved in ((0, [10, 11, 12]), (7, [11])):
        changed = waveforms.clone()
        changed[..., 11 * 40 + spared : 12 * 40 - spared] = 3.0
        assert (stem(changed) != stem(waveforms)).any(-1)[0].nonzero().flatten().tolist() == moved


def test_every_sample_reaches_the_frame_tokens_and_a_later_sound_gives_later_tokens():
    torch.manual_seed(0)
    stem = FrameTokens(256)
    samples = torch.zeros(1_600, dtype=torch.bool)
    for _ in range(16):  # maximum poolings and ReLUs stop some of them in any one sound
        waveforms = torch.randn(1, 1, 1_600, requires_grad=True)
        stem(waveforms).sin().sum().backward()
        samples |= waveforms.grad[0, 0] != 0
    assert samples.all()
    waveforms = torch.randn(1, 1, 1_616)
    torch.testing.assert_close(stem(waveforms[..., 16:])[:, 1:-2], stem(waveforms[..., :1_600])[:, 2:-1])


def test_a_waveform_shorter_than_a_token_is_refused():
    with pytest.raises(ValueError, match="clips of 1023 samples: one token takes 1024; pad"):
        WaveformStem(8)(torch.zeros(1, 1, 1023))


def test_channel_tokens_refuse_another_length():
    with pytest.raises(ValueError, match="clips of 808 samples: .*num_samples=800"):
        ChannelTokens(800)(torch.zeros(1, 1, 808))


@pytest.mark.parametrize("num_samples", [0, 72, 88])
def test_frame_tokens_refuse_clips_that_are_not_whole_tokens(num_samples):
    with pytest.raises(ValueError, match=f"clips of {num_samples} samples: a token of stem=frames takes 80"):
        FrameTokens(1280)(torch.zeros(1, 1, num_samples))
