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
from audio_cls.serving.events import merge
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
        " img-src data:; media-src blob:; base-uri 'none'; form-action 'none'"
    )
    (about,) = re.findall(r'<script type="application/json" id="about">(.*?)</script>', content, re.DOTALL)
    assert json.loads(about)["classes"] == list(model.classes)
    assert "<b>" not in content and "Permission is hereby granted" in content
    assert not re.search(r'(?:src|href)="(?!data:)', content)


STARTED = "document.getElementById('promise')?.textContent"
SHOWN = """(() => {
  const all = selector => [...document.querySelectorAll(selector)];
  const texts = selector => all(selector).map(e => e.textContent);
  const share = bar => parseFloat(bar.style.getPropertyValue("--share")) / 100;
  const items = all("#bars li, #more-bars li");
  const bars = items.map(item => [item.querySelector("b").textContent, share(item.querySelector("i"))]);
  const events = document.getElementById("of-events").hidden ? null : texts("#events button b");
  return { bars, flags: texts("#flags li"), notes: texts("#notes li"), events };
})()"""


def heard(page: Page, file: Path) -> dict:
    """What the page shows of a file that is chosen."""
    page.run("document.getElementById('about-file').textContent = ''")
    page.choose("#file", file)
    page.wait_for("document.getElementById('about-file').textContent")
    return page.run(SHOWN)


def assert_alike(shown: dict, model: LoadedClassifier, file: Path) -> None:
    (expected,) = predict_sounds(model, [file])
    bars = dict(shown["bars"])
    np.testing.assert_allclose([bars[name] for name in model.classes], expected.probabilities, atol=1e-3)
    assert shown["flags"] == list(expected.flags)
    assert any("a recording" in note for note in shown["notes"]) == expected.is_recording
    events = None if expected.windows is None else [model.classes[event.label] for event in merge(expected.windows)]
    assert shown["events"] == events


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
        page.wait_for(STARTED)
        for name in (*rates, "recording.wav", "silence.wav"):
            assert_alike(heard(page, tmp_path / name), model, tmp_path / name)
        page.choose("#file", tmp_path / "text.wav")
        page.wait_for("document.getElementById('problem').textContent.includes('cannot decode the file')")
        content = base64.b64encode((tmp_path / "clip.wav").read_bytes()).decode()
        page.run(DROP.format(content=content, name="dropped.wav"))
        page.wait_for("document.getElementById('about-file').textContent.startsWith('dropped.wav')")
        best = CLASSES[int(model.probabilities(decode(tmp_path / "clip.wav", RATE)).argmax())]
        assert page.run("document.querySelector('#bars b').textContent") == best
        for width in (360, 1280):
            page.open((tmp_path / "model.html").as_uri(), width)
            page.wait_for(STARTED)
            heard(page, tmp_path / "recording.wav")
            assert page.run("document.documentElement.scrollWidth <= innerWidth")
        assert {address.partition(":")[0] for address in page.requests} <= {"file", "blob", "data"}
