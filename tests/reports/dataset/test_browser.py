"""The page in a browser, where there is one: nothing is wider than a telephone."""

import pytest
from support.browser import OUTSIDE, ask, needs_chromium
from support.command_line import write_sounds

from audio_cls.cli.main import main


@needs_chromium
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_window_and_every_picture_is_shown(tmp_path, page, width):
    assert ask(page, OUTSIDE, tmp_path, width) == {"width": width, "wide": [], "cut": [], "broken": 0}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    write_sounds(folder / "sounds", {"a" * 60: 3, "a class with a long name of many words": 3})
    (folder / "sounds" / ("a" * 60) / "0.wav").rename(folder / "sounds" / ("a" * 60) / f"{'long_name' * 20}.wav")
    (folder / "sounds" / ("a" * 60) / "broken.wav").touch()
    main(["explore", str(folder / "sounds"), "--data", "folder", "--out", str(folder / "out")])
    return folder / "out/index.html"
