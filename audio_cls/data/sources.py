"""From a folder or a table on disk to a ClipSet: ESC-10, ESC-50, a folder of class folders, a CSV manifest."""

import csv
import difflib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from audio_cls.data.clips import Clip, ClipSet, DataError, check_clips
from audio_cls.data.formats import AUDIO_SUFFIXES, OPTIONAL_SUFFIXES

NUM_ESC_FOLDS = 5
NUM_ESC10_CLASSES = 10
MIN_MANIFEST_FOLDS = 3  # one to test on, one to validate on, one to train on
ESC10_CLASS = re.compile(r"(\d{3}) - (.+)")
ESC10_CLIP = re.compile(r"([1-5])-(\d+)-[A-Z]")
ESC50_COLUMNS = ("filename", "fold", "target", "category", "src_file")
RESERVED_NAMES = frozenset({"esc10", "esc50", "synthetic"})


def read_esc10(root: Path) -> ClipSet:
    """ESC-10 as published (Piczak 2015), or a copy that lacks whole folds. Raises DataError for anything else."""
    root = _existing_folder(root)
    folders = [path for path in sorted(root.iterdir()) if path.is_dir() and ESC10_CLASS.fullmatch(path.name)]
    if len(folders) != NUM_ESC10_CLASSES:
        raise DataError(
            f"{root} holds {len(folders)} of the {NUM_ESC10_CLASSES} class folders of ESC-10 ('001 - Dog bark', ...): "
            f"point data.root at the folder that holds them, or use data=folder for a data set of your own"
        )
    clips = []
    for label, folder in enumerate(folders):
        files = list(_audio_files(folder))
        if not files:
            raise DataError(f"{folder} holds no audio files: copy the clips of this class into it")
        for path in files:
            match = ESC10_CLIP.fullmatch(path.stem)
            if match is None or path.parent != folder:
                raise DataError(
                    f"{path} is not named as a clip of ESC-10 ('2-114280-A.ogg'): move it away, or use data=folder"
                )
            clips.append(Clip(path, _name(path, root), label, match[2], int(match[1])))
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
        raise DataError(f"{table} does not exist: point data.root at the folder of ESC-50 that holds meta/ and audio/")
    rows = _read_table(table, required=ESC50_COLUMNS)
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
        clip = Clip(path, _name(path, root), label, row["src_file"] or None, fold)
        (present if path.is_file() else missing).append(clip)
    if sorted(classes) != list(range(len(classes))):
        raise DataError(f"{table}: targets must count from 0 without a gap, got {sorted(classes)}")
    folds_present = {clip.fold for clip in present}
    lost = [clip for clip in missing if clip.fold in folds_present]
    if lost or not present:
        raise _missing_files([clip.path for clip in lost or missing])
    return _clip_set("esc50", root, tuple(classes[label] for label in range(len(classes))), present, NUM_ESC_FOLDS)


def read_any_folder(root: Path) -> ClipSet:
    """What `data.root` points at: a CSV manifest, or a folder of class folders."""
    root = Path(root).expanduser()
    return read_manifest(root) if root.suffix.lower() == ".csv" or root.is_file() else read_folder(root)


def read_folder(root: Path) -> ClipSet:
    """One class per folder inside `root`; its audio files count at any depth. Hidden files, and folders that hold only
    files of another kind, are passed over."""
    root = _existing_folder(root)
    folders = [path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    clips: list[Clip] = []
    classes: list[str] = []
    for folder in folders:
        files = list(_audio_files(folder))
        if not files and any(folder.iterdir()):
            continue
        if not files:
            raise DataError(f"class folder {folder} is empty: add clips to it or remove it")
        clips += [Clip(path, _name(path, root), len(classes)) for path in files]
        classes.append(folder.name)
    if not classes:
        kinds = " ".join(sorted(AUDIO_SUFFIXES))
        raise DataError(
            f"{root} holds no folders with audio files ({kinds}): make one folder per class, or give a CSV manifest "
            f"with the columns file and label as data.root"
        )
    name = root.resolve().name or "data"
    return _clip_set(f"{name}-folder" if name in RESERVED_NAMES else name, root, tuple(classes), clips, None)


def read_manifest(manifest: Path, root: Path | None = None) -> ClipSet:
    """A CSV file with the columns file, label and, where known, source and fold. Files are relative to `root`, or else
    to the manifest's folder. Fold values are numbered from 1 in sorted order."""
    manifest = Path(manifest).expanduser()
    if not manifest.is_file():
        raise DataError(f"{manifest} does not exist: data.root must be an existing CSV file or folder")
    root = _existing_folder(root) if root is not None else manifest.absolute().parent
    rows = _read_table(manifest, required=("file", "label"))
    folds = _numbered_folds(manifest, rows)
    classes = sorted({row["label"] for _, row in rows})
    clips: list[Clip] = []
    lines: dict[str, int] = {}
    problems: list[str] = []
    for line, row in rows:
        if not row["file"] or not row["label"]:
            problems.append(f"{manifest}, line {line}: file and label must not be empty")
            continue
        path = _manifest_path(root, row["file"])
        name = _name(path, root)
        if name in lines:
            problems.append(f"{manifest}, line {line}: {name!r} stands in line {lines[name]} already: remove one")
        lines.setdefault(name, line)
        clips.append(Clip(path, name, classes.index(row["label"]), row.get("source") or None, folds.get(line)))
    if problems:
        raise DataError("\n".join(problems))
    missing = [clip.path for clip in clips if not clip.path.is_file()]
    if missing:
        raise _missing_files(missing)
    name = f"{manifest.stem}-manifest" if manifest.stem in RESERVED_NAMES else manifest.stem
    return _clip_set(name, root, tuple(classes), clips, len(set(folds.values())) or None)


def _clip_set(name: str, root: Path, classes: tuple[str, ...], clips: list[Clip], num_folds: int | None) -> ClipSet:
    return check_clips(ClipSet(name, root, classes, tuple(sorted(clips, key=lambda clip: clip.name)), num_folds))


def _existing_folder(root: Path) -> Path:
    root = Path(root).expanduser().absolute()
    if not root.exists():
        beside = os.listdir(root.parent) if root.parent.is_dir() else []
        near = difflib.get_close_matches(root.name, beside, n=1)
        hint = f"; did you mean {root.parent / near[0]}?" if near else ""
        raise DataError(f"{root} does not exist: data.root must be an existing folder or CSV file{hint}")
    if not root.is_dir():
        raise DataError(f"{root} is not a folder: data.root must be an existing folder or CSV file")
    return root


def sound_files(folder: Path) -> Iterator[Path]:
    """Audio files at any depth, of formats that can be read or not, links followed, hidden ones left out."""
    visited = set()
    for parent, subfolders, files in os.walk(folder, followlinks=True):
        visited.add(os.path.realpath(parent))
        subfolders[:] = sorted(
            name
            for name in subfolders
            if not name.startswith(".") and os.path.realpath(os.path.join(parent, name)) not in visited
        )
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in AUDIO_SUFFIXES | OPTIONAL_SUFFIXES:
                yield Path(parent, name)


def _audio_files(folder: Path) -> Iterator[Path]:
    """The same, where audio that cannot be read is an error: leaving it out silently would change the data set."""
    for path in sound_files(folder):
        if (suffix := path.suffix.lower()) in OPTIONAL_SUFFIXES:
            raise DataError(f"{path}: {suffix} cannot be read: convert it to wav or flac")
        yield path


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _manifest_path(root: Path, file: str) -> Path:
    path = Path(os.path.normpath(root / file))
    if "\\" in file and not path.exists():  # written on Windows
        path = Path(os.path.normpath(root / file.replace("\\", "/")))
    return path


def _missing_files(paths: list[Path]) -> DataError:
    return DataError("\n".join(f"{path} does not exist: restore it or remove its line" for path in paths))


def _read_table(path: Path, required: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """Rows with their line numbers; cells are stripped, empty lines left out."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text: save it as a UTF-8 CSV file") from None
    header = text.partition("\n")[0]
    reader = csv.DictReader(text.splitlines(keepends=True), delimiter=max(",;\t", key=header.count), restval="")
    columns = [(column or "").strip() for column in reader.fieldnames or ()]
    for column in required:
        if column not in columns:
            near = difflib.get_close_matches(column, columns, n=1, cutoff=0.4)
            hint = f"the nearest is {near[0]!r}" if near else f"it has {', '.join(columns) or 'none'}"
            raise DataError(f"{path}: column {column!r} is missing ({hint}): rename or add it in the first line")
    reader.fieldnames = columns
    rows = []
    for row in reader:
        cells = {column: (row[column] or "").strip() for column in columns}
        if any(cells.values()):
            rows.append((reader.line_num, cells))
    if not rows:
        raise DataError(f"{path} lists no clips: add a line for each")
    return rows


def _numbered_folds(manifest: Path, rows: list[tuple[int, dict[str, str]]]) -> dict[int, int]:
    """Line number -> fold from 1; empty where there is no such column, or nothing in it."""
    values = {line: row.get("fold", "") for line, row in rows}
    if not any(values.values()):
        return {}
    empty = [line for line, value in values.items() if not value]
    if empty:
        raise DataError(f"{manifest}, line {empty[0]}: fold is empty: give every clip a fold, or none")
    numbers = all(value.isdecimal() for value in values.values())
    distinct = sorted(set(values.values()), key=lambda value: (int(value) if numbers else 0, value))
    if len(distinct) < MIN_MANIFEST_FOLDS:
        raise DataError(
            f"{manifest}: column 'fold' has {len(distinct)} values ({', '.join(distinct)}), at least "
            f"{MIN_MANIFEST_FOLDS} are needed: add folds, or remove the column and set data.num_folds"
        )
    return {line: 1 + distinct.index(value) for line, value in values.items()}
