"""What a comparison found, as plain values: the content of summary.json."""

from dataclasses import dataclass
from typing import TypeVar

Interval = tuple[float, float]
T = TypeVar("T")


def known(value: T | None) -> T:
    """A value of a summary that is None elsewhere, where it cannot be."""
    assert value is not None
    return value


@dataclass(frozen=True)
class Spread:
    """A figure over folds. `sd` is None with a single fold, `interval` (95%) None where the sources are too few."""

    mean: float | None
    sd: float | None
    interval: Interval | None


@dataclass(frozen=True)
class Scores:
    """On one split, of clips from `num_sources` recordings; a clip of unknown source counts as one."""

    accuracy: Spread
    balanced_accuracy: Spread | None  # None where no class is much larger than another
    f1_macro: Spread
    auroc_macro: Spread
    num_sources: int


@dataclass(frozen=True)
class Calibration:
    """How well probabilities agree with accuracy on the ranking split: folds pooled, seeds averaged."""

    confidence: float  # mean of the largest probability, to be held against the accuracy
    error: float  # expected calibration error (Guo et al. 2017)
    temperature: float  # mean over folds, each fitted on held-out clips of the other folds; above 1: overconfident
    error_after: float  # of the probabilities after it


@dataclass(frozen=True)
class VariantRow:
    """One variant. `ranking` is None where nothing has finished or the protocol ranks nothing.

    An ensemble's parameters and seconds are the sums of its members', its jobs those that were averaged into.
    """

    variant: str
    kind: str  # 'variant', or 'ensemble'
    members: list[str]  # of an ensemble; a single one stands for its seeds
    model: str | None
    heads: int | None
    ranking: Scores | None  # on the summary's ranking split
    test: Scores | None  # of holdout: a second column, by which nothing is chosen
    train_accuracy: float | None
    f1_per_class: list[float | None] | None  # on the ranking split, pooled over folds
    calibration: Calibration | None  # None where there is no second fold to fit a temperature on
    folds: list[int]
    seeds: list[int]
    num_jobs: int
    num_parameters: int | None
    epochs: list[int]  # the different numbers of them that its jobs trained
    train_seconds: float | None  # of a job, on average
    train_seconds_total: float | None


@dataclass(frozen=True)
class Comparison:
    """`first` minus `second` on the clips both predicted, or the `problem` that forbids it."""

    first: str
    second: str
    difference: float | None = None  # of accuracies, each the mean over folds
    interval: Interval | None = None  # excludes 0 exactly where `significant`; None where the sources are too few
    confidence: float | None = None  # of the interval: 0.95, or the higher one at which Holm's correction ended
    p_value: float | None = None
    p_holm: float | None = None  # corrected for all pairs of rows
    least_p_holm: float | None = None  # the smallest that the sources which differ could have given
    significant: bool | None = None  # p_holm is at most 0.05
    num_clips: int = 0
    num_sources: int = 0
    num_differing: int = 0  # sources that favour one of the two
    folds: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()
    reduced: bool = False  # one of them has folds or seeds that the other lacks
    problem: str | None = None


@dataclass(frozen=True)
class Confusion:
    """Clips of one class that were predicted as another; counts are of predictions: clips times seeds and variants."""

    label: str
    predicted: str
    count: int
    total: int  # predictions for clips of this label
    by_variant: dict[str, tuple[int, int]]  # count and total of each variant


@dataclass(frozen=True)
class MisclassifiedClip:
    """A held-out clip and its predictions, of which `num_wrong` are wrong."""

    clip: str
    label: str
    num_wrong: int
    num_predictions: int
    predicted_as: dict[str, int]  # how often each other class was predicted, most often first
    probability: float  # of the label, on average


@dataclass(frozen=True)
class SourceAccuracy:
    """Of the held-out clips of one source recording, over all variants and seeds."""

    source: str
    labels: list[str]
    num_clips: int
    accuracy: float


@dataclass(frozen=True)
class VariantErrors:
    variant: str
    seeds: list[int]
    num_clips: int
    clips: list[MisclassifiedClip]  # wrong with every seed


@dataclass(frozen=True)
class Errors:
    """Where the trained variants err on the ranking split; ensembles are left out, being made of them."""

    confusions: list[Confusion]  # the most frequent
    sources: list[SourceAccuracy]  # those with several clips, the least accurate first
    num_clips: int
    clips: list[MisclassifiedClip]  # wrong with every variant and seed
    variants: list[VariantErrors]


@dataclass(frozen=True)
class Guessing:
    """Always guessing the commonest class of the training clips."""

    accuracy: float  # on the ranking split, mean over folds
    classes: list[str]  # that are guessed: several where folds differ; none where all are equally common


@dataclass(frozen=True)
class Summary:
    """A whole study. `headline` is its first line: what is missing, failed, damaged, or that all is there."""

    study: str
    headline: str
    verdict: str
    dataset: str | None
    protocol: str | None
    split_digest: str | None
    ranking_split: str | None
    classes: list[str]
    num_folds: int | None
    rows: list[VariantRow]  # best first; variants with fewer folds than others last
    comparisons: list[Comparison]
    guessing: Guessing | None  # None where nothing was held out
    errors: Errors | None  # None where no held-out clip was predicted
    notes: list[str]
    num_done: int
    missing: list[str]
    failed: list[str]
    damaged: list[str]
    interrupted: list[str]
    running: list[str]
