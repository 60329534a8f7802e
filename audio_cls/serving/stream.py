"""A recording of any length, block by block: mixed to mono, at the model's rate, in windows. Memory does not grow.

Axis letters: B windows, S samples of a window.
"""

import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch.nn import functional as F
from torchaudio.transforms import Resample

from audio_cls.data.decode import check_finite, resampling_ratio

LEAST_FRAMES = 2**16  # of a block: decoders may give a thousand at a time


def mono_blocks(blocks: Iterable[np.ndarray], sample_rate: int, advance: Callable[[int], None]) -> Iterator[np.ndarray]:
    """The mean of the channels of blocks (frames, channels), small ones joined; `advance` is told the frames read.

    Raises BadAudio for samples that are not finite.
    """
    read, parts, size = 0, [], 0
    for block in blocks:
        mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
        check_finite(mono, read, sample_rate)
        read += len(mono)
        advance(len(mono))
        parts.append(mono)
        size += len(mono)
        if size >= LEAST_FRAMES:
            yield np.concatenate(parts)
            parts, size = [], 0
    if parts:
        yield np.concatenate(parts)


def resampled(blocks: Iterable[np.ndarray], from_rate: int, to_rate: int) -> Iterator[np.ndarray]:
    """Mono blocks at another rate; together the same samples as `decode.resample` makes of the whole."""
    if from_rate == to_rate:
        yield from blocks
        return
    ratio = resampling_ratio(from_rate, to_rate)
    up, down = ratio.numerator, ratio.denominator
    # As `decode.resample` has it. The kernel (up, 1, 2 * width + down) makes `up` samples of each step of `down`.
    filters = Resample(down, up, dtype=torch.float32)
    width = filters.width
    rest = np.zeros(width, np.float32)  # what stands before the sound
    read = made = 0
    for block in blocks:
        read += len(block)
        rest = np.concatenate([rest, block])
        steps = (len(rest) - 2 * width) // down
        if steps > 0:
            part = _filter(rest[: steps * down + 2 * width], filters.kernel, down)
            rest = rest[steps * down :]
            made += len(part)
            yield part
    length = math.ceil(up * read / down)
    if made < length:
        tail = np.concatenate([rest, np.zeros(width + down, np.float32)])
        yield _filter(tail, filters.kernel, down)[: length - made]


def _filter(samples: np.ndarray, kernel: torch.Tensor, step: int) -> np.ndarray:
    with torch.no_grad():
        found = F.conv1d(torch.from_numpy(samples)[None, None], kernel, stride=step)[0]  # (up, steps)
    return found.T.reshape(-1).numpy()


def windows(blocks: Iterable[np.ndarray], size: int, hop: int, batch: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """First samples (B,) and windows (B, S) of a sound that comes in blocks, up to `batch` at once.

    They start every `hop` samples. The last one ends with the sound, so that nothing of it is left out; a sound that is
    shorter than a window makes one, with zeros at its end.
    """
    kept: list[np.ndarray] = []
    starts: list[int] = []

    def full() -> tuple[np.ndarray, np.ndarray]:
        found = np.array(starts), np.stack(kept)
        kept.clear()
        starts.clear()
        return found

    buffer, begin, start = np.zeros(0, np.float32), 0, 0  # the buffer begins at sample `begin`
    for block in blocks:
        buffer = np.concatenate([buffer, block])
        while start + size <= begin + len(buffer):
            kept.append(buffer[start - begin : start - begin + size].copy())
            starts.append(start)
            start += hop
            if len(kept) == batch:
                yield full()
        # The last window of all may begin up to a window before the end.
        drop = min(max(0, len(buffer) - size), start - begin)
        buffer, begin = buffer[drop:], begin + drop
    end = begin + len(buffer)
    covered = start - hop + size if start else 0
    if end > covered:
        last = max(0, end - size)
        kept.append(np.pad(buffer[last - begin :], (0, max(0, size - end))))
        starts.append(last)
    if kept:
        yield full()
