"""What a crop sounds like in a few numbers that its level does not change: to tell that a sound is like no other.

Axis letters: N crops, T samples, M mel bands, F frames, D features.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from audio_cls.models.log_mel import LogMel, decibels, limit_dynamic_range

NUM_BANDS, NUM_GROUPS = 16, 4
NUM_FEATURES = 2 * NUM_BANDS + NUM_GROUPS + 3
FRAME_SECONDS = 0.064  # a frame has the largest power of two of samples that this holds
WIDEST_HZ = 125  # between frequencies of a frame: else the lowest mel bands hold none
FLOOR_DB = 0.1  # added before a logarithm: a tone does not move at all
RANGE_DB = 60.0
CROPS_AT_ONCE = 256


@torch.no_grad()
def crop_features(crops: np.ndarray, sample_rate: int) -> np.ndarray:
    """Features (N, D) float32 of crops (N, T) float32, which hold sound, where `long_enough` says that they are.

    They are the shape of the spectrum (mean level of each mel band in dB, less that of all), how much each band moves
    from frame to frame (dB), and on a logarithmic scale how much four groups of bands and the whole vary: tones stand
    still, so that their differences are small in dB and large as ratios.
    """
    front_end = _front_end(sample_rate, frame_length(crops.shape[-1], sample_rate))
    waveforms = torch.from_numpy(np.ascontiguousarray(crops, np.float32)).unsqueeze(1)
    parts = [_features(front_end.mel_power(few)[..., 1:-1]) for few in waveforms.split(CROPS_AT_ONCE)]
    return torch.cat(parts).numpy()


def frame_length(crop_samples: int, sample_rate: int) -> int:
    """Samples of a frame. A crop has at least 5 frames, the outer two of which reach beyond it and do not count."""
    longest = min(FRAME_SECONDS * sample_rate, crop_samples / 2)
    return 2 ** int(np.log2(max(longest, 1)))


def long_enough(crop_samples: int, sample_rate: int) -> bool:
    """Whether crops of this length have features."""
    return sample_rate <= WIDEST_HZ * frame_length(crop_samples, sample_rate)


@lru_cache(maxsize=8)
def _front_end(sample_rate: int, n_fft: int) -> LogMel:
    return LogMel(sample_rate, NUM_BANDS, n_fft, n_fft // 2)


def _features(power: Tensor) -> Tensor:
    """Of mel power (N, M, F)."""
    level = limit_dynamic_range(decibels(power), RANGE_DB)
    shape = level.mean(-1)  # (N, M)
    moves = level.diff(dim=-1).abs().mean(-1)  # (N, M)
    varies = level.std(-1).unflatten(1, (NUM_GROUPS, -1)).mean(-1)  # (N, M) -> (N, 4, M / 4) -> (N, 4)
    whole = decibels(power.sum(1))  # (N, F)
    whole = torch.maximum(whole, whole.amax(1, keepdim=True) - RANGE_DB)
    spread = torch.stack([whole.std(1), whole.diff(dim=1).abs().mean(1)], 1)
    peak = (whole.amax(1) - whole.mean(1)).unsqueeze(1)
    logs = (torch.cat([varies, spread], 1) + FLOOR_DB).log()
    return torch.cat([shape - shape.mean(1, keepdim=True), moves, logs, peak], 1)
