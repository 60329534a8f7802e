"""Whether probabilities mean what they say, and one temperature that brings them nearer to it.

Of clips that are called with a confidence of 80%, 80% should be right. The measures and the remedy are those of
C. Guo et al. 2017, "On Calibration of Modern Neural Networks".

Axis letters: N clips, K classes.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

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
        count = int(inside.sum())
        means = (float(confidence[inside].mean()), float(correct[inside].mean())) if count else (None, None)
        bins.append(Bin(low, high, count, *means))
    return bins


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, num_bins: int = NUM_BINS) -> float:
    """Mean distance of accuracy and confidence over the bins, each weighted by its clips: 0 is perfect.

    Guo et al. 2017, equation 3. With few clips it is above 0 for perfect probabilities as well.
    """
    bins = reliability(probabilities, labels, num_bins)
    return sum(bin.count * abs(bin.accuracy - bin.confidence) for bin in bins if bin.count) / len(labels)


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The temperature T that makes the labels likeliest under softmax(log p / T): above 1 where p is too sure.

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
        return float((_softmax(beta * logs) * logs).sum(axis=1).mean() - of_labels)

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
    return _softmax(_logs(probabilities) / temperature)


def _logs(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(probabilities.astype(np.float64), _LEAST_PROBABILITY))


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _check(probabilities: np.ndarray, labels: np.ndarray) -> None:
    if probabilities.ndim != 2 or probabilities.shape[:1] != labels.shape or not len(labels):
        raise ValueError(
            f"probabilities {probabilities.shape} and labels {labels.shape} must be (N, K) and (N,)"
            " with at least one clip"
        )
