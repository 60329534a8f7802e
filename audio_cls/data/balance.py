"""Classes of unequal size: how unequal, and what makes up for it in training."""

import numpy as np

from audio_cls.data.clips import ClipSet

IMBALANCE = 3  # largest class to smallest, above which it is said


def class_counts(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """(K,) clips of each class, from labels (N,)."""
    return np.bincount(labels, minlength=num_classes)


def class_weights(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """(K,) float32 weight of each class in the loss, so that all classes weigh the same; 1 for a clip on average."""
    counts = class_counts(labels, num_classes)
    return (counts.sum() / np.count_nonzero(counts) / np.maximum(counts, 1)).astype(np.float32)


def describe_imbalance(clip_set: ClipSet) -> str | None:
    """'Dog' has 120 clips, 'Cat' 8; None where no class is more than IMBALANCE times as large as another."""
    counts = class_counts(np.array([clip.label for clip in clip_set.clips]), len(clip_set.classes))
    if counts.max() <= IMBALANCE * counts.min():
        return None
    largest, smallest = clip_set.classes[int(counts.argmax())], clip_set.classes[int(counts.argmin())]
    return f"{largest!r} has {counts.max()} clips, {smallest!r} {counts.min()}"
