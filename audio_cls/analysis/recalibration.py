"""What a variant's probabilities are worth, as they are and after a temperature that was fitted on other folds.

Both by C. Guo et al. 2017, as calibration.py has it. A temperature has seen only held-out clips of the variant's other
folds, so the error after it is as honest as the one before.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from audio_cls.analysis.calibration import apply_temperature, expected_calibration_error, fit_temperature
from audio_cls.analysis.summary import Calibration
from audio_cls.results.predictions import Predictions


def calibration_error(predictions: Sequence[Predictions]) -> float:
    """The expected calibration error of a variant as it is: its folds pooled, seeds averaged."""
    seeds = _by_seed(predictions).values()
    return float(np.mean([expected_calibration_error(*_pool(folds)) for folds in seeds]))


def recalibrate(predictions: Sequence[Predictions]) -> Calibration | None:
    """The calibration of a variant on one split; None where no seed has a second fold to fit on.

    The clips of all folds stand in the same bins, which a single fold has too few of; seeds are averaged.
    """
    measured = [_measure(folds) for folds in _by_seed(predictions).values() if len(folds) > 1]
    return Calibration(*(float(value) for value in np.mean(measured, axis=0))) if measured else None


def other_folds_temperature(folds: Sequence[Predictions], fold: int) -> float:
    """The temperature for a fold, fitted on the others of the same variant and seed."""
    others = [other for other in folds if other.fold != fold]
    return fit_temperature(*_pool(others))


def _by_seed(predictions: Sequence[Predictions]) -> dict[int, list[Predictions]]:
    seeds: dict[int, list[Predictions]] = defaultdict(list)
    for fold in predictions:
        seeds[fold.seed].append(fold)
    return seeds


def _measure(folds: Sequence[Predictions]) -> tuple[float, float, float, float]:
    """Of one seed: confidence, error, mean temperature, error after it."""
    probabilities, labels = _pool(folds)
    temperatures = [other_folds_temperature(folds, fold.fold) for fold in folds]
    scaled = [apply_temperature(fold.probabilities, t) for fold, t in zip(folds, temperatures, strict=True)]
    return (
        probabilities.max(axis=1).mean(),
        expected_calibration_error(probabilities, labels),
        np.mean(temperatures),
        expected_calibration_error(np.concatenate(scaled), labels),
    )


def _pool(folds: Sequence[Predictions]) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (N, K) and labels (N,) of the clips of several folds."""
    return np.concatenate([fold.probabilities for fold in folds]), np.concatenate([fold.labels for fold in folds])
