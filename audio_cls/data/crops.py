"""Where the evenly spaced crops of a clip lie, at evaluation and for new sound.

Axis letters: B batch, C crops of a clip, T samples of a crop.
"""

import numpy as np

from audio_cls.data.content import SILENCE

AUDIBLE_DB = 30.0  # a crop this much quieter than its clip's loudest one says little of the clip
# Clips whose crops go through the model together at evaluation; bounds the memory, not the result.
EVALUATION_SAMPLES = 16_000 * 64


def crop_starts(lengths: np.ndarray, crop_length: int, num_crops: int) -> np.ndarray:
    """Where evenly spaced crops of clips begin, (B, num_crops), for `lengths` (B,), in samples or frames.

    The first crop starts with its clip, the last one ends with it.
    """
    return np.linspace(0, np.maximum(lengths - crop_length, 0), num_crops, axis=1).round().astype(np.int64)


def evaluation_crops(waveform: np.ndarray, num_samples: int, num_crops: int) -> np.ndarray:
    """Evenly spaced crops (C, T) of a clip (samples,); zeros at the end of a clip that is shorter than a crop."""
    padded = np.pad(waveform, (0, max(0, num_samples - len(waveform))))
    starts = crop_starts(np.array([len(waveform)]), num_samples, num_crops)[0]
    return np.stack([padded[start : start + num_samples] for start in starts])


def audible_crops(crops: np.ndarray) -> tuple[np.ndarray, float | None]:
    """Those of the crops (C, T) of a clip that are less than AUDIBLE_DB quieter than its loudest one, and the level of
    that, in dB below full scale; none, and None, where there is only digital silence."""
    power = np.square(crops, dtype=np.float64).mean(1)
    loudest = float(power.max())
    if np.abs(crops).max() < SILENCE:
        return crops[:0], None
    return crops[power > loudest * 10 ** (-AUDIBLE_DB / 10)], 10 * float(np.log10(loudest))
