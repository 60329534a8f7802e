"""The page in a browser, where there is one: nothing is wider than a telephone."""

import re
import shutil
import subprocess

import pytest
from command_line import write_sounds

from audio_cls.cli import main

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
)
ASK = """<script>addEventListener("load", () => {
  const wide = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1);
  const broken = [...document.images].filter(image => !image.naturalWidth);
  parent.postMessage(`width=${innerWidth} wide=${wide.map(e => e.tagName)} broken=${broken.length}`, "*");
});</script>"""
FRAME = """<title></title><script>addEventListener("message", event => { document.title = event.data; });</script>
<iframe src="asked.html" style="border: 0; width: WIDTHpx; height: 2000px"></iframe>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_window_and_every_picture_is_shown(tmp_path, page, width):
    content = page.read_text(encoding="utf-8")
    content = re.sub(r"<meta http-equiv=.*?>", "", content).replace("</head>", f"{ASK}</head>")
    (tmp_path / "asked.html").write_text(content, encoding="utf-8")
    # in a frame, as windows cannot be made as narrow
    (tmp_path / "frame.html").write_text(FRAME.replace("WIDTH", str(width)), encoding="utf-8")
    place = (tmp_path / "frame.html").as_uri()
    arguments = [*FLAGS, "--window-size=1400,2000", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", place]
    shown = subprocess.run([CHROMIUM, *arguments], capture_output=True, text=True, timeout=60, check=True).stdout
    assert re.search(r"<title>(.*)</title>", shown)[1] == f"width={width} wide= broken=0"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    write_sounds(folder / "sounds", {"a" * 60: 3, "a class with a long name of many words": 3})
    (folder / "sounds" / ("a" * 60) / "0.wav").rename(folder / "sounds" / ("a" * 60) / f"{'long_name' * 20}.wav")
    (folder / "sounds" / ("a" * 60) / "broken.wav").touch()
    main(["explore", "--data", "folder", "--root", str(folder / "sounds"), "--out", str(folder / "out")])
    return folder / "out/index.html"
