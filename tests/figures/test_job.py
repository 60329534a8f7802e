import json

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from sklearn.metrics import f1_score
from support.scores import CLASSES, HISTORY, predictions
from support.tiny_jobs import plan_jobs

from audio_cls.experiment.run_job import run_job
from audio_cls.figures import job as job_figures
from audio_cls.figures.curves import roc_figure
from audio_cls.figures.job import save_figure, write_figures
from audio_cls.figures.style import new_figure

PICTURES = {
    "confusion_matrix.png",
    "roc_curves.png",
    "precision_recall.png",
    "f1_per_class.png",
    "learning_curves.png",
}

pytestmark = pytest.mark.usefixtures("coarse_figures")


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
    (problem,) = write_figures(tmp_path, **job(history=[{"epoch": "no number", "lr": 1.0}]))
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
