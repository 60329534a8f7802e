"""From an audio file to a mono waveform at the rate asked for, or the reason why not."""

from contextlib import closing
from dataclasses import dataclass, replace
from fractions import Fraction
from math import isqrt
from pathlib import Path

import numpy as np

from audio_cls.data.ffmpeg import Decoder
from audio_cls.data.formats import AUDIO_SUFFIXES, decoder_installed
from audio_cls.data.integrity import BadAudio as BadAudio
from audio_cls.data.integrity import after_tags
from audio_cls.data.magic import Foreign, container, foreign, no_sound
from audio_cls.data.sndfile import NotRecognised, Sndfile
from audio_cls.data.window import Window

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 4_000, 384_000  # Hz; telephone recordings and bat detectors lie inside
FULL_SCALE = 0.999  # what reaches it is counted as clipped
HEAD = 64  # bytes that tell what a file holds
MAX_KERNEL = 2**20  # samples of the resampling filter bank; common rates need less than 300,000


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
    that say what was assumed; up to a colon they are alike for files of a kind.
    """

    waveform: np.ndarray
    sample_rate: int  # Hz
    channels: int
    frames: int
    levels: Levels
    notes: tuple[str, ...] = ()


def probe(path: Path) -> AudioInfo:
    """What the file's header says. Raises BadAudio for what cannot be opened and rates that cannot be meant."""
    with open_sound(path) as sound:
        return AudioInfo(sound.frames, sound.sample_rate, sound.channels)


def decode(path: Path, sample_rate: int) -> np.ndarray:
    """The file's waveform, (samples,) float32, channels averaged, at `sample_rate` Hz. Raises as `read_audio` does."""
    recording = read_audio(path)
    return resample(recording.waveform, recording.sample_rate, sample_rate)


def read_audio(path: Path, max_frames: int | None = None) -> Recording:
    """The file at its own rate; of a longer one the first `max_frames` frames.

    Raises BadAudio where the file is unreadable, empty, truncated or damaged, has samples that are not finite, or a
    rate outside 4 to 384 kHz.
    """
    mix = Mix()
    with open_sound(path) as sound, closing(sound.blocks()) as blocks:
        frames = None
        for block in blocks:
            if max_frames is not None and mix.frames + len(block) > max_frames:
                mix.add(block[: max_frames - mix.frames])
                frames = sound.frames
                break
            mix.add(block)
        if mix.frames == 0:
            raise BadAudio("empty: there are no samples in it")
        recording = mix.recording(sound.sample_rate, max(frames or 0, mix.frames))
        return replace(recording, notes=notes_of(sound, recording.frames / recording.sample_rate))


def from_samples(samples: np.ndarray, sample_rate: int) -> Recording:
    """Samples that come from no file, (frames, channels) float32, one at least. Raises BadAudio if not finite."""
    mix = Mix()
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

    ratio = resampling_ratio(from_rate, to_rate)
    resampled = functional.resample(torch.from_numpy(waveform), ratio.denominator, ratio.numerator)
    return resampled.numpy()


def resampling_ratio(from_rate: int, to_rate: int) -> Fraction:
    """`to_rate` / `from_rate`, or the nearest ratio with a filter bank of a bearable size."""
    ratio = Fraction(to_rate, from_rate)
    if ratio.numerator * ratio.denominator > MAX_KERNEL:
        ratio = ratio.limit_denominator(isqrt(MAX_KERNEL * from_rate // to_rate))
    return ratio


def notes_of(sound: Sndfile | Decoder, seconds: float) -> tuple[str, ...]:
    """What was assumed of a sound that has been read to its end."""
    return tuple(note.format(seconds=seconds) for note in sound.notes)


def open_sound(path: Path) -> Sndfile | Decoder:
    """The file, to be read by its `blocks()`, (frames, channels) float32. Raises BadAudio."""
    try:
        with Window(path) as file:  # for a plain reason: libsndfile only speaks of a system error
            head = file.at(after_tags(file), HEAD)
        sound = _reader(path, head)
    except OSError as error:
        raise BadAudio(f"unreadable: {error.strerror or error}") from None
    if not MIN_SAMPLE_RATE <= sound.sample_rate <= MAX_SAMPLE_RATE:
        with sound:
            allowed = f"{MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} Hz"
            raise BadAudio(f"sample rate {sound.sample_rate} Hz: must be {allowed}")
    return sound


def _reader(path: Path, head: bytes) -> Sndfile | Decoder:
    """libsndfile, or where it does not read the format, the optional decoder."""
    if not head:
        raise BadAudio("empty: the file has no bytes")
    if (kind := foreign(head)) is not None:
        return _decoder(path, kind)
    try:
        return Sndfile(path)
    except NotRecognised as error:
        if (kind := container(head)) is None or not decoder_installed():
            raise BadAudio(f"unreadable: {no_sound(head) or error}") from None
    return Decoder(path, kind)


def _decoder(path: Path, kind: Foreign) -> Decoder:
    suffix = path.suffix.lower()
    if suffix not in AUDIO_SUFFIXES:
        return Decoder(path, kind)
    article = "an" if suffix[1] in "aemo" else "a"
    try:
        decoder = Decoder(path, kind)
    except BadAudio as error:
        raise BadAudio(f"not {article} {suffix[1:]}: {error}") from None
    decoder.notes.append(f"not {article} {suffix[1:]} but {kind.name}, and read as such")
    return decoder


class Mix:
    """The average of the channels, block by block, and the levels before it. `blocks`: those of one channel."""

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
        with np.errstate(invalid="ignore"):  # what is not finite is refused in `recording`
            self._energy += float(np.square(block, dtype=np.float64).sum())

    def recording(self, sample_rate: int, frames: int) -> Recording:
        waveform = np.concatenate(self.blocks)
        check_finite(waveform, 0, sample_rate)
        levels = Levels(self._peak, self._clipped / self._samples, self._energy / self._samples)
        return Recording(waveform, sample_rate, self._channels, frames, levels)


def check_finite(waveform: np.ndarray, first: int, sample_rate: int) -> None:
    """Raises BadAudio unless all samples are numbers; `first` is the place of the first of them in its file."""
    finite = np.isfinite(waveform)
    if not finite.all():
        seconds = (first + finite.argmin()) / sample_rate
        count = len(waveform) - np.count_nonzero(finite)
        raise BadAudio(f"not finite: {count} samples are NaN or infinite, the first at {seconds:.3f} s")
