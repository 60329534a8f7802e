"""Clip-level metrics of one split, computed by torchmetrics.

Axis letters: B clips, K classes.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_auroc,
    multiclass_confusion_matrix,
    multiclass_f1_score,
)

ROUNDING = 1e-4  # how far outside 0 to 1 a mean of probabilities may come to lie, in half precision


@dataclass(frozen=True)
class Scores:
    """What one split scored. Per-class values are None for a class that does not occur (AUROC: or is the only one)."""

    accuracy: float
    balanced_accuracy: float
    f1_macro: float
    auroc_macro: float | None
    f1_per_class: list[float | None]
    auroc_per_class: list[float | None]
    confusion: list[list[int]]

    def scalars(self) -> dict[str, float]:
        names = ("accuracy", "balanced_accuracy", "f1_macro", "auroc_macro")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class ClipMetrics:
    """Collects probabilities and labels of clips, and scores them all at once. One object for each split, never shared.

    - accuracy: share of clips whose most probable class is the right one; chance is 1 / K.
    - balanced accuracy: mean over the classes that have clips of the share of their clips that is recognised, whatever
      their sizes; the accuracy itself where classes are of one size.
    - macro F1: mean over the classes that occur among labels or predictions, as scikit-learn does.
    - macro AUROC: one against rest, 1 is a perfect ranking and 0.5 chance; mean over the classes that occur. A class
      without clips has no ROC curve; torchmetrics would count it as 0, so it is left out.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self._num_clips = 0
        # Rows of these clips, and room for more. Not tensors: those of a validation cannot be written to outside of it.
        self._probabilities = np.empty((0, num_classes), np.float32)
        self._labels = np.empty(0, np.int64)

    def reset(self) -> None:
        self._num_clips = 0

    def update(self, probabilities: Tensor, labels: Tensor) -> None:
        """Adds clips: probabilities (B, K), labels (B,). Raises ValueError unless they lie between 0 and 1."""
        if not torch.isfinite(probabilities).all():
            raise ValueError(
                "the model gives probabilities that are not finite; lower optimizer.lr or set trainer.gradient_clip=1"
            )
        if probabilities.min() < -ROUNDING or probabilities.max() > 1 + ROUNDING:
            raise ValueError(
                f"probabilities must lie between 0 and 1, not {probabilities.min():g} to {probabilities.max():g};"
                " apply softmax to logits first"
            )
        added = slice(self._num_clips, self._num_clips + len(labels))
        self._make_room(added.stop)
        # The least value above 1, which a mean over crops may round to, makes torchmetrics apply a softmax to all.
        self._probabilities[added] = probabilities.detach().float().cpu().clamp(0, 1).numpy()
        self._labels[added] = labels.cpu().numpy()
        self._num_clips = added.stop

    def compute(self) -> Scores:
        """Scores of all clips so far. Raises ValueError without any."""
        if not self._num_clips:
            raise ValueError("no clip was scored: the split is empty")
        probabilities = torch.from_numpy(self._probabilities[: self._num_clips])
        labels = torch.from_numpy(self._labels[: self._num_clips])
        predicted, num_classes = probabilities.argmax(1), self.num_classes
        confusion = multiclass_confusion_matrix(predicted, labels, num_classes)
        occurs = (confusion.sum(0) + confusion.sum(1) > 0).tolist()
        has_clips = confusion.sum(1) > 0  # torchmetrics' own mean counts a class that is only predicted as 0
        recall = multiclass_accuracy(predicted, labels, num_classes, average="none")[has_clips]
        f1 = multiclass_f1_score(predicted, labels, num_classes, average="none").tolist()
        has_curve = [0 < count < len(labels) for count in confusion.sum(1).tolist()]
        with warnings.catch_warnings(action="ignore"):  # of classes without clips: they are left out
            auroc = multiclass_auroc(probabilities, labels, num_classes, average="none").tolist()
        present = [area for area, curve in zip(auroc, has_curve, strict=True) if curve]
        return Scores(
            accuracy=_decimal(multiclass_accuracy(predicted, labels, num_classes, average="micro")),
            balanced_accuracy=_decimal(recall.mean()),
            f1_macro=_decimal(multiclass_f1_score(predicted, labels, num_classes)),
            auroc_macro=_decimal(sum(present) / len(present)) if present else None,
            f1_per_class=[_decimal(value) if there else None for value, there in zip(f1, occurs, strict=True)],
            auroc_per_class=[_decimal(area) if curve else None for area, curve in zip(auroc, has_curve, strict=True)],
            confusion=confusion.tolist(),
        )

    def _make_room(self, num_clips: int) -> None:
        """At least doubles the room where it is too small; a reset keeps it. Tensors kept of every batch would lie
        scattered among the large blocks of the batches, and split the memory that the next one needs."""
        if num_clips > len(self._labels):
            room = max(num_clips, 2 * len(self._labels))
            self._probabilities = np.resize(self._probabilities, (room, self.num_classes))
            self._labels = np.resize(self._labels, room)


def score(probabilities: np.ndarray, labels: np.ndarray) -> Scores:
    """Scores of clips at once, from probabilities (B, K) and labels (B,)."""
    metrics = ClipMetrics(probabilities.shape[1])
    metrics.update(torch.from_numpy(probabilities), torch.from_numpy(labels))
    return metrics.compute()


def _decimal(value: Tensor | float) -> float:
    """Without the noise of float32: 0.175, not 0.17499999701976776, and 1 for ten ones rather than 1.0000001."""
    return round(float(value), 6)
