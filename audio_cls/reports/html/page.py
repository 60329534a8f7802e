"""What the pages share: one file each, that asks no server and runs no script but its own."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from audio_cls import __version__
from audio_cls.data.excerpts import Excerpt, encode

_HERE = Path(__file__).parent
MAX_TILES = 7  # in a row
_POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"


def render(template: Path, context: dict[str, Any], *, sortable: bool = False) -> str:
    """The page that a template makes of its context: it extends base.html.jinja of this folder.

    Everything in the context is text and stays text. `sortable` adds the script that sorts tables, which the page's
    policy allows by its checksum: nothing else that looks like a script would run.
    """
    loader = jinja2.FileSystemLoader([template.parent, _HERE])
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters.update(
        thousands="{:,}".format, percent="{:.0%}".format, breakable=breakable, pieces=re.compile(r" (?=\[)").split
    )
    environment.globals.update(tile_columns=tile_columns)
    script = (_HERE / "sort.js").read_text(encoding="utf-8") if sortable else ""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = _POLICY + (f"; script-src 'sha256-{digest}'" if script else "")
    shared = {"policy": policy, "script": Markup(script), "version": __version__}
    return environment.get_template(template.name).render(shared | context)


def breakable(name: object) -> Markup:
    """The name as text that a browser may break after an underscore, a dash, a dot or a slash, but for numbers, and
    does so before it breaks a word."""
    return Markup(re.sub(r"([_./-]+)(?=[^_./\-\d])", r"\1<wbr>", str(escape(name))))


def tile_columns(count: int) -> int:
    """How many of so many tiles stand in a row: as few rows as can be, with rows of about the same length."""
    rows = max(1, -(-count // MAX_TILES))
    return max(1, -(-count // rows))


def data_uri(content: bytes, kind: str) -> str:
    """The content as an address within the page; `kind` as in 'image/png'."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def sound_uri(excerpt: Excerpt) -> str:
    """The excerpt as an address within the page."""
    content, kind = encode(excerpt.waveform, excerpt.sample_rate)
    return data_uri(content, {"mp3": "audio/mpeg", "wav": "audio/wav"}[kind])
