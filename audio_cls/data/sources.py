"""From a folder or a table on disk to a ClipSet: ESC-10, ESC-50, a folder of class folders, a CSV manifest."""

import difflib
import os
import re
from dataclasses import replace
from pathlib import Path

from audio_cls.data.class_folders import list_class_folders
from audio_cls.data.clips import Clip, ClipSet, DataError, PlaceError, check_clips
from audio_cls.data.folders import check_readable, look_through
from audio_cls.data.manifest import list_manifest, name_below
from audio_cls.data.names import look_alikes
from audio_cls.data.source_pattern import with_sources
from audio_cls.data.table import read_table

NUM_ESC_FOLDS = 5
NUM_ESC10_CLASSES = 10
ESC10_CLASS = re.compile(r"(\d{3}) - (.+)")
ESC10_CLIP = re.compile(r"([1-5])-(\d+)-[A-Z]")
ESC50_COLUMNS = ("filename", "fold", "target", "category", "src_file")
RESERVED_NAMES = frozenset({"esc10", "esc50", "synthetic"})


def read_esc10(root: Path) -> ClipSet:
    """ESC-10 as published (Piczak 2015), or a copy that lacks whole folds. Raises DataError for anything else."""
    root = _existing_folder(root)
    folders = [path for path in sorted(root.iterdir()) if path.is_dir() and ESC10_CLASS.fullmatch(path.name)]
    if len(folders) != NUM_ESC10_CLASSES:
        raise PlaceError(
            f"{root} holds {len(folders)} of the {NUM_ESC10_CLASSES} class folders of ESC-10 ('001 - Dog bark', ...): "
            f"point data.root at the folder that holds them, or use data=folder for a data set of your own"
        )
    clips = []
    for label, folder in enumerate(folders):
        files = _audio_files(folder)
        if not files:
            raise DataError(f"{folder} holds no audio files: copy the clips of this class into it")
        for path in files:
            match = ESC10_CLIP.fullmatch(path.stem)
            if match is None or path.parent != folder:
                raise DataError(
                    f"{path} is not named as a clip of ESC-10 ('2-114280-A.ogg'): move it away, or use data=folder"
                )
            clips.append(Clip(path, name_below(path, root), label, match[2], int(match[1])))
    classes = tuple(match[2] for folder in folders if (match := ESC10_CLASS.fullmatch(folder.name)))
    return _clip_set("esc10", root, classes, clips, NUM_ESC_FOLDS)


def looks_like_esc10(root: Path) -> bool:
    """Whether `read_esc10` would read the folder."""
    try:
        read_esc10(root)
    except DataError:
        return False
    return True


def read_esc50(root: Path) -> ClipSet:
    """ESC-50 as published: `meta/esc50.csv` beside `audio/`. A fold without any file is taken as not copied."""
    root = _existing_folder(root)
    table = root / "meta" / "esc50.csv"
    if not table.is_file():
        raise PlaceError(f"{table} does not exist: point data.root at the folder of ESC-50 that holds meta/ and audio/")
    rows = read_table(table, required=ESC50_COLUMNS).rows
    present: list[Clip] = []
    missing: list[Clip] = []
    classes: dict[int, str] = {}
    for line, row in rows:
        try:
            label, fold = int(row["target"]), int(row["fold"])
        except ValueError:
            raise DataError(
                f"{table}, line {line}: target {row['target']!r} and fold {row['fold']!r} must be integers"
            ) from None
        if classes.setdefault(label, row["category"]) != row["category"]:
            raise DataError(f"{table}, line {line}: target {label} is both {classes[label]!r} and {row['category']!r}")
        path = root / "audio" / row["filename"]
        clip = Clip(path, name_below(path, root), label, row["src_file"] or None, fold)
        (present if path.is_file() else missing).append(clip)
    if sorted(classes) != list(range(len(classes))):
        raise DataError(f"{table}: targets must count from 0 without a gap, got {sorted(classes)}")
    folds_present = {clip.fold for clip in present}
    lost = [clip for clip in missing if clip.fold in folds_present]
    if lost or not present:
        raise DataError("\n".join(f"{clip.path} does not exist: restore it" for clip in lost or missing))
    return _clip_set("esc50", root, tuple(classes[label] for label in range(len(classes))), present, NUM_ESC_FOLDS)


def read_any_folder(root: Path, source: str | None = None, *, least_classes: int = 2) -> ClipSet:
    """What `data.root` points at: a CSV manifest, or a folder of class folders. `source`: see `with_sources`."""
    root = Path(root).expanduser()
    if root.suffix.lower() == ".csv" or root.is_file():
        clip_set = read_manifest(root, least_classes=least_classes)
    else:
        clip_set = read_folder(root, source is not None, least_classes)
    clip_set = clip_set if source is None else with_sources(clip_set, source)
    alike = look_alikes("sources", (clip.source for clip in clip_set.clips if clip.source is not None))
    return replace(clip_set, notes=(*clip_set.notes, *alike))


def read_folder(root: Path, has_source: bool = False, least_classes: int = 2) -> ClipSet:
    """One class per folder inside `root`: see `list_class_folders`."""
    root = _existing_folder(root)
    name = root.resolve().name or "data"
    name = f"{name}-folder" if name in RESERVED_NAMES else name
    return list_class_folders(root, name, has_source, least_classes)


def read_manifest(manifest: Path, root: Path | None = None, least_classes: int = 2) -> ClipSet:
    """The clips that a CSV file lists, relative to `root`, or else to its own folder: see `list_manifest`."""
    manifest = Path(manifest).expanduser()
    if not manifest.is_file():
        raise PlaceError(f"{manifest} does not exist: data.root must be an existing CSV file or folder")
    root = _existing_folder(root) if root is not None else manifest.absolute().parent
    name = f"{manifest.stem}-manifest" if manifest.stem in RESERVED_NAMES else manifest.stem
    return list_manifest(manifest, root, name, least_classes)


def _clip_set(name: str, root: Path, classes: tuple[str, ...], clips: list[Clip], num_folds: int | None) -> ClipSet:
    return check_clips(ClipSet(name, root, classes, tuple(sorted(clips, key=lambda clip: clip.name)), num_folds))


def _existing_folder(root: Path) -> Path:
    root = Path(root).expanduser().absolute()
    if not root.exists():
        beside = os.listdir(root.parent) if root.parent.is_dir() else []
        near = difflib.get_close_matches(root.name, beside, n=1)
        hint = f"; did you mean {root.parent / near[0]}?" if near else ""
        raise PlaceError(f"{root} does not exist: data.root must be an existing folder or CSV file{hint}")
    if not root.is_dir():
        raise PlaceError(f"{root} is not a folder: data.root must be an existing folder or CSV file")
    return root


def _audio_files(folder: Path) -> list[Path]:
    """The sounds of a folder at any depth. Raises DataError for those that need a decoder."""
    contents = look_through(folder)
    check_readable(contents.unreadable)
    return contents.sounds
