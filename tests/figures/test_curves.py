import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import average_precision_score, roc_auc_score
from support.scores import CLASSES, predictions

from audio_cls.figures.curves import precision_recall_curve, precision_recall_figure, roc_curve, roc_figure

pytestmark = pytest.mark.usefixtures("coarse_figures")


@pytest.mark.parametrize("curve_of", [roc_curve, precision_recall_curve])
def test_a_curve_is_what_scikit_learn_says_also_where_probabilities_are_equal(curve_of):
    reference = {roc_curve: roc_auc_score, precision_recall_curve: average_precision_score}[curve_of]
    probabilities, labels = predictions(num_clips=300)
    assert len(np.unique(probabilities[:, 0])) < 100
    curve = curve_of(probabilities[:, 0], labels == 0)
    assert curve.area == pytest.approx(reference(labels == 0, probabilities[:, 0]))
    assert (np.diff(curve.x) >= 0).all()
    assert (curve.x[0], curve.x[-1]) == (0, 1)


@pytest.mark.parametrize("curve_of", [roc_curve, precision_recall_curve])
@pytest.mark.parametrize("positive", [np.zeros(5, dtype=bool), np.ones(5, dtype=bool)])
def test_a_class_without_clips_or_with_all_of_them_has_no_curve(curve_of, positive):
    assert curve_of(np.linspace(0, 1, 5), positive) is None


@pytest.mark.parametrize(
    ("draw", "reference", "chance"),
    [(roc_figure, roc_auc_score, "0.500"), (precision_recall_figure, average_precision_score, "0.500")],
)
def test_every_class_is_listed_with_its_area_and_absent_ones_are_named(draw, reference, chance):
    probabilities, labels = predictions()
    figure = draw(probabilities, labels, CLASSES, "title")
    areas = [reference(labels == index, probabilities[:, index]) for index in (0, 1)]
    listed = [text.get_text() for text in figure.texts[1:]]
    assert listed == [
        f"{np.mean(areas):.3f}  macro average of 2 classes",
        f"{areas[0]:.3f}  Dog bark",
        f"{areas[1]:.3f}  Rain",
        "no curve  Sea waves",
        f"{chance}  chance",
    ]
    assert len(figure.axes[0].lines) == 4  # chance, two classes, their mean


def test_the_area_under_the_macro_average_is_the_mean_of_the_areas():
    probabilities, labels = predictions(num_clips=400)
    for draw, curve_of in ((roc_figure, roc_curve), (precision_recall_figure, precision_recall_curve)):
        mean = draw(probabilities, labels, CLASSES, "").axes[0].lines[-1]
        areas = [curve_of(probabilities[:, index], labels == index).area for index in (0, 1)]
        assert np.trapezoid(mean.get_ydata(), mean.get_xdata()) == pytest.approx(np.mean(areas), abs=2e-3)


def line_styles(figure: Figure) -> list[tuple[str, str]]:
    return [(line.get_color(), line.get_linestyle()) for line in figure.axes[0].lines[1:]]


def test_few_classes_have_lines_that_differ_and_of_many_the_worst_stand_out():
    probabilities, labels = predictions(14, num_clips=140, absent=None)
    names = [f"class {index}" for index in range(14)]
    assert len(set(line_styles(roc_figure(probabilities, labels, names, "")))) == 14 + 1
    probabilities, labels = predictions(50, num_clips=400, absent=None)
    names = [f"class {index}" for index in range(50)]
    areas = [roc_curve(probabilities[:, index], labels == index).area for index in range(50)]
    found = line_styles(roc_figure(probabilities, labels, names, ""))[:-1]  # without the mean
    coloured = {index for index, (colour, _) in enumerate(found) if colour != "0.75"}
    assert coloured == set(np.argsort(areas)[:6].tolist())


def test_of_very_many_classes_those_with_the_smallest_areas_are_listed():
    probabilities, labels = predictions(130, num_clips=520, absent=None)
    figure = roc_figure(probabilities, labels, [f"class {index}" for index in range(130)], "")
    assert figure.texts[0].get_text() == "area under the curve, the 100 smallest of 130"
    assert len(figure.texts) == 1 + 1 + 100 + 1  # heading, mean, classes, chance
    areas = [float(text.get_text().split()[0]) for text in figure.texts[2:-1]]
    assert areas == sorted(areas)
