"""A classifier as one HTML page that runs in a browser, opened as a file, without a network."""

import base64
import gzip
import hashlib
import json
import re
import tempfile
from html import escape
from pathlib import Path
from typing import Any

from audio_cls.files import write_text
from audio_cls.serving.classifier import LoadedClassifier
from audio_cls.serving.onnx import write_onnx
from audio_cls.serving.predict import clip_seconds
from audio_cls.serving.web_runtime import WebRuntime

PAGE = Path(__file__).with_name("page")
SCRIPTS = ("sound.js", "pictures.js", "browser_sound.js", "browser_engine.js", "page.js")
LICENCE_STYLE = "footer pre { white-space: pre-wrap; }"


def write_html(classifier: LoadedClassifier, path: Path, runtime: WebRuntime) -> None:
    """Writes the page, with the model and ONNX Runtime in it.

    Its policy lets the browser run the scripts of the page and WebAssembly, and fetch nothing. Raises OnnxError as
    `write_onnx` does.
    """
    with tempfile.TemporaryDirectory(prefix="audio_cls-html-") as folder:
        model = Path(folder) / "model.onnx"
        write_onnx(classifier, model)
        packed = {"runtime": _packed(runtime.wasm), "model": _packed(model.read_bytes())}
    style = f"{_read('page.css')}\n{LICENCE_STYLE}"
    script = "\n".join([runtime.script, *map(_read, SCRIPTS)])
    policy = (
        f"default-src 'none'; script-src '{_checksum(script)}' 'wasm-unsafe-eval'; style-src '{_checksum(style)}';"
        " img-src data:; media-src blob:; base-uri 'none'; form-action 'none'"
    )
    about = json.dumps(_about(classifier)).replace("<", "\\u003c")
    data = [f'<script type="text/plain" id="packed-{name}">{content}</script>' for name, content in packed.items()]
    data.append(f'<script type="application/json" id="about">{about}</script>')
    licence = f"<details><summary>Licence of ONNX Runtime Web</summary><pre>{escape(runtime.licence)}</pre></details>"
    page = re.sub(r'<script src="[^"]*" defer></script>\n', "", _read("index.html"))
    for place, filling in {
        "<title>": f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n<title>',
        '<link rel="stylesheet" href="page.css">': f"<style>{style}</style>",
        "</footer>": f"{licence}</footer>",
        "</body>": "\n".join([*data, f'<script type="module">{script}</script>', "</body>"]),
    }.items():
        assert page.count(place) == 1, place
        page = page.replace(place, filling)
    write_text(path, page)


def _about(classifier: LoadedClassifier) -> dict[str, Any]:
    rate = classifier.sample_rate
    return {
        "name": classifier.name,
        "classes": list(classifier.classes),
        "sample_rate": rate,
        "crop_samples": classifier.crop_samples,
        "clip_seconds": clip_seconds(classifier),
        "unsure_below": classifier.unsure_below,
    }


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def _checksum(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _read(name: str) -> str:
    return (PAGE / name).read_text(encoding="utf-8")
