"""What a section of the suite is: it measures numbers, and turns numbers into text."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Numbers = dict[str, Any]  # what JSON can hold


class BenchmarkError(RuntimeError):
    """A measurement that could not be made; one line."""


@dataclass(frozen=True)
class Options:
    """Of a run: tiny sizes, and the folders of studies that `result` reads."""

    quick: bool = False
    studies: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Target:
    """What was wanted and what was measured. `met` is None where it was not measured."""

    wanted: str
    measured: str
    met: bool | None


class Section(Protocol):
    """A module of this package. `measure` may take as long as LIMIT_SECONDS; the others only look at its numbers."""

    TITLE: str
    LIMIT_SECONDS: float

    def measure(self, options: Options) -> Numbers: ...

    def targets(self, numbers: Numbers) -> list[Target]: ...

    def describe(self, numbers: Numbers) -> str: ...


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table: the first column to the left, the others to the right."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in line)} |" for line in lines)


def figures(value: float, digits: int = 3) -> str:
    """The value with so many significant digits, without an exponent: 0.00123, 1.23, 12,300."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits}g}")
    size = len(str(int(abs(rounded))))
    return f"{rounded:,.0f}" if abs(rounded) >= 1 and size >= digits else f"{rounded:.{digits}g}"


def milliseconds(seconds: float) -> str:
    return f"{figures(1000 * seconds)} ms"
