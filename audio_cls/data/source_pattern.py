"""The source recordings of clips from their paths: `data.source`."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import PurePosixPath

from audio_cls.data.clips import ClipSet, PlaceError
from audio_cls.data.folds import part_of
from audio_cls.wording import shorten

PARENT = "parent"
FIELD = "{source}"
SHOWN = 3


def with_sources(clip_set: ClipSet, pattern: str) -> ClipSet:
    """The clips with the sources that a pattern finds in their paths.

    'parent' is the folder that a clip lies in, below the folder of its class. Else `{source}` stands for the source's
    name and `*` for any text, both within one part of the path and from the left as short as can be. A pattern without
    a dot is matched without the suffix, one with `/` with as many folders as it names, up from the file.

    Raises PlaceError for clips that do not match, for a pattern without one `{source}`, and where sources are known.
    """
    if any(clip.source is not None for clip in clip_set.clips):
        raise PlaceError(f"data.source={pattern}: the data name their sources already: leave it out, or the column")
    sources = [
        _parent(clip.name, clip_set.classes[clip.label]) if pattern == PARENT else _captured(clip.name, pattern)
        for clip in clip_set.clips
    ]
    lost = [clip.name for clip, source in zip(clip_set.clips, sources, strict=True) if source is None]
    if lost:
        why = "lie in no folder below that of their class" if pattern == PARENT else "do not match"
        raise PlaceError(
            f"data.source={pattern}: {len(lost)} of {len(clip_set)} clips {why} ({shorten(lost, SHOWN)}): change the "
            f"pattern, or move them away"
        )
    counts = Counter(sources).values()
    few, many = min(counts), max(counts)
    each = f"{few} to {many} clips each" if few < many else f"{few} clip{'s' * (few > 1)} each"
    noted = (
        f"{len(counts)} sources by data.source={pattern}, {each} (first: {clip_set.clips[0].name} is {sources[0]!r})"
    )
    clips = tuple(replace(clip, source=source) for clip, source in zip(clip_set.clips, sources, strict=True))
    return replace(clip_set, clips=clips, notes=(*clip_set.notes, noted))


def _parent(name: str, label: str) -> str | None:
    """The folder of a clip, unless it is that of its class, of its fold or of its part of the split."""
    *above, folder = PurePosixPath(name).parts[:-1] or ("",)
    return folder if above and folder != label and part_of(folder) is None else None


def _captured(name: str, pattern: str) -> str | None:
    if pattern.count(FIELD) != 1:
        raise PlaceError(f"data.source={pattern} must hold {FIELD} once, as in '*_{FIELD}_*', or be {PARENT}")
    levels = pattern.strip("/").split("/")
    path = PurePosixPath(name)
    parts = (path if "." in levels[-1] else path.with_suffix("")).parts[-len(levels) :]
    regex = "/".join(_regex(level) for level in levels)
    match = re.fullmatch(regex, "/".join(parts))
    return match["source"] if match else None


def _regex(level: str) -> str:
    pieces = {"*": "[^/]*?", FIELD: "(?P<source>[^/]+?)"}
    return "".join(pieces.get(piece, re.escape(piece)) for piece in re.split(r"(\*|\{source\})", level))
