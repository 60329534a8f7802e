from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from markdown_it import MarkdownIt
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
from support.study_folders import write_job

from audio_cls.data.profile import TrainingProfile
from audio_cls.models.clip_classifier import ClipClassifier
from audio_cls.models.cnn import WaveformCNN
from audio_cls.reports.export.card import About, model_card, plain, without_places
from audio_cls.reports.export.figures import HeldOut, held_out
from audio_cls.results.job_folder import StudyJob, read_job
from audio_cls.serving.classifier import LoadedClassifier

NAMES = ["a|b *c* _d_ [e](f) `g`", "<script>alert(1)</script> --- # &amp;"]


def jobs(folder: Path, **changes) -> list[StudyJob]:
    """Of four folds."""
    return [read_job(write_job(folder / "study", "cnn", fold, **changes)) for fold in range(4)]


def about(found: HeldOut | None, job: StudyJob, **changes) -> About:
    module = ClipClassifier(WaveformCNN(2, 800), normalize=True, silence_db=30.0)
    classifier = LoadedClassifier(
        module, tuple(job.metrics["classes"]), 4_000, 800, 4, Path("model"), profile=TrainingProfile(1.0, 2.0)
    )
    values = About(
        name="model", classifier=classifier, metrics=job.metrics, kind="folder", num_sources=12,
        arguments="audio-cls train model=cnn", study="study", variant="cnn", verdict="", held_out=found, licence="",
    )  # fmt: skip
    return replace(values, **changes)


def test_figures_are_those_of_sklearn(tmp_path):
    found = held_out(jobs(tmp_path))
    assert found is not None
    predictions = [read_job(tmp_path / f"study/cnn/fold{fold}-seed0").predictions["val"] for fold in range(4)]
    labels, predicted = (np.concatenate([getattr(p, name) for p in predictions]) for name in ("labels", "predicted"))
    precision, recall, f1, support = precision_recall_fscore_support(labels, predicted)
    for place, scores in enumerate(found.classes):
        assert scores.num_clips == support[place]
        np.testing.assert_allclose(
            [scores.precision, scores.recall, scores.f1], [precision[place], recall[place], f1[place]]
        )
    assert (found.confusion == confusion_matrix(labels, predicted)).all()
    assert found.num_clips == 160 and found.unsure is not None


def test_a_class_that_is_never_predicted_has_no_precision(tmp_path):
    found = held_out(jobs(tmp_path, chance=1.0))
    assert [scores.precision for scores in found.classes] == [1, 1]
    assert found.unsure.wrong is None
    assert "none was wrong" in model_card(about(found, read_job(tmp_path / "study/cnn/fold0-seed0")))


def test_several_seeds_are_not_several_clips(tmp_path):
    twice = [*jobs(tmp_path), *(read_job(write_job(tmp_path / "study", "cnn", fold, seed=1)) for fold in range(4))]
    found = held_out(twice)
    assert found.num_clips == sum(scores.num_clips for scores in found.classes) == 160
    assert found.confusion.sum() == 320


def test_with_one_fold_nothing_is_said_of_what_calibration_reaches(tmp_path):
    job = jobs(tmp_path)[0]
    found = held_out([job])
    assert found.unsure is None
    assert "there is one fold, so that what it is with it cannot be told" in " ".join(
        model_card(about(found, job)).split()
    )


def test_names_of_classes_are_shown_as_they_are(tmp_path):
    done = jobs(tmp_path, classes=NAMES, dataset="a: b\n---\n[c]")
    card = model_card(about(held_out(done), done[0], name="<b>my</b> *model*"))
    _, front, text = card.split("---\n", 2)
    assert yaml.safe_load(front)["model-index"][0]["name"] == "<b>my</b> *model*"
    page = MarkdownIt("commonmark").enable("table").render(text)
    assert "<script" not in page and "<b>" not in page
    for name in NAMES:
        assert page.count(f"<td>{escaped(name)}</td>") == 2, name  # by class, and of the confusion
    assert "<em>" not in page


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@pytest.mark.parametrize("text", [*NAMES, "\\", "~~a~~", "$x$", "![a](b)", "&lt;"])
def test_plain_text_stays_text_in_markdown(text):
    assert MarkdownIt("commonmark").render(f"x {plain(text)}") == f"<p>x {escaped(text)}</p>\n"


def test_many_classes_have_their_confusions_listed(tmp_path):
    found = held_out(jobs(tmp_path))
    many = 14
    confusion = np.eye(many, dtype=int) * 5
    confusion[3, 7] = 2
    classes = tuple(replace(found.classes[0], name=f"class {place}") for place in range(many))
    card = model_card(
        about(replace(found, classes=classes, confusion=confusion), read_job(tmp_path / "study/cnn/fold0-seed0"))
    )
    assert "| class 3 | class 7 | 2 |" in card and "| Label | Predicted |" in card


def test_places_on_this_machine_are_left_out():
    words = [
        "--config-dir",
        "/home/me/conf",
        "data.root=sounds",
        "data.list='/data/a b'",
        "seed=1",
        "x=~/y",
        r"z=C:\me",
    ]
    assert without_places(words) == [
        "--config-dir", "PATH", "data.root=PATH", "data.list=PATH", "seed=1", "x=PATH", "z=PATH",
    ]  # fmt: skip
