"""What one clip is like: its shape, level, silence, mean spectrum and fingerprint.

Clips are decoded as for training, at their own rate. Of a very long file only the beginning is examined.
"""

from dataclasses import dataclass

import numpy as np

from audio_cls.data.array_file import in_order
from audio_cls.data.clips import Clip, ClipSet
from audio_cls.data.content import SILENCE, content_of, decibels, read_clip
from audio_cls.data.decode import BadAudio, Recording
from audio_cls.data.fingerprint import Fingerprint, fingerprint
from audio_cls.figures.spectrogram import mel_power
from audio_cls.wording import one_line

MAX_FRAMES = 2**25  # examined at most, 12.7 minutes at 44.1 kHz: 128 MiB as float32
MAX_SPECTRUM_SECONDS = 60
SILENCE_SECONDS = 0.01  # the unit in which silence is measured


@dataclass(frozen=True, slots=True)
class Measures:
    """Of one clip, channels averaged but for `peak`, `clipped` and `cancelled_db`. Levels in dB below full scale."""

    frames: int
    sample_rate: int  # Hz
    channels: int
    examined: int  # frames
    peak: float
    rms_db: float
    clipped: float  # share of samples at full scale
    silent: float  # share of the time with digital silence
    leading_seconds: float  # of digital silence
    trailing_seconds: float
    offset: float  # mean of the waveform
    cancelled_db: float  # lost in the average of the channels; 3 for two unlike channels
    constant: bool  # one value other than zero all along
    digest: str  # as `content.Content` has it
    fingerprint: Fingerprint | None
    bands: np.ndarray | None  # mean power in mel bands, (NUM_BANDS,), sum 1; None where not sampled or silent
    notes: tuple[str, ...] = ()  # what was assumed to read the file

    @property
    def seconds(self) -> float:
        return self.frames / self.sample_rate

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, frames, rate."""
        return self.channels, self.frames, self.sample_rate


def measure_clips(clip_set: ClipSet, sample: set[int], highest: float) -> list[Measures | BadAudio]:
    """Every clip, on all cores; spectra up to `highest` Hz and fingerprints for the clips of the sample only."""
    synthetic = is_synthetic(clip_set)

    def measure_one(numbered: tuple[int, Clip]) -> Measures | BadAudio:
        index, clip = numbered
        try:
            return measure(clip, index in sample, highest, synthetic)
        except BadAudio as error:
            return error
        except (OSError, MemoryError, RuntimeError) as error:  # it vanished meanwhile, or is too large for this machine
            return BadAudio(f"unreadable: {one_line(error)}")

    return list(in_order(measure_one, list(enumerate(clip_set.clips)), f"listening to {clip_set.name}"))


def read(clip: Clip, synthetic: bool = False) -> Recording:
    """The clip at its own rate, MAX_FRAMES at most. Raises BadAudio."""
    return read_clip(clip, synthetic, MAX_FRAMES)


def is_synthetic(clip_set: ClipSet) -> bool:
    return clip_set.root is None


def measure(clip: Clip, sampled: bool, highest: float, synthetic: bool = False) -> Measures:
    """Raises BadAudio."""
    recording = read(clip, synthetic)
    waveform, levels = recording.waveform, recording.levels
    content = content_of(recording)
    power = float(np.mean(np.square(waveform, dtype=np.float64)))
    silent, leading, trailing = _silence(np.abs(waveform), recording.sample_rate)
    beginning = waveform[: MAX_SPECTRUM_SECONDS * recording.sample_rate]
    bands = mel_power(beginning, recording.sample_rate, highest).mean(axis=0) if sampled and silent < 1 else None
    return Measures(
        frames=recording.frames, sample_rate=recording.sample_rate,
        channels=recording.channels, examined=len(waveform),
        peak=levels.peak, rms_db=decibels(power), clipped=levels.clipped,
        silent=silent, leading_seconds=leading, trailing_seconds=trailing,
        offset=float(waveform.mean(dtype=np.float64)), cancelled_db=content.cancelled_db,
        constant=content.constant, digest=content.digest,
        fingerprint=fingerprint(waveform, recording.sample_rate) if sampled else None,
        bands=bands / max(float(bands.sum()), 1e-30) if bands is not None else None,
        notes=recording.notes,
    )  # fmt: skip


def _silence(magnitude: np.ndarray, sample_rate: int) -> tuple[float, float, float]:
    """Share of digital silence, and its seconds at the start and at the end. All silent counts as leading."""
    size = max(1, round(SILENCE_SECONDS * sample_rate))
    sounding = np.maximum.reduceat(magnitude, np.arange(0, len(magnitude), size)) >= SILENCE
    if not sounding.any():
        return 1.0, len(magnitude) / sample_rate, 0.0
    leading, trailing = int(sounding.argmax()), int(sounding[::-1].argmax())
    return float(1 - sounding.mean()), leading * size / sample_rate, trailing * size / sample_rate
