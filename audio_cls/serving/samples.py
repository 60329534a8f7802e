"""Samples that another program holds, checked before a model hears them."""

from typing import Any

import numpy as np
import torch

from audio_cls.data.decode import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, Recording, from_samples

FULL_SCALE = 2**15  # of int16, in which many readers give their samples
LARGEST = 16.0  # 24 dB above full scale: what reaches further are integers that nobody has divided


def recording_of(samples: np.ndarray | torch.Tensor, sample_rate: Any) -> Recording:
    """Samples at `sample_rate` Hz, (samples,) or (channels, samples): floats in [-1, 1], or int16. On any device.

    Raises ValueError in one line for what cannot be meant.
    """
    rate = _rate(sample_rate)
    array = _array(samples)
    found = f"samples of shape {array.shape} and type {array.dtype}"
    if array.ndim not in (1, 2):
        raise ValueError(f"{found}: give (samples,) or (channels, samples)")
    if array.size == 0:
        raise ValueError(f"{found}: there are none")
    if array.ndim == 2 and len(array) > array.shape[1]:
        raise ValueError(f"{found}: more channels than samples; if these are (samples, channels), transpose them: x.T")
    if array.dtype == np.int16:
        array = array.astype(np.float32) / FULL_SCALE
    elif not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"{found}: give floats in [-1, 1], or int16; divide other integers by their full scale")
    with np.errstate(over="ignore"):  # what is infinite then is refused below
        recording = from_samples(np.atleast_2d(array).T.astype(np.float32), rate)
    if (peak := recording.levels.peak) > LARGEST:
        raise ValueError(f"samples of up to {peak:.6g}: give floats in [-1, 1]; divide 16-bit numbers by {FULL_SCALE}")
    return recording


def _rate(sample_rate: Any) -> int:
    allowed = f"{MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz"
    if sample_rate is None:
        raise ValueError(f"samples do not say their rate: add sample_rate=HZ, {allowed}")
    number = isinstance(sample_rate, int | float | np.integer | np.floating) and not isinstance(sample_rate, bool)
    if not number or sample_rate != sample_rate // 1 or not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        raise ValueError(f"sample_rate={sample_rate}: give a whole number of {allowed}")
    return int(sample_rate)


def _array(samples: np.ndarray | torch.Tensor) -> np.ndarray:
    if isinstance(samples, torch.Tensor):
        samples = samples.detach().cpu()
        return (samples.float() if samples.is_floating_point() else samples).numpy()  # numpy knows no bfloat16
    return samples
