"""All waveforms of a data set at one rate in one file, decoded once and shared by every fold, epoch and parallel job.

A store is a folder of the cache, named by a digest of the files that went into it: `floats.f32` (float32, clip after
clip) and `index.json` (the length and the content of each clip).
"""

import hashlib
import json
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from audio_cls.data.array_file import FLOATS, INDEX, FloatFile, build_once, in_order
from audio_cls.data.cache import CACHE_VARIABLE, default_cache_dir
from audio_cls.data.clips import Clip, ClipSet, DataError
from audio_cls.data.content import DIGEST_LENGTH, Content, content_of, read_clip
from audio_cls.data.decode import BadAudio, resample
from audio_cls.wording import one_line

FORMAT_VERSION = 2  # counts up when the files, the decoding or the resampling change
KINDS = ("silent", "constant", "cancelled")  # of clips that hold nothing to learn from


class WaveformStore:
    """Read-only waveforms by index of the clip; `lengths` in samples, (clips,) int64.

    Of the files' own sound, whatever the rate here: `digests` (clips,), and which clips are `silent`, `constant` or
    `cancelled`, as `content.Content` says; `notes` are those of `decode.Recording`, of the clips that have some.
    """

    def __init__(self, folder: Path) -> None:
        """Raises ValueError or OSError where the folder does not hold a whole store."""
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        self.folder = folder
        self.sample_rate: int = index["sample_rate"]
        self.lengths = np.array(index["lengths"], dtype=np.int64)
        self.digests = np.frombuffer(index["digests"].encode("ascii"), f"S{DIGEST_LENGTH}")
        if len(self.digests) != len(self.lengths):
            raise ValueError(f"{folder} has digests of {len(self.digests)} clips and lengths of {len(self.lengths)}")
        self.silent, self.constant, self.cancelled = (frozenset(index[kind]) for kind in KINDS)
        self.notes: dict[int, list[str]] = {int(clip): notes for clip, notes in index["notes"].items()}
        self._begins = np.cumsum(self.lengths) - self.lengths
        self._floats = FloatFile(folder / FLOATS, int(self.lengths.sum()))

    def __len__(self) -> int:
        return len(self.lengths)

    def waveform(self, index: int) -> np.ndarray:
        """The whole clip, (samples,) float32, read-only."""
        (index,) = self._checked(np.array([index]))
        waveform = np.empty(self.lengths[index], np.float32)
        self._floats.read(waveform, int(self._begins[index]))
        waveform.flags.writeable = False
        return waveform

    def crops(self, indices: np.ndarray, starts: np.ndarray, num_samples: int) -> np.ndarray:
        """Crops of the clips `indices` from sample `starts` on, (len(indices), num_samples) float32; zeros where a crop
        reaches beyond its clip, on either side."""
        indices = self._checked(indices)
        crops = np.zeros((len(indices), num_samples), np.float32)
        lengths, begins = self.lengths[indices].tolist(), self._begins[indices].tolist()
        for crop, start, length, begin in zip(crops, np.asarray(starts).tolist(), lengths, begins, strict=True):
            low, high = max(-start, 0), min(length - start, num_samples)  # where the clip lies in the crop
            if low < high:
                self._floats.read(crop[low:high], begin + start + low)
        return crops

    def circular_crops(self, indices: np.ndarray, starts: np.ndarray, num_samples: int, min_period: int) -> np.ndarray:
        """Crops of the clips repeated without end, from sample `starts` on, (len(indices), num_samples) float32.

        A clip's end is faded into its beginning over 10 ms, so that the join makes no click. A clip shorter
        than `min_period` is followed by zeros before it begins again, and not faded.
        """
        indices = self._checked(indices)
        crops = np.zeros((len(indices), num_samples), np.float32)
        lengths, begins = self.lengths[indices].tolist(), self._begins[indices].tolist()
        for crop, start, length, begin in zip(crops, np.asarray(starts).tolist(), lengths, begins, strict=True):
            fade, period = self._fade_and_period(length, min_period)
            for first in range(-(start % period) - period, num_samples, period):  # where the clip begins in the crop
                low, high = max(first, 0), min(first + length, num_samples)
                if low < high:
                    part = np.empty(high - low, np.float32)
                    self._floats.read(part, begin + low - first)
                    _fade(part, low - first, length, fade)
                    crop[low:high] += part
        return crops

    def period(self, index: int, min_period: int) -> np.ndarray:
        """One period of a clip that is repeated as in `circular_crops`, from its beginning, (samples,) float32."""
        _, num_samples = self._fade_and_period(int(self.lengths[index]), min_period)
        return self.circular_crops(np.array([index]), np.array([0]), num_samples, min_period)[0]

    def _fade_and_period(self, length: int, min_period: int) -> tuple[np.ndarray, int]:
        """The rise that a repeated clip of `length` samples begins with, and after how many samples it repeats."""
        fade = np.sin(np.linspace(0, np.pi / 2, max(1, self.sample_rate // 100), dtype=np.float32))
        fade = fade if length >= max(min_period, 2 * len(fade)) else fade[:0]
        return fade, max(length - len(fade), min_period)

    def _checked(self, indices: np.ndarray) -> np.ndarray:
        indices = np.asarray(indices)
        if len(indices) and (indices.min() < 0 or indices.max() >= len(self)):
            raise IndexError(f"clips {indices.min()} to {indices.max()}: the store holds clips 0 to {len(self) - 1}")
        return indices


def _fade(part: np.ndarray, first: int, length: int, fade: np.ndarray) -> None:
    """Fades, in place, what of a clip of `length` samples begins at sample `first`: its beginning in, its end out."""
    rising = fade[first : first + len(part)]
    part[: len(rising)] *= rising
    end = length - len(fade) - first  # where in the part the clip begins to fade out
    if len(fade) and end < len(part):
        part[max(end, 0) :] *= fade[::-1][max(-end, 0) : len(part) - end]


def open_store(
    clip_set: ClipSet, sample_rate: int, cache_dir: Path | None = None, progress: bool = True
) -> WaveformStore:
    """The store of the clips at `sample_rate` Hz, built where it is not there or damaged.

    Raises DataError naming every clip that cannot be used, with the reason, one a line; nothing is kept then.
    """
    stores = (Path(cache_dir) if cache_dir is not None else default_cache_dir()) / "stores"
    _check_outside(stores, clip_set.root)
    folder = stores / f"{clip_set.name}-{sample_rate}-{_digest(clip_set, sample_rate)}"

    def open_whole() -> WaveformStore:
        store = WaveformStore(folder)
        if len(store) != len(clip_set):
            raise ValueError(f"{folder} holds {len(store)} clips, not {len(clip_set)}")
        return store

    def build(file: BinaryIO) -> dict[str, Any]:
        return {"sample_rate": sample_rate, **_write_waveforms(clip_set, sample_rate, file, progress)}

    try:
        return build_once(folder, open_whole, build)
    except OSError as error:
        raise DataError(
            f"the cache {stores} cannot be written ({error.strerror or error}): "
            f"make room there, or set {CACHE_VARIABLE} to another folder"
        ) from error


def _check_outside(stores: Path, root: Path | None) -> None:
    """Nothing is written among the data; a manifest in the home folder does not make `~/.cache` one of them."""
    if root is None or not stores.resolve().is_relative_to(root.resolve()):
        return
    if not any(part.startswith(".") for part in stores.resolve().relative_to(root.resolve()).parts):
        raise DataError(f"the cache {stores} lies inside the data {root}: set {CACHE_VARIABLE} to a folder elsewhere")


def _digest(clip_set: ClipSet, sample_rate: int) -> str:
    """Changes with the rate, any file that is written or replaced, and the code that makes synthetic clips."""
    digest = hashlib.sha256(f"{FORMAT_VERSION} {sample_rate}".encode())
    if clip_set.root is None:  # synthetic; its name may be another, by data.name
        from audio_cls.data import synthetic

        digest.update(Path(synthetic.__file__).read_bytes())
        entries: list[tuple[Any, ...]] = [(clip.name, clip.source, clip.label) for clip in clip_set.clips]
    else:
        entries = [_file_entry(clip) for clip in clip_set.clips]
    digest.update(json.dumps(entries).encode())
    return digest.hexdigest()[:24]


def _file_entry(clip: Clip) -> tuple[Any, ...]:
    """With the whole path: archives give files of different data sets the same times, names and sizes may agree too.

    With the time of the inode's last change and its number: `cp -p`, `rsync -t` and `touch -r` leave a file that was
    replaced the size and the time of change that it had, but nobody can set these.
    """
    try:
        status = clip.path.stat()
    except OSError as error:
        return clip.name, str(clip.path), -1, error.errno or 0  # decoding names it, with all others
    times = status.st_mtime_ns, status.st_ctime_ns
    return clip.name, str(clip.path.absolute()), status.st_size, *times, status.st_ino


def _write_waveforms(clip_set: ClipSet, sample_rate: int, file: BinaryIO, progress: bool) -> dict[str, Any]:
    """Appends all clips to the file; returns what the index says of them."""
    lengths: list[int] = []
    digests: list[str] = []
    kinds: dict[str, list[int]] = {kind: [] for kind in KINDS}
    notes: dict[int, tuple[str, ...]] = {}
    problems = []
    # Threads do: decoding and resampling release the GIL.
    task = f"decoding {clip_set.name} at {sample_rate} Hz"
    synthetic = clip_set.root is None
    decoded = in_order(lambda clip: _decode(clip, synthetic, sample_rate), clip_set.clips, task, progress)
    for index, (clip, result) in enumerate(zip(clip_set.clips, decoded, strict=True)):
        if isinstance(result, BadAudio):
            problems.append(f"{clip.name}: {result}")
        elif not problems:  # else only the rest of the problems is of interest
            waveform, content, noted = result
            file.write(waveform.tobytes())
            lengths.append(len(waveform))
            digests.append(content.digest)
            for kind, clips in kinds.items():
                clips += [index] if getattr(content, kind) else []
            notes |= {index: noted} if noted else {}
    if problems:
        counted = f"{len(problems)} of {len(clip_set)} clips of {clip_set.name} cannot be used: repair or remove them"
        raise DataError("\n".join([counted, *problems]))
    return {"lengths": lengths, "digests": "".join(digests), **kinds, "notes": notes}


def _decode(clip: Clip, synthetic: bool, sample_rate: int) -> tuple[np.ndarray, Content, tuple[str, ...]] | BadAudio:
    """The waveform at that rate, what the file holds at its own, and the reader's notes; or why it cannot be used."""
    try:
        recording = read_clip(clip, synthetic)
        waveform = resample(recording.waveform, recording.sample_rate, sample_rate)
        return waveform, content_of(recording), recording.notes
    except BadAudio as error:
        return error
    except (OSError, MemoryError, RuntimeError) as error:  # it vanished meanwhile, or is too large for this machine
        return BadAudio(f"unreadable: {one_line(error)}")
