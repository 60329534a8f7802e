"""A data set as a CSV file: read, and written from what was understood of folders."""

import csv
import os
import re
from collections.abc import Iterator
from pathlib import Path

from audio_cls.data.clips import ROLES, Clip, ClipSet, DataError, check_clips
from audio_cls.data.folders import check_readable
from audio_cls.data.folds import Folds, agree, read_folds
from audio_cls.data.formats import OPTIONAL_SUFFIXES, readable_suffixes
from audio_cls.data.names import Finder, in_order, look_alikes
from audio_cls.data.table import Table, at_lines, read_table
from audio_cls.files import cell_of
from audio_cls.terminal import printable
from audio_cls.wording import did_you_mean, listed, shorten

COLUMNS = ("file", "label", "source", "fold", "split")
SHOWN = 3  # files in a message that has a line for each
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def list_manifest(manifest: Path, root: Path, name: str, least_classes: int = 2) -> ClipSet:
    """The clips of a CSV file with the columns file and label and, where known, source and fold or split. Files are
    relative to `root`. Raises DataError with the lines that are at fault."""
    table = read_table(manifest, required=("file", "label"))
    folds = agree(manifest, _folds(manifest, table, "fold"), _folds(manifest, table, "split"))
    classes = in_order(row["label"] for _, row in table.rows)
    paths, respelled = _find_files(manifest, root, table)
    clips = [
        Clip(
            paths[line],
            name_below(paths[line], root),
            classes.index(row["label"]),
            row.get("source") or None,
            folds.of.get(line),
        )
        for line, row in table.rows
    ]
    num_folds = None if folds.has_roles else max(folds.of.values(), default=0) or None
    notes = (*_unused(table), *folds.notes, *respelled, *look_alikes("classes", classes))
    ordered = tuple(sorted(clips, key=lambda clip: clip.name))
    return check_clips(ClipSet(name, root, tuple(classes), ordered, num_folds, notes, folds.has_roles), least_classes)


def _find_files(manifest: Path, root: Path, table: Table) -> tuple[dict[int, Path], tuple[str, ...]]:
    """The file of each line, and notes about those that are called another way on disk. Raises DataError for lines
    that name no file or one that another line names, and for sounds that need a decoder."""
    finder = Finder()
    found: dict[Path, int] = {}
    respelled: list[tuple[str, str]] = []
    missing: list[Path] = []
    problems: dict[int, str] = {}
    for line, row in table.rows:
        file = row["file"]
        if not file or not row["label"]:
            problems[line] = "file and label must not be empty"
        elif ADDRESS.match(file):
            problems[line] = f"{file!r} is an address: give the path of a file on this machine"
        else:
            written = Path(os.path.normpath(root / os.path.expanduser(file)))
            path = finder.find(written)
            name = name_below(path, root)
            if not path.is_file():
                missing.append(path)
                what = (
                    "is a folder: list its files" if path.is_dir() else "does not exist: restore it or remove the line"
                )
                problems[line] = f"{name} {what}"
            elif found.setdefault(path, line) != line:
                problems[line] = f"{name!r} stands in line {found[path]} already: remove one"
            elif path != written and "\\" not in file:
                respelled.append((file, name))
    if len(missing) == len(table.rows) > SHOWN:
        raise DataError(
            f"{manifest}: none of its {len(missing)} files exists; the first is {missing[0]}: paths are relative to "
            f"the folder of the CSV file"
        )
    if problems:
        raise at_lines(manifest, problems)
    check_readable([path for path in found if path.suffix.lower() in OPTIONAL_SUFFIXES - readable_suffixes()])
    return {line: path for path, line in found.items()}, tuple(_respelled(respelled))


def write_manifest(clip_set: ClipSet, path: Path) -> None:
    """Writes a CSV file that reads as the same clips; files are relative to its folder where they lie in it.

    Raises FileExistsError where there is such a file, DataError for clips that such a file cannot hold.
    """
    folder = path.absolute().parent
    column = "split" if clip_set.has_roles else "fold"
    if clip_set.root is None:
        raise DataError(f"{clip_set.name} is made of no files, so that no CSV file can list them")
    for name in clip_set.classes:
        if name != name.strip():
            raise DataError(f"class {name!r} begins or ends with a blank, which a CSV file cannot hold: rename it")
    paths = {clip.name: clip.path.absolute().as_posix() for clip in clip_set.clips}
    if lost := [name for name, place in paths.items() if place != printable(place)]:
        raise DataError(
            f"{len(lost)} clips have characters in their path that a CSV file cannot hold ({shorten(lost, SHOWN)}): "
            "rename them"
        )
    with path.open("x", encoding="utf-8-sig", newline="") as file:  # with the mark by which Excel knows UTF-8
        writer = csv.writer(file)
        writer.writerow(["file", "label", "source", column])
        for clip in clip_set.clips:
            fold = "" if clip.fold is None else ROLES[clip.fold - 1] if clip_set.has_roles else clip.fold
            place = name_below(clip.path.absolute(), folder)
            writer.writerow(map(cell_of, [place, clip_set.classes[clip.label], clip.source, fold]))


def name_below(path: Path, root: Path) -> str:
    """The POSIX path relative to the root, or from the very top for what lies elsewhere."""
    path, root = (Path(os.path.normpath(each)) for each in (path, root))  # ../list.csv is no other place
    return printable((path.relative_to(root) if path.is_relative_to(root) else path).as_posix())


def _folds(manifest: Path, table: Table, column: str) -> Folds:
    values = {line: row.get(column, "") for line, row in table.rows}
    return read_folds(manifest, f"column {column!r}", values)


def _unused(table: Table) -> Iterator[str]:
    unused = [name for key, name in table.columns.items() if key not in COLUMNS]
    if unused:
        hints = [
            did_you_mean(name.casefold(), [each for each in COLUMNS if each not in table.columns], cutoff=0.8)
            for name in unused
        ]
        hint = next(filter(None, hints), f"columns that are: {', '.join(COLUMNS)}")
        columns, are = ("column", "is") if len(unused) == 1 else ("columns", "are")
        yield f"{columns} {listed([repr(name) for name in unused], most=6)} {are} not used; {hint}"


def _respelled(found: list[tuple[str, str]]) -> Iterator[str]:
    if found:
        written, name = found[0]
        files, are, their = ("file", "is", "its") if len(found) == 1 else ("files", "are", "their")
        yield (
            f"{len(found)} {files} {are} written in another case or Unicode form than {their} name on disk"
            f" (first: {written!r}, which is {name!r})"
        )
