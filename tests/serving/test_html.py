import base64
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.browser import needs_chromium
from support.devtools import Page, chromium_page
from support.networks import CLASSES, RATE, classifier, sound

from audio_cls.data.decode import decode
from audio_cls.serving import html
from audio_cls.serving.html import write_html
from audio_cls.serving.load import LoadedClassifier
from audio_cls.serving.predict import predict_sounds
from audio_cls.serving.web_runtime import RuntimeMissing, WebRuntime, web_runtime

pytest.importorskip("onnxscript")


def test_the_page_may_run_its_own_script_alone_and_holds_names_as_text(tmp_path, monkeypatch):
    monkeypatch.setattr(html, "write_onnx", lambda model, path: path.write_bytes(b"graph"))
    model = classifier("baseline", classes=("</script><b>", "rain", "Säge"))
    write_html(model, tmp_path / "model.html", WebRuntime("const ort={};", b"wasm"))
    content = (tmp_path / "model.html").read_text(encoding="utf-8")
    (script,) = re.findall(r'<script type="module">(.*?)</script>', content, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", content, re.DOTALL)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', content)
    script_sum, style_sum = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (script, style)
    )
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{script_sum}' 'wasm-unsafe-eval'; style-src 'sha256-{style_sum}';"
        " media-src blob:; base-uri 'none'; form-action 'none'"
    )
    (about,) = re.findall(r'<script type="application/json" id="about">(.*?)</script>', content, re.DOTALL)
    assert json.loads(about)["classes"] == list(model.classes)
    assert "<b>" not in content and not re.search(r"https?://", content)
    assert len(content) < 30_000


def heard(page: Page, file: Path) -> dict:
    """What the page says of a file that is chosen."""
    page.run("delete document.getElementById('answer').dataset.answer")
    page.choose("#choose", file)
    page.wait_for("document.getElementById('answer').dataset.answer")
    return json.loads(page.run("document.getElementById('answer').dataset.answer"))


def assert_alike(answer: dict, model: LoadedClassifier, file: Path) -> None:
    (expected,) = predict_sounds(model, [file])
    shown = {each["label"]: each["probability"] for each in answer["predictions"]}
    np.testing.assert_allclose([shown[name] for name in model.classes], expected.probabilities, atol=1e-3)
    assert answer["flags"] == list(expected.flags)
    assert (answer["windows"] is None) == (expected.windows is None)
    for window, wanted in zip(answer["windows"] or [], expected.windows or [], strict=True):
        assert window["start_seconds"] == pytest.approx(wanted.start_seconds)
        assert window["label"] == model.classes[wanted.best]
        assert window["probability"] == pytest.approx(wanted.confidence, abs=1e-3)
        assert window["flags"] == list(wanted.flags)


DROP = """(() => {{
  const files = new DataTransfer();
  files.items.add(new File([Uint8Array.from(atob("{content}"), letter => letter.charCodeAt(0))], "{name}"));
  const drop = new DragEvent("drop", {{ dataTransfer: files, bubbles: true, cancelable: true }});
  document.getElementById("drop").dispatchEvent(drop);
}})()"""


@needs_chromium
def test_a_browser_says_what_python_says_without_a_network(tmp_path):
    try:
        runtime = web_runtime()
    except RuntimeMissing as error:
        pytest.skip(f"{error}")
    model = classifier("transformer", unsure_below=0.4)
    write_html(model, tmp_path / "model.html", runtime)
    silent_end = np.concatenate([sound(5 * RATE), np.zeros(3 * RATE, np.float32)])
    rates = {"clip.wav": RATE, "low.flac": 6_000, "high.ogg": 44_100, "middle.wav": 22_050}
    for index, (name, rate) in enumerate(rates.items()):
        stereo = np.stack([sound(int(0.9 * rate), index), sound(int(0.9 * rate), index + 1)], axis=1)
        soundfile.write(tmp_path / name, stereo, rate)
    soundfile.write(tmp_path / "recording.wav", silent_end, RATE)
    soundfile.write(tmp_path / "silence.wav", np.zeros(3_000), RATE)
    (tmp_path / "text.wav").write_text("no sound")
    with chromium_page(tmp_path / "profile") as page:
        page.open((tmp_path / "model.html").as_uri())
        page.wait_for("document.getElementById('state')?.textContent === 'Ready'")
        for name in (*rates, "recording.wav", "silence.wav"):
            assert_alike(heard(page, tmp_path / name), model, tmp_path / name)
        assert heard(page, tmp_path / "text.wav")["error"].startswith("this browser cannot decode the file")
        content = base64.b64encode((tmp_path / "clip.wav").read_bytes()).decode()
        page.run(DROP.format(content=content, name="dropped.wav"))
        page.wait_for("document.getElementById('file').textContent.startsWith('dropped.wav')")
        best = CLASSES[int(model.probabilities(decode(tmp_path / "clip.wav", RATE)).argmax())]
        assert page.run("document.querySelector('#bars li span').textContent") == best
        for width in (360, 1280):
            page.open((tmp_path / "model.html").as_uri(), width)
            page.wait_for("document.getElementById('state')?.textContent === 'Ready'")
            heard(page, tmp_path / "recording.wav")
            assert page.run("document.documentElement.scrollWidth <= innerWidth")
        assert {address.partition(":")[0] for address in page.requests} <= {"file", "blob", "data"}
