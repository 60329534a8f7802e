"""Late fusion: classifiers that are trained apart, and whose probabilities are multiplied.

Axis letters: B batch, M mel bands, F frames, P segments, K classes.
"""

from collections.abc import Sequence
from typing import Optional

import torch
from torch import Tensor, nn

from audio_cls.models.crops import audible_weights
from audio_cls.models.features import Features
from audio_cls.models.transformer import TransformerClassifier

SILENCE_DB = 30.0  # a segment this much quieter than the loudest one of its crop does not count


class StatisticsClassifier(nn.Module):
    """Classifies by the statistics of a sound alone: (B, num_statistics) -> (B, K) logits.

    Two small layers: a support vector machine on the same numbers is nearly as accurate as a network on the sound.
    """

    def __init__(self, num_statistics: int, num_classes: int, width: int = 256, dropout: float = 0.3) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(num_statistics, width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(width, num_classes),
        )

    def forward(self, statistics: Tensor) -> Tensor:
        return self.layers(statistics)

    def hidden(self, statistics: Tensor) -> Tensor:
        """What the last layer gets: (B, width)."""
        return self.layers[:-1](statistics)


class LateFusion(nn.Module):
    """Branches that classify the same sound: a transformer, the statistics, and optionally segments of the sound.

    Each branch has a loss of its own, so that none relies on another; the probabilities of the whole are the geometric
    mean of theirs. `segments` is a fusion of the same kind that gets equal segments of a crop. It is trained on each of
    them; at evaluation they overlap by half, and their probabilities are averaged.

    Shape:
        waveforms (B, 1, T) float32 in [-1, 1] -> (B, K) logits

    Args:
        transformer: its front end computes the features of all branches.
        segments, num_segments: None and 1 for whole crops alone.
    """

    def __init__(
        self,
        transformer: TransformerClassifier,
        statistics: StatisticsClassifier,
        segments: Optional["LateFusion"] = None,
        num_segments: int = 1,
    ) -> None:
        super().__init__()
        self.transformer = transformer
        self.statistics = statistics
        self.segments = segments
        self.num_segments = num_segments

    def forward(self, waveforms: Tensor) -> Tensor:
        features = self.extract(waveforms)
        return geometric_mean(self.branch_logits(features), features.segment_weights)

    def extract(self, waveforms: Tensor) -> Features:
        """Features of crops (B, 1, T) and of their segments."""
        return self.extract_from_power(self.transformer.front_end.mel_power(waveforms))

    def extract_from_power(self, power: Tensor) -> Features:
        """The same of crops given as the power of their mel bands (B, M, F)."""
        features = self.transformer.extract_from_power(power)
        if self.segments is None:
            return features
        size = power.shape[-1] // self.num_segments
        step = size if self.training else max(1, size // 2)
        segments = power.unfold(-1, size, step).transpose(1, 2)  # (B, P, M, F / P)
        if torch.compiler.is_exporting():  # of an unfold, the exporter of torch 2.9 makes what cannot be loaded
            starts = range(0, power.shape[-1] - size + 1, step)
            segments = torch.stack([power[..., start : start + size] for start in starts], dim=1)
        return features._replace(
            segments=self.segments.extract_from_power(segments.flatten(0, 1)),
            segment_weights=audible_weights(segments.mean((2, 3)), SILENCE_DB),
        )

    def branch_logits(self, features: Features) -> tuple[Tensor, ...]:
        """Logits of each branch: (B, K) of the transformer and of the statistics, then (B, P, K) of the segments'."""
        of_segments: tuple[Tensor, ...] = ()
        # Segments first: a seed's dropout is drawn in this order.
        if self.segments is not None and features.segments is not None and features.segment_weights is not None:
            shape = features.segment_weights.shape
            of_segments = tuple(logits.unflatten(0, shape) for logits in self.segments.branch_logits(features.segments))
        return *self.transformer.branch_logits(features), self.statistics(features.statistics), *of_segments

    def embed(self, waveforms: Tensor) -> Tensor:
        """What the last layers of all branches get for waveforms (B, 1, T), one after the other: (B, D)."""
        return self.embed_features(self.extract(waveforms))

    def embed_features(self, features: Features) -> Tensor:
        """The CLS state and the hidden layer of the statistics, then the same of the segments, averaged: (B, D)."""
        assert features.statistics is not None
        parts = [self.transformer.embed_features(features), self.statistics.hidden(features.statistics)]
        if self.segments is not None and features.segments is not None and features.segment_weights is not None:
            of_segments = self.segments.embed_features(features.segments).unflatten(0, features.segment_weights.shape)
            parts.append((of_segments * features.segment_weights.unsqueeze(-1)).sum(1))  # (B, P, D) -> (B, D)
        return torch.cat(parts, dim=-1)


def geometric_mean(branch_logits: Sequence[Tensor], segment_weights: Tensor | None = None) -> Tensor:
    """Logits (B, K) whose softmax is the geometric mean of the probabilities of the branches, normalised.

    Probabilities of logits (B, P, K) of segments are averaged first, by `segment_weights` (B, P) or evenly.
    """
    if len(branch_logits) == 1 and branch_logits[0].ndim == 2:
        return branch_logits[0]
    return torch.stack([_of_whole(logits.log_softmax(-1), segment_weights) for logits in branch_logits]).mean(0)


def _of_whole(log_probabilities: Tensor, weights: Tensor | None) -> Tensor:
    """Log-probabilities (B, K) of those of segments (B, P, K)."""
    if log_probabilities.ndim == 2:
        return log_probabilities
    if weights is None:
        weights = log_probabilities.new_full(log_probabilities.shape[:2], 1 / log_probabilities.shape[1])
    return (log_probabilities + weights.log().unsqueeze(-1)).logsumexp(1)
