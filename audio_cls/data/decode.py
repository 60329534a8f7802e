"""From an audio file to a mono waveform at the rate asked for, or the reason why not."""

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from pathlib import Path

import numpy as np
import soundfile

from audio_cls.data.integrity import count_mpeg_samples, find_damage

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 4_000, 384_000  # Hz; telephone recordings and bat detectors lie inside
UNKNOWN_FRAMES = 2**63 - 1  # what libsndfile answers where the header does not say
BLOCK_FRAMES = 2**18  # read and mixed at a time, so that many channels do not take many times the memory
FULL_SCALE = 0.999  # what reaches it is counted as clipped
MPEG_FRAME = 1152  # samples
MAX_KERNEL = 2**20  # samples of the resampling filter bank; common rates need less than 300,000


class BadAudio(ValueError):
    """A file that cannot be used; the message is the reason alone, as whoever reports it knows the file."""


@dataclass(frozen=True)
class AudioInfo:
    """What the file's header says; `frames` is None where it does not say."""

    frames: int | None
    sample_rate: int
    channels: int


@dataclass(frozen=True)
class Levels:
    """Of all samples of all channels, before the channels are averaged; full scale is 1."""

    peak: float
    clipped: float  # share of the samples at full scale
    power: float  # mean square


@dataclass(frozen=True)
class Recording:
    """A file that was read. `waveform` is the average of its channels, (samples,) float32, at its own rate.

    `frames` are those of the whole file, of which the waveform may be the beginning. `notes` are short sentences
    that say what was assumed.
    """

    waveform: np.ndarray
    sample_rate: int  # Hz
    channels: int
    frames: int
    levels: Levels
    notes: tuple[str, ...] = ()


def probe(path: Path) -> AudioInfo:
    """The header of the file. Raises BadAudio for files that cannot be opened and rates that cannot be meant."""
    with _open(path) as sound:
        return _info(sound)


def decode(path: Path, sample_rate: int) -> np.ndarray:
    """The file's waveform, (samples,) float32, channels averaged, at `sample_rate` Hz. Raises as `read_audio` does."""
    recording = read_audio(path)
    return resample(recording.waveform, recording.sample_rate, sample_rate)


def read_audio(path: Path, max_frames: int | None = None) -> Recording:
    """The file at its own rate; of one that its header says is longer, the first `max_frames` frames.

    Raises BadAudio where the file is unreadable, empty, truncated or damaged, has samples that are not finite, or a
    rate outside 4 to 384 kHz.
    """
    with _open(path) as sound:
        info = _info(sound)
        mix = _Mix()
        _read(sound, mix, max_frames)
        if max_frames is None or mix.frames < max_frames or mix.frames == info.frames:
            _check_whole(path, sound, info, mix.frames)
    if mix.frames == 0:
        raise BadAudio("empty: there are no samples in it")
    frames = mix.frames if max_frames is None else max(info.frames or 0, mix.frames)
    return mix.recording(info.sample_rate, frames)


def from_samples(samples: np.ndarray, sample_rate: int) -> Recording:
    """Samples that come from no file, (frames, channels) float32, one at least. Raises BadAudio if not finite."""
    mix = _Mix()
    mix.add(samples)
    return mix.recording(sample_rate, len(samples))


def resample(waveform: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """The waveform at another rate, ceil(samples * to_rate / from_rate) long.

    Rates without a common factor would take a filter bank of gigabytes (44,099 to 16,000 Hz: 700 million values). The
    nearest ratio with a bank of at most MAX_KERNEL values stands in: it is off by a few millionths.
    """
    if from_rate == to_rate:
        return waveform
    import torch
    from torchaudio import functional

    ratio = Fraction(to_rate, from_rate)
    if ratio.numerator * ratio.denominator > MAX_KERNEL:
        ratio = ratio.limit_denominator(isqrt(MAX_KERNEL * from_rate // to_rate))
    resampled = functional.resample(torch.from_numpy(waveform), ratio.denominator, ratio.numerator)
    return resampled.numpy()


def _open(path: Path) -> soundfile.SoundFile:
    try:
        with open(path, "rb") as file:  # for a plain reason: libsndfile only speaks of a system error
            if not file.read(1):
                raise BadAudio("empty: the file has no bytes")
        return soundfile.SoundFile(str(path))
    except OSError as error:
        raise BadAudio(f"unreadable: {error.strerror or error}") from None
    except (soundfile.SoundFileError, UnicodeError) as error:
        raise BadAudio(f"unreadable: {_reason(error)}") from None


def _info(sound: soundfile.SoundFile) -> AudioInfo:
    if not MIN_SAMPLE_RATE <= sound.samplerate <= MAX_SAMPLE_RATE:
        raise BadAudio(f"sample rate {sound.samplerate} Hz: must be {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz")
    frames = sound.frames if 0 <= sound.frames < UNKNOWN_FRAMES else None
    return AudioInfo(frames, sound.samplerate, sound.channels)


class _Mix:
    """The average of the channels, block by block, and the levels before it."""

    def __init__(self) -> None:
        self.blocks: list[np.ndarray] = []
        self.frames = self._channels = self._samples = self._clipped = 0
        self._peak = self._energy = 0.0

    def add(self, block: np.ndarray) -> None:
        """(frames, channels) float32"""
        self.blocks.append(block[:, 0] if block.shape[1] == 1 else block.mean(axis=1))
        self.frames += len(block)
        self._channels = block.shape[1]
        self._samples += block.size
        magnitude = np.abs(block)
        self._peak = max(self._peak, float(magnitude.max()))
        self._clipped += int(np.count_nonzero(magnitude >= FULL_SCALE))
        self._energy += float(np.square(block, dtype=np.float64).sum())

    def recording(self, sample_rate: int, frames: int) -> Recording:
        waveform = np.concatenate(self.blocks)
        finite = np.isfinite(waveform)
        if not finite.all():
            seconds = finite.argmin() / sample_rate
            count = len(waveform) - np.count_nonzero(finite)
            raise BadAudio(f"not finite: {count} samples are NaN or infinite, the first at {seconds:.3f} s")
        levels = Levels(self._peak, self._clipped / self._samples, self._energy / self._samples)
        return Recording(waveform, sample_rate, self._channels, frames, levels)


def _read(sound: soundfile.SoundFile, mix: _Mix, max_frames: int | None) -> None:
    size = max(1, BLOCK_FRAMES // sound.channels)
    try:
        while len(block := sound.read(_at_most(size, mix.frames, max_frames), dtype="float32", always_2d=True)):
            mix.add(block)
    except soundfile.SoundFileError as error:
        raise BadAudio(f"unreadable or truncated: {_reason(error)}") from None


def _at_most(size: int, done: int, most: int | None) -> int:
    return size if most is None else min(size, most - done)


def _check_whole(path: Path, sound: soundfile.SoundFile, info: AudioInfo, frames_read: int) -> None:
    damage = find_damage(path, sound.extra_info)
    if damage is not None:
        raise BadAudio(damage)
    tolerance = 0
    if sound.format == "MP3":
        samples, cut = count_mpeg_samples(path)
        if cut:
            raise BadAudio("truncated: the last mp3 frame is cut")
        if frames_read < samples - 3 * MPEG_FRAME:  # encoders pad by up to three
            raise BadAudio(f"mp3 without a length header: {frames_read} of about {samples} frames can be read")
        tolerance = MPEG_FRAME  # of 26 ms: encoders disagree about which padding counts
    if info.frames is not None and frames_read < info.frames - tolerance:
        raise BadAudio(f"truncated: the header says {info.frames} frames, {frames_read} could be read")


def _reason(error: Exception) -> str:
    """libsndfile's words without the path."""
    return str(error).partition("': ")[2].rstrip(".") or str(error).rstrip(".")
