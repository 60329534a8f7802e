"""The frames of an mp3 file (MPEG-1 and 2 audio, layers I to III): whole, in order, without what lies between them.

libsndfile takes the length of an mp3 from its Xing or VBRI header, or else from the bit rate of the first frame, and
stops at the first bytes that are no frame, after complaints on the terminal. So it is handed frames only, behind a
header that counts them.
"""

import io
import re
import struct
from dataclasses import dataclass, field

# kbit/s by index (ISO/IEC 11172-3 and 13818-3, section 2.4.2.3); 0 is free, and left out here as is 15
_BITRATES = {
    (1, 1): range(0, 480, 32),
    (1, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44_100, 48_000, 32_000)  # Hz, of MPEG-1
_DIVISORS = {3: 1, 2: 2, 0: 4}  # of the rate, by version: MPEG-1, 2 and 2.5
_SAFE_BITRATE = 9  # its frames hold a length header at every rate
_BEGINNINGS = re.compile(rb"\xff[\xe2-\xff]|ID3|TAG|APETAGEX|LYRICSBEGIN")
_LYRICS_END = re.compile(rb"LYRICSEND|LYRICS200")


@dataclass(frozen=True)
class Frame:
    """What a frame header says."""

    size: int  # bytes
    samples: int
    rate: int  # Hz
    kind: tuple[int, int, int, bool]  # version, layer, rate and whether mono: the same throughout a stream
    side: int  # bytes between the header and a length header


@dataclass
class Stream:
    """Frames that belong together. `counted`: frames that its own length header promised, None without one."""

    first: Frame
    counted: int | None = None
    header: bytes = b""  # the frame that holds the length header
    frames: list[bytes] = field(default_factory=list)

    def file(self) -> io.BytesIO:
        """An mp3 file for libsndfile, with the true length in its header."""
        body = b"".join(self.frames)
        return io.BytesIO(_length_header(self, len(body)) + body)


@dataclass
class Mpeg:
    """A file taken apart. `junk` are bytes between frames that belong to no tag."""

    streams: list[Stream] = field(default_factory=list)
    junk: int = 0
    cut: bool = False  # the last frame is longer than the file


def parse_frame(data: bytes, position: int) -> Frame | None:
    """The frame that begins at the position, or None where no header of one is."""
    head = data[position : position + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = (head[1] >> 3) & 3, 4 - ((head[1] >> 1) & 3)
    bitrate_index, rate_index, padding = head[2] >> 4, (head[2] >> 2) & 3, (head[2] >> 1) & 1
    if version == 1 or layer == 4 or bitrate_index in (0, 15) or rate_index == 3:
        return None
    generation = 1 if version == 3 else 2
    bitrate, rate = 1000 * _BITRATES[generation, layer][bitrate_index], _RATES[rate_index] // _DIVISORS[version]
    mono = head[3] >> 6 == 3
    samples = 384 if layer == 1 else 576 if layer == 3 and generation == 2 else 1152
    size = 4 * (12 * bitrate // rate + padding) if layer == 1 else samples // 8 * bitrate // rate + padding
    side = (17 if mono else 32) if generation == 1 else (9 if mono else 17)
    return Frame(size, samples, rate, (version, layer, rate, mono), 4 + side)


def begins_with_frames(data: bytes, position: int, number: int = 3) -> bool:
    """Whether frames of one kind follow each other here: `number` of them, or fewer up to the end."""
    kind = None
    for _ in range(number):
        frame = parse_frame(data, position)
        if frame is None or (kind is not None and frame.kind != kind):
            return False
        kind, position = frame.kind, position + frame.size
        if position >= len(data):
            break
    return True


def take_apart(data: bytes) -> Mpeg:
    """All frames of the file, in streams: a length header or another kind of frame begins a new one."""
    mpeg, position, end = Mpeg(), 0, len(data)
    while position < end:
        frame = parse_frame(data, position)
        known = mpeg.streams and frame is not None and frame.kind == mpeg.streams[-1].first.kind
        if frame is not None and (known or begins_with_frames(data, position)):
            if position + frame.size > end:
                mpeg.cut = True
                break
            _add(mpeg, frame, data[position : position + frame.size])
            position += frame.size
        elif skipped := tag_size(data, position):
            position += skipped
        else:
            following = _next_frames(data, position + 1)
            mpeg.junk += sum(1 for byte in data[position:following] if byte)
            position = following
    return mpeg


def tag_size(data: bytes, position: int) -> int:
    """bytes of the tag that begins here (ID3v2, ID3v1, APE, Lyrics3), or of a run of zeros; 0 where there is none."""
    head = data[position : position + 32]
    if head[:3] == b"ID3" and len(head) > 10 and max(head[6:10]) < 0x80:
        length = sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        return 10 + length + (10 if head[5] & 0x10 else 0)
    if head[:3] == b"TAG":
        return 227 + 128 if head[3:4] == b"+" else 128
    if head[:8] == b"APETAGEX" and len(head) == 32:
        size, flags = struct.unpack("<I4xI", head[12:24])
        return 32 + (size if flags & 0x20000000 else 0)
    if head[:11] == b"LYRICSBEGIN":
        ends = _LYRICS_END.search(data, position)
        return ends.end() - position if ends else 0
    return len(head) - len(head.lstrip(b"\0"))


def _add(mpeg: Mpeg, frame: Frame, content: bytes) -> None:
    counted = _counted(frame, content)
    if counted is not None or not mpeg.streams or mpeg.streams[-1].first.kind != frame.kind:
        mpeg.streams.append(Stream(frame, counted, b"" if counted is None else content))
    if counted is None:
        mpeg.streams[-1].frames.append(content)


def _counted(frame: Frame, content: bytes) -> int | None:
    """The number in a length header: 0 if it does not say, None for a frame of sound."""
    tag = content[frame.side : frame.side + 12]
    if tag[:4] in (b"Xing", b"Info"):
        flags, frames = struct.unpack(">II", tag[4:])
        return frames if flags & 1 else 0
    vbri = content[36:54]
    if vbri[:4] == b"VBRI" and len(vbri) == 18:
        return int(struct.unpack(">I", vbri[14:])[0])
    return None


def _next_frames(data: bytes, position: int) -> int:
    """Where the next frames, or the next tag, begin; the end of the data where none do."""
    for match in _BEGINNINGS.finditer(data, position):
        place = match.start()
        if begins_with_frames(data, place) if match[0][0] == 0xFF else tag_size(data, place):
            return place
    return len(data)


def _length_header(stream: Stream, size: int) -> bytes:
    """A Xing header with the number of frames that are there, with what else its own said; none below layer III."""
    first = stream.first
    if first.kind[1] != 3:
        return b""
    header = bytearray(stream.header)
    place = first.side
    if bytes(header[place : place + 4]) not in (b"Xing", b"Info") or not header[place + 7] & 1:
        head = bytearray(stream.frames[0][:4] if stream.frames else stream.header[:4])
        head[1] |= 1  # without a checksum
        head[2] = (head[2] & 0x0D) | _SAFE_BITRATE << 4
        frame = parse_frame(bytes(head), 0)
        assert frame is not None
        header = head + bytes(frame.size - 4)
        header[place : place + 12] = struct.pack(">4sII", b"Xing", 3, 0)
    struct.pack_into(">I", header, place + 8, len(stream.frames))
    if header[place + 7] & 2:
        struct.pack_into(">I", header, place + 12, len(header) + size)
    return bytes(header)
