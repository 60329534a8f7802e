import io
import json
import os
import re

import numpy as np
import pytest
from sklearn.metrics import f1_score
from support.study_folders import edit_metrics, write_job, write_variant

from audio_cls.analysis import compare
from audio_cls.analysis.compare import summarize
from audio_cls.reports.console import print_summary
from audio_cls.reports.markdown import write_summary
from audio_cls.reports.tables import variant_table
from audio_cls.results.study import StudyError, load_study
from audio_cls.wording import ranges


@pytest.fixture
def study(tmp_path):
    """Two complete variants, the transformer clearly better."""
    write_variant(tmp_path / "s", "cnn", chance=0.55)
    write_variant(tmp_path / "s", "transformer_h4", chance=0.9)
    return tmp_path / "s"


def first_line(summary_folder):
    return (summary_folder / "summary.md").read_text().splitlines()[0]


def test_a_row_holds_mean_deviation_and_interval_and_the_best_comes_first(study):
    summary = write_summary(study)
    assert [row.variant for row in summary.rows] == ["transformer_h4", "cnn"]
    row = summary.rows[0]
    accuracies = [
        json.loads(path.read_text())["val"]["accuracy"] for path in (study / row.variant).rglob("metrics.json")
    ]
    accuracy = row.ranking.accuracy
    assert accuracy.mean == pytest.approx(np.mean(accuracies))
    assert accuracy.sd == pytest.approx(np.std(accuracies, ddof=1))
    assert accuracy.interval[0] < accuracy.mean < accuracy.interval[1]
    assert (row.folds, row.seeds, row.num_jobs, row.num_parameters) == ([0, 1, 2, 3], [0], 4, 1000)
    assert (row.train_seconds, row.train_seconds_total) == (12.5, 50)
    assert row.train_accuracy == pytest.approx(0.99)


def test_files_hold_the_summary_and_are_the_same_when_written_again(study):
    summary = write_summary(study)
    stored = json.loads((study / "summary.json").read_text())
    assert stored["rows"][0]["ranking"]["accuracy"]["mean"] == summary.rows[0].ranking.accuracy.mean
    assert stored["verdict"] == summary.verdict
    before = {name: (study / name).read_bytes() for name in ("summary.json", "summary.md")}
    write_summary(study)
    assert before == {name: (study / name).read_bytes() for name in before}
    assert sorted(os.listdir(study)) == ["cnn", "summary.json", "summary.md", "transformer_h4"]


def test_the_verdict_says_which_is_better_and_by_how_much(study):
    summary = write_summary(study)
    (comparison,) = summary.comparisons
    points = 100 * (summary.rows[0].ranking.accuracy.mean - summary.rows[1].ranking.accuracy.mean)
    assert 100 * comparison.difference == pytest.approx(points)
    assert summary.verdict == f"transformer_h4 is better than cnn by {points:.1f} points of accuracy (p < 0.001)."
    assert summary.verdict in (study / "summary.md").read_text()


def test_with_unequal_folds_table_interval_and_verdict_say_the_same(tmp_path):
    for variant, chances in (("cnn", (0.9, 0.3)), ("transformer_h4", (0.5, 0.8))):
        for fold, (chance, num_clips) in enumerate(zip(chances, (20, 400), strict=True)):
            write_job(tmp_path, variant, fold, chance=chance, num_clips=num_clips, test=None)
    summary = write_summary(tmp_path)
    first, second = (row.ranking.accuracy for row in summary.rows)
    assert summary.comparisons[0].difference == pytest.approx(first.mean - second.mean)
    assert f"by {100 * summary.comparisons[0].difference:.1f} points" in summary.verdict
    for accuracy in (first, second):
        assert sum(accuracy.interval) / 2 == pytest.approx(accuracy.mean, abs=0.02)


def test_the_verdict_begins_with_that_no_difference_was_shown(tmp_path):
    write_variant(tmp_path, "cnn", chance=0.7)
    write_variant(tmp_path, "transformer_h4", chance=0.71)
    summary = write_summary(tmp_path)
    first, second = (f"{100 * row.ranking.accuracy.mean:.1f}" for row in summary.rows)
    assert summary.verdict.startswith(f"No difference shown: {first} against {second} (cnn against transformer_h4, p")
    assert "better" not in summary.verdict


def test_variants_with_the_same_predictions_are_equally_accurate(tmp_path):
    write_variant(tmp_path, "one")
    write_variant(tmp_path, "two")
    summary = write_summary(tmp_path)
    accuracy = f"{100 * summary.rows[0].ranking.accuracy.mean:.1f}"
    assert summary.verdict.startswith(f"No difference shown: {accuracy} against {accuracy} (one against two, p = 1.000")
    assert summary.comparisons[0].p_holm == 1


def test_validation_figures_are_called_development_figures_and_test_is_a_second_column(study):
    summary = write_summary(study)
    lines = (study / "summary.md").read_text().splitlines()
    assert lines[2] == "# s: accuracy on the validation folds"
    assert lines[4] == "Figures on validation folds are development figures."
    assert "| Test |" in "\n".join(lines)
    assert summary.rows[0].test.accuracy.mean != summary.rows[0].ranking.accuracy.mean


def test_cross_validation_ranks_by_test_and_has_no_second_column(tmp_path):
    write_variant(tmp_path, "cnn", folds=range(5), protocol="crossval")
    summary = write_summary(tmp_path)
    text = (tmp_path / "summary.md").read_text()
    assert summary.ranking_split == "test"
    assert summary.rows[0].test is None
    assert "development" not in text
    assert "| Test |" not in text
    assert summary.headline == "All 5 jobs are done (1 variant)."


def test_holdout_without_test_clips_has_no_test_column_and_says_why(tmp_path):
    write_variant(tmp_path, "cnn", test=None)
    summary = write_summary(tmp_path)
    assert summary.rows[0].test is None
    text = (tmp_path / "summary.md").read_text()
    assert "| Test |" not in text
    assert "No test column: published fold 1 was not among the clips." in text


@pytest.mark.parametrize("protocol", ["holdout", "crossval", "all"])
def test_where_there_are_test_clips_or_no_such_column_belongs_nothing_is_said_of_it(tmp_path, protocol):
    write_variant(tmp_path, "cnn", protocol=protocol)
    assert not any("No test column" in note for note in write_summary(tmp_path).notes)


def test_the_protocol_that_trains_on_all_clips_ranks_nothing_and_says_so(tmp_path):
    write_job(tmp_path, "cnn", protocol="all")
    write_job(tmp_path, "transformer_h4", protocol="all")
    summary = write_summary(tmp_path)
    assert summary.comparisons == []
    assert summary.rows[0].ranking is None
    assert "nothing is ranked" in summary.verdict
    assert "99.0" in (tmp_path / "summary.md").read_text()


def test_one_job_has_a_mean_without_deviation_and_the_first_line_says_of_which_fold(tmp_path):
    write_job(tmp_path, "cnn", 1)
    summary = write_summary(tmp_path)
    assert summary.rows[0].ranking.accuracy.sd is None
    assert summary.verdict.endswith("there is no other variant to compare it with.")
    assert first_line(tmp_path) == "The only job is done. Fold 1 of 4 was trained."


@pytest.mark.parametrize("command", [None, "python train.py fold=0,1 -m", "python train.py fold=1"])
def test_folds_that_nobody_asked_for_are_not_missing(tmp_path, command):
    write_variant(tmp_path, "cnn", folds=(0, 1))
    write_variant(tmp_path, "transformer_h4", folds=(0, 1))
    if command:
        (tmp_path / "commands.txt").write_text(f"{command}\n")
    summary = write_summary(tmp_path)
    assert summary.missing == []
    assert summary.headline == "All 4 jobs are done (2 variants). Folds 0, 1 of 4 were trained."


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("python train.py -m", ["fold2-seed0", "fold3-seed0"]),
        ("python train.py --multirun heads=1,2 'fold=range(3)'", ["fold2-seed0"]),
        ("python train.py fold=0,1 seed=0,1 -m", ["fold0-seed1", "fold1-seed1"]),
        ("python train.py fold=3,1 -m", ["fold3-seed0"]),
        ("python train.py 'fold=choice(0,3)' -m", []),
        ('an "unfinished quote', []),
    ],
)
def test_jobs_that_a_recorded_sweep_planned_are_missing(tmp_path, command, missing):
    write_variant(tmp_path, "cnn", folds=(0, 1))
    (tmp_path / "commands.txt").write_text(f"python train.py\n{command}\n")
    assert write_summary(tmp_path).missing == [f"cnn/{job}" for job in missing]


def test_a_variant_that_a_command_of_its_own_trained_on_fewer_folds_or_seeds_is_whole(tmp_path):
    write_variant(tmp_path, "cnn", folds=(0,))
    write_variant(tmp_path, "transformer_h4", folds=range(4), seeds=(0, 1))
    commands = "python train.py model=cnn\npython train.py seed=0,1 -m\n"
    (tmp_path / "commands.txt").write_text(commands)
    assert write_summary(tmp_path).headline == "All 9 jobs are done (2 variants)."
    (tmp_path / "commands.txt").write_text(commands.replace("model=cnn", "model=cnn fold=0,1 -m"))
    assert "cnn/fold1-seed0" in write_summary(tmp_path).missing


def test_a_job_that_another_variant_has_is_missing(tmp_path):
    write_variant(tmp_path, "cnn", folds=(0, 1))
    write_variant(tmp_path, "transformer_h4", folds=(0,))
    assert write_summary(tmp_path).headline == "3 of 4 jobs are done. Missing: transformer_h4/fold1-seed0."


def test_a_ranking_by_test_folds_says_that_they_confirm_no_choice(tmp_path):
    write_variant(tmp_path, "cnn", folds=range(5), protocol="crossval")
    assert "confirmed" not in write_summary(tmp_path).verdict
    write_variant(tmp_path, "transformer_h4", folds=range(5), protocol="crossval")
    summary = write_summary(tmp_path)
    assert "a variant chosen by them is not confirmed by them" in summary.verdict
    assert "protocol=holdout" in summary.verdict
    write_variant(tmp_path / "other", "cnn")
    write_variant(tmp_path / "other", "transformer_h4")
    assert "confirmed" not in write_summary(tmp_path / "other").verdict


@pytest.mark.parametrize("num_sources", [1, 7])
def test_with_fewer_than_eight_held_out_sources_no_interval_is_given_and_the_number_needed_is_said(
    tmp_path, num_sources
):
    write_job(tmp_path, "cnn", num_clips=4 * num_sources, num_folds=1, test=None)
    summary = write_summary(tmp_path)
    scores = summary.rows[0].ranking
    assert (scores.num_sources, scores.accuracy.interval, scores.f1_macro.interval) == (num_sources, None, None)
    said = {1: "Ranked clips come from 1 source, too few", 7: "Ranked clips come from 7 sources, too few"}[num_sources]
    assert f"{said} for an interval; 8 are needed." in summary.notes
    assert "95% intervals" not in (tmp_path / "summary.md").read_text().split("## Notes")[0]


def test_the_number_of_sources_stands_beside_the_intervals(study):
    summary = write_summary(study)
    assert summary.rows[0].ranking.num_sources == 40
    assert not any("too few" in note for note in summary.notes)
    line = "95% intervals [ ] are over 40 source recordings, those of Test over 10."
    assert line in (study / "summary.md").read_text()
    output = io.StringIO()
    print_summary(summary, output)
    assert line in output.getvalue()


def test_a_variant_with_another_number_of_sources_has_it_beside_its_interval(tmp_path):
    write_variant(tmp_path, "cnn", test=None)
    write_variant(tmp_path, "transformer_h4", folds=range(3), test=None)
    write_summary(tmp_path)
    text = (tmp_path / "summary.md").read_text()
    assert len(re.findall(r"\] \(30 sources\) \|", text)) == 1
    assert "(40 sources)" not in text
    assert "95% intervals [ ] are over 40 source recordings, if no other number is given." in text


def test_a_test_in_which_too_few_sources_differ_says_that_it_can_show_nothing(tmp_path):
    write_variant(tmp_path, "cnn", folds=[0], chance=0, num_clips=20, test=None)
    write_variant(tmp_path, "transformer_h4", folds=[0], chance=1, num_clips=20, test=None)
    summary = write_summary(tmp_path)
    (comparison,) = summary.comparisons
    assert comparison.num_differing == 5
    assert comparison.p_holm == comparison.least_p_holm == 2 / 2**5
    assert comparison.interval is None
    said = "With 5 sources that differ no difference could be shown (smallest possible p = 0.062)."
    assert summary.verdict.endswith(said)
    assert "| not possible |" in (tmp_path / "summary.md").read_text()


def test_more_comparisons_need_more_sources_and_it_is_said_of_whom(tmp_path):
    for variant, chance in (("a", 0), ("aa", 1), ("aaa", 0)):
        write_variant(tmp_path, variant, folds=[0], chance=chance, num_clips=24, test=None)
    summary = write_summary(tmp_path)
    assert {comparison.p_value for comparison in summary.comparisons} == {2 / 2**6, 1}
    assert all(comparison.least_p_holm == pytest.approx(3 * 2 / 2**6) for comparison in summary.comparisons[:1])
    assert any("So few sources differ" in note and "aa and a (6)" in note for note in summary.notes)


def test_an_interval_excludes_no_difference_exactly_where_the_difference_is_significant(tmp_path):
    outcomes = []
    for number in range(40):
        rng = np.random.default_rng(number)
        for variant in ("a", "aa", "aaa", "aaaa")[: rng.integers(2, 5)]:
            chance = 0.5 + 0.2 * rng.random()
            write_variant(tmp_path / str(number), variant, folds=[number], chance=chance, num_clips=40, test=None)
        for comparison in summarize(load_study(tmp_path / str(number))).comparisons:
            low, high = comparison.interval
            assert comparison.significant == (not low <= 0 <= high)
            assert comparison.confidence >= 0.95
            outcomes.append((comparison.significant, comparison.p_value <= 0.05))
    assert {(True, True), (False, True), (False, False)} == set(outcomes)


def test_several_seeds_are_averaged_before_the_deviation_is_taken(tmp_path):
    write_variant(tmp_path, "cnn", seeds=(0, 1, 2))
    row = write_summary(tmp_path).rows[0]
    by_fold = [
        np.mean(
            [
                json.loads(path.read_text())["val"]["accuracy"]
                for path in tmp_path.glob(f"cnn/fold{fold}-*/metrics.json")
            ]
        )
        for fold in range(4)
    ]
    assert row.ranking.accuracy.mean == pytest.approx(np.mean(by_fold))
    assert row.ranking.accuracy.sd == pytest.approx(np.std(by_fold, ddof=1))
    assert row.seeds == [0, 1, 2]


def test_a_single_seed_is_said_to_be_one_and_several_are_not(tmp_path):
    write_variant(tmp_path / "one", "cnn")
    write_variant(tmp_path / "two", "cnn", seeds=(0, 1))
    assert any(note.startswith("One seed:") for note in write_summary(tmp_path / "one").notes)
    assert not any(note.startswith("One seed:") for note in write_summary(tmp_path / "two").notes)


def test_seeds_that_another_variant_has_are_missing_and_the_comparison_keeps_to_common_ones(tmp_path):
    write_variant(tmp_path, "cnn", chance=0.5)
    write_variant(tmp_path, "transformer_h4", seeds=(0, 1), chance=0.9)
    summary = write_summary(tmp_path)
    assert summary.missing == [f"cnn/fold{fold}-seed1" for fold in range(4)]
    (comparison,) = summary.comparisons
    assert comparison.reduced
    assert (comparison.folds, comparison.seeds) == ((0, 1, 2, 3), (0,))
    assert "on folds 0-3, seed 0, which both have" in summary.verdict
    assert any("Compared only on the folds and seeds that both have" in note for note in summary.notes)


def test_a_variant_with_fewer_folds_stands_below_and_is_compared_on_common_ones(tmp_path):
    write_variant(tmp_path, "cnn", chance=0.6)
    write_variant(tmp_path, "transformer_h2", chance=0.7)
    write_variant(tmp_path, "transformer_h4", folds=(1, 2), chance=1)
    summary = write_summary(tmp_path)
    assert [row.variant for row in summary.rows] == ["transformer_h2", "cnn", "transformer_h4"]
    assert "for having fewer: transformer_h4" in " ".join(summary.notes)
    assert "Ahead of transformer_h2 on the folds and seeds that both have: transformer_h4" in summary.verdict
    assert {c.folds for c in summary.comparisons if "transformer_h4" in (c.first, c.second)} == {(1, 2)}


def test_variants_without_a_common_fold_are_not_compared_and_it_is_said(tmp_path):
    write_job(tmp_path, "cnn", 0)
    write_job(tmp_path, "transformer_h4", 1)
    summary = write_summary(tmp_path)
    assert summary.comparisons[0].p_holm is None
    assert "cannot be compared: no fold and seed in common" in summary.verdict
    assert "not compared" in (tmp_path / "summary.md").read_text()


@pytest.mark.parametrize("status", ["failed", "interrupted", "running"])
def test_an_unfinished_job_is_named_in_the_first_line_and_counts_for_nothing(study, status):
    edit_metrics(study / "cnn/fold2-seed0", status=status, error="the disk is full")
    summary = write_summary(study)
    assert first_line(study) == f"7 of 8 jobs are done. {status.capitalize()}: cnn/fold2-seed0 (the disk is full)."
    assert getattr(summary, status) == ["cnn/fold2-seed0"]
    assert summary.rows[1].folds == [0, 1, 3]
    assert summary.missing == []


def test_a_damaged_job_is_named_in_the_first_line_without_a_traceback(study):
    (study / "cnn/fold2-seed0/metrics.json").write_text('{"accuracy": ')
    summary = write_summary(study)
    assert first_line(study).startswith("7 of 8 jobs are done. Damaged: cnn/fold2-seed0 (metrics.json cannot be read")
    assert summary.damaged == ["cnn/fold2-seed0"]


def test_a_variant_whose_jobs_all_failed_has_a_row_without_figures(study):
    write_variant(study, "transformer_h1", status="failed", error="boom")
    summary = write_summary(study)
    assert summary.rows[-1].variant == "transformer_h1"
    assert summary.rows[-1].ranking is None
    assert len(summary.comparisons) == 1
    assert "| transformer_h1 | - |" in (study / "summary.md").read_text()


def test_a_study_in_which_nothing_has_finished_says_so(tmp_path):
    write_job(tmp_path, "cnn", status="failed", error="boom")
    summary = write_summary(tmp_path)
    assert summary.num_done == 0
    assert summary.verdict == "No job has finished, so there is nothing to compare."
    assert "Failed: cnn/fold0-seed0 (boom)" in first_line(tmp_path)


def test_a_study_with_nothing_in_it_says_so_and_nothing_is_written(tmp_path):
    summary = write_summary(tmp_path)
    assert summary.headline == f"Nothing to compare: {tmp_path.name} holds no job."
    assert list(tmp_path.iterdir()) == []


def test_jobs_that_must_not_be_mixed_are_refused_and_the_old_summary_stays(study):
    write_summary(study)
    before = (study / "summary.json").read_bytes()
    write_job(study, "other", split_digest="def")
    with pytest.raises(StudyError, match="other/fold0-seed0"):
        write_summary(study)
    assert (study / "summary.json").read_bytes() == before


def test_p_values_are_corrected_for_all_pairs_of_up_to_six_variants(tmp_path):
    for number in range(1, 7):
        write_variant(tmp_path, "v" * number, chance=0.6 + 0.05 * number)
    summary = write_summary(tmp_path)
    assert len(summary.comparisons) == 15
    least = min(summary.comparisons, key=lambda comparison: comparison.p_value)
    assert least.p_holm == pytest.approx(min(1, 15 * least.p_value))


def test_more_than_six_variants_are_each_compared_with_the_best(tmp_path):
    for number in range(1, 9):
        write_variant(tmp_path, "v" * number, chance=0.6 + 0.04 * number, num_clips=20)
    summary = write_summary(tmp_path)
    best, *others = [row.variant for row in summary.rows]
    assert [(comparison.first, comparison.second) for comparison in summary.comparisons] == [
        (best, other) for other in others
    ]


def test_with_many_variants_p_values_are_corrected_for_all_pairs_as_the_best_was_found_on_the_same_clips(tmp_path):
    for number in range(1, 8):
        write_variant(tmp_path, "v" * number, chance=0.5 + 0.06 * number)
    summary = write_summary(tmp_path)
    assert len(summary.comparisons) == 6
    least = min(summary.comparisons, key=lambda comparison: comparison.p_value)
    assert least.p_holm == pytest.approx(min(1, 21 * least.p_value))
    assert least.p_holm < 1
    assert any("corrected for all 21 pairs" in note for note in summary.notes)


def test_with_more_pairs_more_signs_are_flipped_so_that_a_p_value_can_still_pass(tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "NUM_FLIPS", 100)  # enough for 5 pairs
    write_variant(tmp_path, "best", chance=1.0)
    for number in range(1, 7):
        write_variant(tmp_path, "v" * number, chance=0.5)
    assert write_summary(tmp_path).verdict.startswith("best is better than ")


def test_an_ensemble_does_not_take_away_the_comparisons_of_six_variants(tmp_path):
    for number in range(1, 7):
        write_variant(tmp_path, "v" * number, chance=0.6 + 0.05 * number)
    summary = write_summary(tmp_path, ["v,vv"])
    assert len(summary.comparisons) == 21
    least = min(summary.comparisons, key=lambda comparison: comparison.p_value)
    assert least.p_holm == pytest.approx(min(1, 21 * least.p_value))


def test_f1_of_a_class_is_that_of_the_clips_of_all_folds_together(study):
    row = summarize(load_study(study)).rows[0]
    jobs = [job.predictions["val"] for job in load_study(study).jobs if job.variant == row.variant]
    labels, predicted = (np.concatenate([getattr(job, name) for job in jobs]) for name in ("labels", "predicted"))
    assert row.f1_per_class == pytest.approx(f1_score(labels, predicted, average=None).tolist())


def test_jobs_of_a_variant_that_differ_in_size_or_epochs_are_pointed_out(study):
    edit_metrics(study / "cnn/fold1-seed0", epochs=100, num_parameters=7)
    notes = " ".join(write_summary(study).notes)
    assert "The jobs of cnn differ in epochs (3, 100)" in notes
    assert "differ in num_parameters (7, 1000)" in notes


def test_clips_without_a_known_source_are_pointed_out(study):
    for path in study.rglob("split.csv"):
        path.unlink()
    summary = write_summary(study)
    assert any("no known source recording" in note for note in summary.notes)
    assert summary.comparisons[0].num_sources == 160


def test_a_file_that_is_no_terminal_gets_plain_text_with_the_first_line_first(study):
    (study / "cnn/fold0-seed0/metrics.json").unlink()
    output = io.StringIO()
    print_summary(write_summary(study), output)
    lines = output.getvalue().splitlines()
    assert lines[0].startswith("7 of 8 jobs are done. Damaged: cnn/fold0-seed0 (no metrics.json)")
    assert lines[1].split()[:3] == ["Variant", "Accuracy", "F1"]
    assert "\x1b" not in output.getvalue()
    assert "Figures on validation folds are development figures." in lines


@pytest.mark.parametrize(
    ("numbers", "text"), [([], ""), ([3], "3"), ([0, 1], "0, 1"), ([0, 1, 2, 3, 7], "0-3, 7"), ([1, 3, 4], "1, 3, 4")]
)
def test_three_and_more_numbers_in_a_row_are_drawn_together(numbers, text):
    assert ranges(numbers) == text


class Terminal(io.StringIO):
    def isatty(self):
        return True


def print_on_terminal(summary, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    output = Terminal()
    print_summary(summary, output)
    return output.getvalue()


def test_a_terminal_gets_the_same_figures(study, monkeypatch):
    summary = write_summary(study)
    text = print_on_terminal(summary, 200, monkeypatch)
    assert "\x1b[" in text
    assert f"{100 * summary.rows[0].ranking.accuracy.mean:.1f} ± " in text
    assert "transformer_h4" in text
    assert "Parameters" in text
    assert "do not fit" not in text


def test_a_narrow_terminal_loses_columns_but_no_figure_of_those_it_keeps(study, monkeypatch):
    text = print_on_terminal(write_summary(study), 80, monkeypatch)
    assert "Parameters" not in text
    assert "…" not in text
    assert "Columns that do not fit here stand in summary.md." in text


def test_balanced_accuracy_stands_beside_accuracy_where_classes_differ_much_in_size(tmp_path):
    labels = [0] * 8 + [1] * 2  # Rain is never recognised
    rows = [f"val,{index}.wav,{label},0,0.9,0.1" for index, label in enumerate(labels)]
    folder = write_job(tmp_path / "s", "cnn", test=None)
    (folder / "predictions.csv").write_text("\n".join(["split,clip,label,predicted,p_0,p_1", *rows]) + "\n")
    edit_metrics(folder, val={"accuracy": 0.8, "f1_macro": 0.4, "auroc_macro": 0.5})  # as older results have it
    summary = summarize(load_study(tmp_path / "s"))
    assert summary.rows[0].ranking.balanced_accuracy.mean == pytest.approx(0.5)
    heads, (_, accuracy, balanced, *_) = variant_table(summary).texts()
    assert heads[1:3] == ["Accuracy", "Balanced"]
    assert any("Balanced is the balanced accuracy" in note for note in summary.notes)
    assert accuracy.startswith("80.0") and balanced.startswith("50.0")


def test_where_classes_are_of_a_size_there_is_no_balanced_accuracy(tmp_path):
    write_job(tmp_path / "s", "cnn")
    summary = summarize(load_study(tmp_path / "s"))
    assert summary.rows[0].ranking.balanced_accuracy is None
    assert "Balanced" not in variant_table(summary).texts()[0]
