"""What a data set sounds like, as far as training has to know: what is in each clip, and which hold the same sound."""

import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from audio_cls.data import fingerprint
from audio_cls.data.clips import ClipSet
from audio_cls.data.content import digest_of_all, identical
from audio_cls.data.fingerprint import MIN_SECONDS
from audio_cls.data.waveform_store import WaveformStore, open_store
from audio_cls.files import write_json
from audio_cls.terminal import say

MAX_COMPARED = 4_000  # clips with fingerprints: comparing more would take hours, or find little
SIMILAR = "similar.json"  # in the store's folder
FORMAT_VERSION = 1  # counts up when the fingerprint or its rule changes


@dataclass(frozen=True)
class Sound:
    """The clips of a data set, read once. `similar`: pairs of clips, by index, that hold nearly the same sound.

    Pairs are looked for where the source of a clip is not known, among at most MAX_COMPARED clips.
    """

    clip_set: ClipSet
    store: WaveformStore
    similar: tuple[tuple[int, int], ...]

    @cached_property
    def digest(self) -> str:
        """The same for the same sound under the same names."""
        return digest_of_all((clip.name for clip in self.clip_set.clips), self.store.digests)

    @property
    def num_too_short(self) -> int:
        """How many clips are too short to be compared but for identical samples."""
        return int(np.count_nonzero(self.store.lengths < MIN_SECONDS * self.store.sample_rate))

    @cached_property
    def identical(self) -> list[list[int]]:
        """Groups of clips with the same samples, silence apart."""
        return identical(self.store.digests, self.store.silent | self.store.constant)


def read_sound(clip_set: ClipSet, sample_rate: int) -> Sound:
    """Reads what was not read before. Raises DataError as `open_store` does."""
    store = open_store(clip_set, sample_rate)
    synthetic = clip_set.root is None
    unknown = {index for index, clip in enumerate(clip_set.clips) if clip.source is None}
    if synthetic or not unknown or len(clip_set) > MAX_COMPARED:
        return Sound(clip_set, store, ())
    pairs = _similar(clip_set, store)
    return Sound(clip_set, store, tuple(pair for pair in pairs if unknown & set(pair)))


def _similar(clip_set: ClipSet, store: WaveformStore) -> list[tuple[int, int]]:
    """Pairs of clips with nearly the same sound, found once and kept beside the waveforms."""
    path = store.folder / SIMILAR
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["version"] == FORMAT_VERSION:
            return [(int(one), int(other)) for one, other in kept["pairs"]]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    pairs = _find_similar(clip_set, store)
    with suppress(OSError):  # a cache that may only be read
        write_json(path, {"version": FORMAT_VERSION, "pairs": pairs})
    return pairs


def _find_similar(clip_set: ClipSet, store: WaveformStore) -> list[tuple[int, int]]:
    long_enough = np.flatnonzero(store.lengths >= MIN_SECONDS * store.sample_rate).tolist()
    if len(long_enough) < 2:
        return []
    say(f"comparing {len(long_enough)} clips with each other, once, as the recordings they come from are not known")
    places = fingerprint.find_similar([clip_set.clips[index] for index in long_enough])
    pairs = [(long_enough[one], long_enough[other]) for one, other in places]
    return [(one, other) for one, other in pairs if store.digests[one] != store.digests[other]]
