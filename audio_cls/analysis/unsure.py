"""How often held-out clips are called unsure, right and wrong answers apart.

Axis letters: N clips, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audio_cls.analysis.calibration import apply_temperature, other_folds_temperature
from audio_cls.results.predictions import Predictions, by_seed
from audio_cls.serving.confidence import confidence_threshold


@dataclass(frozen=True)
class UnsureCounts:
    """Held-out clips that are answered right and wrong, and how many of each are called unsure."""

    right: int
    right_unsure: int
    wrong: int
    wrong_unsure: int


def count_unsure(predictions: Sequence[Predictions]) -> UnsureCounts | None:
    """Of a variant's folds on one split, all seeds together; None where no seed has a second fold.

    Temperature and threshold of a fold come from the held-out clips of the variant's other folds, so that no clip had
    a part in finding the threshold that it is held against.
    """
    right, unsure = [], []
    for folds in by_seed(predictions).values():
        for fold in folds if len(folds) > 1 else ():
            right.append(fold.correct.astype(bool))
            unsure.append(unsure_clips(fold, [other for other in folds if other.fold != fold.fold]))
    if not right:
        return None
    correct, doubted = np.concatenate(right), np.concatenate(unsure)
    counts = [(chosen.sum(), (chosen & doubted).sum()) for chosen in (correct, ~correct)]
    return UnsureCounts(*(int(count) for pair in counts for count in pair))


def unsure_clips(fold: Predictions, others: Sequence[Predictions]) -> np.ndarray:
    """Which of the fold's clips (N,) are unsure, by temperature and threshold of the others."""
    temperature = other_folds_temperature(others, fold.fold)
    known = np.concatenate([apply_temperature(other.probabilities, temperature) for other in others])
    threshold = confidence_threshold(known, np.concatenate([other.labels for other in others]))
    return apply_temperature(fold.probabilities, temperature).max(axis=1) < threshold
