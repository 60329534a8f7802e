"""How well probabilities agree with accuracy, and one temperature that improves it.

Of clips that are classified with a confidence of 80%, 80% should be right. Measures and remedy are those of C. Guo et
al. 2017, "On Calibration of Modern Neural Networks".

Axis letters: N clips, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import softmax

from audio_cls.analysis.summary import Calibration, known
from audio_cls.results.predictions import Predictions, by_seed

NUM_BINS = 10
LEAST_TEMPERATURE, GREATEST_TEMPERATURE = 0.05, 20.0
_LEAST_PROBABILITY = 1e-12  # what a file rounds to 0 has a logarithm, too


@dataclass(frozen=True)
class Bin:
    """The clips whose confidence lies above `low` and up to `high`; the means are None without such a clip."""

    low: float
    high: float
    count: int
    confidence: float | None  # mean of the largest probability
    accuracy: float | None


def reliability(probabilities: np.ndarray, labels: np.ndarray, num_bins: int = NUM_BINS) -> list[Bin]:
    """Accuracy against confidence, which is the largest probability of a clip, in bins of equal width over 0 to 1.

    Shape:
        probabilities (N, K) in [0, 1], labels (N,) -> num_bins bins
    """
    _check(probabilities, labels)
    if num_bins < 1:
        raise ValueError(f"num_bins={num_bins} must be at least 1")
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    edges = np.linspace(0, 1, num_bins + 1)
    place = np.digitize(confidence, edges[1:-1], right=True)  # (N,); the outer bins take what rounding puts beyond them
    bins = []
    for index, (low, high) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
        inside = place == index
        means = [float(values[inside].mean()) if inside.any() else None for values in (confidence, correct)]
        bins.append(Bin(low, high, int(inside.sum()), *means))
    return bins


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, num_bins: int = NUM_BINS) -> float:
    """Mean distance of accuracy and confidence over the bins, each weighted by its clips: 0 is perfect.

    Guo et al. 2017, equation 3. With few clips it is above 0 for perfect probabilities as well.
    """
    bins = reliability(probabilities, labels, num_bins)
    distances = (bin.count * abs(known(bin.accuracy) - known(bin.confidence)) for bin in bins if bin.count)
    return sum(distances) / len(labels)


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The temperature T that makes the labels likeliest under softmax(log p / T): above 1 where p is overconfident.

    Kept within LEAST_TEMPERATURE and GREATEST_TEMPERATURE: where every clip is right no T is small enough, where labels
    and probabilities have nothing to do with each other none is large enough.

    Shape:
        probabilities (N, K) in [0, 1], labels (N,) -> one number
    """
    _check(probabilities, labels)
    logs = _logs(probabilities)
    of_labels = logs[np.arange(len(labels)), labels].mean()

    def slope(beta: float) -> float:
        """Of the negative log likelihood along beta = 1 / T, which is convex: the one place where it is 0 is sought."""
        return float((softmax(beta * logs, axis=1) * logs).sum(axis=1).mean() - of_labels)

    low, high = 1 / GREATEST_TEMPERATURE, 1 / LEAST_TEMPERATURE
    if slope(low) >= 0:
        return GREATEST_TEMPERATURE
    if slope(high) <= 0:
        return LEAST_TEMPERATURE
    return float(1 / brentq(slope, low, high))


def apply_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(log p / T), (N, K) like the probabilities. The order of the classes, and so the accuracy, stays."""
    if not temperature > 0:
        raise ValueError(f"temperature={temperature} must be above 0")
    return softmax(_logs(probabilities) / temperature, axis=1)


def calibration_error(predictions: Sequence[Predictions]) -> float:
    """The expected calibration error of a variant as it is: its folds pooled, seeds averaged."""
    return float(np.mean([expected_calibration_error(*_pool(folds)) for folds in by_seed(predictions).values()]))


def recalibrate(predictions: Sequence[Predictions]) -> Calibration | None:
    """The calibration of a variant on one split; None where no seed has a second fold to fit on.

    The temperature of a fold is fitted on held-out clips of the variant's other folds, so the error after it is as
    honest as the one before. The clips of all folds share the bins, as a single fold has too few; seeds are averaged.
    """
    measured = [_measure(folds) for folds in by_seed(predictions).values() if len(folds) > 1]
    return Calibration(*(float(value) for value in np.mean(measured, axis=0))) if measured else None


def other_folds_temperature(folds: Sequence[Predictions], fold: int) -> float:
    """The temperature for a fold, fitted on the others of the same variant and seed."""
    others = [other for other in folds if other.fold != fold]
    return fit_temperature(*_pool(others))


def _measure(folds: Sequence[Predictions]) -> tuple[float, float, float, float]:
    """Of one seed: confidence, error, mean temperature, error after it."""
    probabilities, labels = _pool(folds)
    temperatures = [other_folds_temperature(folds, fold.fold) for fold in folds]
    scaled = [apply_temperature(fold.probabilities, t) for fold, t in zip(folds, temperatures, strict=True)]
    return (
        float(probabilities.max(axis=1).mean()),
        expected_calibration_error(probabilities, labels),
        float(np.mean(temperatures)),
        expected_calibration_error(np.concatenate(scaled), labels),
    )


def _pool(folds: Sequence[Predictions]) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (N, K) and labels (N,) of the clips of several folds."""
    return np.concatenate([fold.probabilities for fold in folds]), np.concatenate([fold.labels for fold in folds])


def _logs(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities.astype(np.float64), _LEAST_PROBABILITY))


def _check(probabilities: np.ndarray, labels: np.ndarray) -> None:
    if probabilities.ndim != 2 or probabilities.shape[:1] != labels.shape or not len(labels):
        raise ValueError(
            f"probabilities {probabilities.shape} and labels {labels.shape} must be (N, K) and (N,)"
            " with at least one clip"
        )
