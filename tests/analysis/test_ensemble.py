import csv
import json

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score
from support.study_folders import write_job, write_variant

from audio_cls.analysis.compare import summarize
from audio_cls.analysis.ensemble import OVER_SEEDS, build_ensemble
from audio_cls.reports.markdown import write_summary
from audio_cls.results.study import StudyError, load_study


def scatter_probabilities(study):
    """Gives every clip probabilities of its own, so that averaging can turn a prediction."""
    for number, path in enumerate(sorted(study.rglob("predictions.csv"))):
        rows = list(csv.DictReader(path.open(newline="")))
        rng = np.random.default_rng(number)
        for row in rows:
            sure = rng.uniform(0.5, 1)
            row["p_0"], row["p_1"] = (sure, 1 - sure) if row["predicted"] == "0" else (1 - sure, sure)
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)


@pytest.fixture
def study(tmp_path):
    """Three variants on four folds; the first two have seeds 0 to 2."""
    write_variant(tmp_path / "s", "cnn", seeds=(0, 1, 2), chance=0.7)
    write_variant(tmp_path / "s", "transformer_h4", seeds=(0, 1, 2), chance=0.75)
    write_variant(tmp_path / "s", "transformer_h2", chance=0.8)
    scatter_probabilities(tmp_path / "s")
    return tmp_path / "s"


def row_of(summary, name):
    (row,) = [row for row in summary.rows if row.variant == name]
    return row


def jobs_of(study, variant, seed=None):
    return [job for job in load_study(study).jobs if job.variant == variant and seed in (None, job.seed)]


def test_probabilities_of_the_members_are_averaged_fold_by_fold_and_seed_by_seed(study):
    ensemble = build_ensemble(load_study(study), "cnn,transformer_h4")
    assert [(job.fold, job.seed) for job in ensemble.jobs] == [(fold, seed) for fold in range(4) for seed in range(3)]
    for split in ("val", "test"):
        for job, *members in zip(ensemble.jobs, jobs_of(study, "cnn"), jobs_of(study, "transformer_h4"), strict=True):
            mean = np.mean([member.predictions[split].probabilities for member in members], axis=0)
            np.testing.assert_allclose(job.predictions[split].probabilities, mean)
            np.testing.assert_array_equal(job.predictions[split].predicted, mean.argmax(axis=1))
            assert job.predictions[split].clips == members[0].predictions[split].clips


def test_an_average_turns_predictions_that_one_member_is_surer_of(study):
    ensemble = build_ensemble(load_study(study), "cnn,transformer_h4")
    first = jobs_of(study, "cnn")[0].predictions["val"].predicted
    second = jobs_of(study, "transformer_h4")[0].predictions["val"].predicted
    together = ensemble.jobs[0].predictions["val"].predicted
    assert (together != first).any() and (together != second).any()
    np.testing.assert_array_equal(together[first == second], first[first == second])


def test_clips_are_averaged_by_name_not_by_place(study):
    before = build_ensemble(load_study(study), "cnn,transformer_h4")
    path = study / "transformer_h4/fold0-seed0/predictions.csv"
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([header, *reversed(lines)]) + "\n")
    after = build_ensemble(load_study(study), "cnn,transformer_h4")
    np.testing.assert_allclose(
        after.jobs[0].predictions["val"].probabilities, before.jobs[0].predictions["val"].probabilities
    )


def test_the_figures_of_an_ensemble_are_those_of_scikit_learn(study):
    for job in build_ensemble(load_study(study), "cnn,transformer_h4").jobs:
        predictions = job.predictions["val"]
        assert job.metrics["val"] == pytest.approx(
            {
                "accuracy": np.mean(predictions.labels == predictions.predicted),
                "balanced_accuracy": balanced_accuracy_score(predictions.labels, predictions.predicted),
                "f1_macro": f1_score(predictions.labels, predictions.predicted, average="macro"),
                "auroc_macro": roc_auc_score(predictions.labels, predictions.probabilities[:, 1]),
            }
        )


def test_an_ensemble_is_a_marked_row_with_all_figures_and_the_sums_of_its_members(study):
    summary = write_summary(study, ["cnn,transformer_h4"])
    row = row_of(summary, "cnn + transformer_h4")
    assert (row.kind, row.members) == ("ensemble", ["cnn", "transformer_h4"])
    assert (row.num_parameters, row.train_seconds, row.train_seconds_total) == (2000, 25, 300)
    assert (row.folds, row.seeds, row.num_jobs) == ([0, 1, 2, 3], [0, 1, 2], 12)
    accuracy = row.ranking.accuracy
    assert accuracy.sd > 0
    assert accuracy.interval[0] < accuracy.mean < accuracy.interval[1]
    assert row.test.accuracy.mean is not None
    assert row.calibration is not None
    assert row_of(summary, "cnn").kind == "variant"
    stored = json.loads((study / "summary.json").read_text())
    assert "ensemble" in [stored_row["kind"] for stored_row in stored["rows"]]
    text = (study / "summary.md").read_text()
    assert "| cnn + transformer_h4 |" in text
    assert "- cnn + transformer_h4: the mean of the members' probabilities" in text
    assert summary.num_done == 28
    assert summary.headline.startswith("28 of 36 jobs are done")


def test_an_ensemble_is_tested_against_the_variants(study):
    summary = write_summary(study, ["cnn,transformer_h4"])
    pairs = {frozenset((c.first, c.second)): c for c in summary.comparisons}
    assert len(pairs) == 6
    comparison = pairs[frozenset(("cnn", "cnn + transformer_h4"))]
    difference = row_of(summary, "cnn + transformer_h4").ranking.accuracy.mean
    difference -= row_of(summary, "cnn").ranking.accuracy.mean
    sign = 1 if comparison.second == "cnn" else -1
    assert sign * comparison.difference == pytest.approx(difference)
    assert f"| {comparison.first} | {comparison.second} |" in (study / "summary.md").read_text()


def test_a_single_name_averages_the_seeds_of_each_fold(study):
    summary = write_summary(study, ["cnn"])
    ensemble = build_ensemble(load_study(study), "cnn")
    assert [(job.fold, job.seed) for job in ensemble.jobs] == [(fold, OVER_SEEDS) for fold in range(4)]
    members = [job.predictions["val"].probabilities for job in jobs_of(study, "cnn") if job.fold == 2]
    np.testing.assert_allclose(ensemble.jobs[2].predictions["val"].probabilities, np.mean(members, axis=0))
    row = row_of(summary, "cnn over seeds 0-2")
    assert (row.members, row.seeds, row.num_jobs, row.num_parameters) == (["cnn"], [0, 1, 2], 4, 3000)


def test_what_was_averaged_over_seeds_is_compared_with_every_seed_of_the_others(study):
    summary = summarize(load_study(study), ["cnn", "transformer_h4"])
    pairs = {frozenset((c.first, c.second)): c for c in summary.comparisons}
    comparison = pairs[frozenset(("cnn", "cnn over seeds 0-2"))]
    assert (comparison.seeds, comparison.reduced) == ((0, 1, 2), False)
    difference = row_of(summary, "cnn over seeds 0-2").ranking.accuracy.mean
    difference -= row_of(summary, "cnn").ranking.accuracy.mean
    assert abs(comparison.difference) == pytest.approx(abs(difference))
    both = pairs[frozenset(("cnn over seeds 0-2", "transformer_h4 over seeds 0-2"))]
    assert (both.problem, both.seeds, both.folds) == (None, (), (0, 1, 2, 3))


def test_folds_that_only_one_member_has_are_left_out(study):
    write_variant(study, "transformer_h1", folds=(1, 3))
    row = row_of(summarize(load_study(study), ["cnn,transformer_h1"]), "cnn + transformer_h1")
    assert (row.folds, row.seeds) == ([1, 3], [0])


def test_an_ensemble_that_is_asked_for_twice_has_one_row(study):
    names = [row.variant for row in summarize(load_study(study), ["cnn,transformer_h4", "transformer_h4, cnn"]).rows]
    assert sorted(names) == ["cnn", "cnn + transformer_h4", "transformer_h2", "transformer_h4"]


def test_the_summary_shows_the_ensembles_that_the_last_comparison_asked_for(study):
    write_summary(study, ["cnn,transformer_h4"])
    write_summary(study)
    assert "cnn + transformer_h4" not in (study / "summary.md").read_text()


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("cnn,transformer_h3", "no variant 'transformer_h3' in the study; did you mean transformer_h"),
        ("cnn,zzz", "no variant 'zzz' in the study; there is cnn, elsewhere, shuffled, transformer_h2"),
        ("cnn,", "no variant '' in the study"),
        ("cnn,cnn", "cnn stands twice"),
        ("transformer_h2", "finished folds of transformer_h2 have 1 seed in common, and averaging needs two"),
        ("cnn,unfinished", "no fold and seed is finished by all of them"),
        ("unfinished", "have no seeds in common"),
        ("cnn,elsewhere", "no fold and seed is finished by all of them"),
        ("cnn,shuffled", "different clips in fold 0 seed 0"),
    ],
)
def test_an_ensemble_that_cannot_be_built_is_refused_in_one_line(study, request_, message):
    write_job(study, "unfinished", status="failed", error="boom")
    write_job(study, "elsewhere", fold=0, seed=7)
    write_job(study, "shuffled", num_clips=20)
    with pytest.raises(StudyError, match=message) as error:
        summarize(load_study(study), [request_])
    assert str(error.value).startswith(f"--ensemble {request_}: ")
    assert "\n" not in str(error.value)


def test_without_held_out_clips_there_is_nothing_to_average(tmp_path):
    write_job(tmp_path, "cnn", protocol="all")
    with pytest.raises(StudyError, match="no clip is held out to predict \\(protocol=all\\)"):
        write_summary(tmp_path, ["cnn"])
