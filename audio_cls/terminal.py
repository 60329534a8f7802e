"""What is said on the terminal while something runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress


def say(text: str) -> None:
    """Writes a line to standard error, at once: jobs side by side must not write into each other's lines."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def progress_bar(wanted: bool = True, console: Console | None = None) -> Progress:
    """A bar on standard error, or on `console`; silent where that is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = console or Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not (wanted and console.is_terminal))
