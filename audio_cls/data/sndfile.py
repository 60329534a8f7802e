"""Sound that libsndfile reads: wav, flac, ogg, mp3, aiff and others, block by block, checked to be whole."""

from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import soundfile

from audio_cls.data.complaints import complaints
from audio_cls.data.integrity import MPEG_SUFFIXES, BadAudio, Part, find_damage, lay_out

UNKNOWN_FRAMES = 2**63 - 1  # what libsndfile answers where the header does not say
BLOCK_FRAMES = 2**18  # read at a time, so that many channels do not take many times the memory
MPEG_FRAME = 1152  # samples


class NotRecognised(BadAudio):
    """libsndfile does not read such files."""


class Sndfile:
    """A file opened for reading once. `frames` is None where the header does not say.

    Raises BadAudio for a file that is cut or damaged, NotRecognised for another format, OSError.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._layout = path, lay_out(path)
        with self._listening():
            first = self._open(self._layout.parts[0])
        self.sample_rate: int = first.samplerate
        self.channels: int = first.channels
        known = len(self._layout.parts) == 1 and 0 <= first.frames < UNKNOWN_FRAMES
        self.frames: int | None = first.frames if known else None
        self._first: soundfile.SoundFile | None = first

    def __enter__(self) -> "Sndfile":
        return self

    def __exit__(self, *_: object) -> None:
        if self._first is not None:
            self._first.close()
        for part in self._layout.parts:
            if not isinstance(part, Path):
                part.close()

    @property
    def notes(self) -> list[str]:
        return self._layout.notes

    def blocks(self) -> Generator[np.ndarray, None, None]:
        """(frames, channels) float32. Raises BadAudio, at the latest after the last block, if some cannot be read."""
        with self._listening() as said:
            for part in self._layout.parts:
                sound, self._first = self._first or self._open(part), None
                with sound:
                    if sound.samplerate != self.sample_rate:
                        rates = f"{self.sample_rate} and {sound.samplerate} Hz"
                        raise BadAudio(f"it holds recordings of {rates} one after another: cut them apart")
                    yield from self._part_blocks(sound)
        if any("libmpg123" in line for line in said):
            raise BadAudio(f"damaged: {said[0].rpartition('error: ')[2].rstrip('!.')} in an mp3 frame")

    def _part_blocks(self, sound: soundfile.SoundFile) -> Iterator[np.ndarray]:
        size, read = max(1, BLOCK_FRAMES // sound.channels), 0
        if sound.frames >= UNKNOWN_FRAMES or sound.subtype.startswith("DWVW"):
            sound._info.seekable = 0  # else soundfile asks for the position, which libsndfile does not know
        try:
            while len(block := sound.read(size, dtype="float32", always_2d=True)):
                read += len(block)
                yield block
        except soundfile.SoundFileError as error:
            known = 0 <= sound.frames < UNKNOWN_FRAMES
            held = f"the header says {sound.frames} frames, {read} could be read" if known else _reason(error)
            raise BadAudio(f"unreadable or truncated: {held}") from None
        if self._layout.log and (damage := find_damage(sound.extra_info, read)) is not None:
            raise BadAudio(damage)
        tolerance = (
            MPEG_FRAME if "MPEG" in sound.subtype else 0
        )  # of 26 ms: encoders disagree about which padding counts
        if read < sound.frames - tolerance and sound.frames < UNKNOWN_FRAMES:
            raise BadAudio(f"truncated: the header says {sound.frames} frames, {read} could be read")

    def _listening(self) -> AbstractContextManager[list[str]]:
        return complaints() if self._layout.mpeg else nullcontext([])

    def _open(self, part: Part) -> soundfile.SoundFile:
        try:
            return soundfile.SoundFile(str(part) if isinstance(part, Path) else part)
        except (soundfile.SoundFileError, UnicodeError) as error:
            named = self._path.suffix.lower() in MPEG_SUFFIXES
            reason = "there are no mp3 frames in it" if named else _reason(error)
            raise NotRecognised(reason) from None


def _reason(error: Exception) -> str:
    """libsndfile's words without the path."""
    return str(error).partition("': ")[2].rstrip(".") or str(error).rpartition(">: ")[2].rstrip(".")
