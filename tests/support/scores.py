"""Probabilities, scores and a history as a job leaves them, to be drawn."""

import numpy as np

CLASSES = ("Dog bark", "Rain", "Sea waves")
CONFUSION = np.array([[8, 0, 0], [1, 5, 2], [0, 0, 0]])  # no sea waves among these clips
HISTORY = [
    {"epoch": float(epoch), "train_loss": 2.0 - 0.1 * epoch, "train_accuracy": 0.05 * epoch, "lr": 1e-3}
    | ({"val_loss": 1.8, "val_accuracy": 0.4, "val_f1_macro": 0.3} if epoch % 5 == 4 else {"val_loss": None})
    for epoch in range(10)
]


def predictions(num_classes: int = 3, num_clips: int = 60, absent: int | None = 2) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (N, K), right more often than not, many of them equal; and labels (N,)."""
    rng = np.random.default_rng(0)
    present = [index for index in range(num_classes) if index != absent]
    labels = np.array([present[index % len(present)] for index in range(num_clips)])
    scores = rng.random((num_clips, num_classes))
    scores[np.arange(num_clips), labels] += 0.4
    return (scores / scores.sum(axis=1, keepdims=True)).round(2), labels
