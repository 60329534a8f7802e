import json

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix
from support.study_folders import write_job, write_variant

from audio_cls.analysis.errors import always_misclassified, confusions, find_errors, misclassified
from audio_cls.reports.markdown import write_summary
from audio_cls.results.predictions import Predictions
from audio_cls.results.study import load_study

CLASSES = ["Dog", "Rain", "Sea"]


def job(labels, predicted, fold=0, seed=0):
    clips = tuple(f"fold{fold}/{index}.wav" for index in range(len(labels)))
    predicted = np.array(predicted)
    return Predictions(fold, seed, "a", clips, clips, np.array(labels), predicted, np.eye(3)[predicted])


@pytest.fixture
def variants():
    """Clip 0 (Dog) is right nowhere, clip 1 (Rain) only with seed 1 of b, clip 2 (Sea) only in a."""
    return {
        "a": [job([0, 1, 2, 2], [1, 2, 2, 2], seed=0), job([0, 1, 2, 2], [1, 2, 2, 2], seed=1)],
        "b": [job([0, 1, 2, 2], [2, 2, 1, 2], seed=0), job([0, 1, 2, 2], [1, 1, 1, 2], seed=1)],
    }


def test_confusions_are_counted_over_all_predictions_and_in_each_variant(variants):
    first, second, third, fourth = confusions(variants, CLASSES)
    assert (first.label, first.predicted, first.count, first.total) == ("Dog", "Rain", 3, 4)
    assert first.by_variant == {"a": (2, 2), "b": (1, 2)}
    assert (second.label, second.predicted, second.count, second.total) == ("Rain", "Sea", 3, 4)
    assert (third.label, third.predicted, third.count, third.total) == ("Sea", "Rain", 2, 8)
    assert third.by_variant == {"a": (0, 4), "b": (2, 4)}
    assert (fourth.label, fourth.predicted, fourth.count) == ("Dog", "Sea", 1)
    assert len(confusions(variants, CLASSES, most=2)) == 2


def test_confusions_agree_with_the_confusion_matrix_of_scikit_learn():
    labels, predicted = np.random.default_rng(0).integers(0, 3, size=(2, 200))
    matrix = confusion_matrix(labels, predicted)
    for found in confusions({"a": [job(labels, predicted)]}, CLASSES):
        row, column = CLASSES.index(found.label), CLASSES.index(found.predicted)
        assert (found.count, found.total) == (matrix[row, column], matrix[row].sum())


def test_clips_that_are_always_misclassified_are_named_with_what_was_predicted(variants):
    errors = find_errors(variants, CLASSES)
    (wrong,) = errors.clips
    assert (wrong.clip, wrong.label, wrong.predicted_as) == ("fold0/0.wav", "Dog", {"Rain": 3, "Sea": 1})
    assert list(wrong.predicted_as) == ["Rain", "Sea"]
    assert errors.num_clips == 4


def test_clips_that_a_variant_always_misclassifies_are_named_for_each_variant(variants):
    a, b = find_errors(variants, CLASSES).variants
    assert (a.variant, a.seeds, a.num_clips) == ("a", [0, 1], 4)
    assert [(wrong.clip, wrong.predicted_as) for wrong in a.clips] == [
        ("fold0/0.wav", {"Rain": 2}),
        ("fold0/1.wav", {"Sea": 2}),
    ]
    assert [wrong.clip for wrong in b.clips] == ["fold0/0.wav", "fold0/2.wav"]


def test_a_clip_that_one_prediction_gets_right_is_not_among_them():
    assert always_misclassified([job([0], [1], seed=0), job([0], [0], seed=1)], CLASSES) == []


def test_misclassified_clips_come_in_the_order_of_how_often_and_how_clearly():
    unsure = job([0, 1, 2], [1, 2, 2])
    unsure.probabilities[1] = [0.1, 0.4, 0.5]
    found = misclassified([unsure, job([0, 1, 2], [1, 0, 2], seed=1), job([0, 1, 2], [1, 2, 0], seed=2)], CLASSES)
    assert [(each.clip, each.num_wrong, each.num_predictions) for each in found] == [
        ("fold0/0.wav", 3, 3), ("fold0/1.wav", 3, 3), ("fold0/2.wav", 1, 3),
    ]  # fmt: skip
    assert found[1].predicted_as == {"Sea": 2, "Dog": 1}
    assert [each.probability for each in found] == pytest.approx([0, 0.4 / 3, 2 / 3])


def test_a_variant_without_predictions_is_left_out_and_without_any_there_are_no_errors(variants):
    assert [found.variant for found in find_errors({**variants, "c": []}, CLASSES).variants] == ["a", "b"]
    assert find_errors({"c": []}, CLASSES) is None


def test_the_summary_tells_where_a_study_errs(tmp_path):
    write_variant(tmp_path, "cnn", seeds=(0, 1), chance=0.5)
    write_variant(tmp_path, "transformer_h4", seeds=(0, 1), chance=0.6)
    summary = write_summary(tmp_path)
    stored = json.loads((tmp_path / "summary.json").read_text())["errors"]
    predictions = [found.predictions["val"] for found in load_study(tmp_path).jobs]
    assert sum(found["count"] for found in stored["confusions"]) == sum(
        np.sum(found.labels != found.predicted) for found in predictions
    )
    text = (tmp_path / "summary.md").read_text()
    assert "| Label | Predicted as | Predictions | " in text
    assert f"Clips that every variant misclassifies with every seed: {len(summary.errors.clips)} of 160." in text
    wrong = summary.errors.clips[0]
    assert f"| {wrong.clip} | {wrong.label} | {next(iter(wrong.predicted_as))} 4 |" in text
    ours = next(found for found in summary.errors.variants if found.variant == "cnn")
    assert f"- cnn (seeds 0, 1): {len(ours.clips)} of 160; " in text


def test_an_ensemble_adds_nothing_to_the_errors_of_its_members(tmp_path):
    write_variant(tmp_path, "cnn", chance=0.5)
    write_variant(tmp_path, "transformer_h4", chance=0.6)
    assert write_summary(tmp_path).errors == write_summary(tmp_path, ["cnn,transformer_h4"]).errors


def test_a_long_list_of_clips_is_cut_in_the_document_and_whole_in_the_file(tmp_path):
    write_variant(tmp_path, "cnn", chance=0)
    write_variant(tmp_path, "transformer_h4", chance=0)
    summary = write_summary(tmp_path)
    assert len(summary.errors.clips) == 160
    assert "and 140 more, in summary.json." in (tmp_path / "summary.md").read_text()


def test_a_single_variant_names_its_clips_once_and_a_perfect_one_none(tmp_path):
    write_variant(tmp_path / "some", "cnn", chance=0.9)
    write_variant(tmp_path / "none", "cnn", chance=1)
    write_summary(tmp_path / "some")
    text = (tmp_path / "some/summary.md").read_text()
    assert "every variant" not in text
    assert "| Label | Predicted as | Predictions |\n" in text
    write_summary(tmp_path / "none")
    text = (tmp_path / "none/summary.md").read_text()
    assert "Every prediction is correct." in text
    assert "- cnn (seed 0): 0 of 160\n" in text


def test_many_variants_have_no_columns_of_their_own(tmp_path):
    for number in range(1, 8):
        write_job(tmp_path, "v" * number, chance=0.5)
    write_summary(tmp_path)
    assert "| Label | Predicted as | Predictions |\n" in (tmp_path / "summary.md").read_text()
    write_job(tmp_path / "all", "cnn", protocol="all")
    assert write_summary(tmp_path / "all").errors is None


def test_sources_with_several_clips_are_listed_the_least_accurate_first(tmp_path):
    write_variant(tmp_path, "cnn", chance=0.6)
    sources = write_summary(tmp_path).errors.sources
    assert len(sources) == 40
    assert [each.accuracy for each in sources] == sorted(each.accuracy for each in sources)
    assert (sources[0].num_clips, sources[0].labels) == (4, ["Dog", "Rain"])
    for path in tmp_path.rglob("split.csv"):
        path.unlink()
    assert write_summary(tmp_path).errors.sources == []
