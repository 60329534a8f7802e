import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from support.scores import CLASSES, CONFUSION

from audio_cls.figures.classes import confusion_figure, f1_figure


def cells(figure: Figure) -> dict[tuple[int, int], list[str]]:
    """What is written into the cells of a confusion matrix, by (row, column)."""
    written: dict[tuple[int, int], list[str]] = {}
    for text in figure.axes[0].texts:
        column, row = text.get_position()
        written.setdefault((round(row), round(column)), []).append(text.get_text())
    return written


def test_the_confusion_matrix_shows_true_classes_in_rows_and_predicted_ones_in_columns():
    figure = confusion_figure(CONFUSION, CLASSES, "title")
    assert cells(figure) == {(0, 0): ["8", "100%"], (1, 0): ["1", "13%"], (1, 1): ["5", "63%"], (1, 2): ["2", "25%"]}
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title(loc="left")) == (
        "predicted class", "true class (clips)", "title",
    )  # fmt: skip
    assert tuple(label.get_text() for label in axes.get_xticklabels()) == CLASSES
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Dog bark (8)", "Rain (8)", "Sea waves (0)"]


def test_its_shades_are_shares_of_a_row_also_where_a_class_has_no_clips():
    shades = confusion_figure(CONFUSION, CLASSES, "").axes[0].images[0].get_array()
    assert np.allclose(shades, [[1, 0, 0], [1 / 8, 5 / 8, 2 / 8], [0, 0, 0]])


def test_its_numbers_stand_out_from_their_shades():
    figure = confusion_figure(CONFUSION, CLASSES, "")
    colours = {text.get_text(): to_rgb(text.get_color()) for text in figure.axes[0].texts}
    assert colours["8"] == colours["100%"] == (1, 1, 1)
    assert colours["1"] == colours["13%"] == (0, 0, 0)


def test_a_share_that_would_round_to_nothing_is_less_than_a_percent():
    assert cells(confusion_figure(np.array([[999, 1], [0, 5]]), ("a", "b"), ""))[0, 1] == ["1", "<1%"]


def test_a_matrix_of_fifty_classes_has_counts_in_its_cells_and_recall_behind_its_rows():
    confusion = np.diag(np.full(50, 6))
    confusion[:, 0] += 2
    confusion[7] = 0
    written = cells(confusion_figure(confusion, tuple(f"class {index}" for index in range(50)), ""))
    assert (written[3, 0], written[3, 3], written[3, 50]) == (["2"], ["6"], ["75%"])
    assert written[7, 50] == ["–"]


def test_f1_bars_stand_in_the_order_of_the_classes_and_say_where_there_is_no_score():
    figure = f1_figure([0.25, 1.0, None], 0.625, [8, 8, 0], CLASSES, "title")
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.25, 1.0, 0.0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Dog bark (8)", "Rain (8)", "Sea waves (0)"]
    assert [text.get_text() for text in axes.texts] == ["0.25", "1.00", "no clips, never predicted", "macro F1 0.625"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first class on top
