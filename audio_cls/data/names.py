"""Names as people type them: their order, those that only look alike, and files that are spelled another way."""

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from audio_cls.wording import listed

NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
SHOWN = 3  # groups of names in a note


def in_order(names: Iterable[str]) -> list[str]:
    """Each name once: by value where all are numbers (0, 1, 2, 10), else in the order of their characters."""
    distinct = sorted(set(names))
    if all(NUMBER.fullmatch(name) for name in distinct):
        distinct.sort(key=float)
    return distinct


def _normal(name: str) -> str:
    return unicodedata.normalize("NFKC", name)


def _visible(name: str) -> str:
    """Without what takes no room: zero-width characters, soft hyphens, byte order marks, control characters."""
    return "".join(each for each in name if each.isspace() or unicodedata.category(each) not in ("Cf", "Cc"))


def _number(name: str) -> str:
    return f"{float(name):.15g}" if NUMBER.fullmatch(name) else name


_ASPECTS: dict[str, Callable[[str], str]] = {
    "invisible characters": _visible,
    "Unicode form": _normal,
    "blanks": lambda name: " ".join(name.split()),
    "case": str.casefold,
    "the way a number is written": _number,
}


def look(name: str, without: str = "") -> str:
    """What names have in common that a reader takes for the same. `without`: an aspect that is not looked past."""
    for aspect, simplified in _ASPECTS.items():
        name = name if aspect == without else simplified(name)
    return name if without == "Unicode form" else _normal(name)


def look_alikes(what: str, names: Iterable[str]) -> tuple[str, ...]:
    """Notes such as "classes 'Dog' and 'dog' differ only in case"; `what` is the plural of what the names are of."""
    groups = defaultdict(list)
    for name in sorted(set(names)):
        groups[look(name)].append(name)
    alike = [group for group in groups.values() if len(group) > 1]
    notes = [f"{what} {_shown(group)} differ only in {_difference(group)}" for group in alike[:SHOWN]]
    return (*notes, *([f"{len(alike) - SHOWN} more groups of {what} look alike"] if len(alike) > SHOWN else []))


def _difference(names: list[str]) -> str:
    needed = [aspect for aspect in _ASPECTS if len({look(name, without=aspect) for name in names}) > 1]
    return listed(needed or ["blanks or Unicode form"])


def _shown(names: list[str]) -> str:
    """The names in quotes, with codes in the place of what cannot be seen."""
    same_look = len({_normal(_visible(name)) for name in names}) < len(names)
    return listed([ascii(name) if same_look or not name.isprintable() else repr(name) for name in names])


class Finder:
    """Finds files whose name is written in another case, in another Unicode form, or in Windows' way."""

    def __init__(self) -> None:
        self._alike: dict[Path, dict[str, list[str]]] = {}

    def find(self, path: Path) -> Path:
        """The path itself, or else the only one that looks like it; the path itself again where there is none."""
        if not path.exists() and "\\" in path.as_posix():
            path = Path(os.path.normpath(path.as_posix().replace("\\", "/")))
        return path if path.exists() else self._spelled(path) or path

    def _spelled(self, path: Path) -> Path | None:
        if path.exists():
            return path
        parent = None if path.parent == path else self._spelled(path.parent)
        if parent is None or not parent.is_dir():
            return None
        if parent not in self._alike:
            self._alike[parent] = defaultdict(list)
            for entry in parent.iterdir():
                self._alike[parent][look(entry.name)].append(entry.name)
        found = self._alike[parent].get(look(path.name), [])
        return parent / found[0] if len(found) == 1 else None
