"""Tables on the terminal: with colours and lines there, as plain text elsewhere."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from audio_cls.analysis.summary import Summary
from audio_cls.analysis.verdict import DEVELOPMENT
from audio_cls.reports.tables import Table, comparison_table, guessing_line, interval_line, variant_table
from audio_cls.terminal import printable, text_columns, write

if TYPE_CHECKING:
    from rich.table import Table as RichTable

# Columns that are left out where the terminal is too narrow for all of them, in this order.
_DISPENSABLE = (
    *("Clips", "Sources", "p", "Epochs", "Seeds", "Time", "Parameters", "Last accuracy", "Last loss"),
    *("Train", "Folds", "AUROC"),
)


def print_summary(summary: Summary, file: TextIO | None = None) -> None:
    """Prints the headline, the tables of variants and differences, and the verdict."""
    tables: list[Table | tuple[str, str]] = [_brief(variant_table(summary))] if summary.rows else []
    tables += [(line, "dim") for line in [interval_line(summary.rows), guessing_line(summary)] if line]
    tables += [comparison_table(summary.comparisons)] if summary.comparisons else []
    notes = [*([DEVELOPMENT] if summary.ranking_split == "val" else []), *summary.notes]
    whole = summary.num_done > 0 and not (
        summary.missing or summary.failed or summary.damaged or summary.interrupted or summary.running
    )
    headline = (summary.headline, "green" if whole else "bold red")
    verdict = (summary.verdict, "bold")
    print_parts([headline, *tables, verdict, *((note, "dim") for note in notes)], "summary.md", file)


def print_table(table: Table, title: str, notes: Sequence[str], elsewhere: str, file: TextIO | None = None) -> None:
    """Prints one table and notes about it. `elsewhere` is where columns stand that do not fit on the terminal."""
    print_parts([(title, "bold"), table, *((note, "dim") for note in notes)], elsewhere, file)


def print_parts(parts: Sequence[Table | tuple[str, str]], elsewhere: str, file: TextIO | None = None) -> None:
    """Prints tables, and texts with their styles. `elsewhere` is where columns stand that do not fit."""
    file = file or sys.stdout
    if not file.isatty():
        write(file, "\n".join(_plain(part) if isinstance(part, Table) else part[0] for part in parts))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=file, highlight=False)
    cut = False
    for part in parts:
        if isinstance(part, Table):
            fitting = _fit(part, console.width)
            cut |= fitting != part
            console.print(_rich_table(fitting))
        else:
            console.print(Text(printable(part[0]), style=part[1]))
    if cut:
        console.print(Text(f"Columns that do not fit here stand in {elsewhere}.", style="dim"))


def _brief(table: Table) -> Table:
    """Intervals of the accuracy alone, which is the second column."""
    return replace(table, rows=tuple((*row[:2], *(replace(cell, more="") for cell in row[2:])) for row in table.rows))


def _plain(table: Table) -> str:
    lines = table.texts()
    widths = [max(map(text_columns, column)) for column in zip(*lines, strict=True)]
    padded = (
        "  ".join(cell + " " * (width - text_columns(cell)) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)


def _fit(table: Table, width: int) -> Table:
    """The table without as many of its less important columns as it takes to fit the width, in characters."""
    for name in _DISPENSABLE:
        needed = sum(max(map(text_columns, column)) + 2 for column in zip(*table.texts(), strict=True))
        if needed > width:
            table = table.only(head.text for head in table.heads if head.text != name)
    return table


def _rich_table(table: Table) -> "RichTable":
    """The first two columns, the name and the figure that ranks, stay whole."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    heads, *rows = table.texts()
    drawn = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for column, name in enumerate(heads):
        drawn.add_column(Text(name), no_wrap=column < 2, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(printable(cell)) for cell in row))
    return drawn
