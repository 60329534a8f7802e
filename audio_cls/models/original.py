"""The stems of the student project: features of `WaveformCNN` as tokens, kept to be compared with.

Axis letters: B batch, T samples, N tokens, D features of a token.
"""

from torch import Tensor, nn

from audio_cls.models.cnn import waveform_features
from audio_cls.models.sizes import CNN_CHANNELS, POOLING
from audio_cls.models.token_times import TokenTimes


class ChannelTokens(nn.Module):
    """The 128 channels of the CNN's features are the tokens, the time steps their features.

    Shape:
        waveforms (B, 1, T) -> (B, 128, T / 8): N = 128 and D = T / 8 without a projection, so T is fixed

    Attention then compares filters rather than moments. Raises ValueError on clips of another length.
    """

    def __init__(self, num_samples: int) -> None:
        super().__init__()
        self.num_samples = num_samples
        self.features = waveform_features()

    def num_tokens(self, num_samples: int) -> int:
        return CNN_CHANNELS

    def token_times(self, inputs: TokenTimes) -> None:
        """None: a token is a channel, not a moment."""

    def forward(self, waveforms: Tensor) -> Tensor:
        if waveforms.shape[-1] != self.num_samples:
            raise ValueError(
                f"clips of {waveforms.shape[-1]} samples: stem=channels was built for num_samples={self.num_samples}; "
                "crop or pad the clips to it"
            )
        return self.features(waveforms)  # (B, 128, T/8), read as (B, N, D)


class FrameTokens(nn.Module):
    """The CNN's features cut along time: k consecutive time steps of all channels are a token.

    Shape:
        waveforms (B, 1, T) -> (B, T / 8 / k, 128 * k): D = 128 * k without a projection, so D says what k is

    The same numbers as those of `ChannelTokens` with the other axis as tokens, to tell what that choice is worth: with
    16,000 samples its 128 tokens of width 2000 stand against 125 of width 2048. Within a token, step after step.
    Raises ValueError on clips that are not whole tokens.
    """

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.d_model = d_model
        self.steps = d_model // CNN_CHANNELS  # k
        self.convolutions = waveform_features()

    def num_tokens(self, num_samples: int) -> int:
        return num_samples // (POOLING * self.steps)

    def token_times(self, inputs: TokenTimes) -> TokenTimes:
        return inputs.through(self.convolutions).after(kernel_size=self.steps, stride=self.steps)

    def forward(self, waveforms: Tensor) -> Tensor:
        if waveforms.shape[-1] % (POOLING * self.steps) or not waveforms.shape[-1]:
            raise ValueError(
                f"clips of {waveforms.shape[-1]} samples: a token of stem=frames takes {POOLING * self.steps}; "
                "crop or pad the clips to a multiple of that"
            )
        x = self.convolutions(waveforms)  # (B, 128, T/8)
        return x.transpose(1, 2).reshape(x.shape[0], -1, self.d_model)  # (B, T/8, 128) -> (B, N, D)
