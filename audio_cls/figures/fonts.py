"""Fonts for names in any script: those of the installed ones that have the letters, and a line on what none has."""

import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text

from audio_cls.terminal import say
from audio_cls.wording import listed

OWN_FONT = "DejaVu Sans"  # comes with matplotlib
# Where several fonts have the letters, these come first: plain ones that look like ours.
_PREFERRED = (
    "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK JP", "Hiragino Sans", "Noto Sans CJK KR",
    "Malgun Gothic", "Noto Sans", "Arial Unicode MS", "Segoe UI", "FreeSans",
)  # fmt: skip
_BOXES = ("LastResort", "Last Resort", "Adobe Blank")  # these have a picture of nothing for every character
SYMBOLS = "symbols"
_EAST_ASIAN = {
    **dict.fromkeys(("CJK", "IDEOGRAPHIC", "FULLWIDTH", "BOPOMOFO"), "Chinese"),
    **dict.fromkeys(("HIRAGANA", "KATAKANA", "HALFWIDTH", "KATAKANA-HIRAGANA"), "Japanese"),
    "HANGUL": "Korean",
}

_told: set[str] = set()  # the scripts that were named already


def fit_fonts(figure: Figure) -> None:
    """Gives each text of the figure fonts that have its letters; says, once for each script, what no font has."""
    texts = figure.findobj(Text)
    letters = _visible("".join(text.get_text() for text in texts)) - _letters_of(_upright()[OWN_FONT])
    if not letters:
        return
    families = [OWN_FONT, *_families(frozenset(letters))]
    for text in texts:
        if letters & set(text.get_text()):
            text.set_fontfamily(families)


@cache
def _families(letters: frozenset[str]) -> tuple[str, ...]:
    """Installed families that have the letters between them, as far as there are any."""
    left, chosen = set(letters), []
    for family, file in _installed(letters):
        if found := left & _letters_of(file):
            chosen.append(family)
            left -= found
        if not left:
            break
    _tell(left)
    return tuple(chosen)


def _installed(letters: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Families and their files in the order in which they are tried; last those that matplotlib does not know yet."""
    scripts = {_script(letter) for letter in letters}
    first = next((name for name, script in (("JP", "Japanese"), ("KR", "Korean")) if script in scripts), "SC")
    places = {name: place for place, name in enumerate(_PREFERRED)}

    def order(font: tuple[str, str]) -> tuple[bool, int, str]:
        return not font[0].endswith(first), places.get(font[0], len(places)), font[0]

    known = _upright()
    yield from sorted(known.items(), key=order)
    manager = font_manager.fontManager
    files = {str(entry.fname) for entry in manager.ttflist}
    for path in font_manager.findSystemFonts():  # installed since matplotlib listed them
        if path not in files:
            with suppress(Exception):  # a font that it cannot read
                manager.addfont(path)
    yield from sorted(_upright().items() - known.items(), key=order)


def _upright() -> dict[str, str]:
    """The file of each family that has an upright font of usual weight."""
    entries = font_manager.fontManager.ttflist
    return {each.name: str(each.fname) for each in entries if (each.style, each.weight) == ("normal", 400)}


@cache
def _letters_of(file: str) -> frozenset[str]:
    """All that a font has; nothing for one that cannot be drawn at any size, as colour emoji."""
    try:
        font = font_manager.get_font(file)
        boxes = font.family_name.startswith(_BOXES)
        return frozenset(map(chr, font.get_charmap())) if font.scalable and not boxes else frozenset()
    except (OSError, RuntimeError, ValueError):
        return frozenset()


def _visible(text: str) -> set[str]:
    return {letter for letter in text if unicodedata.category(letter)[0] not in "CZ"}


def _script(letter: str) -> str:
    """'Chinese', 'Arabic', 'Thai' ...; SYMBOLS for these and emoji."""
    if unicodedata.category(letter)[0] not in "LMN":
        return SYMBOLS
    word = unicodedata.name(letter, "unknown").split()[0]
    return _EAST_ASIAN.get(word, word.capitalize())


def _tell(missing: Iterable[str]) -> None:
    """Says of which scripts letters are missing, and what has them; of each script once."""
    scripts: dict[str, list[str]] = {}
    for letter in sorted(missing):
        scripts.setdefault(_script(letter), []).append(letter)
    new = {script: letters for script, letters in scripts.items() if script not in _told}
    _told.update(new)
    if not new:
        return
    named = listed([f"{script} ({''.join(letters[:5])})" for script, letters in new.items()])
    packages = " ".join(sorted({_package(script) for script in new}))
    say(
        f"note: no installed font has these letters, which pictures show as boxes: {named}; install one"
        f" (Debian, Ubuntu: apt install {packages}; elsewhere: fonts.google.com/noto)"
    )


def _package(script: str) -> str:
    """Of Debian and Ubuntu."""
    if script in _EAST_ASIAN.values():
        return "fonts-noto-cjk"
    return "fonts-symbola" if script == SYMBOLS else "fonts-noto-core"
