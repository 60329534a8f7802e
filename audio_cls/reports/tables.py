"""The tables of a summary: with colours on the terminal, as plain text elsewhere, in Markdown for documents."""

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TextIO

from audio_cls.analysis.summary import Comparison, Scores, Spread, Summary, VariantRow
from audio_cls.analysis.verdict import DEVELOPMENT
from audio_cls.wording import duration, one_word, p_value, ranges

RUN_COLUMNS = ("Train", "Folds", "Seeds", "Parameters", "Time")
# In this order.
_DISPENSABLE = (
    *("Clips", "Sources", "p", "Seeds", "Time", "Parameters", "Last accuracy", "Epochs", "Last loss"),
    *("Train", "Folds", "AUROC"),
)
Table = tuple[list[str], list[list[str]]]  # header and rows


def print_summary(summary: Summary, file: TextIO | None = None) -> None:
    """Prints the headline, the table of variants and the verdict; colours and lines only on a terminal."""
    file = file or sys.stdout
    tables = [variant_table(summary, mean_only)] if summary.rows else []
    tables += [comparison_table(summary.comparisons)] if summary.comparisons else []
    notes = [DEVELOPMENT] if summary.ranking_split == "val" else []
    notes += summary.notes
    if file.isatty():
        _print_rich(summary, tables, notes, file)
        return
    for part in (summary.headline, *(_plain_table(*table) for table in tables), summary.verdict, *notes):
        print(part, file=file)


def print_table(table: Table, title: str, notes: Sequence[str], elsewhere: str, file: TextIO | None = None) -> None:
    """Prints one table with what is to be said about it, as `print_summary` prints those of a study.

    `elsewhere` says where columns stand that do not fit on the terminal.
    """
    file = file or sys.stdout
    if not file.isatty():
        print(title, _plain_table(*table), *notes, sep="\n", file=file)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=file, highlight=False)
    fitting = _fit(table, console.width)
    console.print(_rich_table(fitting, title))
    for note in [*notes, *([elsewhere] if fitting != table else [])]:
        console.print(Text(note, style="dim"))


def _print_rich(summary: Summary, tables: list[Table], notes: list[str], file: TextIO) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=file, highlight=False)
    whole = not (summary.missing or summary.failed or summary.damaged or summary.interrupted or summary.running)
    console.print(Text(summary.headline, style="green" if whole and summary.num_done else "bold red"))
    fitting = [_fit(table, console.width) for table in tables]
    for number, table in enumerate(fitting):
        console.print(_rich_table(table, summary.study if number == 0 else None))
    console.print(Text(summary.verdict, style="bold"))
    for note in [*notes, *(["Columns that do not fit here stand in summary.md."] if fitting != tables else [])]:
        console.print(Text(note, style="dim"))


def _rich_table(table: Table, title: str | None) -> Any:
    """A `rich.table.Table` in which the first two columns, the name and the figure that ranks, stay whole."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    header, rows = table
    drawn = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, title=title and Text(title))
    for column, name in enumerate(header):
        drawn.add_column(Text(name), no_wrap=column < 2, overflow="fold")
    for row in rows:
        drawn.add_row(*map(Text, row))
    return drawn


def _fit(table: Table, width: int) -> Table:
    """The table without as many of its less important columns as it takes to fit the width, in characters."""
    header, rows = table
    for name in _DISPENSABLE:
        needed = sum(max(map(len, column)) + 2 for column in zip(header, *rows, strict=True))
        if needed > width and name in header:
            place = header.index(name)
            header, *rows = ([*line[:place], *line[place + 1 :]] for line in (header, *rows))
    return header, rows


def variant_table(summary: Summary, spread: Callable[[Spread], str]) -> Table:
    """`spread` writes the figures that are not the accuracy."""
    with_test = any(row.test for row in summary.rows)
    header = ["Variant"]
    header += ["Accuracy", "F1", "AUROC"] if summary.ranking_split else []
    header += ["Test"] if with_test else []
    return [*header, *RUN_COLUMNS], [_variant_cells(summary, row, spread, with_test) for row in summary.rows]


def _variant_cells(summary: Summary, row: VariantRow, spread: Callable[[Spread], str], with_test: bool) -> list[str]:
    cells = [row.variant]
    if summary.ranking_split:
        cells += _score_cells(row.ranking, spread)
    if with_test:
        cells.append(spread(row.test.accuracy) if row.test else "-")
    return [*cells, *run_cells(row)]


def run_cells(row: VariantRow) -> list[str]:
    """What stands under RUN_COLUMNS: accuracy on training clips, and what the variant was trained on and took."""
    return [
        "-" if row.train_accuracy is None else f"{100 * row.train_accuracy:.1f}",
        ranges(row.folds) or "-",
        ranges(row.seeds) or "-",
        "-" if row.num_parameters is None else f"{row.num_parameters:,}",
        "-" if row.train_seconds is None else duration(row.train_seconds),
    ]


def _score_cells(scores: Scores | None, spread: Callable[[Spread], str]) -> list[str]:
    if scores is None:
        return ["-", "-", "-"]
    return [with_spread(scores.accuracy), spread(scores.f1_macro), spread(scores.auroc_macro)]


def comparison_table(comparisons: Sequence[Comparison]) -> Table:
    header = ["Variants", "Points", "p", "p (Holm)", "Enough", "Clips", "Sources"]
    return header, [_comparison_cells(comparison) for comparison in comparisons]


def _comparison_cells(comparison: Comparison) -> list[str]:
    names = f"{one_word(comparison.first)} - {one_word(comparison.second)}"
    if comparison.problem:
        return [names, f"not compared: {comparison.problem}", "-", "-", "-", "-", "-"]
    interval = comparison.interval and f" [{100 * comparison.interval[0]:+.1f}, {100 * comparison.interval[1]:+.1f}]"
    return [
        names,
        f"{100 * comparison.difference:+.1f}{interval or ''}",
        p_value(comparison.p_value, name=""),
        p_value(comparison.p_holm, name=""),
        "yes" if comparison.enough_evidence else "no",
        str(comparison.num_clips),
        str(comparison.num_sources),
    ]


def class_table(summary: Summary) -> Table:
    rows = [row for row in summary.rows if row.f1_per_class]
    cells = [
        [name, *("-" if row.f1_per_class[k] is None else f"{100 * row.f1_per_class[k]:.1f}" for row in rows)]
        for k, name in enumerate(summary.classes)
    ]
    return ["Class", *(row.variant for row in rows)], cells


def mean_only(spread: Spread) -> str:
    """86.2, in percent."""
    return "-" if spread.mean is None else f"{100 * spread.mean:.1f}"


def with_spread(spread: Spread) -> str:
    """86.2 ± 3.1 [82.5, 90.0], in percent."""
    sd, interval = spread.sd, spread.interval
    return (
        mean_only(spread)
        + ("" if sd is None else f" ± {100 * sd:.1f}")
        + ("" if interval is None else f" [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]")
    )


def markdown_table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(header), *([["---"] * len(list(header))]), *rows]
    return "\n".join("| " + " | ".join(escape(cell) for cell in line) + " |" for line in lines)


def _plain_table(header: list[str], rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in (header, *rows)]
    return "\n".join(line.rstrip() for line in lines)


def escape(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("\n", " ")
