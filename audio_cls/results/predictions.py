"""What one job predicted for the clips of one split.

Axis letters: N clips, K classes.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, slots=True)
class Predictions:
    """What one job predicted for the clips of one split; N clips, in the job's own order.

    `sources` names the recording of each clip, '' where it is not known: such a clip counts as a recording of its own.
    """

    fold: int
    seed: int
    split_digest: str
    clips: tuple[str, ...]
    sources: tuple[str, ...]
    labels: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray

    @property
    def job(self) -> tuple[int, int]:
        return self.fold, self.seed

    @property
    def correct(self) -> np.ndarray:
        """(N,) 1.0 for a clip that was classified right, else 0.0."""
        return (self.labels == self.predicted).astype(np.float64)


def in_order_of(first: Predictions, second: Predictions) -> Predictions:
    """The second's predictions in the order of the first's clips; ValueError unless both predict the same."""
    differing = sorted(set(first.clips) ^ set(second.clips))
    where = f"fold {first.fold} seed {first.seed}"
    if differing:
        raise ValueError(
            f"different clips in {where}: {differing[0]!r} and {len(differing) - 1} more stand in one only; train again"
        )
    place = {clip: index for index, clip in enumerate(second.clips)}
    order = np.array([place[clip] for clip in first.clips])
    if not np.array_equal(first.labels, second.labels[order]):
        raise ValueError(f"different labels for the same clips in {where}; train it again")
    alike = replace(second, clips=first.clips, sources=first.sources, labels=first.labels)
    return replace(alike, predicted=second.predicted[order], probabilities=second.probabilities[order])


def by_seed(predictions: Iterable[Predictions]) -> dict[int, list[Predictions]]:
    """The folds of each seed."""
    seeds: dict[int, list[Predictions]] = defaultdict(list)
    for fold in predictions:
        seeds[fold.seed].append(fold)
    return seeds
