"""The baseline: how the level of each log-mel band is distributed, and one linear layer.

Axis letters: B batch, T samples, M mel bands, F frames, S statistics, K classes.
"""

import torch
from torch import Tensor, nn

from audio_cls.models.log_mel import LogMel, decibels, limit_dynamic_range
from audio_cls.models.texture import moments

STATISTICS_PER_BAND = 5
DEVIATION_FLOOR = 0.3  # dB; the skewness of a band that is nearly constant says nothing


class BandStatistics(nn.Module):
    """Logistic regression on statistics of the log-mel bands: (B, 1, T) float32 in [-1, 1] -> (B, K) logits.

    It is not trained by gradient steps: `training.baseline` finds its weights with scikit-learn. No order of the frames
    is known to it beyond neighbours, and no band to another but by a weighted sum, so that what a network reaches above
    it is what learned features add. Arguments are those of `LogMel`.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, num_classes: int, sample_rate: int, num_mels: int, n_fft: int, hop_length: int) -> None:
        super().__init__()
        self.front_end = LogMel(sample_rate, num_mels, n_fft, hop_length)
        num_statistics = STATISTICS_PER_BAND * num_mels
        self.register_buffer("mean", torch.zeros(num_statistics))
        self.register_buffer("deviation", torch.ones(num_statistics))
        self.linear = nn.Linear(num_statistics, num_classes)

    def forward(self, waveforms: Tensor) -> Tensor:
        return self.classify(self.statistics(waveforms))

    def classify(self, statistics: Tensor) -> Tensor:
        """Logits (B, K) of statistics (B, S)."""
        return self.linear(self._standardized(statistics))

    def embed(self, waveforms: Tensor) -> Tensor:
        """The statistics (B, S) of crops (B, 1, T), each with mean 0 and deviation 1 over the clips fitted on."""
        return self._standardized(self.statistics(waveforms))

    def _standardized(self, statistics: Tensor) -> Tensor:
        return (statistics - self.mean) / self.deviation

    def statistics(self, waveforms: Tensor) -> Tensor:
        """Of crops (B, 1, T), (B, S): mean, deviation, skewness and kurtosis of the level in dB of each band over its
        frames, and the mean change from frame to frame."""
        level = limit_dynamic_range(decibels(self.front_end.mel_power(waveforms)))  # (B, M, F)
        change = level.diff(dim=-1).abs().sum(-1) / max(1, level.shape[-1] - 1)
        return torch.cat([level.mean(-1), *moments(level, DEVIATION_FLOOR), change], dim=1)  # (B, 5 * M)
