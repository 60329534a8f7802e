"""What the CLS token looked at, and when: attention weights read as time.

Axis letters: B batch, T samples, F frames, N sound tokens (without CLS), H heads, L layers.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from audio_cls.models.late_fusion import LateFusion
from audio_cls.models.log_mel import LogMel
from audio_cls.models.token_times import SAMPLES, TokenTimes
from audio_cls.models.transformer import TransformerClassifier
from audio_cls.wording import UserError

TINY = 1e-12  # a CLS token that looks at itself alone looks at no sound token more than at another


class NoAttention(UserError):
    """A network that has no attention to show, or none that means a time."""


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
    """Where the tokens of the network lie on the time axis of a crop. Raises NoAttention as `transformer_of` does."""
    transformer = transformer_of(network)
    front_end = transformer.front_end
    return transformer.stem.token_times(front_end.frame_times if isinstance(front_end, LogMel) else SAMPLES)


def transformer_of(network: nn.Module) -> TransformerClassifier:
    """The transformer in the network, whose attention can be shown.

    Raises NoAttention, saying why, unless there is one with a CLS token and tokens that are moments of the sound.
    """
    transformer = network.transformer if isinstance(network, LateFusion) else network
    if not isinstance(transformer, TransformerClassifier):
        raise NoAttention(f"{type(network).__name__} has no attention to show; choose a job with model=transformer")
    if transformer.encoder.cls is None:
        raise NoAttention("pool=mean has no CLS token whose attention could be shown; train one with model.pool=cls")
    if transformer.stem.token_times(SAMPLES) is None:
        raise NoAttention(
            "the tokens of stem=channels are channels, not moments; train one with model.stem=spectrogram or waveform"
        )
    return transformer


def _shared(attention: Tensor) -> Tensor:
    """Rows brought to the sum 1; a row of zeros becomes an even one."""
    attention = attention + TINY
    return attention / attention.sum(dim=-1, keepdim=True)
