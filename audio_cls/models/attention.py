"""The transformer encoder, as in the figures of Vaswani et al., "Attention is all you need" (2017).

Axis letters: B batch, N tokens, D features, H heads, E = D / H features of one head.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU}


def make_activation(name: str) -> nn.Module:
    """The activation of that name; ValueError for any but 'gelu' and 'relu'."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation={name!r}: set activation to gelu or relu")
    return ACTIVATIONS[name]()


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, dropout: float = 0.0
) -> tuple[Tensor, Tensor]:
    """softmax(Q K^T / sqrt(E)) V, written out (section 3.2.1), and the weights.

    Shape:
        query, key, value (..., N, E) -> output (..., N, E), weights (..., N, N); each row of the weights sums to 1

    `dropout` is applied to the weights on their way to the values; the weights returned are those before it.
    """
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])  # (..., N, N)
    weights = scores.softmax(dim=-1)
    return F.dropout(weights, dropout) @ value, weights


class MultiHeadSelfAttention(nn.Module):
    """Every token looks at every token, in `num_heads` ways at once (section 3.2.2).

    Shape:
        x (B, N, D) -> (B, N, D); with `need_weights` also the weights (B, H, N, N), query by key

    The heads share out the D features, so the parameters are the same for any number of heads. Weights are asked for
    to look at them; without, torch's fused kernel computes the same output and never holds the (N, N) matrices.

    Raises ValueError when `num_heads` does not divide `d_model`.
    """

    def __init__(self, d_model: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if num_heads < 1 or d_model % num_heads:
            divisors = [str(n) for n in range(1, 17) if d_model % n == 0]
            raise ValueError(
                f"num_heads={num_heads} does not divide d_model={d_model}: "
                f"choose num_heads from {', '.join(divisors)}, or another d_model"
            )
        self.num_heads = num_heads
        self.dropout = dropout
        self.query = nn.Linear(d_model, d_model)
        self.key = nn.Linear(d_model, d_model)
        self.value = nn.Linear(d_model, d_model)
        self.output = nn.Linear(d_model, d_model)
        for projection in (self.query, self.key, self.value, self.output):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)

    def forward(self, x: Tensor, need_weights: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        query, key, value = (self._split_heads(project(x)) for project in (self.query, self.key, self.value))
        dropout = self.dropout if self.training else 0.0
        if not need_weights:
            heads = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
            return self.output(self._join_heads(heads))
        heads, weights = scaled_dot_product_attention(query, key, value, dropout)
        return self.output(self._join_heads(heads)), weights

    def _split_heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (B, N, D) -> (B, N, H, E) -> (B, H, N, E)

    def _join_heads(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(2)  # (B, H, N, E) -> (B, N, H, E) -> (B, N, D)


class SinusoidalPositions(nn.Module):
    """Adds sines and cosines of the token's index (section 3.5): (B, N, D) -> (B, N, D), any N, no parameters."""

    def forward(self, x: Tensor) -> Tensor:
        num_tokens, d_model = x.shape[1:]
        index = torch.arange(num_tokens, device=x.device).unsqueeze(1)  # (N, 1)
        rate = torch.exp(torch.arange(0, d_model, 2, device=x.device) * (-math.log(10_000.0) / d_model))
        angle = index * rate  # (N, ceil(D / 2))
        # Sines at even features, cosines at odd ones; an odd D has one sine more.
        waves = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :d_model]  # (N, D)
        return x + waves.to(x.dtype)  # the same for each clip of the batch


class LearnedPositions(nn.Module):
    """Adds a learned vector for each index: (B, N, D) -> (B, N, D), N <= max_tokens; ValueError for more."""

    def __init__(self, max_tokens: int, d_model: int) -> None:
        super().__init__()
        self.max_tokens = max_tokens
        self.positions = nn.Parameter(torch.empty(max_tokens, d_model))
        nn.init.trunc_normal_(self.positions, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        num_tokens = x.shape[1]
        if num_tokens > self.max_tokens:
            raise ValueError(
                f"{num_tokens} tokens, but positions were learned for {self.max_tokens}: "
                "use shorter crops, train with a larger num_samples, or set positions=sinusoidal"
            )
        return x + self.positions[:num_tokens]  # (N, D), the same for each clip of the batch


class EncoderBlock(nn.Module):
    """Attention, then a feed-forward layer, each with a residual connection and LayerNorm (section 3.1).

    Shape:
        x (B, N, D) -> (B, N, D); with `need_weights` also the attention weights (B, H, N, N)

    norm='post' normalises after each addition, as published; norm='pre' before each layer, which leaves the residual
    path free and so trains without a careful warm-up (Xiong et al. 2020), but needs a last LayerNorm after all blocks.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        d_feedforward: int,
        dropout: float = 0.1,
        norm: Literal["pre", "post"] = "pre",
        activation: Literal["gelu", "relu"] = "gelu",
    ) -> None:
        super().__init__()
        if norm not in ("pre", "post"):
            raise ValueError(f"norm={norm!r}: set norm to pre or post")
        self.norm = norm
        self.attention = MultiHeadSelfAttention(d_model, num_heads, dropout)
        self.attention_norm = nn.LayerNorm(d_model)
        self.feedforward = nn.Sequential(
            nn.Linear(d_model, d_feedforward),
            make_activation(activation),
            nn.Dropout(dropout),
            nn.Linear(d_feedforward, d_model),
        )
        self.feedforward_norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, need_weights: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        weights = None
        attended = self.attention(self.attention_norm(x) if self.norm == "pre" else x, need_weights)
        if need_weights:
            attended, weights = attended
        x = x + self.dropout(attended)
        if self.norm == "pre":
            x = x + self.dropout(self.feedforward(self.feedforward_norm(x)))
        else:
            x = self.attention_norm(x)
            x = self.feedforward_norm(x + self.dropout(self.feedforward(x)))
        return (x, weights) if need_weights else x
