from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text
from support.scores import CONFUSION, predictions

from audio_cls.figures.classes import confusion_figure, f1_figure
from audio_cls.figures.curves import precision_recall_figure, roc_figure
from audio_cls.figures.job import save_figure
from audio_cls.figures.style import short, thinned
from audio_cls.terminal import text_columns

pytestmark = pytest.mark.usefixtures("coarse_figures")


def shape(figure: Figure, tmp_path) -> tuple[int, int]:
    save_figure(figure, tmp_path / "figure.png")
    return imread(tmp_path / "figure.png").shape[:2]


def draw_all(name: str) -> dict[str, Callable[[], Figure]]:
    classes = (name, "b", "c")
    return {
        "confusion": lambda: confusion_figure(CONFUSION, classes, name),
        "f1": lambda: f1_figure([0.5, 0.6, None], 0.55, [8, 8, 0], classes, name),
        "roc": lambda: roc_figure(*predictions(), classes, name),
        "precision_recall": lambda: precision_recall_figure(*predictions(), classes, name),
    }


@pytest.mark.parametrize("name", ["a $\\unknown{$ b", "_silence_"])
@pytest.mark.parametrize("kind", ["confusion", "f1", "roc", "precision_recall"])
def test_any_name_of_a_class_is_drawn_as_it_is(tmp_path, name, kind):
    figure = draw_all(name)[kind]()
    save_figure(figure, tmp_path / "figure.png")
    named = [text for text in figure.findobj(Text) if name in text.get_text()]
    assert len(named) >= 2  # the class, and the title
    assert not any(text.get_parse_math() for text in named)


@pytest.mark.parametrize("kind", ["confusion", "f1", "roc", "precision_recall"])
def test_nothing_is_cut_off_however_long_the_names_are(tmp_path, kind):
    height, width = shape(draw_all("b")[kind](), tmp_path)
    longer_height, longer_width = shape(draw_all("A class with quite a long name")[kind](), tmp_path)
    assert longer_width > width
    assert (longer_height > height) == (kind == "confusion")  # names under its columns
    for figure in (draw_all("b")[kind](), draw_all("long " * 40)[kind]()):
        save_figure(figure, tmp_path / "figure.png")
        picture = imread(tmp_path / "figure.png")[:, :, :3]
        edges = [picture[0], picture[-1], picture[:, 0], picture[:, -1]]
        assert all((edge == 1).all() for edge in edges)  # a white margin on all sides


@pytest.mark.parametrize("name", ["long " * 12, "犬の鳴き声" * 9, "a\nb", "short"])
def test_a_name_is_shortened_in_its_middle_to_one_line(name):
    shown = short(name)
    assert text_columns(shown) <= 26
    assert "\n" not in shown
    assert shown[0] == name[0]
    assert shown[-1] == name.strip()[-1]
    assert ("…" in shown) == (text_columns(name) > 26)


def test_long_lines_are_thinned_without_losing_their_ends():
    assert thinned(np.arange(5), 10).tolist() == [0, 1, 2, 3, 4]
    assert thinned(np.arange(101), 3).tolist() == [0, 50, 100]
