"""Classes of unequal size: how unequal, and what makes up for it in training."""

from collections.abc import Sequence

import numpy as np

IMBALANCE = 3  # largest class to smallest, above which it is said


def class_counts(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """(K,) clips of each class, from labels (N,)."""
    return np.bincount(labels, minlength=num_classes)


def class_weights(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """(K,) float32 weight of each class in the loss, so that all classes weigh the same; 1 for a clip on average."""
    counts = class_counts(labels, num_classes)
    return (counts.sum() / np.count_nonzero(counts) / np.maximum(counts, 1)).astype(np.float32)


def is_unequal(counts: np.ndarray) -> bool:
    """Whether a class is more than IMBALANCE times as large as another, from (K,) clips of each."""
    return bool(counts.max() > IMBALANCE * counts.min())


def describe_imbalance(labels: np.ndarray, classes: Sequence[str]) -> str | None:
    """'Dog' has 120 clips, 'Cat' 8; None where no class is more than IMBALANCE times as large as another."""
    counts = class_counts(labels, len(classes))
    if not is_unequal(counts):
        return None
    largest, smallest = classes[int(counts.argmax())], classes[int(counts.argmin())]
    return f"{largest!r} has {counts.max()} clips, {smallest!r} {counts.min()}"
