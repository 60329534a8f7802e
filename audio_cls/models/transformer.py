"""The transformer classifier, in the order of the figures of Vaswani et al., "Attention is all you need" (2017).

The last class is the whole network: waveforms -> features -> tokens -> states -> CLS state -> logits.

Axis letters: B batch, T samples, N tokens, D features of a token, H heads, E = D / H features of one head, K classes.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audio_cls.models.features import Features
from audio_cls.models.settings import Activation, Norm, Pool, Positions
from audio_cls.models.sizes import fitting_heads, heads_fit

ACTIVATIONS: dict[str, type[nn.Module]] = {"gelu": nn.GELU, "relu": nn.ReLU}


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, dropout: float = 0.0
) -> tuple[Tensor, Tensor]:
    """softmax(Q K^T / sqrt(E)) V (section 3.2.1), and the weights before dropout, whose rows sum to 1.

    Shape:
        query, key, value (..., N, E) -> output (..., N, E), weights (..., N, N)
    """
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])  # (..., N, N)
    weights = scores.softmax(dim=-1)
    return F.dropout(weights, dropout) @ value, weights


class MultiHeadSelfAttention(nn.Module):
    """Every token attends to every token, in `num_heads` subspaces of the D features at once (section 3.2.2).

    Shape:
        x (B, N, D) -> (B, N, D), and with `need_weights` the weights (B, H, N, N), query by key, otherwise None

    Without `need_weights`, torch's fused kernel computes the same output and never holds the (N, N) matrices.
    Raises ValueError when `num_heads` does not divide `d_model`.
    """

    def __init__(self, d_model: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if not heads_fit(num_heads, d_model):
            raise ValueError(
                f"num_heads={num_heads} does not divide d_model={d_model}: choose num_heads from "
                f"{', '.join(map(str, fitting_heads(d_model)))}, or another d_model"
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

    def forward(self, x: Tensor, need_weights: bool = False) -> tuple[Tensor, Tensor | None]:
        query, key, value = (
            projection(x)
            .unflatten(-1, (self.num_heads, -1))
            .transpose(1, 2)  # (B, N, D) -> (B, N, H, E) -> (B, H, N, E)
            for projection in (self.query, self.key, self.value)
        )
        dropout = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            heads, weights = scaled_dot_product_attention(query, key, value, dropout)
        else:
            heads = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        return self.output(heads.transpose(1, 2).flatten(2)), weights  # (B, H, N, E) -> (B, N, H, E) -> (B, N, D)


class PositionalEncoding(nn.Module):
    """Adds a vector for the index of each token (section 3.5): (B, N, D) -> (B, N, D).

    'sinusoidal' for any N; 'learned' for N <= `max_tokens`, ValueError for more; 'none' leaves tokens as they are.
    """

    def __init__(self, kind: Positions, d_model: int, max_tokens: int) -> None:
        super().__init__()
        self.kind = kind
        if kind == "learned":
            self.vectors = nn.Parameter(torch.empty(max_tokens, d_model))
            nn.init.trunc_normal_(self.vectors, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "none":
            return x
        num_tokens, d_model = x.shape[1:]
        if self.kind == "sinusoidal":
            return x + sinusoids(num_tokens, d_model, x.device).to(x.dtype)
        if num_tokens > len(self.vectors):
            raise ValueError(
                f"{num_tokens} tokens, but positions were learned for {len(self.vectors)}: "
                "use shorter crops, train with a larger num_samples, or set positions=sinusoidal"
            )
        return x + self.vectors[:num_tokens]


def sinusoids(num_tokens: int, d_model: int, device: torch.device | None = None) -> Tensor:
    """Sines of the index at even features, cosines at odd ones, (N, D); an odd D has one sine more."""
    rate = torch.exp(torch.arange(0, d_model, 2, device=device) * (-math.log(10_000.0) / d_model))
    angle = torch.arange(num_tokens, device=device).unsqueeze(1) * rate  # (N, ceil(D / 2))
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :d_model]


class FeedForward(nn.Sequential):
    """Two linear layers, applied to each token by itself (section 3.3): (B, N, D) -> (B, N, D)."""

    def __init__(self, d_model: int, d_feedforward: int, dropout: float, activation: Activation) -> None:
        expand, contract = nn.Linear(d_model, d_feedforward), nn.Linear(d_feedforward, d_model)
        super().__init__(expand, ACTIVATIONS[activation](), nn.Dropout(dropout), contract)


class EncoderBlock(nn.Module):
    """Attention, then a feed-forward layer, each with a residual connection and LayerNorm (section 3.1).

    Shapes are those of the attention. norm='post' normalises after each addition, as published; norm='pre' before each
    layer, which trains without a careful warm-up (Xiong et al. 2020), but needs a last LayerNorm after all blocks.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        d_feedforward: int,
        dropout: float = 0.1,
        norm: Norm = "pre",
        activation: Activation = "gelu",
    ) -> None:
        super().__init__()
        self.norm = norm
        self.attention = MultiHeadSelfAttention(d_model, num_heads, dropout)
        self.attention_norm = nn.LayerNorm(d_model)
        self.feedforward = FeedForward(d_model, d_feedforward, dropout, activation)
        self.feedforward_norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, need_weights: bool = False) -> tuple[Tensor, Tensor | None]:
        attended, weights = self.attention(self.attention_norm(x) if self.norm == "pre" else x, need_weights)
        x = x + self.dropout(attended)
        if self.norm == "pre":
            return x + self.dropout(self.feedforward(self.feedforward_norm(x))), weights
        x = self.attention_norm(x)
        return self.feedforward_norm(x + self.dropout(self.feedforward(x))), weights


class TransformerEncoder(nn.Module):
    """CLS token (Dosovitskiy et al. 2021), positions, blocks and a last LayerNorm.

    Shape:
        tokens (B, N, D) -> states (B, 1 + N, D), and with `need_weights` the attention weights of each block,
        (B, H, 1 + N, 1 + N), otherwise none; with pool='mean', which has no CLS token, N in place of 1 + N

    `max_tokens` is the largest N that positions='learned' takes.
    """

    def __init__(
        self,
        d_model: int,
        num_heads: int,
        num_layers: int,
        d_feedforward: int,
        max_tokens: int,
        *,
        dropout: float = 0.1,
        norm: Norm = "pre",
        activation: Activation = "gelu",
        positions: Positions = "sinusoidal",
        pool: Pool = "cls",
    ) -> None:
        super().__init__()
        self.d_model = d_model
        self.cls = None
        if pool == "cls":
            self.cls = nn.Parameter(torch.empty(1, 1, d_model))
            nn.init.trunc_normal_(self.cls, std=0.02)
        self.positions = PositionalEncoding(positions, d_model, max_tokens + (pool == "cls"))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            EncoderBlock(d_model, num_heads, d_feedforward, dropout, norm, activation) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(d_model) if norm == "pre" else nn.Identity()  # norm='post' has normalised already

    def forward(self, tokens: Tensor, need_weights: bool = False) -> tuple[Tensor, tuple[Tensor, ...]]:
        if self.cls is not None:
            tokens = torch.cat([self.cls.expand(tokens.shape[0], -1, -1), tokens], dim=1)  # (B, 1 + N, D)
        x = self.dropout(self.positions(tokens))
        all_weights = []
        for block in self.blocks:
            x, weights = block(x, need_weights)
            all_weights.append(weights)
        return self.norm(x), tuple(all_weights) if need_weights else ()

    def pooled(self, states: Tensor) -> Tensor:
        """The CLS state (B, D) of the states, or with pool='mean' their mean."""
        return states.mean(dim=1) if self.cls is None else states[:, 0]


class TransformerClassifier(nn.Module):
    """Front end, stem, encoder, and a linear layer on the CLS state: (B, 1, T) float32 in [-1, 1] -> (B, K) logits.

    The front end gives what the stem takes, Features or the waveforms as they are; `models/build.py` chooses them.
    """

    def __init__(self, front_end: nn.Module, stem: nn.Module, encoder: TransformerEncoder, num_classes: int) -> None:
        super().__init__()
        self.front_end: Any = front_end
        self.stem: Any = stem
        self.encoder = encoder
        self.classifier = nn.Linear(encoder.d_model, num_classes)
        # Its input has unit scale, so logits start at 0.2 for any width: the first loss is near ln K.
        nn.init.trunc_normal_(self.classifier.weight, std=0.2 * encoder.d_model**-0.5)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, waveforms: Tensor) -> Tensor:
        return self.classifier(self.embed(waveforms))

    def embed(self, waveforms: Tensor) -> Tensor:
        """The CLS state (B, D) of waveforms (B, 1, T), or with pool='mean' the mean state."""
        return self.embed_features(self.extract(waveforms))

    def embed_features(self, features: Features | Tensor) -> Tensor:
        """The same of features, which may have been masked."""
        tokens = self.stem(features)  # (B, N, D)
        states, _ = self.encoder(tokens)  # (B, 1 + N, D)
        return self.encoder.pooled(states)  # (B, D)

    def extract(self, waveforms: Tensor) -> Features | Tensor:
        """What the front end makes of waveforms (B, 1, T)."""
        return self.front_end(waveforms)

    def extract_from_power(self, power: Tensor) -> Features:
        """The same of the power of mel bands (B, M, F)."""
        return self.front_end.from_power(power)

    def branch_logits(self, features: Features | Tensor) -> tuple[Tensor, ...]:
        """Logits (B, K) of features, which may have been masked; one, as there is one classifier."""
        return (self.classifier(self.embed_features(features)),)

    def attention_weights(self, waveforms: Tensor) -> tuple[Tensor, ...]:
        """The attention weights of each block, (B, H, N, N), in eval mode: row = query, column = key; 0 is CLS."""
        return self.encoder(self.stem(self.extract(waveforms)), need_weights=True)[1]
