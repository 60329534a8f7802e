"""Augmentation of whole batches, in training only: each part is a module that passes its input through in eval mode.

Axis letters: B batch, T samples, M mel bands, F frames, K classes. Random numbers come from torch's global generator,
which the training module seeds anew at every step, so that a resumed run draws what an uninterrupted one would have.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audio_cls.models.features import Features


def input_samples(num_samples: int, factor: float) -> int:
    """How many samples a training crop must have, S, so that the fastest speed still fills `num_samples`."""
    # One more than the last position read, for the interpolation.
    return num_samples if factor == 1 else math.ceil(num_samples * factor) + 1


class TimeScale(nn.Module):
    """Plays each crop at a random speed and cuts it to `num_samples`: (B, 1, S) -> (B, 1, num_samples).

    Args:
        num_samples: length of the result, T.
        factor: speeds are drawn log-uniformly from 1 / factor to factor (Tokozume et al. 2018, section 5.1); 1 is off.

    The input needs `input_samples(T, factor)` samples. Pitch moves with speed.
    """

    def __init__(self, num_samples: int, factor: float = 1.0) -> None:
        super().__init__()
        if factor < 1:
            raise ValueError(f"factor={factor:g}: a range of speeds from 1/factor to factor needs factor >= 1")
        self.num_samples = num_samples
        self.factor = factor

    def forward(self, waveforms: Tensor) -> Tensor:
        if not self.training or self.factor == 1:
            return waveforms[..., : self.num_samples]
        # One clip at a time, as each is cut to another length: five times as fast as indices for all samples at once.
        speeds = self.factor ** torch.empty(waveforms.shape[0]).uniform_(-1, 1)
        lengths = (speeds * (self.num_samples - 1) + 1).round().int().tolist()
        pairs = zip(waveforms.split(1), lengths, strict=True)
        return torch.cat([self._scaled(waveform[..., :length]) for waveform, length in pairs])  # (B, 1, T)

    def _scaled(self, waveform: Tensor) -> Tensor:
        return F.interpolate(waveform, self.num_samples, mode="linear", align_corners=True)


class Gain(nn.Module):
    """Multiplies each waveform by a random gain of +-`gain_db` decibels: (B, 1, T) -> (B, 1, T)."""

    def __init__(self, gain_db: float = 0.0) -> None:
        super().__init__()
        self.gain_db = gain_db

    def forward(self, waveforms: Tensor) -> Tensor:
        if not self.training or self.gain_db == 0:
            return waveforms
        decibels = torch.empty(waveforms.shape[0], 1, 1, device=waveforms.device).uniform_(-self.gain_db, self.gain_db)
        return waveforms * 10 ** (decibels / 20)


class BetweenClassMix(nn.Module):
    """Mixes each sound with another of the batch, and their labels with it (Tokozume et al. 2018, section 3.2).

    Shape:
        waveforms (B, 1, T) or, with `power`, spectrograms of power (B, M, F); targets (B, K) rows that sum to 1
        -> the same

    The ratio r is how loud the first sounds in the mix, so the louder of the two is turned down first; dividing by the
    norm of the two weights keeps the mix as loud as its parts. Level is the RMS, without the A-weighting of the paper.

    Args:
        power: sounds are given as power, which adds up as that of sounds that have nothing to do with each other does.
    """

    def __init__(self, power: bool = False) -> None:
        super().__init__()
        self.power = power

    def forward(self, sounds: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        if not self.training:
            return sounds, targets
        batch = sounds.shape[0]
        partner = torch.randperm(batch, device=sounds.device)
        ratio = torch.rand(batch, 1, 1, device=sounds.device).clamp(1e-4, 1 - 1e-4)
        level = (sounds if self.power else sounds.square()).mean((1, 2), keepdim=True).sqrt().clamp(min=1e-4)
        weight = 1 / (1 + level / level[partner] * (1 - ratio) / ratio)  # (B, 1, 1)
        loudness = (weight.square() + (1 - weight).square()).sqrt()
        if not self.power:
            # A waveform that drew itself adds up in phase: it is as loud as before already.
            itself = (partner == torch.arange(batch, device=sounds.device)).view(batch, 1, 1)
            loudness = loudness.masked_fill(itself, 1.0)
        gains = weight / loudness, (1 - weight) / loudness
        gain, partner_gain = (gain.square() if self.power else gain for gain in gains)
        mixed = (sounds * gain).addcmul_(sounds[partner], partner_gain)
        ratio = ratio.view(batch, 1)
        return mixed, ratio * targets + (1 - ratio) * targets[partner]


class SpectrogramMask(nn.Module):
    """Sets random stripes in time and in frequency to 0, the mean of a normalised spectrogram (Park et al. 2019).

    Masks spectrogram and modulations, which may be coarser, at the same moments and bands; statistics stay as they
    are. Segments are masked each for itself. Features that are no spectrogram (waveforms) pass through with
    num_masks=0 alone.

    Args:
        num_masks: stripes along each of the two axes; 0 is off.
        max_fraction: the widest stripe, as a share of its axis.
    """

    def __init__(self, num_masks: int = 2, max_fraction: float = 0.2) -> None:
        super().__init__()
        self.num_masks = num_masks
        self.max_fraction = max_fraction

    def forward(self, features: Features) -> Features:
        if not self.training or self.num_masks == 0:
            return features
        spectrogram, modulations = features.spectrogram, features.modulations
        batch, _, mels, frames = spectrogram.shape
        in_frequency = self._stripes(batch, mels, spectrogram.device)  # (B, M)
        in_time = self._stripes(batch, frames, spectrogram.device)  # (B, F)
        return features._replace(
            spectrogram=_masked(spectrogram, in_frequency, in_time),
            modulations=None if modulations is None else _masked(modulations, in_frequency, in_time),
            segments=None if features.segments is None else self(features.segments),
        )

    def _stripes(self, batch: int, size: int, device: torch.device) -> Tensor:
        """(B, size) bool, True within a stripe."""
        # Whole positions: a stripe between two of them would cover one more than its share.
        widest = int(self.max_fraction * size)
        width = (torch.rand(batch, self.num_masks, 1, device=device) * (widest + 1)).floor()
        start = (torch.rand(batch, self.num_masks, 1, device=device) * (size - width + 1)).floor()
        position = torch.arange(size, device=device)
        return ((position >= start) & (position < start + width)).any(dim=1)


def _masked(maps: Tensor, in_frequency: Tensor, in_time: Tensor) -> Tensor:
    """Maps (B, C, rows, columns), 0 where stripes of bands (B, M) or of frames (B, F) cover them."""
    rows, columns = _resampled(in_frequency, maps.shape[-2]), _resampled(in_time, maps.shape[-1])
    return maps.masked_fill(rows[:, None, :, None] | columns[:, None, None, :], 0.0)


def _resampled(stripes: Tensor, size: int) -> Tensor:
    """Stripes (B, S) on an axis of `size` positions, (B, size): covered are those of which more than half was."""
    if size == stripes.shape[-1]:
        return stripes
    return F.adaptive_avg_pool1d(stripes.unsqueeze(1).float(), size).squeeze(1) > 0.5


class WaveformAugment(nn.Module):
    """Time scaling, gain and mixing, in this order: (B, 1, S), (B, K) -> (B, 1, T), (B, K). In eval mode: cuts to T."""

    def __init__(self, num_samples: int, time_scale: float = 1.0, gain_db: float = 0.0, mix: bool = False) -> None:
        super().__init__()
        self.time_scale = TimeScale(num_samples, time_scale)
        self.gain = Gain(gain_db)
        self.mix = BetweenClassMix() if mix else None

    def forward(self, waveforms: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        waveforms = self.gain(self.time_scale(waveforms))
        return (waveforms, targets) if self.mix is None else self.mix(waveforms, targets)
