"""A data set as folders: one for each class, above or below folders called train, val and test, or fold1, fold2, ..."""

import os
import re
from collections import defaultdict
from pathlib import Path

from audio_cls.data.clips import Clip, ClipSet, DataError, check_clips
from audio_cls.data.folders import Contents, check_readable, is_hidden, left_out, look_through, subfolders
from audio_cls.data.folds import FOLD, Folds, part_of, read_folds, role_of
from audio_cls.data.formats import AUDIO_SUFFIXES
from audio_cls.data.names import in_order, look_alikes
from audio_cls.terminal import printable
from audio_cls.wording import listed, shorten

MANIFEST = "a CSV manifest (file, label, split) as data.root"
SHOWN = 3


def list_class_folders(root: Path, name: str, has_source: bool = False, least_classes: int = 2) -> ClipSet:
    """One class per folder inside `root`, or inside folders that say a role or a fold; sounds count at any depth.

    What is left out is noted. Raises DataError for sounds that need a decoder, for class folders without any sound, and
    where the classes seem to stand a level up or down. `has_source`: the sources are said elsewhere.
    """
    contents = look_through(root)
    check_readable(contents.unreadable)
    places = {path: path.relative_to(root).parts for path in contents.sounds}
    level = _level_of_parts(root, [parts for parts in places.values() if len(parts) > 1])
    depth = 1 if level == 0 else 0  # of the class folders
    stray = [path for path, parts in places.items() if len(parts) < depth + 2]
    places = {path: parts for path, parts in places.items() if len(parts) >= depth + 2}
    if not places:
        raise _no_classes(root, stray)
    sounding = {root.joinpath(*parts[: depth + 1]) for parts in places.values()}
    others = [folder for base in sorted({each.parent for each in sounding}) for folder in subfolders(base)]
    silent = [folder.name for folder in others if folder not in sounding and _is_silent(folder, contents)]
    classes = in_order(parts[depth] for parts in places.values())
    if len(classes) == 1 and not stray and level != 0:
        _check_level(root, list(places.values()), least=2 if level is None else 3)
    folds = Folds({}) if level is None else _folds(root, [parts[level] for parts in places.values()])
    clips = [
        Clip(path, printable(path.relative_to(root).as_posix()), classes.index(parts[depth]), fold=folds.of.get(number))
        for number, (path, parts) in enumerate(places.items())
    ]
    notes = list(folds.notes)
    if stray:
        lie, are = ("sound lies", "is") if len(stray) == 1 else ("sounds lie", "are")
        notes.append(f"{len(stray)} {lie} beside the class folders and {are} left out (first: {stray[0].name})")
    notes += left_out(contents, root)
    if silent:
        hold = "holds no sounds and is no class" if len(silent) == 1 else "hold no sounds and are no classes"
        notes.append(f"{shorten(list(map(repr, silent)), SHOWN)} {hold}")
    notes += look_alikes("classes", classes)
    if level is None and not has_source:
        notes += _same_folders_in_each(root, list(places.values()))
    ordered = tuple(sorted(clips, key=lambda clip: clip.name))
    return check_clips(ClipSet(name, root, tuple(classes), ordered, None, tuple(notes), folds.has_roles), least_classes)


def _level_of_parts(root: Path, places: list[tuple[str, ...]]) -> int | None:
    """At which level, 0 or 1, folders say roles or folds. Raises DataError where only some do.

    `places`: the parts of paths below the root.
    """
    tops = {parts[0] for parts in places}
    words = _telling(tops)
    deep = {parts[0] for parts in places if len(parts) > 2}
    if words & deep:
        _check_all_tell(tops, words, f"{root} holds")
        return 0
    if words and words == tops:
        raise DataError(
            f"{root} holds {_names(words)}, and in these there are sounds but no class folders: make one folder per "
            f"class in each, or give {MANIFEST}"
        )
    below = {parts[1] for parts in places if len(parts) > 2}
    words = _telling(below)
    if not words:
        return None
    _check_all_tell(below, words, f"the class folders of {root} hold")
    outside = [parts for parts in places if len(parts) == 2]
    if outside:
        raise DataError(
            f"{Path(root, *outside[0])} lies in none of the folders {_names(words)}, as other clips do: move it there"
        )
    return 1


def _telling(names: set[str]) -> set[str]:
    """Those of the names that say roles, or else folds; none unless at least two different ones do."""
    for kind in (role_of, FOLD.fullmatch):
        words = {name for name in names if kind(name)}
        if len({part_of(word) for word in words}) > 1:
            return words
    return set()


def _check_all_tell(names: set[str], words: set[str], where: str) -> None:
    if names != words:
        raise DataError(
            f"{where} {_names(words)}, which are parts of a split, and {_names(names - words)}, which say none: move "
            f"or rename the latter"
        )


def _folds(root: Path, names: list[str]) -> Folds:
    values = [name if role_of(name) else part_of(name) or "" for name in names]
    return read_folds(root, f"the folders {_names(set(names))}", dict(enumerate(values)))


def _names(names: set[str]) -> str:
    return listed([repr(name) for name in in_order(names)], most=SHOWN)


def _is_silent(folder: Path, contents: Contents) -> bool:
    """Whether a folder holds documents and the like only, so that it is no class. Raises DataError where its sounds
    cannot be read, or nothing is in it."""
    if folder in contents.links:
        return False
    strange = [path for path in contents.strange if path.is_relative_to(folder)]
    if strange:
        kinds = ", ".join(sorted({path.suffix.lower() or "no extension" for path in strange}))
        files = f"{len(strange)} file{'s' * (len(strange) > 1)}"
        raise DataError(
            f"{folder} holds {files} but no sound that can be read ({kinds}): convert them to wav or flac, or move the "
            f"folder away"
        )
    if not any(names for _, _, names in os.walk(folder) if any(not is_hidden(name) for name in names)):
        hidden = any(path.is_relative_to(folder) for path in contents.hidden)
        held = "holds hidden sounds only" if hidden else "is empty"
        raise DataError(f"class folder {folder} {held}: add clips to it or remove it")
    return True


def _no_classes(root: Path, stray: list[Path]) -> DataError:
    tables = [path.name for path in sorted(root.glob("*.csv"))]
    if tables:
        remedy = f"if {tables[0]} lists them, give it as data.root"
    elif stray and _holds_classes(root.parent):
        remedy = f"if it is one class of several, give the folder above: data.root={root.parent}"
    else:
        remedy = "make one folder per class, or give a CSV manifest with the columns file and label as data.root"
    found = f"{len(stray)} sounds, but no folders with audio files" if stray else "no folders with audio files"
    kinds = "" if stray else f" ({' '.join(sorted(AUDIO_SUFFIXES))})"
    return DataError(f"{root} holds {found}{kinds}: {remedy}")


def _holds_classes(folder: Path) -> bool:
    """Whether at least two folders in it hold sounds themselves."""
    try:
        within = [[path.suffix.lower() for path in each.iterdir()] for each in subfolders(folder)]
    except OSError:
        return False
    return sum(any(suffix in AUDIO_SUFFIXES for suffix in suffixes) for suffixes in within) > 1


def _check_level(root: Path, places: list[tuple[str, ...]], least: int) -> None:
    """Raises DataError where all sounds lie in one folder, in which there are several with sounds. `least`: how many
    folders must lie above a sound for that to be so."""
    shared = os.path.commonpath([os.path.join(*parts[:-1]) for parts in places])
    depth = len(Path(shared).parts)
    within = {parts[depth] for parts in places if len(parts) > depth + 1}
    if len(within) > 1 and all(len(parts) > max(depth + 1, least) for parts in places):
        raise DataError(
            f"{root} holds one folder with sounds, {shared!r}, and the folders in it ({_names(within)}) seem to be the "
            f"{'parts of a split' if _telling(within) else 'classes'}: data.root={root / shared}"
        )


def _same_folders_in_each(root: Path, places: list[tuple[str, ...]]) -> list[str]:
    """A note where what is taken for the classes may be something else. Raises DataError for 'train-a' and 'test-a'."""
    below = defaultdict(set)
    for parts in places:
        below[parts[0]].add(parts[1] if len(parts) > 2 else "")
    first = next(iter(below.values()))
    if len(below) < 2 or len(first) < 2 or "" in first or any(names != first for names in below.values()):
        return []
    roles = {role_of(re.split("[^a-z]", name.casefold())[0]) for name in below}
    if len(roles) > 1 and None not in roles:
        raise DataError(
            f"{root} holds {_names(set(below))}, each with the folders {_names(first)}: if they are parts of a split, "
            f"call them train, val and test; if they are the classes, give {MANIFEST}"
        )
    return [
        f"each of the {len(below)} class folders holds the folders {_names(first)}: if these are the recordings, set "
        f"data.source=parent; if these are the classes, list the clips in a CSV manifest"
    ]
