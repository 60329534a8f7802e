"""What the headers of a data set's files say: how long the clips are, and at what rate they were recorded."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from audio_cls.data.clips import Clip, ClipSet
from audio_cls.data.decode import AudioInfo, BadAudio, probe

MOST_FILES = 1_000  # looked at, spread evenly over the clips, which are sorted by name


@dataclass(frozen=True)
class Headers:
    """Seconds and rates in Hz of the clips whose files could be opened, (N,) each, N at least 1."""

    seconds: np.ndarray
    rates: np.ndarray

    @property
    def longest_usual(self) -> float:
        """What 95% of the clips do not exceed, in seconds."""
        return float(np.quantile(self.seconds, 0.95))

    @property
    def median_seconds(self) -> float:
        return float(np.median(self.seconds))

    @property
    def reached_rate(self) -> int:
        """The highest rate in Hz that 95% of the files have at least."""
        return int(np.quantile(self.rates, 0.05, method="lower"))


def make_headers(infos: Iterable[tuple[float, int]]) -> Headers | None:
    """From (seconds, rate) of each clip; None without any."""
    known = list(infos)
    if not known:
        return None
    seconds, rates = zip(*known, strict=True)
    return Headers(np.array(seconds, dtype=float), np.array(rates, dtype=int))


def read_headers(clip_set: ClipSet) -> Headers | None:
    """Of at most MOST_FILES clips. None where there are no files, or none can be opened: decoding says why."""
    if clip_set.root is None:
        return None
    places = np.unique(np.linspace(0, len(clip_set) - 1, MOST_FILES).round().astype(int))
    with ThreadPoolExecutor() as pool:
        infos = pool.map(_probe, [clip_set.clips[place] for place in places])
        return make_headers(
            (info.frames / info.sample_rate, info.sample_rate) for info in infos if info and info.frames
        )


def _probe(clip: Clip) -> AudioInfo | None:
    try:
        return probe(clip.path)
    except (BadAudio, OSError):
        return None
