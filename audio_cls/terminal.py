"""What is said on the terminal: any name on any terminal, also one that is closed early."""

from __future__ import annotations

import io
import os
import re
import sys
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

# What a terminal would obey instead of showing it (control characters, line ends, changes of direction), and bytes of
# a file's name that are not UTF-8, which Python keeps as surrogates.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
CLOSED = 141  # exit status of a command whose output nobody reads any more, as a shell has it of SIGPIPE


def open_terminal(lasting: bool = False) -> None:
    """Lets every character through, in \\u form where the terminal's encoding lacks it; to be called first.

    What is written to standard error after its reader has gone is lost in silence; so is standard output with
    `lasting`, for what must not end before it is done.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started the command, as `>&-` does
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 (as long as the process)
        if not isinstance(stream, io.TextIOWrapper):
            continue
        stream.reconfigure(errors="backslashreplace")
        is_pipe = stream is getattr(sys, f"__{name}__") and not stream.isatty()
        if is_pipe and (lasting or name == "stderr"):
            setattr(sys, name, _lasting(stream))


def say(text: str) -> None:
    """Writes lines to standard error, at once: jobs side by side must not write into each other's lines."""
    write(sys.stderr, text)


def answer(text: str) -> None:
    """Writes lines to standard output, at once. Raises BrokenPipeError where nobody reads them any more."""
    write(sys.stdout, text)


def write(stream: TextIO, text: str) -> None:
    """Writes lines, whatever is in them, and at once."""
    stream.write("".join(f"{printable(line)}\n" for line in text.split("\n")))
    stream.flush()


def printable(name: str) -> str:
    """The name in one line of text, as UTF-8 and terminals can hold it; what they cannot as \\n, \\x1b or \\udce9."""
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), name)


def text_columns(text: str) -> int:
    """How many columns a text takes: letters of East Asian scripts take two, marks above and below letters none."""
    marks = ("Mn", "Me", "Cf")
    return sum(
        2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
        if unicodedata.category(letter) not in marks
    )


def discard_output() -> None:
    """Lets standard output go nowhere, after a BrokenPipeError: Python would complain of the rest when it ends."""
    with suppress(OSError, ValueError):
        _discard(sys.stdout.fileno())


def progress_bar(wanted: bool = True, console: Console | None = None) -> Progress:
    """A bar on standard error, or on `console`; silent where that is not a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = console or Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    disable = not (wanted and console.is_terminal)
    # Rich would print what goes to standard output on the bar's console: wrong where that is a pipe or a file.
    return Progress(*columns, console=console, transient=True, disable=disable, redirect_stdout=sys.stdout.isatty())


class _LastingFile(io.FileIO):
    """A file that takes what nobody reads any more."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            _discard(self.fileno())
            return super().write(data)


def _lasting(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """A stream to the same place that never raises BrokenPipeError."""
    stream.flush()
    file = io.BufferedWriter(_LastingFile(stream.fileno(), "w", closefd=False))
    return io.TextIOWrapper(file, stream.encoding, stream.errors, line_buffering=stream.line_buffering)


def _discard(descriptor: int) -> None:
    """Lets a file descriptor write nowhere, for this process and all that it starts."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
