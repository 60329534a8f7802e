"""Where a clip sounds and where it is silent: many recordings are a short sound in seconds of digital silence."""

import numpy as np

from audio_cls.data.store import WaveformStore

FRAMES_PER_SECOND = 100


class Loudness:
    """Energy (sum of squares) of any crop of a clip, to 10 ms, without reading the crop.

    Args:
        store: the waveforms; the clips asked for are read once, here.
        clips: indices of the clips, (n,).
        num_samples: length of a crop.
    """

    def __init__(self, store: WaveformStore, clips: np.ndarray, num_samples: int) -> None:
        self._frame = max(1, store.sample_rate // FRAMES_PER_SECOND)
        width = max(1, num_samples // self._frame)
        sums = [self._cumulative(store.waveform(clip)) for clip in clips]
        self._num_frames = np.zeros(len(store), dtype=np.int64)
        self._num_frames[clips] = [len(cumulative) - 1 for cumulative in sums]
        self._begins = np.zeros(len(store), dtype=np.int64)
        self._begins[clips] = np.cumsum([0, *(len(cumulative) for cumulative in sums[:-1])])
        self._sums = np.concatenate(sums)
        self._loudest = np.zeros(len(store))
        self._loudest[clips] = [(np.append(s[width:], [s[-1]] * min(width, len(s))) - s).max() for s in sums]
        self._width = width

    def is_silent(self, clips: np.ndarray, starts: np.ndarray, silence_db: float) -> np.ndarray:
        """Whether crops at `starts` (samples) are more than `silence_db` quieter than their clip's loudest crop."""
        return self.energy(clips, starts) < self._loudest[clips] * 10 ** (-silence_db / 10)

    def energy(self, clips: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Energy of the crops of clips (n,) at starts (n,) in samples; what lies beyond the clip is silent."""
        first = np.floor_divide(starts, self._frame)
        begins, num_frames = self._begins[clips], self._num_frames[clips]
        left, right = np.clip(first, 0, num_frames), np.clip(first + self._width, 0, num_frames)
        return self._sums[begins + right] - self._sums[begins + left]

    def _cumulative(self, waveform: np.ndarray) -> np.ndarray:
        """(frames + 1,) energy up to each frame, from 0 on."""
        edges = np.arange(0, len(waveform), self._frame)
        energy = np.add.reduceat(np.square(waveform, dtype=np.float64), edges) if len(edges) else np.zeros(0)
        return np.concatenate([[0.0], np.cumsum(energy)])
