"""What lies in a folder: its sounds at any depth, and all else, so that nothing is left out in silence."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from audio_cls.data.clips import DataError
from audio_cls.data.formats import AUDIO_SUFFIXES, OPTIONAL_SUFFIXES, readable_suffixes, remedy
from audio_cls.wording import listed

# What usually lies beside recordings and is none: documents, tables, pictures, code, labels, files of editors.
BYSTANDERS = frozenset(
    f".{suffix}"
    for suffix in (
        "txt csv tsv json jsonl md rst html htm pdf doc docx odt rtf xls xlsx ods ppt pptx xml yaml yml toml ini cfg "
        "log py ipynb sh bat m r db sqlite lnk url bib tex png jpg jpeg gif bmp svg webp tif tiff ico heic "
        "lab textgrid rttm stm ctm eaf jams cha trs srt vtt lrc mid midi asd sfk pkf reapeaks sha1 sha256 md5 license"
    ).split()
)
BYSTANDER_NAMES = frozenset(
    "readme license licence copying copyright notice authors contributors changes changelog history news version todo "
    "manifest index checksums md5sum md5sums sha1sum sha1sums sha256sum sha256sums makefile dockerfile".split()
) | {"icon\r"}


@dataclass
class Contents:
    """The files of a folder, sorted; `hidden` are sounds that are hidden, `links` those to folders that are read
    already."""

    sounds: list[Path] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)  # sounds that need a decoder
    strange: list[Path] = field(default_factory=list)
    hidden: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)

    def add(self, path: Path) -> None:
        """Puts a file where it belongs. Raises DataError for a link that leads nowhere."""
        suffix = path.suffix.lower()
        is_sound = suffix in AUDIO_SUFFIXES | OPTIONAL_SUFFIXES
        if path.name.startswith("."):
            if is_sound and not path.name.startswith("._"):  # a Mac's notes about a file
                self.hidden.append(path)
        elif path.is_symlink() and not path.exists():
            raise DataError(f"{path} is a link to what does not exist: restore it or remove the link")
        elif is_sound and path.is_file():
            (self.sounds if suffix in readable_suffixes() else self.unreadable).append(path)
        elif suffix not in BYSTANDERS and path.name.casefold() not in BYSTANDER_NAMES:
            self.strange.append(path)


def subfolders(folder: Path) -> list[Path]:
    """Folders in a folder that are not hidden, sorted."""
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and not is_hidden(path.name)]


def look_through(folder: Path) -> Contents:
    """The files of a folder at any depth. Links are followed out of the folder, not within it, where what they lead to
    is found anyway. Raises DataError for what may not be read."""
    contents = Contents()
    inside = Path(os.path.realpath(folder))
    visited = {inside, *inside.parents}
    for parent, names, files in os.walk(folder, followlinks=True, onerror=_refuse):
        kept = []
        for path in (Path(parent, name) for name in sorted(names)):
            real = Path(os.path.realpath(path))
            if is_hidden(path.name):
                contents.hidden += [path] if any(_hidden_sounds(path)) else []
            elif real in visited or (path.is_symlink() and _is_found_within(real, inside)):
                contents.links.append(path)
            else:
                visited.add(real)
                kept.append(path.name)
        names[:] = kept
        for name in sorted(files):
            contents.add(Path(parent, name))
    return contents


def _is_found_within(path: Path, folder: Path) -> bool:
    return path.is_relative_to(folder) and not any(map(is_hidden, path.relative_to(folder).parts))


def sound_files(folder: Path) -> list[Path]:
    """Audio files at any depth, of formats that can be read or not, links followed, hidden ones left out."""
    contents = look_through(folder)
    return sorted([*contents.sounds, *contents.unreadable])


def is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"  # what a Mac adds to an archive


def _hidden_sounds(folder: Path) -> Iterator[str]:
    for _, _, files in os.walk(folder):
        yield from (name for name in files if name[:2] != "._" and Path(name).suffix.lower() in AUDIO_SUFFIXES)


def _refuse(error: OSError) -> None:
    raise DataError(f"{error.filename} cannot be read ({error.strerror}): give yourself the right to read it") from None


def check_readable(paths: list[Path]) -> None:
    """Raises DataError, which names how many and what helps, where sounds need a decoder that is not installed."""
    if paths:
        raise DataError(remedy(paths))


def left_out(contents: Contents, root: Path) -> tuple[str, ...]:
    """Notes about what lies there and is not read."""
    notes = []
    if contents.strange:
        kinds = Counter(path.suffix.lower() or "without an extension" for path in contents.strange)
        said = listed([f"{count} {kind}" for kind, count in kinds.most_common()], most=5)
        notes.append(f"{_left(contents.strange, root, 'file')} as no sound: {said}")
    notes += (
        [_left(contents.hidden, root, "hidden file or folder", "hidden files or folders")] if contents.hidden else []
    )
    notes += [f"{_left(contents.links, root, 'link')}: what it leads to is read already"] if contents.links else []
    return tuple(notes)


def _left(paths: list[Path], root: Path, singular: str, plural: str = "") -> str:
    """'3 files are left out (first: a/x.xyz)'."""
    first = paths[0].relative_to(root).as_posix()
    if len(paths) == 1:
        return f"1 {singular} is left out ({first})"
    return f"{len(paths)} {plural or singular + 's'} are left out (first: {first})"
