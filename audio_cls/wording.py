"""How numbers, names and errors are written in messages, tables and documents."""

import difflib
import re
from collections.abc import Iterable, Sequence

# A code span is one word; so is a word with the dash after it, which would begin a list at the start of a line.
_WORD = re.compile(r"(?:`[^`]*`|\S)+(?: (?:[-+*>#=|]+|\d+[.)])(?= |$))*")
_NO_PROSE = ("|", "    ", "#", "<!--", "![")

SPLIT_NAMES = {"train": "training", "val": "validation", "test": "test"}


class UserError(ValueError):
    """A mistake of the user: one line that says what is wrong and what to do. Exit status 2."""


def duration(seconds: float) -> str:
    """'0.2 s', '45 s', '3 min 05 s' or '2 h 10 min'."""
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"


def p_value(value: float, name: str = "p") -> str:
    """'p = 0.012', or 'p < 0.001'; without a name '0.012', or '< 0.001'."""
    if value < 0.001:
        return f"{name} < 0.001".lstrip()
    return f"{name} = {value:.3f}" if name else f"{value:.3f}"


def ranges(numbers: Sequence[int]) -> str:
    """Sorted numbers, three and more in a row drawn together: '0-3, 7'."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def one_word(variant: str) -> str:
    """The name, in brackets if it is the longer one of an ensemble."""
    return f"({variant})" if " " in variant else variant


def listed(things: Sequence[object], most: int | None = None) -> str:
    """'a, b and c', or 'a, b and 7 more'."""
    words = [str(thing) for thing in things]
    if most is not None and len(words) > most:
        words = [*words[:most], f"{len(words) - most} more"]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def shorten(names: Sequence[str], most: int) -> str:
    """The names in a row, of which no more than `most`."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def clips_and_sources(sources: Sequence[str | None], most: int = 12) -> str:
    """'2 sources (80 clips): anna, ben' of the clips' sources; names where they are few, no sources where unknown."""
    known = sorted({source for source in sources if source})
    clips = f"{len(sources):,} clip{'s' * (len(sources) != 1)}"
    if not known or not all(sources):
        return clips
    names = f": {', '.join(known)}" if len(known) <= most else ""
    return f"{len(known):,} source{'s' * (len(known) > 1)} ({clips}){names}"


def wrap_markdown(text: str, width: int = 120) -> str:
    """The text with its paragraphs and list items, of a line each, in lines of at most `width` characters.

    Tables, indented code, headings, comments and pictures keep their lines.
    """
    lines = text.split("\n")
    return "\n".join(line if line.startswith(_NO_PROSE) else _wrap_line(line, width) for line in lines)


def _wrap_line(line: str, width: int) -> str:
    lines = [""]
    for word in _WORD.findall(line):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if len(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(f"  {word}" if line.startswith("- ") else word)
    return "\n".join(lines)


def one_line(error: BaseException, most: int = 3) -> str:
    """What an error says, its lines joined by semicolons, `most` of them; its type where it says nothing."""
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    rest = [f"and {len(lines) - most} more"] if len(lines) > most else []
    return "; ".join([*lines[:most], *rest]).replace(":; ", ": ") or type(error).__name__


def did_you_mean(name: str, known: Iterable[str], *, cutoff: float = 0.6, prefix: str = "") -> str:
    """'did you mean NAME?' with the nearest of the known names; empty where none is near. `prefix`: goes before it."""
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f"did you mean {prefix}{nearest[0]}?" if nearest else ""
