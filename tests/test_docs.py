"""Documents stay readable and true: line lengths, the glossary, and the names of code in them."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import initialize_config_dir
from support.command_line import CONF, REPOSITORY, write_esc10, write_sounds
from support.documents import PAGES, other_commands, text_of, training_commands

from audio_cls.cli.main import build_parser
from audio_cls.experiment.plan import make_plan

CODE_SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
WIDTH = 120


@cache
def names_in_code() -> frozenset[str]:
    """Names such as 'splits.make_split', 'late_fusion.LateFusion' and 'LateFusion.extract', of every module."""
    names = set()
    for path in (REPOSITORY / "audio_cls").rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(f"{path.stem}.{node.name}")
            if isinstance(node, ast.Assign):
                names |= {f"{path.stem}.{target.id}" for target in node.targets if isinstance(target, ast.Name)}
            if isinstance(node, ast.ClassDef):
                names |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return frozenset(names)


@cache
def keys_in_conf() -> frozenset[str]:
    """Keys such as 'model.d_model', of every YAML file of the configuration."""
    keys = set()
    for path in (REPOSITORY / "conf").rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        values = yaml.safe_load(text) or {}
        is_global = "@package _global_" in text or path.parent.name == "conf"
        keys |= set(flatten(values if is_global else {path.parent.name: values}))
    return frozenset(keys)


def flatten(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from flatten(value, f"{prefix}{key}.")


def prose_lines(text: str) -> Iterator[str]:
    """Lines that are neither code nor table nor heading, without their code spans and the targets of their links."""
    for line in re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL).splitlines():
        if not line.startswith(("|", "    ", "#", "<!--", "![")):
            yield LINK.sub("]()", CODE_SPAN.sub("``", line))


def test_no_line_of_prose_is_longer_than_a_screen_is_wide() -> None:
    long = [(page.name, line) for page in PAGES for line in prose_lines(text_of(page)) if len(line) > WIDTH]
    assert long == []


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page: words in lower case with dashes between them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_file_and_section_that_a_page_links_to_exists() -> None:
    links = [(page, *link.partition("#")[::2]) for page in PAGES for link in LINK.findall(text_of(page))]
    within = [(page, page.parent / path if path else page, section) for page, path, section in links if ":" not in path]
    assert [(page.name, target.name) for page, target, _ in within if not target.exists()] == []
    sections = [(page.name, target, section) for page, target, section in within if section]
    assert sections
    assert [each for each in sections if each[2] not in anchors(each[1])] == []


def test_the_glossary_is_in_alphabetical_order() -> None:
    terms = re.findall(r"^- \*\*(.+?)\*\*", text_of("docs/glossary.md"), flags=re.MULTILINE)
    assert len(terms) > 10
    assert terms == sorted(terms, key=str.lower)


@pytest.mark.slow
def test_every_command_in_a_document_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those of kept results: their jobs can be trained again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUDIO_CLS_DATA", str(write_esc10(tmp_path / "esc10", (1, 2, 3, 4, 5))))
    write_sounds(tmp_path / "my_sounds", {"hum": 6, "hiss": 6})
    pages = [page for page in PAGES if page.name != "README.md"]
    shown = {tuple(words): page.name for page in pages for words in training_commands(text_of(page))}
    assert len(shown) > 20
    for words, page in shown.items():
        overrides = [re.sub(r"^data.root=.*", r"data.root=my_sounds", word) for word in words if word != "-m"]
        if "data=esc10" in words:
            overrides = [word for word in overrides if not word.startswith("data.root=")]
        with initialize_config_dir(str(CONF), version_base="1.3"):
            assert make_plan(overrides, "-m" in words).jobs, (page, words)
    for page in pages:
        for words in other_commands(text_of(page)):
            assert build_parser().parse_args(words).command == words[0], page


def test_every_python_file_that_a_page_names_exists() -> None:
    named = {(page.name, span) for page in PAGES for span in CODE_SPAN.findall(text_of(page))}
    places = (REPOSITORY, REPOSITORY / "audio_cls")
    paths = [each for each in named if re.fullmatch(r"\w+/[\w/]+\.py", each[1])]
    assert paths
    assert [each for each in paths if not any((place / each[1]).exists() for place in places)] == []


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md", "docs/glossary.md"])
def test_every_function_and_key_that_a_page_names_exists(page: str) -> None:
    spans = re.findall(r"`([a-z]\w*(?:\.\w+)+|[A-Z]\w+\.\w+)(?:=[^`]*)?`", text_of(page))
    named = {span for span in spans if not span.endswith((".py", ".json", ".csv", ".ckpt", ".yaml"))}
    assert named
    assert named - names_in_code() - keys_in_conf() == set()


def test_every_import_in_a_python_example_exists() -> None:
    examples = [code for page in PAGES for code in re.findall(r"^```python\n(.*?)^```$", text_of(page), re.M | re.S)]
    imports = [node for code in examples for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in imports if (node.module or "").startswith("audio_cls.")]
    names = {f"{node.module}".rpartition(".")[2] + f".{alias.name}" for node in ours for alias in node.names}
    assert names
    assert names - names_in_code() == set()
