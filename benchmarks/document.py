"""Numbers of all sections in one file, so that a section can be measured alone, and the document written from them."""

import json
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from audio_cls.wording import wrap_markdown
from benchmarks.machine import BUSY
from benchmarks.section import Numbers, Section, table

SECTIONS = ("floor", "input", "step", "loop", "sweep", "result", "prediction", "recording", "growth", "start")
DOCUMENT = "benchmarks.md"
T = TypeVar("T")
_MET = {True: "yes", False: "**no**", None: ""}


def section(name: str) -> Section:
    return import_module(f"benchmarks.{name}")  # type: ignore[return-value]


def read_results(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def write_result(path: Path, name: str, record: dict[str, Any]) -> None:
    """Replaces the record of one section."""
    results = {**read_results(path), name: record}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    ordered = {name: results[name] for name in SECTIONS if name in results}
    temporary.write_text(json.dumps(_rounded(ordered), indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def write_document(results: dict[str, Any], folder: Path) -> Path:
    """Writes the document, and the pictures it shows, from the numbers alone."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, record in results.items():
        draw = getattr(section(name), "draw", None)
        if draw is not None and "error" not in record:
            _understood(lambda numbers, draw=draw: draw(numbers, folder), record["numbers"])
    path = folder / DOCUMENT
    path.write_text(compose(results), encoding="utf-8")
    return path


def compose(results: dict[str, Any]) -> str:
    machines = [record["machine"] for record in results.values()]
    shown = machines[-1] if machines else {}
    targets = []
    for number, name in enumerate(SECTIONS):
        record = results.get(name)
        if record and "error" not in record:
            found = _understood(section(name).targets, record["numbers"]) or []
            targets += [[f"[{number}](#{_anchor(name)}) {t.wanted}", t.measured, _MET[t.met]] for t in found]
    parts = [
        "# Benchmarks",
        "Written by `make bench` (`python -m benchmarks`); not edited. Alternatives are timed alternately in one"
        " process (A B, B A, ...) after a warm-up. Times are medians over the rounds unless stated otherwise. Ratios"
        " are medians of the ratios within a round, with their quartiles in brackets."
        " `python -m benchmarks NAME` measures one section again.",
        table(["machine", ""], list(shown.items())),
        "## Targets",
        table(["section, target", "measured", "met"], targets),
    ]
    for name in SECTIONS:
        parts.append(f"## {_title(name)}")
        parts += _section_parts(name, results.get(name), shown)
    return wrap_markdown("\n\n".join(parts)) + "\n"


def _section_parts(name: str, record: dict[str, Any] | None, machine: dict[str, str]) -> list[str]:
    if record is None:
        return [f"Not measured yet: `python -m benchmarks {name}`."]
    parts = []
    if "error" in record:
        parts.append(f"**Could not be measured:** {record['error']}")
    else:
        described = _understood(section(name).describe, record["numbers"])
        parts.append(described or f"Measured by another version: measure again with `python -m benchmarks {name}`.")
    stamp = f"Measured on {record['date']} at commit {record['commit'] or 'unknown'} in {record['seconds']:.0f} s"
    differing = [f"{key} {value}" for key, value in record["machine"].items() if machine.get(key) != value]
    stamp += f", with {', '.join(differing)}." if differing else "."
    if (record["busy"] or 0) > BUSY:
        stamp += f" **Other processes used {record['busy']:.0%} of the cores: measure again.**"
    return [*parts, stamp]


def _understood(read: Callable[[Numbers], T], numbers: Numbers) -> T | None:
    """What a section makes of its numbers; None where they were kept by a version that measured something else."""
    try:
        return read(numbers)
    except (KeyError, IndexError, TypeError, ValueError):
        return None


def _title(name: str) -> str:
    return f"{SECTIONS.index(name)} {section(name).TITLE}"


def _anchor(name: str) -> str:
    return _title(name).lower().replace(" ", "-")


def _rounded(value: Any) -> Any:
    """Six significant digits are more than a time has."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value
