"""Whether an audio file is whole, from its own structure: libsndfile reads what is there, not saying what is missing.

Tried with libsndfile 1.2.2. It shortens the length of a cut wav, aiff, au, caf or w64 file without a word and notes the
difference in its log, which holds 2 KiB only, so that files with many chunks lose the note: hence `chunks`. Of a cut
ogg file it reads the pages that are there, of chained streams the first. What it does to an mp3: `mpeg`.

Without any length, so that a cut cannot be noticed: pvf, paf, ircam and xi files, flac and au files that were written
to a pipe, wav files whose header was never closed.
"""

import re
import struct
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from audio_cls.data.chunks import CHUNK_NAME, NEVER_CLOSED, SLACK, TOO_SHORT, examine_chunks, is_chunked
from audio_cls.data.mpeg import Mpeg, begins_with_frames, tag_size, take_apart
from audio_cls.data.window import Window

LENGTH_NEVER_WRITTEN = 0x7FFF0000  # see `chunks`
MPEG_SUFFIXES = (".mp3", ".mp2", ".mpga")
OGG_FIRST, OGG_LAST = 0x02, 0x04  # header type flags (RFC 3533, section 6)


class BadAudio(ValueError):
    """A file that cannot be used; the message is the reason alone, as whoever reports it knows the file."""


Part = Path | Window | BytesIO


@dataclass
class Layout:
    """What is to be read in place of a file: parts, one after another, each a whole file for libsndfile.

    `notes` are what is to be said if that succeeds; `{seconds}` stands for the length of the sound.
    """

    parts: list[Part]
    notes: list[str] = field(default_factory=list)
    mpeg: bool = False  # libmpg123 will look at it, and may complain
    log: bool = True  # libsndfile's says what is missing


def lay_out(path: Path) -> Layout:
    """Raises BadAudio for a file that is cut or damaged, OSError for one that cannot be opened."""
    with Window(path) as file:
        head = file.at(0, 12)
        if is_chunked(head):
            return _lay_out_chunks(file)
        if head[:4] in (b".snd", b"dns."):
            return _lay_out_au(file)
        if head[:4] == b"OggS":
            return _lay_out_ogg(file)
        if path.suffix.lower() in MPEG_SUFFIXES or head[:3] == b"ID3" or head[:1] == b"\xff":
            return _lay_out_mpeg(file)
        look = next((look for begin, look in _LOOKS.items() if head.startswith(begin)), None)
        if look is None and path.suffix.lower() == ".htk":
            look = _cut_htk
        if look is not None and (damage := look(file)) is not None:
            raise BadAudio(damage)
    return Layout([path], log=look is None)


def find_damage(log: str, frames: int) -> str | None:
    """Why the file is not whole, or None, from libsndfile's log after the whole file, of so many frames, was read."""
    if skipped := re.search(r"Skipped (\d+) bytes", log):
        return f"damaged: {skipped[1]} bytes in the middle could not be decoded"
    shortened = r"^\s*[\w ]+?\s*:? (\d+) \(?should be (\d+)\)?"
    for said, held in re.findall(shortened, log, re.M):
        if int(held) < int(said) and int(said) % 2**32 < LENGTH_NEVER_WRITTEN:
            return f"truncated: the header says {said} bytes, {held} are there"
    for said in re.findall(r"(?:^\s*Frames|\bCols|^\s*OneShotHiSamples)\s*: (\d+)$", log, re.M)[-1:]:
        if int(said) > frames:
            return f"truncated: the header says {said} frames, {frames} are there"
    cut = re.search(r"^(?:\*\*\*|Seems to be).*truncated", log, re.M)
    return "truncated: the header says more than is there" if cut else None


def _lay_out_chunks(file: Window) -> Layout:
    layout = Layout([], log=False)
    rest: Window | None = file
    while rest is not None:
        chunks = examine_chunks(rest)
        if chunks.damage is not None:
            raise BadAudio(chunks.damage)
        part = rest.part(0, chunks.end)
        part.patches = chunks.patches
        layout.parts.append(part)
        layout.notes += [chunks.note] if chunks.note is not None else []
        rest = rest.part(chunks.end) if chunks.end is not None else None
    if len(layout.parts) == 1 and not chunks.patches:
        return Layout([file.path], layout.notes, log=False)
    return _said_joined(layout)


def _lay_out_au(file: Window) -> Layout:
    order = ">" if file.at(0, 1) == b"." else "<"
    begin, said = struct.unpack(f"{order}II", file.at(4, 8).ljust(8, b"\0"))
    held = file.size - begin
    if said >= held - SLACK:
        return Layout([file.path])
    part = file.part(0)
    part.patches = {8: b"\xff" * 4}  # not known, by the format's definition
    note = f"{TOO_SHORT}: {said} bytes of samples, {held} were read" if said else NEVER_CLOSED
    return Layout([part], [note])


def _said_joined(layout: Layout) -> Layout:
    if len(layout.parts) > 1:
        layout.notes.append(f"several recordings one after another were read as one: {len(layout.parts)}")
    return layout


def _lay_out_ogg(file: Window) -> Layout:
    position, begins, last = 0, [], True
    while len(header := file.at(position, 27)) == 27:
        if header[:4] != b"OggS":
            break
        if header[5] & OGG_FIRST and last:
            begins.append(position)
        last = bool(header[5] & OGG_LAST)
        position += 27 + header[26] + sum(file.at(position + 27, header[26]))
    if not last or position > file.size:
        raise BadAudio("truncated: the ogg stream has no end-of-stream page")
    if len(begins) <= 1:
        return Layout([file.path])
    ends = [*begins[1:], position]
    return _said_joined(Layout([file.part(begin, end) for begin, end in zip(begins, ends, strict=True)]))


def _lay_out_mpeg(file: Window) -> Layout:
    begin = after_tags(file)
    head = file.at(begin, 2**16)
    named = file.path.suffix.lower() in MPEG_SUFFIXES
    if head[:4] in (b"fLaC", b"RIFF", b"OggS", b"FORM") or not (named or begins_with_frames(head, 0)):
        return Layout([file.path], mpeg=True)  # another format, under this name or behind a tag
    mpeg = take_apart(file.at(0, file.size))
    if mpeg.cut:
        raise BadAudio("truncated: the last mp3 frame is cut")
    if not any(stream.frames for stream in mpeg.streams):
        return Layout([file.path], mpeg=True)
    layout = Layout([stream.file() for stream in mpeg.streams if stream.frames], _mpeg_notes(mpeg), mpeg=True)
    return _said_joined(layout)


def after_tags(file: Window) -> int:
    """Where the tags at the beginning end."""
    position = 0
    while file.at(position, 3) == b"ID3" and (skipped := tag_size(file.at(position, 32), 0)):
        position += skipped
    return position


def _mpeg_notes(mpeg: Mpeg) -> list[str]:
    notes = []
    for stream in mpeg.streams:
        if stream.counted and stream.counted > len(stream.frames) + 1:  # some count the header
            raise BadAudio(
                f"truncated: the header says {stream.counted} mp3 frames, {len(stream.frames)} are there in one piece"
            )
        if stream.counted and stream.counted < len(stream.frames) - 1:
            notes.append(f"{TOO_SHORT}: {stream.counted} mp3 frames, {len(stream.frames)} were read")
    if mpeg.junk:
        notes.append(f"bytes that are no mp3 frames were left out: {mpeg.junk}")
    return notes


def _cut_caf(file: Window) -> str | None:
    position = 8
    while len(head := file.at(position, 12)) == 12:
        name, length = struct.unpack(">4sq", head)
        held = file.size - position - 12
        if not CHUNK_NAME.fullmatch(name):
            return None  # bytes behind the last chunk
        if length > held:
            return f"truncated: the header says {length} bytes of {name.decode()!r}, {held} are there"
        position += 12 + length if length >= 0 else file.size  # -1: up to the end
    return None


def _cut_voc(file: Window) -> str | None:
    """Blocks of a type and a length; one of type 0, alone, is the last."""
    position = struct.unpack("<H", file.at(20, 2))[0]
    while len(head := file.at(position, 4)) == 4 and head[0]:
        position += 4 + int.from_bytes(head[1:], "little")
    return None if position <= file.size else f"truncated: {position - file.size} bytes of its last block are missing"


def _cut_nist(file: Window) -> str | None:
    header = file.at(0, 4096)
    sizes = [re.search(rb"\n%s -\w+ (\d+)" % name, header) for name in (b"sample_count", b"sample_n_bytes")]
    channels = re.search(rb"\nchannel_count -\w+ (\d+)", header)
    if None in sizes or b"shorten" in header:
        return None
    said = int(channels[1]) if channels else 1
    for size in sizes:
        said *= int(size[1]) if size else 1
    held = file.size - int(header[8:16])
    return f"truncated: the header says {said} bytes of samples, {held} are there" if held < said else None


def _cut_sds(file: Window) -> str | None:
    """MIDI's sample dump: words of 2 to 4 bytes, 120 bytes in a packet of 127."""
    head = file.at(0, 21)
    if len(head) < 21:
        return "truncated: there are no samples"
    words = head[10] | head[11] << 7 | head[12] << 14
    packets = -(-words // (120 // -(-head[6] // 7)))
    held = (file.size - 21) // 127
    return f"truncated: the header says {packets} packets of samples, {held} are there" if held < packets else None


def _cut_htk(file: Window) -> str | None:
    """No magic number: a count, a period in units of 100 ns, 2 bytes a sample, kind 0."""
    head = file.at(0, 12)
    if head[8:] != b"\0\x02\0\0":
        return None
    said, held = 2 * int.from_bytes(head[:4], "big"), file.size - 12
    return f"truncated: the header says {said} bytes of samples, {held} are there" if held < said else None


_LOOKS = {b"caff": _cut_caf, b"Creative Vo": _cut_voc, b"NIST_1A": _cut_nist, b"\xf0\x7e": _cut_sds}
