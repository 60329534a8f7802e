"""What the folds of a study say, and whether one variant is better than another.

Clips of one recording sound alike and seeds of one fold see the same clips, so neither counts as evidence of its own:
seeds are averaged first, and whole source recordings are resampled or flipped. Means, intervals and differences are
all of one quantity: the mean over folds, in which a fold counts as much as another, however many clips it has.

Axis letters: N clips, S sources, M flips, R resamples.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from audio_cls.analysis.bootstrap import (
    centred_interval,
    mean_of_present,
    source_weights,
    weighted_accuracy,
    weighted_auroc_macro,
    weighted_balanced_accuracy,
    weighted_f1_macro,
)
from audio_cls.analysis.sign_flips import NUM_FLIPS, SignFlips, flip_signs
from audio_cls.analysis.summary import Interval
from audio_cls.results.predictions import Predictions, in_order_of

Metric = Callable[[Predictions, np.ndarray], np.ndarray]  # of a job under weights (R, N), to (R,)

METRICS: dict[str, Metric] = {
    "accuracy": lambda job, weights: weighted_accuracy(job.correct, weights),
    "balanced_accuracy": lambda job, weights: weighted_balanced_accuracy(job.labels, job.correct, weights),
    "f1_macro": lambda job, weights: weighted_f1_macro(job.labels, job.predicted, job.probabilities.shape[1], weights),
    "auroc_macro": lambda job, weights: weighted_auroc_macro(job.labels, job.probabilities, weights),
}
SIGNIFICANCE = 0.05
MIN_SOURCES = 8  # with fewer, resampling them gives intervals that are much too narrow


@dataclass(frozen=True, slots=True)
class PairedTest:
    """One variant against another on the clips that both predicted. Positive differences favour the first."""

    difference: float  # of accuracies, over the folds and seeds that both have
    flips: SignFlips = field(compare=False)
    num_clips: int
    num_sources: int
    num_differing: int  # sources that favour one of the two
    folds: tuple[int, ...]  # that both have
    seeds: tuple[int, ...]
    reduced: bool  # whether one of them has folds or seeds that the other lacks

    @property
    def p_value(self) -> float:
        return self.flips.p_value

    def interval(self, significance: float = SIGNIFICANCE) -> Interval | None:
        """The differences that the test does not reject at this level; None with fewer than MIN_SOURCES sources."""
        return self.flips.interval(significance) if self.num_sources >= MIN_SOURCES else None


def mean_and_sd(values: Mapping[tuple[int, int], float | None]) -> tuple[float | None, float | None]:
    """Mean and standard deviation (n - 1) over fold means, from a value for each (fold, seed).

    Seeds are averaged first. The deviation is None with fewer than two folds, both where every value is None.
    """
    folds: dict[int, list[float]] = defaultdict(list)
    for (fold, _), value in values.items():
        if value is not None:
            folds[fold].append(value)
    means = [float(np.mean(seeds)) for seeds in folds.values()]
    if not means:
        return None, None
    return float(np.mean(means)), float(np.std(means, ddof=1)) if len(means) > 1 else None


def metric_interval(predictions: Sequence[Predictions], metric: str, seed: int = 0) -> Interval | None:
    """95% interval of the mean over folds of one of METRICS; None with fewer than MIN_SOURCES sources.

    Resamples the sources of all folds at once and averages the metric over seeds, then folds, in every resample.
    """
    _check_same_split(predictions)
    names = sorted(_source_names(predictions))
    if len(names) < MIN_SOURCES:
        return None
    index = {name: place for place, name in enumerate(names)}
    weights = np.vstack([np.ones(len(names)), source_weights(len(names), seed=seed)])  # (1 + R, S): first as they are
    folds: dict[int, list[np.ndarray]] = defaultdict(list)
    for job in predictions:
        of_clips = weights[:, [index[source] for source in known_sources(job)]]
        folds[job.fold].append(METRICS[metric](job, of_clips))
    means = np.stack([mean_of_present(np.stack(seeds), axis=0) for seeds in folds.values()])  # (folds, 1 + R)
    estimate, *resampled = mean_of_present(means, axis=0)
    return centred_interval(np.array(resampled), float(estimate))


def num_sources(predictions: Sequence[Predictions]) -> int:
    """How many sources were predicted, each clip of unknown source counting as one."""
    return len(_source_names(predictions))


def known_sources(job: Predictions) -> list[str]:
    """The clips' sources; a clip of unknown source gets one of its own."""
    return [source or f"clip {clip}" for clip, source in zip(job.clips, job.sources, strict=True)]


def paired_test(
    first: Sequence[Predictions], second: Sequence[Predictions], seed: int = 0, num_flips: int = NUM_FLIPS
) -> PairedTest:
    """Compares two variants by the folds and seeds that both have; `num_flips` as flip_signs has it.

    Raises ValueError where there is nothing to compare: another split, no fold and seed in common, or other clips or
    labels in a fold of the same number.
    """
    _check_same_split([*first, *second])
    ours, theirs = _by_job(first), _by_job(second)
    jobs = sorted(ours.keys() & theirs.keys())
    if not jobs:
        raise ValueError(
            f"no fold and seed in common: the first has {_name_jobs(ours)}, the second {_name_jobs(theirs)}; "
            "train both with the same fold= and seed="
        )
    shared = [ours[job] for job in jobs]
    differences = {mine.job: mine.correct - in_order_of(mine, theirs[mine.job]).correct for mine in shared}
    mean, _ = mean_and_sd({job: float(values.mean()) for job, values in differences.items()})
    contributions = _contributions(shared, differences)
    weights = _contributions(shared, {job: np.ones(len(values)) for job, values in differences.items()})
    return PairedTest(
        difference=round(mean or 0.0, 12) + 0.0,  # what cancels out is 0, not 1e-18, and not -0
        flips=flip_signs(contributions, weights, num_flips, seed),
        num_clips=len({clip for job in shared for clip in job.clips}),
        num_sources=len(contributions),
        num_differing=int(np.sum(np.abs(contributions) > 1e-12)),
        folds=tuple(sorted({fold for fold, _ in jobs})),
        seeds=tuple(sorted({seed for _, seed in jobs})),
        reduced=ours.keys() != theirs.keys(),
    )


def holm(p_values: Sequence[float], num_tests: int | None = None) -> list[float]:
    """The p-values corrected for their number (Holm 1979), in the same order.

    `num_tests`: how many they were chosen from, where that is more than are given. Whatever the others are, none of
    these is corrected too little: a p-value's place among all tests is no earlier than its place among these.
    """
    num_tests = len(p_values) if num_tests is None else num_tests
    if num_tests < len(p_values):
        raise ValueError(f"num_tests={num_tests} is less than the {len(p_values)} p-values at hand")
    values = np.asarray(p_values, dtype=np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"p-values must lie in 0..1, and these do not: {list(p_values)}")
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * (num_tests - np.arange(len(values))))
    corrected = np.empty(len(values))
    corrected[order] = np.minimum(stepped, 1)
    return corrected.tolist()


def _by_job(predictions: Sequence[Predictions]) -> dict[tuple[int, int], Predictions]:
    jobs = {job.job: job for job in predictions}
    if len(jobs) < len(predictions):
        raise ValueError(
            f"a fold and seed stand twice among {', '.join(str(job.job) for job in predictions)}; give each once"
        )
    return jobs


def _check_same_split(predictions: Sequence[Predictions]) -> None:
    if not predictions:
        raise ValueError("there are no predictions; train at least one fold")
    digests = sorted({job.split_digest for job in predictions})
    if len(digests) > 1:
        raise ValueError(
            f"different splits ({', '.join(digests)}); compare jobs of the same data, protocol and data.split_seed"
        )


def _contributions(jobs: Sequence[Predictions], values: Mapping[tuple[int, int], np.ndarray]) -> np.ndarray:
    """(S,) what each source adds to the mean over folds, in the order of their names; `values` of each job's clips."""
    seeds = Counter(job.fold for job in jobs)
    sums: dict[str, float] = defaultdict(float)
    for job in jobs:
        share = 1 / (len(seeds) * seeds[job.fold] * len(job.clips))  # of a clip
        for source, value in zip(known_sources(job), values[job.job].tolist(), strict=True):
            sums[source] += share * value
    return np.array([sums[source] for source in sorted(sums)])


def _source_names(predictions: Sequence[Predictions]) -> set[str]:
    return {source for job in predictions for source in known_sources(job)}


def _name_jobs(jobs: Mapping[tuple[int, int], Predictions]) -> str:
    return ", ".join(f"fold {fold} seed {seed}" for fold, seed in sorted(jobs))
