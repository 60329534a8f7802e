import json
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from support.tiny_jobs import plan_jobs

from audio_cls.experiment.run_job import run_job
from audio_cls.figures import job as job_figures
from audio_cls.figures.classes import confusion_figure, f1_figure
from audio_cls.figures.curves import precision_recall_curve, precision_recall_figure, roc_curve, roc_figure
from audio_cls.figures.job import save_figure, write_figures
from audio_cls.figures.learning import learning_figure
from audio_cls.figures.style import new_figure, short, text_columns, thinned

CLASSES = ("Dog bark", "Rain", "Sea waves")
CONFUSION = np.array([[8, 0, 0], [1, 5, 2], [0, 0, 0]])  # no sea waves among these clips
HISTORY = [
    {"epoch": float(epoch), "train_loss": 2.0 - 0.1 * epoch, "train_accuracy": 0.05 * epoch, "lr": 1e-3}
    | ({"val_loss": 1.8, "val_accuracy": 0.4, "val_f1_macro": 0.3} if epoch % 5 == 4 else {"val_loss": None})
    for epoch in range(10)
]
PICTURES = {
    "confusion_matrix.png",
    "roc_curves.png",
    "precision_recall.png",
    "f1_per_class.png",
    "learning_curves.png",
}


pytestmark = pytest.mark.usefixtures("coarse_figures")


def predictions(num_classes: int = 3, num_clips: int = 60, absent: int | None = 2) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (N, K), right more often than not, many of them equal; and labels (N,)."""
    rng = np.random.default_rng(0)
    present = [index for index in range(num_classes) if index != absent]
    labels = np.array([present[index % len(present)] for index in range(num_clips)])
    scores = rng.random((num_clips, num_classes))
    scores[np.arange(num_clips), labels] += 0.4
    return (scores / scores.sum(axis=1, keepdims=True)).round(2), labels


def job(num_classes: int = 3, **changes: object) -> dict:
    """Arguments of write_figures for a finished job."""
    probabilities, labels = predictions(num_classes)
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((num_classes, num_classes), dtype=int)
    np.add.at(confusion, (labels, predicted), 1)
    scores = {
        "accuracy": float((predicted == labels).mean()),
        "f1_macro": float(f1_score(labels, predicted, average="macro")),
        "f1_per_class": [0.5, None, *[0.9] * (num_classes - 2)],
        "confusion": confusion.tolist(),
    }
    classes = [*CLASSES, *(f"class {index}" for index in range(3, num_classes))]
    record = {"variant": "cnn", "dataset": "esc10", "fold": 0, "seed": 0, "classes": classes, "val": scores}
    return {
        "record": record, "split": "val", "labels": labels, "probabilities": probabilities, "history": HISTORY,
    } | changes  # fmt: skip


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def shape(figure: Figure, tmp_path) -> tuple[int, int]:
    save_figure(figure, tmp_path / "figure.png")
    return imread(tmp_path / "figure.png").shape[:2]


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


def test_f1_bars_stand_in_the_order_of_the_classes_and_say_where_there_is_no_score():
    figure = f1_figure([0.25, 1.0, None], 0.625, [8, 8, 0], CLASSES, "title")
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [0.25, 1.0, 0.0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Dog bark (8)", "Rain (8)", "Sea waves (0)"]
    assert [text.get_text() for text in axes.texts] == ["0.25", "1.00", "no clips, never predicted", "macro F1 0.625"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first class on top


def test_learning_curves_have_validation_points_only_where_it_was_validated():
    loss, accuracy, rate = learning_figure(HISTORY, 3, "title").axes
    lines = {line.get_label(): line for line in loss.lines}
    assert lines["training crops"].get_xdata().tolist() == list(range(1, 11))
    assert lines["validation clips"].get_xdata().tolist() == [5, 10]
    assert {line.get_label() for line in accuracy.lines} == {
        "training crops", "validation clips", "validation, macro F1", "chance",
    }  # fmt: skip
    assert rate.lines[0].get_ydata().tolist() == [1e-3] * 10


def test_learning_curves_of_one_epoch_without_validation_show_its_points():
    history = [{"epoch": 0.0, "train_loss": 1.0, "train_accuracy": 0.5, "lr": 1e-3, "val_loss": None}]
    loss, accuracy, _ = learning_figure(history, 4, "").axes
    assert [line.get_marker() for line in loss.lines] == ["o"]
    assert accuracy.lines[-1].get_ydata() == [0.25, 0.25]


def test_all_pictures_of_a_job_are_drawn(tmp_path):
    assert write_figures(tmp_path, **job()) == []
    assert {path.name for path in tmp_path.iterdir()} == PICTURES
    assert all(min(imread(tmp_path / name).shape[:2]) > 40 for name in PICTURES)


@pytest.mark.parametrize("num_classes", [2, 50])
def test_few_and_many_classes_are_drawn(tmp_path, num_classes):
    arguments = job(50) if num_classes == 50 else job(3)
    if num_classes == 2:
        arguments["record"]["classes"] = list(CLASSES[:2])
        arguments["probabilities"] = arguments["probabilities"][:, :2]
        scores = arguments["record"]["val"]
        scores |= {"confusion": [row[:2] for row in scores["confusion"][:2]], "f1_per_class": [0.5, 0.6]}
    assert write_figures(tmp_path, **arguments) == []
    assert {path.name for path in tmp_path.iterdir()} == PICTURES


def test_a_picture_that_cannot_be_drawn_is_reported_and_the_others_are(tmp_path):
    (tmp_path / "learning_curves.png").write_bytes(b"of an earlier run")
    (problem,) = write_figures(tmp_path, **job(history=[{"epoch": "no number"}]))
    assert problem.startswith("learning_curves.png could not be drawn (")
    assert "\n" not in problem
    assert {path.name for path in tmp_path.iterdir()} == PICTURES - {"learning_curves.png"}


def test_a_full_disk_loses_the_pictures_only(tmp_path, monkeypatch):
    def savefig(figure, target, **_):
        target.write_bytes(b"half of")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", savefig)
    problems = write_figures(tmp_path, **job())
    assert len(problems) == len(PICTURES)
    assert all("disk full" in problem for problem in problems)
    assert list(tmp_path.iterdir()) == []


def test_a_job_whose_pictures_cannot_be_drawn_keeps_its_numbers(tmp_path, monkeypatch, capsys):

    def fail(*_):
        raise ValueError("no letter for\nthat")

    monkeypatch.setattr(job_figures, "confusion_figure", fail)
    (planned,) = plan_jobs(tmp_path, "logger=none", "trainer.max_epochs=1")
    run_job(planned, lambda _: [])
    assert json.loads((planned.folder / "metrics.json").read_text())["status"] == "done"
    assert (planned.folder / "predictions.csv").exists()
    assert {path.name for path in planned.folder.glob("*.png")} == PICTURES - {"confusion_matrix.png"}
    note = "note: confusion_matrix.png could not be drawn (no letter for; that); the numbers are not affected"
    assert note in capsys.readouterr().err


def test_drawing_can_be_interrupted(tmp_path, monkeypatch):
    def interrupt(figure, path):
        raise KeyboardInterrupt

    monkeypatch.setattr(job_figures, "save_figure", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_figures(tmp_path, **job())


def test_a_figure_is_saved_whole_over_the_one_before_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "roc_curves.png"
    path.write_bytes(b"old")
    save_figure(roc_figure(*predictions(), CLASSES, ""), path)
    assert imread(path).shape[0] > 100
    assert list(tmp_path.iterdir()) == [path]


def test_a_figure_that_cannot_be_written_whole_leaves_the_one_before(tmp_path, monkeypatch):
    path = tmp_path / "roc_curves.png"
    path.write_bytes(b"old")

    def savefig(figure, target, **_):
        target.write_bytes(b"half of")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", savefig)
    figure = new_figure()
    figure.text(0, 0, "text")
    with pytest.raises(OSError, match="disk full"):
        save_figure(figure, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


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
