"""The sign-flip test of paired differences over sources, and the interval that belongs to it.

The test asks how often the sum of the sources' differences would be as far from 0, had each as well had the other sign.
The interval holds every difference that the same test, with the same signs, does not reject: it excludes 0 exactly
where the p-value is at most the level, and with few sources neither says more than the other (J. A. Hartigan 1969,
"Using subsample values as typical values"; E. J. G. Pitman 1937).

Axis letters: S sources, M patterns of signs.
"""

import math
from dataclasses import dataclass

import numpy as np

MAX_EXACT_SOURCES = 16  # 65,536 ways to flip the signs: all of them are tried
NUM_FLIPS = 20_000
_FLIPS_AT_ONCE = 1_000  # keeps M x S small in memory
_DECIMALS = 9  # differences that tie must count as tied, rounded or not


@dataclass(frozen=True, eq=False, slots=True)
class SignFlips:
    """For each pattern of signs (M,) the differences, from `low` to `high`, for which it is as extreme as no flips."""

    low: np.ndarray
    high: np.ndarray
    least_p_value: float  # of any signs of the sources that differ at all

    @property
    def p_value(self) -> float:
        """Two-sided, of no difference."""
        return float(np.mean((self.low <= 0) & (self.high >= 0)))

    def interval(self, significance: float) -> tuple[float, float] | None:
        """The differences whose p-value is above `significance`; None where so few sources exclude none."""
        place = math.floor(significance * len(self.low))
        low, high = np.partition(self.low, place)[place], np.partition(self.high, -place - 1)[-place - 1]
        return (float(low), float(high)) if np.isfinite([low, high]).all() else None


def flip_signs(
    contributions: np.ndarray, weights: np.ndarray | None = None, num_flips: int = NUM_FLIPS, seed: int = 0
) -> SignFlips:
    """Of the sources' contributions (S,) to a difference and their shares (S,) of it, which sum to 1: equal by default.

    All patterns with up to MAX_EXACT_SOURCES sources; else random ones, the one without flips among them, as a p-value
    from random patterns must not be 0 (B. Phipson and G. K. Smyth 2010). Where no more than that many sources differ
    from 0, each pattern of theirs is tried equally often, so that the p-value is exact then, too.

    Flipping the signs of what lies apart from a difference d gives a sum of a - d b, where the contributions sum to a
    and the shares to b, against D - d without flips. It is as extreme from one to the other of the means of the sources
    that are flipped and of those that are not.
    """
    weights = np.full(len(contributions), 1 / len(contributions)) if weights is None else weights
    differing = np.flatnonzero(np.abs(contributions) > 1e-12)
    sums, shares = _flipped_sums(np.stack([contributions, weights], axis=1), differing, num_flips, seed).T
    parts = np.stack([1 + shares, 1 - shares])  # (2, M) twice the share of either kind
    means = np.stack([contributions.sum() + sums, contributions.sum() - sums]) / np.where(parts > 1e-9, parts, 1)
    means = np.round(means, _DECIMALS)
    one_sided = (parts <= 1e-9).any(axis=0)  # all flipped, or none: extreme for every difference
    low, high = np.where(one_sided, -np.inf, means.min(axis=0)), np.where(one_sided, np.inf, means.max(axis=0))
    return SignFlips(low, high, max(min(1.0, 2.0 ** (1 - len(differing))), 1 / len(sums)))


def _flipped_sums(values: np.ndarray, differing: np.ndarray, num_flips: int, seed: int) -> np.ndarray:
    """(M, 2) sums of values (S, 2) under patterns of signs, of which the first flips nothing."""
    num_sources = len(values)
    listed = np.arange(num_sources) if num_sources <= MAX_EXACT_SOURCES else differing
    others = np.setdiff1d(np.arange(num_sources), listed)
    exact = len(listed) <= MAX_EXACT_SOURCES
    least = math.ceil(math.log2(num_flips)) if len(others) else 0
    count = 2 ** max(len(listed), least) if exact else num_flips + 1
    rng, rng_of_others = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    sums = [values.sum(axis=0)[None]]
    for start in range(1, count, _FLIPS_AT_ONCE):
        rows = np.arange(start, min(start + _FLIPS_AT_ONCE, count))
        flips = np.empty((len(rows), num_sources), dtype=np.int8)
        flips[:, others] = rng_of_others.integers(0, 2, size=(len(rows), len(others)), dtype=np.int8)
        if exact:
            flips[:, listed] = (rows[:, None] >> np.arange(len(listed))) & 1
        else:
            flips[:, listed] = rng.integers(0, 2, size=(len(rows), len(listed)), dtype=np.int8)
        sums.append((1 - 2 * flips) @ values)
    return np.concatenate(sums)
