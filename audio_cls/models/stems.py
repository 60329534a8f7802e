"""The convolutions before the transformer: from features to a few tokens along time.

Axis letters: B batch, T samples, M mel bands, F frames, C channels, N tokens, D features of a token.
"""

import math

import torch
from torch import Tensor, nn

from audio_cls.models.features import Features
from audio_cls.models.settings import Activation
from audio_cls.models.sizes import BAND_GROUPS, FRAMES_PER_TOKEN, WAVEFORM_TOKEN_SAMPLES
from audio_cls.models.token_times import TokenTimes
from audio_cls.models.transformer import ACTIVATIONS


class SpectrogramStem(nn.Module):
    """Strided 2-D convolutions, then one token for every 8 frames, made of all bands and channels of that time.

    Shape:
        spectrogram (B, 1, M, F), and modulations (B, C, 8, N) if there are any -> (B, N, D), N = ceil(F / 8)

    Few, wide tokens rather than patches: convolutions give the locality that a transformer cannot learn from a few
    hundred clips (Xiao et al. 2021, "Early convolutions help transformers see better"; Hassani et al. 2021, CCT).
    Three layers halve bands and frames, with widths `width` * (1, 2, 4); further ones of `num_layers` keep the size.
    Modulations, C = `num_modulations` of them, are mixed by two convolutions; they are at the pace of the tokens.
    """

    def __init__(
        self,
        num_mels: int,
        d_model: int,
        width: int = 16,
        num_layers: int = 3,
        activation: Activation = "gelu",
        num_modulations: int = 0,
    ) -> None:
        super().__init__()
        self.convolutions = _spectrogram_convolutions(width, num_layers, activation)
        in_features = 4 * width * math.ceil(num_mels / 8)
        self.modulation_convolutions = None
        if num_modulations:
            self.modulation_convolutions = nn.Sequential(
                nn.Conv2d(num_modulations, 3 * width, 1, bias=False),
                nn.BatchNorm2d(3 * width),
                ACTIVATIONS[activation](),
                nn.Conv2d(3 * width, 3 * width, 3, padding=1, bias=False),
                nn.BatchNorm2d(3 * width),
                ACTIVATIONS[activation](),
            )
            in_features += 3 * width * BAND_GROUPS
        self.projection = _projection(in_features, d_model)

    def num_tokens(self, num_frames: int) -> int:
        """How many tokens `num_frames` frames give."""
        return math.ceil(num_frames / FRAMES_PER_TOKEN)

    def token_times(self, inputs: TokenTimes) -> TokenTimes:
        """Where the tokens lie in the sound, for frames that lie at `inputs`; modulations reach further."""
        return inputs.through(self.convolutions)

    def forward(self, features: Features) -> Tensor:
        # Channels innermost suit convolutions on a CPU; layers keep their input's format.
        maps = [self.convolutions(features.spectrogram.to(memory_format=torch.channels_last))]  # (B, C, M/8, N)
        if self.modulation_convolutions is not None and features.modulations is not None:
            modulations = features.modulations.to(memory_format=torch.channels_last)
            maps.append(self.modulation_convolutions(modulations))  # (B, C, 8, N)
        return self.projection(torch.cat([x.permute(0, 3, 2, 1).flatten(2) for x in maps], dim=-1))  # (B, N, D)


def _spectrogram_convolutions(width: int, num_layers: int, activation: Activation) -> nn.Sequential:
    """(B, 1, M, F) -> (B, 4 * width, ceil(M / 8), ceil(F / 8))."""
    layers: list[nn.Module] = []
    in_channels = 1
    for layer in range(num_layers):
        channels = width * (1, 2, 4)[min(layer, 2)]
        kernel_size, stride = 5 if layer == 0 else 3, 2 if layer < 3 else 1
        # Without a bias: BatchNorm brings its own.
        layers.append(nn.Conv2d(in_channels, channels, kernel_size, stride, padding=kernel_size // 2, bias=False))
        layers += [nn.BatchNorm2d(channels), ACTIVATIONS[activation]()]
        in_channels = channels
    return nn.Sequential(*layers)


class WaveformStem(nn.Module):
    """Strided 1-D convolutions on the waveform, then one token for every 1024 samples.

    Shape:
        waveforms (B, 1, T), T >= 1024 -> (B, ceil(T / 1024), D): 79 tokens for 5 s at 16 kHz, 108 at 22.05 kHz

    Each kernel reaches over two strides, so neighbouring outputs share samples and none is skipped.
    Raises ValueError on shorter clips.
    """

    STRIDES = (8, 4, 4, 4, 2)  # 1024 together
    WIDTHS = (1, 2, 4, 4, 8)

    def __init__(self, d_model: int, width: int = 16, activation: Activation = "gelu") -> None:
        super().__init__()
        layers: list[nn.Module] = []
        in_channels = 1
        for stride, widening in zip(self.STRIDES, self.WIDTHS, strict=True):
            channels = width * widening
            layers.append(nn.Conv1d(in_channels, channels, 2 * stride + 1, stride, padding=stride, bias=False))
            layers += [nn.BatchNorm1d(channels), ACTIVATIONS[activation]()]
            in_channels = channels
        self.convolutions = nn.Sequential(*layers)
        self.projection = _projection(in_channels, d_model)

    def num_tokens(self, num_samples: int) -> int:
        return math.ceil(num_samples / WAVEFORM_TOKEN_SAMPLES)

    def token_times(self, inputs: TokenTimes) -> TokenTimes:
        return inputs.through(self.convolutions)

    def forward(self, waveforms: Tensor) -> Tensor:
        if waveforms.shape[-1] < WAVEFORM_TOKEN_SAMPLES:
            raise ValueError(
                f"clips of {waveforms.shape[-1]} samples: one token takes {WAVEFORM_TOKEN_SAMPLES}; "
                "pad the clips to that at least"
            )
        x = self.convolutions(waveforms)  # (B, C, N)
        return self.projection(x.transpose(1, 2))  # (B, N, C) -> (B, N, D)


def _projection(in_features: int, d_model: int) -> nn.Linear:
    """A linear layer that keeps the scale of its input, so that the positions added next do not drown the tokens."""
    projection = nn.Linear(in_features, d_model)
    nn.init.xavier_uniform_(projection.weight)
    nn.init.zeros_(projection.bias)
    return projection
