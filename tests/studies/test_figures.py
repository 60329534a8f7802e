import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from audio_cls.studies.figures import confusion_figure, new_figure, roc_figure, save_figure

CLASSES = ("Dog bark", "Rain", "Sea waves")
CONFUSION = np.array([[8, 0, 0], [1, 5, 2], [0, 0, 0]])  # no sea waves among these clips
CURVES = [(np.array([0.0, 0.2, 1.0]), np.array([0.0, 0.9, 1.0])), (np.array([0.0, 1.0]), np.array([0.0, 1.0])), None]
AREAS = [0.85, 0.5, None]


def numbers(figure: Figure) -> dict[tuple[int, int], str]:
    """What is written into the cells, by (row, column)."""
    return {
        (int(text.get_position()[1]), int(text.get_position()[0])): text.get_text() for text in figure.axes[0].texts
    }


def test_the_confusion_matrix_shows_true_classes_in_rows_and_predicted_ones_in_columns():
    figure = confusion_figure(CONFUSION, CLASSES, "title")
    assert numbers(figure) == {(0, 0): "8", (1, 0): "1", (1, 1): "5", (1, 2): "2"}
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("predicted class", "true class", "title")
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert tuple(label.get_text() for label in labels) == CLASSES


def test_its_shades_are_shares_of_a_row_also_where_a_class_has_no_clips():
    shades = confusion_figure(CONFUSION, CLASSES, "").axes[0].images[0].get_array()
    assert np.allclose(shades, [[1, 0, 0], [1 / 8, 5 / 8, 2 / 8], [0, 0, 0]])


def test_its_numbers_stand_out_from_their_shades():
    figure = confusion_figure(CONFUSION, CLASSES, "")
    colours = {text.get_text(): to_rgb(text.get_color()) for text in figure.axes[0].texts}
    assert colours["8"] == (1, 1, 1)
    assert colours["1"] == (0, 0, 0)


def test_a_matrix_of_fifty_classes_is_shaded_without_numbers():
    figure = confusion_figure(np.eye(50, dtype=int), tuple(f"class {k}" for k in range(50)), "")
    assert numbers(figure) == {}
    assert figure.get_size_inches()[0] > confusion_figure(CONFUSION, CLASSES, "").get_size_inches()[0]


def test_every_class_has_its_curve_with_its_area_and_absent_ones_are_named():
    figure = roc_figure(CURVES, AREAS, CLASSES, "title")
    axes = figure.axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines) == ["0.850  Dog bark", "0.500  Rain", "no clips  Sea waves", "0.500  chance"]
    assert np.array_equal(lines["0.850  Dog bark"].get_xdata(), CURVES[0][0])
    assert np.array_equal(lines["0.850  Dog bark"].get_ydata(), CURVES[0][1])
    assert len(lines["no clips  Sea waves"].get_xdata()) == 0
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(lines)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("false positive rate", "true positive rate")


def test_the_curves_of_28_classes_can_be_told_apart_by_colour_and_style():
    classes = tuple(f"class {k}" for k in range(28))
    figure = roc_figure([CURVES[0]] * 28, [0.85] * 28, classes, "")
    looks = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines[:-1]}
    assert len(looks) == 28


def test_a_figure_is_saved_whole_over_the_one_before_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "roc_curves.png"
    path.write_bytes(b"old")
    save_figure(roc_figure(CURVES, AREAS, CLASSES, ""), path)
    assert imread(path).shape[0] > 100
    assert list(tmp_path.iterdir()) == [path]


def test_a_figure_that_cannot_be_written_whole_leaves_the_one_before(tmp_path, monkeypatch):
    path = tmp_path / "roc_curves.png"
    path.write_bytes(b"old")

    def savefig(figure, target, **_):
        target.write_bytes(b"half of")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", savefig)
    with pytest.raises(OSError, match="disk full"):
        save_figure(new_figure(2, 2), path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["$5 and $6", "a $\\unknown{$ b", "_silence_", "_", "<&>", "long " * 12])
def test_any_name_of_a_class_is_drawn_as_it_is(tmp_path, name):
    classes = (name, "b", "c")
    confusion, roc = confusion_figure(CONFUSION, classes, name), roc_figure(CURVES, AREAS, classes, name)
    for index, figure in enumerate((confusion, roc)):
        save_figure(figure, tmp_path / f"{index}.png")
        assert imread(tmp_path / f"{index}.png").shape[0] > 100
    assert confusion.axes[0].get_yticklabels()[0].get_text() == name
    assert len(roc.axes[0].get_legend().get_texts()) == 4
    assert roc.axes[0].get_legend().get_texts()[0].get_text() == f"0.850  {name}"
    assert not any(text.get_parse_math() for text in (*roc.findobj(Text), *confusion.findobj(Text)))
