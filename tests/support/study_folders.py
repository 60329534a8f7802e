"""Makes small study folders as training would write them: two classes, four clips a fold and source."""

import csv
import json
from pathlib import Path

import numpy as np

from audio_cls.training.history import HISTORY_COLUMNS

CLASSES = ["Dog", "Rain"]


def write_job(
    study: Path,
    variant: str,
    fold: int = 0,
    seed: int = 0,
    *,
    chance: float = 0.8,
    protocol: str = "holdout",
    num_clips: int = 40,
    **changes,
) -> Path:
    """Makes a job folder whose held-out clips are right by `chance`; `changes` are keys of metrics.json."""
    folder = study / variant / f"fold{fold}-seed{seed}"
    folder.mkdir(parents=True)
    rows = []
    for split in {"holdout": ["val", "test"], "crossval": ["test"], "all": []}[protocol]:
        part = (
            "test" if (split, protocol) == ("test", "holdout") else f"fold{fold}"
        )  # holdout: one test set for all folds
        rows += _rows(
            split, part, np.random.default_rng([fold, seed, len(variant), split == "test"]), chance, num_clips
        )
    metrics = {
        "study": study.name,
        "variant": variant,
        "model": "cnn" if variant == "cnn" else "transformer",
        "heads": None,
        "dataset": "esc10",
        "protocol": protocol,
        "fold": fold,
        "seed": seed,
        "epochs": 3,
        "classes": CLASSES,
        "num_parameters": 1000,
        "num_train": 240,
        "num_val": num_clips,
        "num_test": num_clips,
        "train_seconds": 12.5,
        "status": "done",
        "error": None,
        "split_digest": "abc",
        "num_folds": {"holdout": 4, "crossval": 5, "all": 1}[protocol],
        "clips_without_source": False,
        "train": {"accuracy": 0.99, "f1_macro": 0.99, "auroc_macro": 1.0},
        **{split: _scores([row for row in rows if row[0] == split]) for split in ("val", "test")},
        **changes,
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    if metrics["status"] != "done":
        return folder
    header = ["split", "clip", "source", "label", "predicted", "p_0", "p_1"]
    _write(folder / "predictions.csv", [row[:2] + row[3:] for row in [header, *rows]])
    _write(folder / "split.csv", [row[:3] for row in [header, *rows]])
    return folder


def write_variant(study: Path, variant: str, folds=range(4), seeds=(0,), **options) -> None:
    for fold in folds:
        for seed in seeds:
            write_job(study, variant, fold, seed, **options)


def write_histories(study: Path) -> None:
    """Gives every job of the study a history of three epochs."""
    for path in study.glob("*/fold*-seed*/metrics.json"):
        rows = [[epoch, 1.0 / (epoch + 1), 0.5, 0.9, 0.5, 0.5, 0.5, 0.5, 1e-3, 1.0] for epoch in range(3)]
        _write(path.with_name("history.csv"), [list(HISTORY_COLUMNS), *rows])


def edit_metrics(folder: Path, **changes) -> None:
    path = folder / "metrics.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _rows(split: str, part: str, rng: np.random.Generator, chance: float, num_clips: int) -> list[list]:
    labels = np.arange(num_clips) % 2
    predicted = np.where(rng.random(num_clips) < chance, labels, 1 - labels)
    return [
        [
            split,
            f"{part}/{index:02d}.wav",
            f"{part}-source{index // 4}",
            label,
            guess,
            0.9 - 0.8 * guess,
            0.1 + 0.8 * guess,
        ]
        for index, (label, guess) in enumerate(zip(labels.tolist(), predicted.tolist(), strict=True))
    ]


def _scores(rows: list[list]) -> dict | None:
    if not rows:
        return None
    accuracy = float(np.mean([row[3] == row[4] for row in rows]))
    return {"accuracy": accuracy, "f1_macro": accuracy, "auroc_macro": accuracy}


def _write(path: Path, rows: list[list]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
