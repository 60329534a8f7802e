"""A job's history.csv: its columns, and how it is read back."""

import csv
from pathlib import Path

HISTORY_COLUMNS = (
    "epoch",
    "train_loss",
    "train_accuracy",
    "val_loss",
    "val_accuracy",
    "val_balanced_accuracy",
    "val_f1_macro",
    "val_auroc_macro",
    "lr",
    "epoch_seconds",
)


def read_history(path: Path) -> list[dict[str, float | None]]:
    """The finished epochs of a job, oldest first; None where a column has no value. Empty if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{key: float(value) if value else None for key, value in row.items()} for row in csv.DictReader(file)]
