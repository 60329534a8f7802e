"""What the ear keeps of a sound texture: its spectrum, how this moves, and how its levels are distributed.

Rain, fire, waves and helicopters have much the same spectrum. What tells them apart, to us and to a machine, are
statistics over time (McDermott and Simoncelli 2011, "Sound texture perception via statistics of the auditory
periphery"): the power of modulations, and the moments of each band's envelope, which say whether a sound is sparse or
dense, and whether it comes in bursts or in gaps. What can be computed need not be learned from a few hundred clips.

Axis letters: B batch, T samples, M mel bands, F frames, C modulations, N tokens, K classes.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audio_cls.models.features import Features
from audio_cls.models.log_mel import LogMel, decibels, limit_dynamic_range, standardize
from audio_cls.models.modulation import TOKEN_FRAMES, ModulationPower
from audio_cls.models.sizes import BAND_GROUPS
from audio_cls.models.token_times import TokenTimes

STEP_FRAMES = TOKEN_FRAMES // 8  # frames of the modulations to one of the spectrogram beside them
MODULATION_RANGE_DB = 45.0  # as RANGE_DB, but narrower: noise is modulated, too
COMPRESSION = 0.3  # exponent of an envelope's power, near that of loudness
NUM_MOMENTS = 6
MODULATION_FLOOR = 0.003  # dB squared; keeps the logarithm of a constant level's modulations finite
LARGEST_STATISTIC = 5.0  # in deviations: a moment of a few loud frames may be anything


class LogMelTexture(LogMel):
    """A coarse log-mel spectrogram, the power of its modulations, and statistics of the whole crop.

    Shape:
        waveforms (B, 1, T) float32, T >= n_fft -> spectrogram (B, 1, M, F / 8), modulations (B, C, 8, N), statistics
        (B, num_statistics), where F = T // hop_length + 1 and N = ceil(F / 64)

    The hop has to be short, as the fastest modulation that can be seen is 0.4 of the frame rate: 80 samples at 16 kHz
    make 200 frames a second and rates up to 80 Hz. The spectrogram is `LogMel`'s with 8 times the hop, made of the mean
    power of 8 frames. Statistics are the mean spectrum, the logarithm of the mean power of each modulation, and the
    moments of each band. Modulations and statistics have mean 0 and deviation 1 over the clips trained on (a running
    mean, as in any BatchNorm), as their size says a lot and must not go.

    Args:
        num_mels: M, a multiple of 8.
        num_samples: length of a crop, which sets the slowest rate; crops may be of another length nevertheless.
    """

    def __init__(self, sample_rate: int, num_mels: int, n_fft: int, hop_length: int, num_samples: int) -> None:
        super().__init__(sample_rate, num_mels, n_fft, hop_length)
        self.modulation = ModulationPower(num_mels, sample_rate / hop_length, num_samples / sample_rate)
        self.normalize_modulations = nn.BatchNorm2d(self.modulation.num_bands, affine=False)
        self.num_statistics = (1 + NUM_MOMENTS) * num_mels + self.modulation.num_bands * BAND_GROUPS
        self.normalize_statistics = nn.BatchNorm1d(self.num_statistics, affine=False)

    @property
    def frame_times(self) -> TokenTimes:
        """Where the frames of the spectrogram lie in the sound."""
        return super().frame_times.after(kernel_size=STEP_FRAMES, stride=STEP_FRAMES)

    def num_frames(self, num_samples: int) -> int:
        """How many frames the spectrogram of `num_samples` has."""
        return math.ceil(super().num_frames(num_samples) / STEP_FRAMES)

    def from_power(self, power: Tensor) -> Features:
        """All three of the power (B, M, F) that `mel_power` returns."""
        # The last mean is over the frames that are there.
        steps = F.avg_pool1d(power, STEP_FRAMES, ceil_mode=True, count_include_pad=False)
        level = limit_dynamic_range(decibels(power))
        band_level = limit_dynamic_range(level, MODULATION_RANGE_DB)
        modulations = self.modulation(band_level)  # (B, C, 8, N)
        statistics = [standardize(level).mean(-1), _log(modulations.mean(-1)), band_moments(level, band_level)]
        statistics = self.normalize_statistics(torch.cat([values.flatten(1) for values in statistics], dim=1))
        return Features(
            spectrogram=standardize(limit_dynamic_range(decibels(steps))).unsqueeze(1),
            modulations=self.normalize_modulations(_log(modulations)),
            statistics=statistics.clamp(-LARGEST_STATISTIC, LARGEST_STATISTIC),
        )


def _log(modulations: Tensor) -> Tensor:
    return (modulations + MODULATION_FLOOR).log()


def band_moments(level: Tensor, band_level: Tensor) -> Tensor:
    """Moments over time of each band's level in dB and of its compressed envelope, (B, 6, M).

    The logarithm of the deviation, skewness, the logarithm of the kurtosis; then the logarithms of the mean (relative
    to that of all bands) and of the coefficient of variation, and the skewness. They are finite for a constant band.

    Args:
        level: (B, M, F) in dB, with a limited dynamic range, so that digital silence has no extreme level of its own.
        band_level: the same with a narrower dynamic range.
    """
    envelope = (level * (COMPRESSION / 10 * math.log(10))).exp()
    envelope = envelope / envelope.mean((1, 2), keepdim=True)
    mean, (deviation, skewness, _) = envelope.mean(-1), moments(envelope, 1e-4)
    in_db, db_skewness, db_kurtosis = moments(band_level, 0.3)
    variation = deviation / mean.clamp(min=1e-4)
    of_level = (in_db + 0.1).log(), db_skewness, (db_kurtosis + 0.1).log()
    return torch.stack([*of_level, (mean + 1e-4).log(), (variation + 1e-3).log(), skewness], dim=1)


def moments(x: Tensor, floor: float) -> tuple[Tensor, Tensor, Tensor]:
    """Deviation, skewness and kurtosis over the last axis; a deviation below the floor counts as the floor."""
    x = x - x.mean(-1, keepdim=True)
    square = x.square()
    deviation = square.mean(-1).sqrt().clamp(min=floor)
    return deviation, (square * x).mean(-1) / deviation**3, square.square().mean(-1) / deviation**4
