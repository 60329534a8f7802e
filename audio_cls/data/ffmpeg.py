"""Sound that only FFmpeg's libraries read (m4a, aac, wma, webm, films ...), by PyAV, which is optional.

One thread decodes, so that the samples are the same at every reading.
"""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from audio_cls.data.chunks import NEVER_WRITTEN
from audio_cls.data.formats import DECODER, decoder_installed
from audio_cls.data.integrity import BadAudio
from audio_cls.data.magic import Foreign
from audio_cls.data.window import Window
from audio_cls.wording import one_line

TOLERANCE_SECONDS = 0.1  # by which a whole file may be shorter than it says, or by 1%: wma counts its preroll
PADDING = 4096  # samples that codecs append at most
UNTIMED = frozenset({"aac", "ac3", "eac3", "amr", "dts", "flv"})  # their length is guessed from the bit rate


class Decoder:
    """The first sound track of a file. Raises BadAudio for what cannot be decoded, and without PyAV."""

    def __init__(self, path: Path, kind: Foreign) -> None:
        if not decoder_installed():
            raise BadAudio(f"{kind.name} needs a decoder that is not installed: pip install {DECODER}")
        import av

        self._errors = (av.error.FFmpegError, UnicodeDecodeError)
        self._kind = kind
        self.notes: list[str] = []
        cut = {"matroska": _cut_matroska, "avi": _cut_avi}.get(kind.reader)
        if cut is not None and (damage := cut(path)) is not None:
            raise BadAudio(damage)
        try:
            self._container = av.open(str(path), format=kind.reader)
        except self._errors as error:
            raise BadAudio(f"unreadable or truncated: {kind.name}, {_reason(error)}") from None
        if not self._container.streams.audio:
            self._container.close()
            raise BadAudio("it has no sound track")
        self._stream = self._container.streams.audio[0]
        codec = self._stream.codec_context
        if codec is None or not codec.sample_rate or not codec.channels:
            self._container.close()
            lacks = "a packet that can be decoded" if codec and not codec.sample_rate else "a known codec or channels"
            raise BadAudio(f"{kind.name} without {lacks}")
        codec.thread_count = 1
        self.sample_rate: int = codec.sample_rate
        self.channels: int = codec.channels

    def __enter__(self) -> "Decoder":
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    @property
    def frames(self) -> int | None:
        """What the container says, exactly or nearly; None where it does not."""
        if self._kind.reader in UNTIMED:
            return None
        if self._stream.duration is not None and self._stream.time_base is not None:
            return round(self._stream.duration * self._stream.time_base * self.sample_rate)
        if self._container.duration is not None and not self._container.streams.video:
            return round(self._container.duration * self.sample_rate / 1_000_000)
        return None

    def blocks(self) -> Generator[np.ndarray, None, None]:
        """(frames, channels) float32. Raises BadAudio where packets are damaged or missing at the end."""
        read, said = 0, self.frames
        try:
            for frame in self._container.decode(self._stream):
                if frame.is_corrupt:
                    raise BadAudio("damaged or truncated: a packet cannot be decoded")
                if (frame.sample_rate, frame.layout.nb_channels) != (self.sample_rate, self.channels):
                    if read:
                        raise BadAudio(f"its sample rate or number of channels changes after {read} samples")
                    self.sample_rate, self.channels, said = frame.sample_rate, frame.layout.nb_channels, self.frames
                block = _floats(frame)
                if said is not None and self._kind.reader == "mov" and said - PADDING <= read < said:
                    block = block[: said - read]  # the rest is padding of the last packet
                elif said is not None and self._kind.reader == "mov" and said <= read < said + PADDING:
                    continue
                read += len(block)
                yield block
        except self._errors as error:
            raise BadAudio(f"damaged or truncated: {_reason(error)}") from None
        if said is not None and said - read > max(TOLERANCE_SECONDS * self.sample_rate, said // 100):
            raise BadAudio(f"truncated: it says {said} samples, {read} could be read")


def _floats(frame: Any) -> np.ndarray:
    """(frames, channels) float32, full scale 1."""
    samples = frame.to_ndarray()  # (channels, frames), or (1, frames * channels) where they alternate
    samples = samples.T if frame.format.is_planar else samples.reshape(-1, frame.layout.nb_channels)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if np.issubdtype(samples.dtype, np.integer):
        return samples.astype(np.float32) / -float(np.iinfo(samples.dtype).min)
    return samples.astype(np.float32)


def _cut_matroska(path: Path) -> str | None:
    """Whether the segment, of which the file consists but for a header, is longer than the file (RFC 8794)."""
    with Window(path) as file:
        position = 0
        for _ in range(2):
            head = file.at(position, 12)
            id_size, length = 9 - head[0].bit_length() if head else 1, head[4:]
            if id_size != 4 or not length or not length[0]:
                return None
            width = 9 - length[0].bit_length()
            size = int.from_bytes(length[:width], "big") & ((1 << 7 * width) - 1)
            position += 4 + width + size
            if size == (1 << 7 * width) - 1:  # not known: written to a stream
                return None
        return f"truncated: {position - file.size} bytes are missing at its end" if position > file.size else None


def _cut_avi(path: Path) -> str | None:
    with Window(path) as file:
        missing = 8 + int.from_bytes(file.at(4, 4), "little") - file.size
    return f"truncated: {missing} bytes are missing at its end" if 0 < missing < NEVER_WRITTEN else None


def _reason(error: Exception) -> str:
    words = one_line(error).partition(": '")[0]
    return words.partition("] ")[2] or words
