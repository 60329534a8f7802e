"""Names in any script: drawn with the fonts that are there, and said where none is."""

import dataclasses

import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.text import Text

from audio_cls.figures import fonts
from audio_cls.figures.classes import confusion_figure
from audio_cls.figures.job import save_figure
from audio_cls.figures.style import figure_style

NAMES = ("鸟叫", "犬の声", "개", "สุนัข", "🐦", "كلب", "Ελλάδα", "plain")


@pytest.fixture(autouse=True)
def _afresh(monkeypatch):
    monkeypatch.setattr(fonts, "_told", set())
    fonts._families.cache_clear()
    yield
    fonts._families.cache_clear()


@pytest.fixture
def only_own_font(monkeypatch):
    """A machine without fonts: matplotlib's own is all there is."""
    entries = [entry for entry in font_manager.fontManager.ttflist if entry.name == "DejaVu Sans"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", entries)
    monkeypatch.setattr(font_manager, "findSystemFonts", list)


def draw(tmp_path, names):
    with figure_style():
        figure = confusion_figure(np.eye(len(names), dtype=int), names, names[0])
        save_figure(figure, tmp_path / "figure.png")
    return figure


def test_letters_without_a_font_are_named_once_with_what_to_install(tmp_path, only_own_font, capfd, recwarn):
    draw(tmp_path, NAMES)
    draw(tmp_path, NAMES[::-1])
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    for missing in ("Chinese (叫声犬鸟)", "Japanese (の)", "Korean (개)", "Thai (ขนสัุ)", "symbols (🐦)"):
        assert missing in said
    assert "apt install fonts-noto-cjk fonts-noto-core fonts-symbola" in said
    assert "Arabic" not in said and "Greek" not in said
    assert not recwarn.list


def test_names_that_matplotlib_can_draw_ask_for_no_other_font(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(fonts, "_installed", lambda *_: 1 / 0)
    draw(tmp_path, ("plain", "Ελλάδα", "é ± °"))
    assert capfd.readouterr().err == ""


def test_each_text_gets_the_installed_fonts_that_have_its_letters(tmp_path, only_own_font, monkeypatch, capfd):
    own = font_manager.fontManager.ttflist[0]
    for name in ("Noto Serif CJK SC", "Noto Sans CJK SC", "Noto Sans CJK JP", "Broken", "LastResort"):
        entry = dataclasses.replace(own, name=name, fname=name, style="normal", weight=400)
        font_manager.fontManager.ttflist.append(entry)
    letters = {"Noto Sans CJK SC": "鸟叫犬声", "Noto Serif CJK SC": "鸟叫犬声", "Noto Sans CJK JP": "犬の声鸟叫"}
    known = fonts._letters_of
    monkeypatch.setattr(fonts, "_letters_of", lambda file: frozenset(letters.get(file) or known(file)))
    assert fonts._families(frozenset("鸟叫")) == ("Noto Sans CJK SC",)
    assert fonts._families(frozenset("犬の声")) == ("Noto Sans CJK JP",)
    assert capfd.readouterr().err == ""
    assert fonts._families(frozenset("の개")) == ("Noto Sans CJK JP",)
    assert "Korean (개)" in capfd.readouterr().err


@pytest.mark.skipif(not any("CJK" in name for name in font_manager.get_font_names()), reason="no CJK font here")
def test_chinese_japanese_and_korean_are_drawn_with_an_installed_font(tmp_path, capfd, recwarn):
    figure = draw(tmp_path, ("鸟叫", "犬の声", "개", "plain"))
    assert capfd.readouterr().err == ""
    assert not recwarn.list
    fonts_of = {text.get_text(): text.get_fontfamily() for text in figure.findobj(Text)}
    assert fonts_of["plain"] == ["DejaVu Sans"]
    assert any("CJK" in family for family in fonts_of["鸟叫"])


def test_a_count_stays_behind_a_name_that_runs_from_right_to_left(tmp_path):
    figure = draw(tmp_path, ("كلب", "dog"))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["\N{LEFT-TO-RIGHT MARK}كلب (1)", "dog (1)"]
