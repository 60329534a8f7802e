"""Documents stay readable and true: line lengths, the glossary, and the names of code in them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")])
CODE_SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
WIDTH = 120


def text_of(page: str) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def prose_lines(text: str) -> Iterator[str]:
    """Lines that are neither code nor table nor heading, without their code spans and the targets of their links."""
    for line in re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL).splitlines():
        if not line.startswith(("|", "    ", "#", "<!--", "![")):
            yield LINK.sub("]()", CODE_SPAN.sub("``", line))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_no_line_of_prose_is_longer_than_a_screen_is_wide(page: Path) -> None:
    assert [line for line in prose_lines(page.read_text(encoding="utf-8")) if len(line) > WIDTH] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_every_file_that_a_page_links_to_exists(page: Path) -> None:
    links = [link.partition("#")[0] for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if link and not (page.parent / link).exists()] == []


def test_the_glossary_is_in_alphabetical_order() -> None:
    terms = re.findall(r"^- \*\*(.+?)\*\*", text_of("docs/glossary.md"), flags=re.MULTILINE)
    assert len(terms) > 10
    assert terms == sorted(terms, key=str.lower)
