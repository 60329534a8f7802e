"""A CSV file as rows of named cells, or refused with its line number: nothing in it is guessed at or dropped."""

import codecs
import csv
import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from audio_cls.data.clips import DataError
from audio_cls.files import text_of
from audio_cls.wording import listed

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}
SEPARATOR = re.compile(r'"?sep=([^"\s\w]|\t)"?[,;\t]*', re.IGNORECASE)  # as Excel writes it into the first line
# What the columns of other tools are called.
OTHER_NAMES = {
    "file": ("filename", "file_name", "filepath", "path", "audio", "clip", "sound", "wav", "name"),
    "label": ("labels", "class", "category", "target", "tag", "y"),
}


@dataclass(frozen=True)
class Table:
    """`columns` as they are written, by their name in small letters; rows with their line numbers. Cells are stripped,
    and those that a row lacks are empty."""

    columns: dict[str, str]
    rows: list[tuple[int, dict[str, str]]]


def read_table(path: Path, required: tuple[str, ...]) -> Table:
    """A table with these columns, in any case, and at least one row. Empty lines are passed over.

    Raises DataError with all lines that cannot be read for certain: with more cells than there are columns, with fewer
    where it is open which is missing, or with a quote that does not end in its line.
    """
    lines = _lines(path)
    number, header, delimiter = _header(path, lines, required)
    columns = _columns(path, number, _cells(header, delimiter) or [header], required)
    rows: list[tuple[int, dict[str, str]]] = []
    problems: dict[int, str] = {}
    for number, line in lines:
        cells = _cells(line, delimiter)
        problem = _problem(cells, columns, required, DELIMITERS.get(delimiter, delimiter))
        if problem:
            problems[number] = problem
        elif cells and any(cells):
            padded = cells + [""] * (len(columns) - len(cells))
            rows.append((number, {name.casefold(): cell for name, cell in zip(columns, padded, strict=False) if name}))
    if problems:
        raise at_lines(path, problems)
    if not rows:
        raise DataError(f"{path} lists no clips: add a line for each")
    return Table({name.casefold(): name for name in columns if name}, rows)


def at_lines(path: Path, problems: dict[int, str]) -> DataError:
    """An error with one line for each problem, which names the lines of the file that have it."""
    lines = defaultdict(list)
    for number, problem in problems.items():
        lines[problem].append(number)
    said = [(f"line{'s' * (len(of) > 1)} {listed(of, most=3)}", problem) for problem, of in lines.items()]
    return DataError("\n".join(f"{path}, {where}: {problem}" for where, problem in said))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that are not empty, numbered from 1, whether they end as on Unix, Windows or an old Mac."""
    content = path.read_bytes()
    if content.startswith(b"PK\x03\x04"):
        raise DataError(f"{path} is a workbook or an archive, not a CSV file: save it as CSV (UTF-8)")
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))  # Excel's "Unicode text"
    try:
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        where = "" if utf16 else f" (line {content[: error.start].count(bytes([10])) + 1})"
        raise DataError(f"{path} is not UTF-8 text{where}: save it as a UTF-8 CSV file") from None
    if "\0" in text:
        raise DataError(f"{path} is not UTF-8 text, as it holds NUL characters: save it as a UTF-8 CSV file")
    return ((number, line) for number, line in enumerate(re.split("\r\n|\r|\n", text), 1) if line.strip())


def _header(path: Path, lines: Iterator[tuple[int, str]], required: tuple[str, ...]) -> tuple[int, str, str]:
    """Number and text of the line with the names of the columns, and what parts cells: the sign by which the most
    columns that are required are found, and of such the commonest."""
    number, line = next(lines, (1, ""))
    said = SEPARATOR.fullmatch(line)
    if said:
        return *next(lines, (number, "")), said[1]

    def fit(delimiter: str) -> tuple[int, int]:
        names = {cell.casefold() for cell in _cells(line, delimiter) or ()}
        return len(names.intersection(required)), line.count(delimiter)

    return number, line, max(DELIMITERS, key=fit)


def _columns(path: Path, number: int, names: list[str], required: tuple[str, ...]) -> list[str]:
    """The names of the columns, without empty ones at the end."""
    while names and not names[-1]:
        names.pop()
    found = [name.casefold() for name in names]
    for column in required:
        if column not in found:
            hint = _nearest(column, names)
            hint = f"the nearest is {hint!r}" if hint else f"it has {', '.join(names) or 'none'}"
            raise DataError(f"{path}: column {column!r} is missing ({hint}): rename or add it in the first line")
    twice = [name for name, count in Counter(found).items() if name and count > 1]
    if twice:
        raise DataError(f"{path}, line {number}: column {twice[0]!r} is there twice: remove one or rename it")
    return names


def _nearest(column: str, names: Iterable[str]) -> str | None:
    others = [name for name in names if name.casefold() in OTHER_NAMES.get(column, ())]
    return next(
        iter(others or difflib.get_close_matches(column, [name for name in names if name], n=1, cutoff=0.4)), None
    )


def _cells(line: str, delimiter: str) -> list[str] | None:
    """The cells of a line; None where a quote does not end in it, or a cell goes on behind its quote."""
    try:
        return [
            text_of(cell.strip())
            for cell in next(csv.reader([line], delimiter=delimiter, skipinitialspace=True, strict=True))
        ]
    except csv.Error:
        return None


def _problem(cells: list[str] | None, columns: list[str], required: tuple[str, ...], separator: str) -> str:
    """Why a row cannot be read for certain; empty where it can."""
    if cells is None:
        return 'a quote does not end where its cell ends: close it in the same line, or write "" for a quote in a cell'
    filled = [index for index, cell in enumerate(cells) if cell]
    quoting = f"put quotes around a cell that holds a {separator}"
    if filled and filled[-1] >= len(columns):
        return f"{filled[-1] + 1} cells, the header has {len(columns)}: {quoting}"
    for index in filled:
        if not columns[index]:
            return f"cell {index + 1} stands in a column without a name: name it in the first line, or {quoting}"
    if len(cells) < len(columns) and any(columns[index].casefold() not in required for index in filled):
        return (
            f"{len(cells)} cells, the header has {len(columns)}: write a {separator} for a cell that is left empty, too"
        )
    return ""
