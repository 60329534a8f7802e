"""What a comparison found, as plain values: the content of summary.json."""

from dataclasses import dataclass

Interval = tuple[float, float]


@dataclass(frozen=True)
class Spread:
    """A figure over folds. `sd` is None with a single fold, `interval` (95%) None with a single source recording."""

    mean: float | None
    sd: float | None
    interval: Interval | None


@dataclass(frozen=True)
class Scores:
    accuracy: Spread
    f1_macro: Spread
    auroc_macro: Spread


@dataclass(frozen=True)
class VariantRow:
    """One variant. `ranking` is None where nothing has finished or the protocol ranks nothing."""

    variant: str
    model: str | None
    heads: int | None
    ranking: Scores | None  # on the summary's ranking split
    test: Scores | None  # of holdout: a second column, by which nothing is chosen
    train_accuracy: float | None
    f1_per_class: list[float | None] | None  # on the ranking split, pooled over folds
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
    difference: float | None = None  # of clip accuracies
    interval: Interval | None = None
    p_value: float | None = None
    p_holm: float | None = None  # corrected for all comparisons of the summary
    enough_evidence: bool | None = None
    num_clips: int = 0
    num_sources: int = 0
    folds: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()
    reduced: bool = False  # one of them has folds or seeds that the other lacks
    problem: str | None = None


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
    notes: list[str]
    num_done: int
    missing: list[str]
    failed: list[str]
    damaged: list[str]
    interrupted: list[str]
    running: list[str]
