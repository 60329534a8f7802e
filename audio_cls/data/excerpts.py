"""Sounds small enough to go into a page: excerpts of a few seconds, compressed."""

import io
from dataclasses import dataclass

import numpy as np
import soundfile

from audio_cls.data.decode import resample

EXCERPT_SECONDS = 6.0
PLAYED_RATE = 22_050  # Hz


@dataclass(frozen=True)
class Excerpt:
    """The loudest 6 s of a clip, or all of it: (T,) float32 at `sample_rate` Hz, from `start_seconds` on."""

    waveform: np.ndarray
    sample_rate: int
    start_seconds: float
    clip_seconds: float

    @property
    def part(self) -> str:
        """'2.0 to 8.0 s of 30.0 s'; empty for the whole clip."""
        if self.clip_seconds <= EXCERPT_SECONDS:
            return ""
        return f"{self.start_seconds:.1f} to {self.start_seconds + EXCERPT_SECONDS:.1f} s of {self.clip_seconds:.1f} s"


def cut_excerpt(waveform: np.ndarray, sample_rate: int, clip_seconds: float | None = None) -> Excerpt:
    """Of a waveform (T,), which may be the beginning only of a clip of `clip_seconds`."""
    size = round(EXCERPT_SECONDS * sample_rate)
    start = 0
    if len(waveform) > size:
        step = max(1, sample_rate // 10)
        energy = np.add.reduceat(np.square(waveform, dtype=np.float64), np.arange(0, len(waveform), step))
        total = np.concatenate([[0], np.cumsum(energy)])
        span = size // step
        start = int((total[span:] - total[:-span]).argmax()) * step
    seconds = len(waveform) / sample_rate if clip_seconds is None else clip_seconds
    return Excerpt(waveform[start : start + size], sample_rate, start / sample_rate, seconds)


def encode(waveform: np.ndarray, sample_rate: int) -> tuple[bytes, str]:
    """The sound (T,) as the bytes of a file and its kind: mp3 where libsndfile can write it, else wav."""
    played = np.clip(resample(waveform.copy(), sample_rate, PLAYED_RATE), -1, 1)  # torch wants memory of its own
    buffer = io.BytesIO()
    kind = "mp3" if "MP3" in soundfile.available_formats() else "wav"
    options = {"compression_level": 0.6} if kind == "mp3" else {"subtype": "PCM_16"}
    soundfile.write(buffer, played, PLAYED_RATE, format=kind.upper(), **options)
    return buffer.getvalue(), kind
