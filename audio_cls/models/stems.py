"""The convolutions before the transformer: from features to a few tokens along time.

Axis letters: B batch, T samples, M mel bands, F frames, C channels, N tokens, D features of a token.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from audio_cls.models.attention import make_activation
from audio_cls.models.cnn import NUM_CHANNELS, POOLING, check_num_samples, waveform_features
from audio_cls.models.features import Features
from audio_cls.models.modulation import NUM_GROUPS


class SpectrogramStem(nn.Module):
    """Strided 2-D convolutions, then one token for every 8 frames, made of all bands and channels of that time.

    Shape:
        spectrogram (B, 1, M, F) -> (B, ceil(F / 8), D)

    Few, wide tokens rather than patches: convolutions give the locality that a transformer cannot learn from a few
    hundred clips (Xiao et al. 2021, "Early convolutions help transformers see better"; Hassani et al. 2021, CCT).
    Three layers halve bands and frames, with widths `width` * (1, 2, 4); further ones of `num_layers` keep the size.
    """

    def __init__(
        self,
        num_mels: int,
        d_model: int,
        width: int = 16,
        num_layers: int = 3,
        activation: Literal["gelu", "relu"] = "gelu",
    ) -> None:
        super().__init__()
        self.convolutions = spectrogram_convolutions(width, num_layers, activation)
        self.projection = _projection(4 * width * math.ceil(num_mels / 8), d_model)

    def num_tokens(self, num_frames: int) -> int:
        """How many tokens `num_frames` frames give."""
        return math.ceil(num_frames / 8)

    def forward(self, features: Features) -> Tensor:
        # Channels innermost suit convolutions on a CPU; layers keep their input's format.
        x = self.convolutions(features.spectrogram.to(memory_format=torch.channels_last))  # (B, C, M/8, N)
        x = x.permute(0, 3, 2, 1).flatten(2)  # (B, N, M/8, C) -> (B, N, M/8 * C)
        return self.projection(x)  # (B, N, D)


def spectrogram_convolutions(width: int, num_layers: int, activation: str) -> nn.Sequential:
    """(B, 1, M, F) -> (B, 4 * width, ceil(M / 8), ceil(F / 8))."""
    if num_layers < 3:
        raise ValueError(f"num_stem_layers={num_layers}: three strided layers always stand; set it to 3 or more")
    layers = []
    in_channels = 1
    for layer in range(num_layers):
        channels = width * (1, 2, 4)[min(layer, 2)]
        kernel_size, stride = 5 if layer == 0 else 3, 2 if layer < 3 else 1
        # Without a bias: BatchNorm brings its own.
        layers.append(nn.Conv2d(in_channels, channels, kernel_size, stride, padding=kernel_size // 2, bias=False))
        layers += [nn.BatchNorm2d(channels), make_activation(activation)]
        in_channels = channels
    return nn.Sequential(*layers)


class TextureStem(nn.Module):
    """Tokens of a spectrogram and of its modulations together, as `LogMelTexture` returns them.

    Shape:
        spectrogram (B, 1, M, F), modulations (B, C, 8, N) with N = ceil(F / 8) -> (B, N, D)

    The modulations are mixed by two convolutions of `modulation_width` channels; they are at the pace of the tokens.
    """

    def __init__(
        self,
        num_mels: int,
        num_modulations: int,
        d_model: int,
        width: int = 16,
        modulation_width: int = 48,
        num_layers: int = 3,
        activation: Literal["gelu", "relu"] = "gelu",
    ) -> None:
        super().__init__()
        self.convolutions = spectrogram_convolutions(width, num_layers, activation)
        self.modulation_convolutions = nn.Sequential(
            nn.Conv2d(num_modulations, modulation_width, 1, bias=False),
            nn.BatchNorm2d(modulation_width),
            make_activation(activation),
            nn.Conv2d(modulation_width, modulation_width, 3, padding=1, bias=False),
            nn.BatchNorm2d(modulation_width),
            make_activation(activation),
        )
        self.projection = _projection(4 * width * math.ceil(num_mels / 8) + modulation_width * NUM_GROUPS, d_model)

    def num_tokens(self, num_frames: int) -> int:
        """How many tokens `num_frames` frames of the spectrogram give."""
        return math.ceil(num_frames / 8)

    def forward(self, features: Features) -> Tensor:
        spectrogram = features.spectrogram.to(memory_format=torch.channels_last)
        modulations = features.modulations.to(memory_format=torch.channels_last)
        maps = self.convolutions(spectrogram), self.modulation_convolutions(modulations)  # (B, C, M/8 or 8, N) each
        return self.projection(torch.cat([x.permute(0, 3, 2, 1).flatten(2) for x in maps], dim=-1))  # (B, N, D)


class WaveformStem(nn.Module):
    """Strided 1-D convolutions on the waveform, then one token for every 1024 samples.

    Shape:
        waveforms (B, 1, T), T >= 1024 -> (B, ceil(T / 1024), D): 79 tokens for 5 s at 16 kHz, 108 at 22.05 kHz

    Each kernel reaches over two strides, so neighbouring outputs share samples and none is skipped.
    Raises ValueError on shorter clips.
    """

    STRIDES = (8, 4, 4, 4, 2)
    WIDTHS = (1, 2, 4, 4, 8)

    def __init__(self, d_model: int, width: int = 16, activation: Literal["gelu", "relu"] = "gelu") -> None:
        super().__init__()
        self.stride = math.prod(self.STRIDES)  # samples to a token
        layers = []
        in_channels = 1
        for stride, widening in zip(self.STRIDES, self.WIDTHS, strict=True):
            channels = width * widening
            layers.append(nn.Conv1d(in_channels, channels, 2 * stride + 1, stride, padding=stride, bias=False))
            layers += [nn.BatchNorm1d(channels), make_activation(activation)]
            in_channels = channels
        self.convolutions = nn.Sequential(*layers)
        self.projection = _projection(in_channels, d_model)

    def num_tokens(self, num_samples: int) -> int:
        """How many tokens a clip of `num_samples` gives."""
        return math.ceil(num_samples / self.stride)

    def forward(self, waveforms: Tensor) -> Tensor:
        if waveforms.shape[-1] < self.stride:
            raise ValueError(
                f"clips of {waveforms.shape[-1]} samples: one token takes {self.stride}; pad the clips to that at least"
            )
        x = self.convolutions(waveforms)  # (B, C, N)
        return self.projection(x.transpose(1, 2))  # (B, N, C) -> (B, N, D)


class ChannelTokens(nn.Module):
    """The features of `WaveformCNN` as they stand: its 128 channels are the tokens, the time steps their features.

    Shape:
        waveforms (B, 1, T) -> (B, 128, T / 8): N = 128 and D = T / 8 without a projection, so T is fixed

    Attention then compares filters rather than moments. It is kept to be compared with, not to be used.
    Raises ValueError when `d_model` is not `num_samples` / 8, and on clips of another length.
    """

    def __init__(self, d_model: int, num_samples: int) -> None:
        super().__init__()
        check_num_samples(num_samples)
        if d_model != num_samples // 8:
            raise ValueError(
                f"d_model={d_model}: with stem=channels a token is num_samples={num_samples} / 8 time steps; "
                f"set d_model={num_samples // 8}"
            )
        self.num_samples = num_samples
        self.features = waveform_features()

    def num_tokens(self, num_samples: int) -> int:
        """128, the channels, whatever the length."""
        return NUM_CHANNELS

    def forward(self, waveforms: Tensor) -> Tensor:
        if waveforms.shape[-1] != self.num_samples:
            raise ValueError(
                f"clips of {waveforms.shape[-1]} samples: stem=channels was built for num_samples={self.num_samples}; "
                "crop or pad the clips to it"
            )
        return self.features(waveforms)  # (B, 128, T/8), read as (B, N, D)


class FrameTokens(nn.Module):
    """The features of `WaveformCNN` as they stand, cut along time: k consecutive time steps of all channels a token.

    Shape:
        waveforms (B, 1, T) -> (B, T / 8 / k, 128 * k): D = 128 * k without a projection, so D says what k is

    The same numbers as those of `ChannelTokens` with the other axis as tokens, to tell what that choice is worth: with
    16,000 samples its 128 tokens of width 2000 stand against 125 of width 2048. Within a token, step after step.
    Raises ValueError when `d_model` is no multiple of 128, or its k no divisor of `num_samples` / 8, and on clips that
    are not whole tokens.
    """

    def __init__(self, d_model: int, num_samples: int) -> None:
        super().__init__()
        check_num_samples(num_samples)
        num_steps = num_samples // POOLING
        if d_model % NUM_CHANNELS or num_steps % (d_model // NUM_CHANNELS):
            fitting = [NUM_CHANNELS * steps for steps in range(1, num_steps + 1) if num_steps % steps == 0]
            raise ValueError(
                f"d_model={d_model}: with stem=frames a token is whole time steps of {NUM_CHANNELS} channels, and whole"
                f" tokens make up num_samples={num_samples} / {POOLING} = {num_steps} of them; "
                f"set d_model={min(fitting, key=lambda width: abs(width - d_model))}"
            )
        self.d_model = d_model
        self.steps = d_model // NUM_CHANNELS  # k
        self.convolutions = waveform_features()

    def num_tokens(self, num_samples: int) -> int:
        """How many tokens a clip of `num_samples` gives."""
        return num_samples // (POOLING * self.steps)

    def forward(self, waveforms: Tensor) -> Tensor:
        if waveforms.shape[-1] % (POOLING * self.steps) or not waveforms.shape[-1]:
            raise ValueError(
                f"clips of {waveforms.shape[-1]} samples: a token of stem=frames takes {POOLING * self.steps}; "
                "crop or pad the clips to a multiple of that"
            )
        x = self.convolutions(waveforms)  # (B, 128, T/8)
        return x.transpose(1, 2).reshape(x.shape[0], -1, self.d_model)  # (B, T/8, 128) -> (B, N, D)


def _projection(in_features: int, d_model: int) -> nn.Linear:
    """A linear layer that keeps the scale of its input, so that the positions added next do not drown the tokens."""
    projection = nn.Linear(in_features, d_model)
    nn.init.xavier_uniform_(projection.weight)
    nn.init.zeros_(projection.bias)
    return projection
