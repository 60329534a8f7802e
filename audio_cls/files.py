"""Files and folders that are written whole or not at all, and that replace nothing of the user's."""

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from audio_cls.wording import UserError

_HEAD = 2_000  # bytes of a file in which the mark of the command that wrote it stands
# What a spreadsheet would calculate. Quotes before it are of ours, or of a name that would be taken for one of ours.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to. When the block ends well, its file takes the place of `path` in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """An empty folder beside `folder` to fill; when the block ends well, it takes the place of `folder`.

    One process at a time: hold a lock where several may build the same folder.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
    partial.mkdir(parents=True)
    try:
        yield partial
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def unwritable(folder: Path) -> str:
    """Why nothing can be written into a folder that may not exist yet, as 'out is a file'; empty if it can."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir():
        return f"{existing} is a file"
    return "" if os.access(existing, os.W_OK | os.X_OK) else f"{existing} is read-only"


def check_replaceable(path: Path, mark: str, remedy: str = "choose another --out") -> None:
    """Raises UserError unless `path` can be written and is new, or holds `mark` near its start: what a command wrote
    itself it may replace, nothing else."""
    if path.is_dir():
        raise UserError(f"{path} is a folder; {remedy}")
    if path.exists() and not has_mark(path, mark):
        raise UserError(f"{path} was not written by this command, so it is not replaced; {remedy}")
    if reason := unwritable(path.parent):
        raise UserError(f"{path} cannot be written, as {reason}; {remedy}")


def has_mark(path: Path, mark: str) -> bool:
    """Whether the mark stands near the start of the file; an empty file has every mark, as nothing is lost with it."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return mark.encode() in head or not head


def write_text(path: Path, text: str) -> None:
    """UTF-8, line ends as they are in the text; what is no text (bytes of a file's name) becomes \\udce9."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


def write_json(path: Path, values: Any) -> None:
    write_text(path, json.dumps(values, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def write_csv(path: Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """A table that spreadsheets show as it is, and that `read_csv` reads back as it was."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerows(map(cell_of, row) for row in [list(header), *rows])
    content = text.getvalue()
    with replacing(path) as temporary:
        temporary.write_text(content, encoding=csv_encoding(content), errors="backslashreplace", newline="")


def read_csv(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """The columns and rows of a table; None for cells that a row lacks. Raises csv.Error and UnicodeDecodeError."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        columns = list(reader.fieldnames or ())
        return columns, [{name: text_of(cell) for name, cell in row.items()} for row in reader]


def csv_encoding(text: str) -> str:
    """UTF-8, with a byte order mark where it matters: spreadsheets take text without one for another encoding."""
    return "utf-8" if text.isascii() else "utf-8-sig"


def cell_of(value: Any) -> Any:
    """The value as a cell: text that a spreadsheet would calculate, as =1+2 or -x, has a quote in front of it."""
    value = os.fspath(value) if isinstance(value, os.PathLike) else value
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def text_of(cell: Any) -> Any:
    """The text that `cell_of` has made this cell of."""
    return cell[1:] if isinstance(cell, str) and cell.startswith("'") and _FORMULA.match(cell) else cell
