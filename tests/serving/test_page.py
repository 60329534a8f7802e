"""The page of `audio-cls serve` in a browser, where there is one: a sound goes in, the answer is read off the page."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.browser import CHROMIUM, OUTSIDE, needs_chromium
from support.short_tones import train

from audio_cls.serving.load import load_classifier
from audio_cls.serving.server import page_server

WIDTHS = (360, 1280)
# A microphone that hums, and nobody who has to be asked for it.
MICROPHONE = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
VIOLATIONS = "window.refused = []; addEventListener('securitypolicyviolation', e => refused.push(e.blockedURI))"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    train(folder)
    soundfile.write(folder / "hour.wav", 0.1 * np.random.default_rng(0).standard_normal(80_000), 4_000)
    soundfile.write(folder / "nothing.wav", np.zeros(2_400), 4_000)  # as long as a clip
    soundfile.write(folder / "tone.au", 0.3 * np.sin(np.arange(3_000) * 1.5), 4_000)  # no browser decodes it
    (folder / "<img src=x onerror=alert(1)>.wav").write_bytes((folder / "tones/low/low-1.wav").read_bytes())
    (folder / "broken.wav").write_bytes(b"no sound at all")
    return folder


@pytest.fixture(scope="module")
def address(folder) -> Iterator[str]:
    job = next(folder.glob("outputs/*/*/fold0-seed0"))
    with page_server(load_classifier(job), [0]) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.address
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--mute-audio", *MICROPHONE]
        )
        yield browser
        browser.close()


@pytest.fixture(params=WIDTHS)
def width(request) -> int:
    return request.param


@pytest.fixture
def page(chromium, address, width):
    """The page in a window; what it asks of others, refuses or fails at is told when the test is over."""
    page = chromium.new_page(viewport={"width": width, "height": 900})
    asked, failed = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on("dialog", lambda dialog: failed.append("a script of a file's name was run"))
    page.add_init_script(VIOLATIONS)
    page.goto(address)
    page.wait_for_selector("#classes li")
    yield page
    assert [url for url in asked if not url.startswith((address, f"blob:{address}", "data:"))] == []
    assert failed == [] and page.evaluate("window.refused") == []
    page.close()


def give(page, path: Path) -> None:
    page.set_input_files("#file", path)
    page.wait_for_selector("#result:not([hidden]), #problem:not([hidden])")


def until(page, holds: str) -> None:
    """Waits; the page's policy lets no code of strings be run in it, which `wait_for_function` would do."""
    for _ in range(200):
        if page.evaluate(holds):
            return
        page.wait_for_timeout(50)
    raise AssertionError(holds)


def drawn(page, canvas: str) -> int:
    """How many colours a canvas shows."""
    script = """canvas => { const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return new Set(new Uint32Array(data.buffer)).size; }"""
    return page.eval_on_selector(canvas, script)


@needs_chromium
def test_a_clip_is_dropped_in_and_its_answer_read_off_the_page(page, folder, width):
    give(page, folder / "tones/high/high-0.wav")
    assert page.inner_text("#about-file") == "high-0.wav, 0.8 s"
    name, share = page.inner_text("#bars li:first-child").split("\n")
    assert name in ("high", "low") and share.endswith("%") and 50 <= int(share[:-1]) <= 100
    assert page.inner_text("#headline") == f"{name} {share}"
    assert page.inner_text("#model").startswith("Answered by tiny") and "2 classes" in page.inner_text("#model")
    assert all(drawn(page, f"#{each}") > 1 for each in ("waveform", "spectrogram", "attention", "axis"))
    assert not page.is_visible("#of-lanes") and not page.is_visible("#of-events")
    assert "times as much as if even" in page.inner_text("#readout")
    assert page.evaluate(f"() => {{ {OUTSIDE} }}") == {"width": width, "wide": [], "cut": [], "broken": 0}


@needs_chromium
def test_a_recording_is_shown_over_time_and_events_are_played(page, folder, width):
    give(page, folder / "hour.wav")
    assert "on average" in page.inner_text("#bars-title") and "heard in windows of 0.25 s" in page.inner_text("#notes")
    assert drawn(page, "#lanes canvas") > 1 and not page.is_visible("#of-attention")
    event = page.locator("#events button").last
    start = float(event.inner_text().split("–")[0])
    event.click()
    until(page, f"document.querySelector('#player').currentTime >= {start - 0.1}")
    page.eval_on_selector("#player", "player => player.pause()")
    assert page.evaluate(f"() => {{ {OUTSIDE} }}")["wide"] == []


@needs_chromium
def test_places_are_read_by_pointer_and_by_keys(page, folder):
    give(page, folder / "hour.wav")
    box = page.locator("#lanes").bounding_box()
    page.locator("#lanes").hover(position={"x": box["width"] / 2, "y": 5})
    middle = page.inner_text("#readout")
    assert 9 < float(middle.split("–")[0]) < 11 and "%" in middle
    page.focus("#pictures")
    page.keyboard.press("Home")
    first = page.get_attribute("#pictures", "aria-valuetext")
    page.keyboard.press("ArrowRight")
    assert first.startswith("0.0–0.3 s: ")
    assert page.get_attribute("#pictures", "aria-valuenow") == "0.13"
    page.keyboard.press("End")
    assert page.get_attribute("#pictures", "aria-valuetext").split(" s")[0].endswith("20.0")


@needs_chromium
def test_what_cannot_be_used_is_told_in_its_line_and_silence_is_flagged(page, folder):
    give(page, folder / "broken.wav")
    assert page.inner_text("#problem").startswith("broken.wav: ") and not page.is_visible("#result")
    give(page, folder / "nothing.wav")
    assert page.inner_text("#headline").strip() == "Silence" and page.inner_text("#flags") == "silent"
    assert "digital silence" in page.inner_text("#notes") and not page.is_visible("#problem")
    page.evaluate("about.most_bytes = 10")
    page.set_input_files("#file", folder / "hour.wav")
    page.wait_for_selector("#problem:not([hidden])")
    assert "too much for this page" in page.inner_text("#problem")


@needs_chromium
def test_a_format_that_the_browser_lacks_is_drawn_and_played_from_what_the_server_decoded(page, folder):
    give(page, folder / "tone.au")
    assert page.inner_text("#about-file") == "tone.au, 0.8 s"
    assert drawn(page, "#spectrogram") > 1
    until(page, "document.querySelector('#player').duration > 0.7")


@needs_chromium
def test_a_name_is_text_and_a_sound_is_recorded(page, folder):
    give(page, folder / "<img src=x onerror=alert(1)>.wav")
    assert page.inner_text("#about-file").startswith("<img src=x onerror=alert(1)>.wav, ")
    page.click("#record")
    page.wait_for_selector("#record[aria-pressed=true]")
    page.wait_for_timeout(700)
    page.click("#record")
    until(page, "document.querySelector('#about-file').textContent.startsWith('recording.wav')")
    assert page.inner_text("#record") == "Record" and page.is_visible("#result")
