"""What is in a clip: a digest of its samples, by which the same sound is known anywhere, and whether it is a sound."""

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np

from audio_cls.data.clips import Clip
from audio_cls.data.decode import Recording, from_samples, read_audio

DIGEST_LENGTH = 32  # hexadecimal digits
SILENCE = 2.0**-15  # one step of 16 bits, -90 dBFS: what stays below is digital silence
CANCELLED_DB = 12  # lost in the average of the channels; two channels that are unlike lose 3


@dataclass(frozen=True, slots=True)
class Content:
    """Of one clip, its channels averaged; `cancelled_db` is how much softer that made it."""

    digest: str  # the same for the same samples at the same rate, in whatever file
    silent: bool  # nothing but digital silence
    constant: bool  # one value all along, which is no sound either
    cancelled_db: float

    @property
    def cancelled(self) -> bool:
        return self.cancelled_db > CANCELLED_DB


def read_clip(clip: Clip, synthetic: bool, max_frames: int | None = None) -> Recording:
    """The clip at its own rate, from its file or synthesised. Raises BadAudio as `read_audio` does."""
    if not synthetic:
        return read_audio(clip.path, max_frames)
    from audio_cls.data.synthetic import SAMPLE_RATE, synthesize

    return from_samples(synthesize(clip)[:, None], SAMPLE_RATE)


def content_of(recording: Recording) -> Content:
    waveform = recording.waveform
    low, high = float(waveform.min()), float(waveform.max())
    silent = max(-low, high) < SILENCE
    cancelled_db = 0.0
    if recording.channels > 1 and recording.levels.power > SILENCE**2:
        mono = float(np.mean(np.square(waveform, dtype=np.float64)))
        cancelled_db = decibels(recording.levels.power) - decibels(mono)
    digest = hashlib.blake2b(f"{recording.sample_rate} {recording.frames} ".encode(), digest_size=DIGEST_LENGTH // 2)
    digest.update(np.ascontiguousarray(waveform).data)
    return Content(digest.hexdigest(), silent, not silent and high - low < SILENCE, cancelled_db)


def decibels(power: float) -> float:
    return 10 * float(np.log10(max(power, 1e-12)))


def digest_of_all(names: Iterable[str], digests: np.ndarray) -> str:
    """Changes with the name and the content of every clip; wherever they lie."""
    return hashlib.blake2b("\0".join(names).encode() + digests.tobytes(), digest_size=8).hexdigest()


def identical(digests: np.ndarray, without_sound: Collection[int]) -> list[list[int]]:
    """Groups of clips, by index, that are the same sample for sample. Clips without sound are not compared."""
    _, number, count = np.unique(digests, return_inverse=True, return_counts=True)
    repeated = np.flatnonzero(count[number] > 1)
    groups: dict[int, list[int]] = {}
    for index in repeated[~np.isin(repeated, list(without_sound))].tolist():
        groups.setdefault(int(number[index]), []).append(index)
    return [group for group in groups.values() if len(group) > 1]
