"""A classifier as one HTML page that runs in a browser, opened as a file, without a network."""

import base64
import gzip
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

from audio_cls.files import write_text
from audio_cls.serving.classifier import LoadedClassifier
from audio_cls.serving.onnx import write_onnx
from audio_cls.serving.predict import clip_frames
from audio_cls.serving.web_runtime import WebRuntime

PAGE = Path(__file__).with_name("page")
SCRIPTS = ("browser_sound.js", "browser_engine.js", "browser_page.js")
MARK = "<!-- one page of audio_cls -->"


def write_html(classifier: LoadedClassifier, path: Path, runtime: WebRuntime) -> None:
    """Writes the page, with the model and ONNX Runtime in it.

    Its policy lets the browser run the scripts of the page and WebAssembly, and fetch nothing. Raises OnnxError as
    `write_onnx` does.
    """
    with tempfile.TemporaryDirectory(prefix="audio_cls-html-") as folder:
        model = Path(folder) / "model.onnx"
        write_onnx(classifier, model)
        packed = {"runtime": _packed(runtime.wasm), "model": _packed(model.read_bytes())}
    style = (PAGE / "browser.css").read_text(encoding="utf-8")
    script = "\n".join([runtime.script, *((PAGE / name).read_text(encoding="utf-8") for name in SCRIPTS)])
    policy = (
        f"default-src 'none'; script-src '{_checksum(script)}' 'wasm-unsafe-eval'; style-src '{_checksum(style)}';"
        " media-src blob:; base-uri 'none'; form-action 'none'"
    )
    about = json.dumps(_about(classifier, runtime)).replace("<", "\\u003c")
    data = [f'<script type="text/plain" id="packed-{name}">{content}</script>' for name, content in packed.items()]
    data.append(f'<script type="application/json" id="about">{about}</script>')
    content = (PAGE / "browser.html").read_text(encoding="utf-8")
    for place, filling in {
        "policy": f'{MARK}\n<meta http-equiv="Content-Security-Policy" content="{policy}">',
        "style": f"<style>{style}</style>",
        "data": "\n".join(data),
        "script": f'<script type="module">{script}</script>',
    }.items():
        content = content.replace(f"<!-- {place} -->", filling)
    write_text(path, content)


def _about(classifier: LoadedClassifier, runtime: WebRuntime) -> dict[str, Any]:
    rate = classifier.sample_rate
    return {
        "name": classifier.name,
        "classes": list(classifier.classes),
        "sample_rate": rate,
        "crop_samples": classifier.crop_samples,
        "clip_seconds": (clip_frames(classifier, rate) - 1) / rate,
        "unsure_below": classifier.unsure_below,
        "licence": runtime.licence,
    }


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def _checksum(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
