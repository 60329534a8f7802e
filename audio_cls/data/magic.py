"""What a file holds, by its first bytes, where libsndfile cannot read it."""

from dataclasses import dataclass

MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


@dataclass(frozen=True)
class Foreign:
    """A format that needs the decoder: its name, and what FFmpeg calls its reader."""

    name: str
    reader: str


_FOREIGN = {
    b"\x1a\x45\xdf\xa3": Foreign("Matroska or WebM", "matroska"),
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": Foreign("Windows Media", "asf"),
    b"#!AMR": Foreign("AMR", "amr"),
    b"MAC ": Foreign("Monkey's Audio", "ape"),
    b"wvpk": Foreign("WavPack", "wv"),
    b"TTA1": Foreign("True Audio", "tta"),
    b"\x7f\xfe\x80\x01": Foreign("DTS", "dts"),
    b"FLV": Foreign("Flash video", "flv"),
}
# Files in which libsndfile reads some codecs, and FFmpeg more.
_CONTAINERS = {
    b"RIFF": Foreign("wav", "wav"),
    b"OggS": Foreign("ogg", "ogg"),
    b"caff": Foreign("caf", "caf"),
    b"FORM": Foreign("aiff", "aiff"),
}
_NO_SOUND = {
    b"version https://git-lfs": "a pointer of Git LFS, not the sound itself: run git lfs pull",
    b"PK\x03\x04": "a zip archive, not a sound: unpack it",
    b"\x1f\x8b": "a gzip archive, not a sound: unpack it",
    b"%PDF": "a PDF document, not a sound",
    b"\x89PNG": "a picture, not a sound",
    b"\xff\xd8\xff": "a picture, not a sound",
    b"GIF8": "a picture, not a sound",
}


def foreign(head: bytes) -> Foreign | None:
    """What only the decoder can read. `head`: the first 64 bytes."""
    if head[4:8] in MP4_BOXES:
        return Foreign("MP4", "mov")
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return Foreign("AVI", "avi")
    if len(head) > 6 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return Foreign("AAC", "aac")
    if len(head) > 6 and head[:2] == b"\x0b\x77":
        return Foreign("E-AC-3", "eac3") if head[5] >> 3 > 10 else Foreign("AC-3", "ac3")
    return next((kind for begin, kind in _FOREIGN.items() if head.startswith(begin)), None)


def container(head: bytes) -> Foreign | None:
    """A format of which libsndfile knows some codecs only."""
    return next((kind for begin, kind in _CONTAINERS.items() if head.startswith(begin)), None)


def no_sound(head: bytes) -> str | None:
    """What else the file is, or None where that cannot be told."""
    for begin, what in _NO_SOUND.items():
        if head.startswith(begin):
            return what
    if not head.strip(b"\0"):
        return "it begins with zeros, not with a header: copy it again"
    try:
        text = head.decode("utf-8-sig", errors="strict" if len(head) < 64 else "ignore")
    except UnicodeDecodeError:
        return None
    if not all(letter.isprintable() or letter in "\r\n\t" for letter in text) or len(text.encode()) < len(head) - 4:
        return None
    kind = "a web page" if text.lstrip().lower().startswith(("<!doctype", "<html")) else "text"
    return f"{kind}, not a sound: it begins with {' '.join(text.split())[:30]!r}"
