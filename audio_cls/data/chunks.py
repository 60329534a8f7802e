"""Files made of chunks, each with its length: wav (RIFF, RIFX, RF64, BW64) and aiff (FORM). Are the lengths true?

libsndfile reads as many samples as the header says, or fewer where the file ends before, and says neither. Programs
that crash, or write to a pipe, leave a length of 0, of almost 4 GiB, or one that was true some time ago.
"""

import re
import struct
from dataclasses import dataclass, field

from audio_cls.data.window import Window

SAMPLES = (b"data", b"SSND", b"BODY")  # the chunks that hold them: of wav, aiff, and 8svx
NEVER_WRITTEN = 0x7FFF0000  # lengths from here on are what programs that write to a pipe leave in the header
SLACK = 64  # bytes: programs that count the header, or forget a part of it, are off by less
NEVER_CLOSED = "the header was never closed: the {seconds:.1f} s that are there were read"
TOO_SHORT = "the header says less than is there"
_TAIL_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN")
_OUTER = {b"RIFF": "<", b"RF64": "<", b"BW64": "<", b"RIFX": ">", b"FORM": ">"}  # and their order of bytes
CHUNK_NAME = re.compile(rb"[ -~]{4}")


@dataclass
class Chunks:
    """What is wrong with a file of chunks. `patches`: bytes by place that make its lengths true."""

    damage: str | None = None
    note: str | None = None
    patches: dict[int, bytes] = field(default_factory=dict)
    end: int | None = None  # where another such file begins


@dataclass(frozen=True)
class _Samples:
    begin: int  # of the samples
    said: int  # bytes, by the header
    places: tuple[tuple[int, str], ...]  # where that length stands, as `struct` writes it
    block: int  # bytes that belong together


def is_chunked(head: bytes) -> bool:
    """`head`: the first 12 bytes."""
    names = head[:4], head[8:12]
    return names[0] in _OUTER and names[1] in (b"WAVE", b"AIFF", b"AIFC", b"8SVX", b"16SV")


def examine_chunks(file: Window) -> Chunks:
    samples = _find_samples(file)
    if samples is None:
        return Chunks("truncated: there are no samples")
    held = file.size - samples.begin
    if samples.said >= NEVER_WRITTEN and samples.said > held:
        chunks = Chunks(note=NEVER_CLOSED, patches=_true_lengths(file, samples, held))
    elif samples.said > held:
        chunks = _too_long(samples, held)
    else:
        chunks = _too_short(file, samples, held)
    if file.at(0, 4) == b"BW64":  # which libsndfile knows by its older name
        chunks.patches[0] = b"RF64"
    return chunks


def _find_samples(file: Window) -> _Samples | None:
    order = _OUTER[file.at(0, 4)]
    position, block, long = 12, 1, None
    while len(head := file.at(position, 24)) >= 8:
        name, length = struct.unpack_from(f"{order}4sI", head)
        begin = position + 8
        if name == b"ds64" and len(head) == 24:
            long = begin + 8, struct.unpack_from("<Q", head, 16)[0]
        elif name == b"fmt " and len(head) == 24:
            block = max(1, struct.unpack_from(f"{order}H", head, 20)[0])
        elif name == b"COMM" and len(head) == 24:
            channels, bits = struct.unpack_from(">H4xH", head, 8)
            block = max(1, channels * ((bits + 7) // 8))
        elif name in SAMPLES and long is not None and length >= NEVER_WRITTEN:
            return _Samples(begin, long[1], ((long[0], "<Q"),), block)
        elif name in SAMPLES:
            return _Samples(begin, length, ((position + 4, f"{order}I"), (4, f"{order}I")), block)
        position = _next_chunk(file, begin, length)
    return None


def _next_chunk(file: Window, begin: int, length: int) -> int:
    """Chunks begin at even places; some programs forget that."""
    position = begin + length + length % 2
    if length % 2 and not CHUNK_NAME.fullmatch(file.at(position, 4)):
        return position - 1 if CHUNK_NAME.fullmatch(file.at(position - 1, 4)) else position
    return position


def _too_long(samples: _Samples, held: int) -> Chunks:
    missing = samples.said - held
    few = missing < samples.block or 100 * missing <= samples.said
    if held and few and missing <= SLACK and samples.block <= SLACK:  # not of a codec with long blocks
        return Chunks(note=f"the header is off by a few bytes: it says {missing} more than are there")
    return Chunks(f"truncated: the header says {samples.said} bytes of samples, {max(held, 0)} are there")


def _too_short(file: Window, samples: _Samples, held: int) -> Chunks:
    """What lies behind the samples: other chunks or tags, a second file, a few bytes too many, or samples."""
    tail = _next_chunk(file, samples.begin, samples.said)
    if is_chunked(file.at(tail, 12)):
        return Chunks(end=tail)
    if tail >= file.size or _holds_chunks(file, tail) or file.at(tail, 16).startswith(_TAIL_TAGS):
        return Chunks()
    extra = held - samples.said
    if samples.said and (extra <= SLACK or _all_zeros(file, tail)):
        return Chunks(note=f"bytes behind the samples were left out: {extra}")
    said = f"{TOO_SHORT}: {samples.said} bytes of samples, {held} were read"
    return Chunks(note=said if samples.said else NEVER_CLOSED, patches=_true_lengths(file, samples, held))


def _true_lengths(file: Window, samples: _Samples, held: int) -> dict[int, bytes]:
    patches = {}
    for place, kind in samples.places:
        length = file.size - 8 if place == 4 else held
        patches[place] = struct.pack(kind, min(length, 0xFFFFFFFF) if kind[1] == "I" else length)
    return patches


def _holds_chunks(file: Window, position: int) -> bool:
    """Whether chunks reach from here to the end, but for a few bytes."""
    order = _OUTER[file.at(0, 4)]
    while len(head := file.at(position, 8)) == 8:
        name, length = struct.unpack(f"{order}4sI", head)
        following = _next_chunk(file, position + 8, length)
        if not CHUNK_NAME.fullmatch(name) or name in SAMPLES or following > file.size + 1:
            return False
        position = following
    return True


def _all_zeros(file: Window, position: int) -> bool:
    while block := file.at(position, 2**20):
        if block.strip(b"\0"):
            return False
        position += len(block)
    return True
