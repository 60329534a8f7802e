"""Which names of files are taken for sound, and what reads them.

A file that is named (in a manifest, or to `audio-cls predict`) is read by its content, whatever it is called; these
lists say what is looked for in folders.
"""

import importlib.util
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import TypeVar

from audio_cls.wording import listed, shorten

T = TypeVar("T", bound=PurePath)


def _suffixes(words: str) -> frozenset[str]:
    return frozenset(f".{word}" for word in words.split())


# What libsndfile reads.
AUDIO_SUFFIXES = _suffixes(
    "wav wave bwf w64 rf64 bw64 flac ogg oga opus mp3 mp2 mpga aiff aif aifc au snd caf sph nist voc"
)
# What PyAV reads, where it is installed; of a film the sound.
OPTIONAL_SUFFIXES = _suffixes(
    "m4a m4b mp4 m4v mov 3gp 3g2 aac wma asf webm mka mkv amr awb ape wv ac3 eac3 dts spx tta avi"
)
DECODER = "av"  # PyAV: the libraries of FFmpeg
SHOWN = 3  # names of files in a message


def decoder_installed() -> bool:
    return importlib.util.find_spec(DECODER) is not None


def readable_suffixes() -> frozenset[str]:
    """What can be read in this environment, in small letters and with the dot."""
    return AUDIO_SUFFIXES | OPTIONAL_SUFFIXES if decoder_installed() else AUDIO_SUFFIXES


def for_want_of_decoder(paths: Iterable[T]) -> list[T]:
    """Those of the paths that cannot be read in this environment, by their suffix."""
    return [] if decoder_installed() else [path for path in paths if path.suffix.lower() in OPTIONAL_SUFFIXES]


def remedy(paths: Sequence[PurePath]) -> str:
    """'2 .m4a and 1 .wma files (x.m4a, y.m4a, z.wma) need a decoder that is not installed: pip install av'.

    Of files of OPTIONAL_SUFFIXES, one at least, all in one line.
    """
    counts = Counter(path.suffix.lower() for path in paths)
    kinds = listed([f"{count} {suffix}" for suffix, count in counts.most_common()])
    files, need = ("file", "needs") if len(paths) == 1 else ("files", "need")
    names = shorten([str(path) for path in paths], SHOWN)
    return f"{kinds} {files} ({names}) {need} a decoder that is not installed: pip install {DECODER}"
