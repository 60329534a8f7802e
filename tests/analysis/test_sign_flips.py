import numpy as np
import pytest
from scipy import stats

from audio_cls.analysis.sign_flips import flip_signs


def p_value_of(contributions, num_flips=20_000):
    return flip_signs(np.asarray(contributions, dtype=float), num_flips=num_flips).p_value


def test_the_exact_sign_flip_test_agrees_with_scipy():
    rng = np.random.default_rng(0)
    first, second = rng.normal(0.4, 1, size=10), rng.normal(size=10)
    expected = stats.permutation_test(
        (first, second), lambda x, y, axis: (x - y).mean(axis=axis), permutation_type="samples", vectorized=True
    )
    assert p_value_of(first - second) == pytest.approx(expected.pvalue)


def test_the_random_sign_flip_test_agrees_with_scipy():
    rng = np.random.default_rng(1)
    differences = rng.normal(0.3, 1, size=50)
    expected = stats.permutation_test(
        (differences, np.zeros(50)),
        lambda x, y, axis: (x - y).mean(axis=axis),
        permutation_type="samples",
        n_resamples=20_000,
        vectorized=True,
        rng=2,
    )
    assert p_value_of(differences) == pytest.approx(expected.pvalue, abs=0.01)


def test_sources_without_a_difference_do_not_change_the_p_value():
    differences = np.array([1, 1, 1, -1, 2, 1.0])
    padded = np.concatenate([differences, np.zeros(100)])
    assert p_value_of(padded) == p_value_of(differences)


def test_the_least_p_value_is_exact_for_few_sources_and_never_zero_for_many():
    assert p_value_of(np.ones(5)) == 2 / 2**5
    assert p_value_of(np.ones(100), num_flips=10_000) == 1 / 10_001
    assert p_value_of(np.zeros(100)) == 1


def test_sums_that_tie_count_as_extreme_however_they_are_rounded():
    thirds = np.array([0.1, 0.2, 0.3, -0.3, 0.1 + 0.2])
    tenths = np.array([1, 2, 3, -3, 3])
    assert p_value_of(thirds) == p_value_of(tenths)


def test_under_no_difference_p_values_are_not_too_small():
    rng = np.random.default_rng(0)
    p_values = [p_value_of(rng.integers(-2, 3, size=12)) for _ in range(300)]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.08


def random_study(rng, num_sources):
    """Contributions and shares of sources of different sizes, some without a difference, some with equal ones."""
    sizes = rng.integers(1, 6, num_sources)
    right = rng.integers(-2, 3, num_sources) / 2 * (rng.random(num_sources) < rng.random()) + rng.choice([0, 0.3, 0.6])
    return right * sizes / sizes.sum(), sizes / sizes.sum()


@pytest.mark.parametrize("significance", [0.05, 0.05 / 3, 0.2])
def test_the_interval_excludes_no_difference_exactly_where_the_test_is_significant(significance):
    rng = np.random.default_rng(0)
    outcomes = []
    for _ in range(300):
        flips = flip_signs(*random_study(rng, int(rng.integers(1, 13))))
        significant, interval = flips.p_value <= significance, flips.interval(significance)
        assert significant == (interval is not None and not interval[0] <= 0 <= interval[1])
        outcomes.append(significant)
    assert 20 < sum(outcomes) < 280


@pytest.mark.parametrize("num_differing", [5, 12, 17, 40])
def test_interval_and_test_agree_where_only_some_of_many_sources_differ(num_differing):
    rng = np.random.default_rng(num_differing)
    outcomes = []
    for mean in np.linspace(0, 1, 15):
        contributions = np.zeros(60)
        contributions[:num_differing] = rng.choice([-1, 1, 2], size=num_differing) + mean
        flips = flip_signs(contributions / 60, num_flips=2_000)
        low, high = flips.interval(0.05)
        outcomes.append(flips.p_value <= 0.05)
        assert outcomes[-1] == (not low <= 0 <= high)
        assert low <= contributions.sum() / 60 <= high
    assert any(outcomes) != (num_differing == 5)


def test_an_interval_holds_what_shifted_differences_do_not_reject():
    contributions, shares = random_study(np.random.default_rng(1), 10)
    low, high = flip_signs(contributions, shares).interval(0.05)
    for difference, inside in ((low - 1e-6, False), (low + 1e-6, True), (high - 1e-6, True), (high + 1e-6, False)):
        shifted = flip_signs(contributions - difference * shares, shares)
        assert (shifted.p_value > 0.05) == inside


def test_the_interval_of_many_alike_sources_is_that_of_the_t_test():
    differences = np.random.default_rng(0).normal(0.3, 1, size=200)
    expected = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert flip_signs(differences / 200).interval(0.05) == pytest.approx(tuple(expected), abs=0.01)


def test_so_few_sources_that_no_difference_could_be_shown_have_no_interval():
    flips = flip_signs(np.full(5, 0.2))
    assert flips.least_p_value == flips.p_value == 2 / 2**5
    assert flips.interval(0.05) is None
    assert flip_signs(np.full(6, 1 / 6)).interval(0.05) == pytest.approx((1, 1))


def test_only_sources_that_differ_make_a_small_p_value_possible():
    assert flip_signs(np.array([0.1, 0, 0, -0.2] + [0.0] * 50)).least_p_value == 0.5
    assert flip_signs(np.zeros(30)).least_p_value == 1
    assert flip_signs(np.ones(100), num_flips=999).least_p_value == 1 / 1000
