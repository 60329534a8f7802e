"""A page shown by headless Chromium, and what a script within it finds."""

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--mute-audio"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
)
SCRIPT = """addEventListener("load", async () => {
  const refused = [];
  addEventListener("securitypolicyviolation", event => refused.push(event.blockedURI));
  const answer = await (async () => { BODY })();
  parent.postMessage(JSON.stringify({ answer, refused }), "*");
});"""
# In a frame, as windows cannot be made as narrow as a telephone.
FRAME = """<title></title><script>addEventListener("message", event => { document.title = event.data; });</script>
<iframe src="asked.html" style="border: 0; width: WIDTHpx; height: 2000px"></iframe>"""
# What reaches over the right edge, unless it can be scrolled to within a box that does not.
OUTSIDE = """
const scrolled = e => { for (let p = e.parentElement; p; p = p.parentElement)
  if (p !== document.body && ["auto", "scroll"].includes(getComputedStyle(p).overflowX)) return true; return false; };
const wide = [...document.querySelectorAll("body *")].filter(
  e => e.getBoundingClientRect().right > innerWidth + 1 && !scrolled(e));
const cut = [...document.querySelectorAll("body *")].filter(e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth
  && getComputedStyle(e).display === "block" && getComputedStyle(e).overflowX === "visible" && !scrolled(e));
const broken = [...document.images].filter(image => !image.naturalWidth);
return { width: innerWidth, wide: wide.map(e => e.tagName), cut: cut.map(e => e.tagName), broken: broken.length };"""


def needs_chromium(test: Callable[..., None]) -> Callable[..., None]:
    """Marks a test that shows pages in a browser."""
    return pytest.mark.slow(pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")(test))


def ask(page: Path, body: str, folder: Path, width: int = 1280) -> Any:
    """What the body of an async function returns within the page, in a window of so many pixels.

    The page keeps its policy, which lets this one script through by its checksum; that nothing else was refused is
    checked here. Pictures and sounds are there when it runs.
    """
    script = SCRIPT.replace("BODY", body)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    content = page.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', content)[1]
    wider = f"{policy} 'sha256-{digest}'" if "script-src" in policy else f"{policy}; script-src 'sha256-{digest}'"
    asked = content.replace(policy, wider).replace("</head>", f"<script>{script}</script></head>")
    asked = asked.replace('preload="none"', 'preload="auto"').replace(
        'loading="lazy"', ""
    )  # the load event waits for them
    (folder / "asked.html").write_text(asked, encoding="utf-8")
    (folder / "frame.html").write_text(FRAME.replace("WIDTH", str(width)), encoding="utf-8")
    arguments = [
        "--window-size=1400,2000", f"--user-data-dir={folder / 'profile'}", "--dump-dom",
        (folder / "frame.html").as_uri(),
    ]  # fmt: skip
    shown = subprocess.run([CHROMIUM, *FLAGS, *arguments], capture_output=True, text=True, timeout=120, check=True)
    title = re.search(r"<title>(.*)</title>", shown.stdout)[1]
    assert title, f"the script did not answer:\n{shown.stderr[-2000:]}"
    told = json.loads(html.unescape(title))
    assert told["refused"] == []
    return told["answer"]
