"""What the CLS token looked at, and when: attention weights read as time.

Axis letters: B batch, T samples, F frames, N sound tokens (without CLS), H heads, L layers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from audio_cls.models.log_mel import LogMel
from audio_cls.models.stems import FrameTokens
from audio_cls.models.transformer import TransformerClassifier

TINY = 1e-12  # a CLS token that looks at itself alone looks at no sound token more than at another


class NoAttention(ValueError):
    """A network that has no attention to show, or none that means a time."""


@dataclass(frozen=True)
class TokenTimes:
    """Where the tokens of a crop lie on its time axis, in samples: the centre of token n is `centre + n * stride`.

    A token is computed from `width` samples around its centre, more than `stride`: neighbours overlap.
    """

    stride: int
    width: int
    centre: float

    def centres(self, num_tokens: int) -> Tensor:
        """Centres of the tokens in samples from the start of the crop, (N,) float64."""
        return self.centre + self.stride * torch.arange(num_tokens, dtype=torch.float64)


def cls_attention(weights: Sequence[Tensor]) -> Tensor:
    """How each head of each layer shares the CLS token's attention out among the sound tokens.

    Shape:
        L weights (B, H, 1 + N, 1 + N), token 0 is CLS, as `TransformerClassifier.attention_weights` gives them
        -> (B, L, H, N), rows sum to 1

    What CLS pays to itself is left out, so a row says where in the sound a head looks, not how much: see `sound_share`.
    """
    return _shared(torch.stack([layer[:, :, 0, 1:] for layer in weights], dim=1))


def sound_share(weights: Sequence[Tensor]) -> Tensor:
    """The share of its attention that CLS pays to the sound rather than to itself, from 0 to 1: (B, L, H)."""
    return torch.stack([1 - layer[:, :, 0, 0] for layer in weights], dim=1)


def rollout(weights: Sequence[Tensor]) -> Tensor:
    """Attention rollout of the CLS token (Abnar and Zuidema 2020, section 4): its way through all layers.

    Each layer passes half of a token on by its residual connection and half by attention, averaged over the heads; the
    product over the layers says how much of each sound token arrives at the last CLS state.

    Shape:
        L weights (B, H, 1 + N, 1 + N) -> (B, N), rows sum to 1 (CLS itself left out)
    """
    identity = torch.eye(weights[0].shape[-1], dtype=weights[0].dtype, device=weights[0].device)
    arriving = identity
    for layer in weights:
        arriving = (0.5 * layer.mean(dim=1) + 0.5 * identity) @ arriving  # (B, 1 + N, 1 + N), rows sum to 1
    return _shared(arriving[:, 0, 1:])


def token_times(network: nn.Module) -> TokenTimes:
    """Which time a token of the network stands for, from the strides, kernels and paddings of its layers.

    Raises NoAttention for a network without a CLS token, and for stem='channels', whose tokens are no moments.
    """
    check_explainable(network)
    stride, width, centre = 1, 1, 0.0
    if isinstance(network.front_end, LogMel):  # frames are centred on multiples of the hop
        stride, width = network.front_end.step, network.front_end.frame_samples
        centre = (width - network.front_end.n_fft) / 2
    layers = [
        [_along_time(size) for size in (layer.kernel_size, layer.padding, layer.stride)]
        for layer in network.stem.convolutions
        if hasattr(layer, "kernel_size")  # convolutions and poolings
    ]
    if isinstance(network.stem, FrameTokens):
        layers.append([network.stem.steps, 0, network.stem.steps])
    for kernel_size, padding, pace in layers:
        width += (kernel_size - 1) * stride
        centre += ((kernel_size - 1) / 2 - padding) * stride
        stride *= pace
    return TokenTimes(stride, width, centre)


def _along_time(size: int | tuple[int, ...]) -> int:
    return size[-1] if isinstance(size, tuple) else size  # time is the last axis


def check_explainable(network: nn.Module) -> None:
    """Raises NoAttention, saying why, unless the network has a CLS token that looks at moments of sound."""
    if not isinstance(network, TransformerClassifier):
        raise NoAttention("the CNN has no attention; choose a job with model=transformer")
    if network.cls is None:
        raise NoAttention("pool=mean has no CLS token whose attention could be shown; train one with model.pool=cls")
    if not hasattr(network.stem, "convolutions"):
        raise NoAttention(
            "the tokens of stem=channels are channels, not moments; train one with model.stem=spectrogram or waveform"
        )


def _shared(attention: Tensor) -> Tensor:
    """Rows brought to the sum 1; a row of zeros becomes an even one."""
    attention = attention + TINY
    return attention / attention.sum(dim=-1, keepdim=True)
