from functools import partial

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from audio_cls.analysis import statistics
from audio_cls.analysis.bootstrap import source_weights, weighted_accuracy, weighted_auroc_macro, weighted_f1_macro
from audio_cls.analysis.statistics import (
    holm,
    mean_and_sd,
    metric_interval,
    paired_test,
)
from audio_cls.results.predictions import Predictions

accuracy_interval = partial(metric_interval, metric="accuracy")
f1_macro_interval = partial(metric_interval, metric="f1_macro")
auroc_macro_interval = partial(metric_interval, metric="auroc_macro")


def predictions(correct, sources=None, fold=0, seed=0, digest="a", clips=None):
    """Predictions of a job that is right about the clips that are true in `correct`; labels are 0, 1, 0, 1, ..."""
    correct = np.asarray(correct, dtype=bool)
    number = len(correct)
    labels = np.arange(number) % 2
    predicted = np.where(correct, labels, 1 - labels)
    return Predictions(
        fold,
        seed,
        digest,
        tuple(clips or (f"fold{fold}/clip{index:03d}" for index in range(number))),
        tuple(sources or (f"fold{fold}/source{index // 4}" for index in range(number))),
        labels,
        predicted,
        np.eye(2)[predicted] * 0.8 + 0.1,
    )


def random_job(chance, number=80, **where):
    rng = np.random.default_rng([int(100 * chance), where.get("fold", 0), where.get("seed", 0)])
    return predictions(rng.random(number) < chance, **where)


def test_seeds_are_averaged_before_the_deviation_over_folds_is_taken():
    values = {(0, 0): 0.5, (0, 1): 0.7, (1, 0): 0.8, (2, 0): 0.7}
    mean, sd = mean_and_sd(values)
    assert mean == pytest.approx(0.7)
    assert sd == pytest.approx(np.std([0.6, 0.8, 0.7], ddof=1))


def test_one_fold_has_a_mean_and_no_deviation_and_absent_values_have_neither():
    assert mean_and_sd({(0, 0): 0.5, (0, 1): 0.7}) == (pytest.approx(0.6), None)
    assert mean_and_sd({(0, 0): None}) == (None, None)


def test_the_interval_of_accuracy_agrees_with_scipy_where_every_clip_is_its_own_source():
    job = random_job(0.8, number=200, sources=[f"s{index}" for index in range(200)])
    expected = stats.bootstrap((job.correct,), np.mean, method="percentile", n_resamples=5000, random_state=1)
    assert accuracy_interval([job]) == pytest.approx(tuple(expected.confidence_interval), abs=0.01)


def test_the_interval_of_accuracy_agrees_with_scipy_where_sources_have_several_clips():
    rng = np.random.default_rng(4)
    source_index = np.sort(rng.integers(0, 40, size=160))
    correct = rng.random(160) < rng.random(40)[source_index]  # clips of a source succeed or fail together
    job = predictions(correct, sources=[f"s{index:02d}" for index in source_index])
    names = np.unique(source_index)
    hits = np.array([correct[source_index == name].sum() for name in names])
    sizes = np.array([(source_index == name).sum() for name in names])
    expected = stats.bootstrap(
        (hits, sizes),
        lambda hits, sizes, axis: hits.sum(axis=axis) / sizes.sum(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=5000,
        random_state=1,
    )
    assert accuracy_interval([job]) == pytest.approx(tuple(expected.confidence_interval), abs=0.015)


def test_clips_that_share_a_source_widen_the_interval():
    correct = np.repeat(np.random.default_rng(0).random(20) < 0.7, 4)
    together = accuracy_interval([predictions(correct)])
    apart = accuracy_interval([predictions(correct, sources=[f"s{index}" for index in range(80)])])
    assert np.ptp(together) > 1.5 * np.ptp(apart)


def test_a_clip_of_unknown_source_counts_as_a_source_of_its_own():
    correct = np.random.default_rng(0).random(40) < 0.6
    unknown = predictions(correct, sources=[""] * 40)
    apart = predictions(correct, sources=[f"clip {clip}" for clip in unknown.clips])
    assert accuracy_interval([unknown]) == accuracy_interval([apart])


def test_more_seeds_of_the_same_predictions_do_not_narrow_the_interval():
    jobs = [random_job(0.7, fold=fold) for fold in range(4)]
    again = [random_job(0.7, fold=fold) for fold in range(4)]
    repeated = jobs + [Predictions(job.fold, 1, *(getattr(job, name) for name in job.__slots__[2:])) for job in again]
    assert accuracy_interval(repeated) == pytest.approx(accuracy_interval(jobs))
    assert f1_macro_interval(repeated) == pytest.approx(f1_macro_interval(jobs))


def test_a_test_clip_that_every_fold_predicts_counts_once():
    clips = [f"test/clip{index}" for index in range(40)]
    sources = [f"test/source{index // 4}" for index in range(40)]
    correct = np.random.default_rng(5).random(40) < 0.6
    folds = [predictions(correct, sources, fold=fold, clips=clips) for fold in range(4)]
    assert accuracy_interval(folds) == pytest.approx(accuracy_interval(folds[:1]))


@pytest.mark.parametrize("interval", [accuracy_interval, f1_macro_interval])
def test_a_small_fold_counts_as_much_as_a_large_one_in_an_interval(interval):
    small = predictions([True] * 20, fold=0)
    large = predictions([True, True, False, False] * 100, fold=1)
    low, high = interval([small, large])
    assert (low + high) / 2 == pytest.approx(0.75, abs=0.01)  # of all clips, 0.52 are right


def test_a_small_fold_counts_as_much_as_a_large_one_in_a_difference():
    first = [predictions([True] * 20, fold=0), predictions([True, True, False, False] * 50, fold=1)]
    second = [predictions([False] * 20, fold=0), predictions([True, True, False, False] * 50, fold=1)]
    test = paired_test(first, second)
    assert test.difference == 0.5
    assert test.p_value == 2 / 2**5  # the five sources of the small fold all point one way
    assert test.interval()[0] <= 0.5 <= test.interval()[1]


def test_seeds_of_a_fold_share_its_weight_in_a_difference():
    first = [random_job(0.8, fold=0, seed=seed) for seed in (0, 1, 2)] + [random_job(0.8, fold=1)]
    second = [random_job(0.6, fold=0, seed=seed) for seed in (0, 1, 2)] + [random_job(0.6, fold=1)]
    means = [mean_and_sd({job.job: job.correct.mean() for job in jobs})[0] for jobs in (first, second)]
    assert paired_test(first, second).difference == pytest.approx(means[0] - means[1])


@pytest.mark.parametrize("interval", [accuracy_interval, f1_macro_interval, auroc_macro_interval])
def test_an_interval_holds_its_mean_and_is_the_same_every_time(interval):
    jobs = [random_job(0.75, fold=fold, seed=seed) for fold in range(4) for seed in range(2)]
    low, high = interval(jobs)
    assert 0.5 < low < 0.75 < high < 1
    assert interval(jobs) == (low, high)


def simulated_study(rng, num_folds=4, num_classes=10, sources_per_class=4):
    """Folds with few clips a class, of recordings whose clips (two each) are mistaken together; AUROC is near 0.8."""
    folds = []
    for fold in range(num_folds):
        labels = np.repeat(np.arange(num_classes), 2 * sources_per_class)
        of_source = np.repeat(rng.normal(size=(len(labels) // 2, num_classes)), 2, axis=0)
        logits = of_source + 0.7 * rng.normal(size=of_source.shape) + 1.5 * np.eye(num_classes)[labels]
        probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        names = tuple(f"fold{fold}/{index}" for index in range(len(labels)))
        sources = tuple(f"fold{fold}/{index // 2}" for index in range(len(labels)))
        folds.append(Predictions(fold, 0, "a", names, sources, labels, probabilities.argmax(axis=1), probabilities))
    return folds


@pytest.mark.parametrize(
    ("interval", "metric"),
    [
        (accuracy_interval, lambda job, once: weighted_accuracy(job.correct, once)),
        (f1_macro_interval, lambda job, once: weighted_f1_macro(job.labels, job.predicted, 10, once)),
        (auroc_macro_interval, lambda job, once: weighted_auroc_macro(job.labels, job.probabilities, once)),
    ],
)
def test_intervals_cover_what_is_expected_of_other_recordings_and_miss_it_on_both_sides(monkeypatch, interval, metric):
    monkeypatch.setattr(statistics, "source_weights", lambda number, seed: source_weights(number, 200, seed))
    rng = np.random.default_rng(0)
    once = np.ones((1, 80))
    figures = [np.mean([metric(job, once) for job in simulated_study(rng)]) for _ in range(300)]
    intervals = np.array([interval(simulated_study(rng)) for _ in range(100)])
    above, below = intervals[:, 0] > np.mean(figures), intervals[:, 1] < np.mean(figures)
    assert 0.90 <= 1 - np.mean(above | below) <= 0.99
    assert max(above.mean(), below.mean()) <= 0.07


@pytest.mark.parametrize("interval", [accuracy_interval, f1_macro_interval, auroc_macro_interval])
def test_no_interval_leaves_what_is_possible(interval):
    jobs = [predictions([True] * 39 + [False], fold=fold) for fold in range(4)]
    low, high = interval(jobs)
    assert 0 <= low < high <= 1
    assert interval([predictions([True] * 40)]) == (1, 1)


def test_the_interval_of_a_difference_may_lie_below_zero():
    low, high = paired_test([random_job(0.4)], [random_job(0.9)]).interval()
    assert -1 <= low < high < 0


@pytest.mark.parametrize("interval", [accuracy_interval, f1_macro_interval, auroc_macro_interval])
def test_fewer_than_eight_sources_give_no_interval(interval):
    correct = [True, False, True, True] * 8
    assert interval([predictions(correct[:4])]) is None
    assert interval([predictions(correct[:28])]) is None
    assert interval([predictions(correct)]) is not None


def test_fewer_than_eight_sources_give_no_interval_of_a_difference_even_where_the_test_is_significant():
    for num_sources, given in ((7, False), (8, True)):
        test = paired_test([predictions([True] * 4 * num_sources)], [predictions([False] * 4 * num_sources)])
        assert test.p_value < 0.05
        assert (test.interval() is not None) == given


@pytest.mark.slow
def test_intervals_of_differences_cover_what_is_expected_of_other_recordings():
    rng = np.random.default_rng(0)
    expected = np.mean([_difference(rng) for _ in range(300)])
    tests = [paired_test(*_two_variants(rng), num_flips=2_000) for _ in range(200)]
    intervals = np.array([test.interval() for test in tests])
    above, below = intervals[:, 0] > expected, intervals[:, 1] < expected
    assert 0.91 <= 1 - np.mean(above | below) <= 0.99
    assert max(above.mean(), below.mean()) <= 0.06


def _two_variants(rng):
    """The second is right less often, and both are wrong about the same recordings."""
    ours, theirs = [], []
    for fold in range(2):
        ease = np.repeat(rng.normal(1, 1, size=20), 4)
        ours.append(predictions(rng.normal(size=80) < ease, fold=fold))
        theirs.append(predictions(rng.normal(0.3, size=80) < ease, fold=fold))
    return ours, theirs


def _difference(rng):
    ours, theirs = _two_variants(rng)
    return np.mean([job.correct for job in ours]) - np.mean([job.correct for job in theirs])


def test_a_paired_test_reports_the_difference_of_clip_accuracies_weighted_by_clips():
    sources = ["big"] * 6 + ["small", "other"]
    first = predictions([True] * 6 + [False, True], sources)
    second = predictions([False] * 6 + [True, True], sources)
    test = paired_test([first], [second])
    assert test.difference == pytest.approx((6 - 1) / 8)
    assert test.p_value == 1  # of the four sums +-6 +-1, none lies nearer to 0
    assert (test.num_clips, test.num_sources, test.folds, test.seeds, test.reduced) == (8, 3, (0,), (0,), False)
    assert test.num_differing == 2
    assert test.interval() is None  # three sources are too few


def test_a_paired_test_agrees_with_scipy_over_sources():
    first, second = random_job(0.8, number=40), random_job(0.5, number=40)
    by_source = (first.correct - second.correct).reshape(-1, 4).sum(axis=1)
    expected = stats.permutation_test(
        (by_source, np.zeros(10)),
        lambda x, y, axis: (x - y).sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
    )
    assert paired_test([first], [second]).p_value == pytest.approx(expected.pvalue)


def test_swapping_the_variants_turns_the_difference_round_and_keeps_the_p_value():
    first = [random_job(0.8, fold=fold) for fold in range(2)]
    second = [random_job(0.6, fold=fold) for fold in range(2)]
    forth, back = paired_test(first, second), paired_test(second, first)
    assert forth.difference == pytest.approx(-back.difference)
    assert forth.p_value == pytest.approx(back.p_value)


def test_only_common_folds_and_seeds_are_compared_and_it_is_said():
    first = [random_job(0.8, fold=fold) for fold in (0, 1, 2)]
    second = [random_job(0.6, fold=fold, seed=seed) for fold in (1, 2) for seed in (0, 1)]
    test = paired_test(first, second)
    assert (test.folds, test.seeds) == ((1, 2), (0,))
    assert test.reduced
    assert test.difference == pytest.approx(paired_test(first[1:], [second[0], second[2]]).difference)


def test_the_order_of_clips_within_a_job_does_not_matter():
    first, second = random_job(0.8), random_job(0.6)
    order = np.random.default_rng(0).permutation(80)
    shuffled = Predictions(
        0,
        0,
        "a",
        tuple(second.clips[index] for index in order),
        tuple(second.sources[index] for index in order),
        second.labels[order],
        second.predicted[order],
        second.probabilities[order],
    )
    assert paired_test([first], [shuffled]) == paired_test([first], [second])


def test_different_splits_are_refused():
    with pytest.raises(ValueError, match=r"different splits \(a, b\)"):
        paired_test([random_job(0.8)], [random_job(0.8, digest="b")])


def test_variants_without_a_common_fold_are_refused():
    with pytest.raises(
        ValueError, match=r"no fold and seed in common: the first has fold 0 seed 0, the second fold 1 seed 0"
    ):
        paired_test([random_job(0.8)], [random_job(0.8, fold=1)])


def test_different_clips_in_a_fold_are_refused_by_name():
    with pytest.raises(ValueError, match=r"different clips in fold 0 seed 0: 'fold0/clip079'"):
        paired_test([random_job(0.8)], [random_job(0.8, number=79)])


def test_different_labels_of_the_same_clips_are_refused():
    first, second = random_job(0.8), random_job(0.8)
    second.labels[3] = 1 - second.labels[3]
    with pytest.raises(ValueError, match="different labels for the same clips in fold 0 seed 0"):
        paired_test([first], [second])


def test_a_fold_and_seed_given_twice_is_refused():
    with pytest.raises(ValueError, match="stand twice"):
        paired_test([random_job(0.8), random_job(0.8)], [random_job(0.8)])


def test_no_predictions_at_all_are_refused():
    with pytest.raises(ValueError, match="no predictions"):
        accuracy_interval([])


def test_holm_agrees_with_statsmodels():
    rng = np.random.default_rng(0)
    for size in (1, 2, 5, 15):
        p_values = rng.random(size) ** 3
        np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1])
    np.testing.assert_allclose(holm([0.01, 0.01, 0.04]), multipletests([0.01, 0.01, 0.04], method="holm")[1])
    assert holm([]) == []


@pytest.mark.parametrize("p_values", [[1.2], [-0.1, 0.5], [float("nan")]])
def test_holm_refuses_what_is_no_probability(p_values):
    with pytest.raises(ValueError, match="p-values must lie in"):
        holm(p_values)


def test_some_of_many_p_values_are_corrected_at_least_as_much_as_among_all_of_them():
    p_values = np.random.default_rng(0).random(15) ** 4
    of_all = holm(p_values)
    some = [1, 4, 5, 11]
    corrected = holm(p_values[some], num_tests=15)
    assert (np.array(corrected) >= np.array(of_all)[some]).all()
    assert min(corrected) == pytest.approx(15 * p_values[some].min())
    assert holm(p_values, num_tests=15) == of_all


def test_holm_refuses_fewer_tests_than_p_values():
    with pytest.raises(ValueError, match="num_tests=1 is less than the 2 p-values"):
        holm([0.1, 0.2], num_tests=1)
