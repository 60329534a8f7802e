"""A job folder read back: its metrics and held-out predictions, or what is wrong with them."""

import csv
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from audio_cls.files import read_csv
from audio_cls.results.predictions import Predictions
from audio_cls.wording import one_line

RANKING_SPLIT = {"holdout": "val", "crossval": "test", "all": None}
STATUSES = ("done", "failed", "interrupted", "running")  # as a job writes them
UNFINISHED = ("failed", "damaged", "interrupted", "running")  # what stands in a summary's first line, in this order
JOB_FOLDER = re.compile(r"fold(\d+)-seed(\d+)")


class _Damage(ValueError):
    """What is wrong with a job's files."""


@dataclass(frozen=True)
class StudyJob:
    """One job folder. `metrics` and `predictions` are whole where the status is 'done'; `reason` says why it is not."""

    variant: str
    fold: int
    seed: int
    status: str  # one of STATUSES, or 'damaged'
    reason: str | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    predictions: dict[str, Predictions] = field(default_factory=dict)  # of 'val' and 'test', where they exist

    @property
    def name(self) -> str:
        return f"{self.variant}/fold{self.fold}-seed{self.seed}"


def fold_and_seed(folder: str) -> tuple[int, int]:
    """Of the name of a job's folder: (0, 3) of 'fold0-seed3'."""
    match = JOB_FOLDER.fullmatch(folder)
    assert match is not None, folder
    return int(match[1]), int(match[2])


def read_job(folder: Path) -> StudyJob:
    """Reads and checks a job folder; never raises for what is in it."""
    fold, seed = fold_and_seed(folder.name)
    identity = (folder.parent.name, fold, seed)
    metrics: dict[str, Any] = {}
    try:
        metrics = _read_metrics(folder / "metrics.json", fold, seed)
        if metrics["status"] != "done":
            return StudyJob(*identity, metrics["status"], metrics.get("error"), metrics)
        _check_scores(metrics)
        return StudyJob(*identity, "done", None, metrics, _read_predictions(folder, metrics))
    except (_Damage, OSError) as damage:
        return StudyJob(*identity, "damaged", one_line(damage), metrics)


def _read_metrics(path: Path, fold: int, seed: int) -> dict[str, Any]:
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _Damage("no metrics.json") from None
    except ValueError as error:  # neither JSON nor text
        raise _Damage(f"metrics.json cannot be read: {error}") from None
    if not isinstance(metrics, dict):
        raise _Damage("metrics.json holds no object")
    for key, rule in _RULES.items():
        if key not in metrics:
            raise _Damage(f"metrics.json has no {key!r}")
        if not rule(metrics[key]):
            raise _Damage(f"metrics.json: {key}={metrics[key]!r} cannot be right")
    if (metrics["fold"], metrics["seed"]) != (fold, seed):
        raise _Damage(f"metrics.json belongs to fold {metrics['fold']} seed {metrics['seed']}")
    return metrics


_RULES = {
    "status": lambda value: isinstance(value, str) and value in STATUSES,
    "dataset": lambda value: isinstance(value, str) and value != "",
    "protocol": lambda value: isinstance(value, str) and value in RANKING_SPLIT,
    "classes": lambda value: (
        isinstance(value, list) and len(value) > 1 and all(isinstance(name, str) for name in value)
    ),
    "fold": lambda value: isinstance(value, int),
    "seed": lambda value: isinstance(value, int),
}


def _check_scores(metrics: dict[str, Any]) -> None:
    for split in ("train", "val", "test"):
        scores = metrics.get(split)
        if scores is None:
            if split == RANKING_SPLIT[metrics["protocol"]]:
                raise _Damage(f"metrics.json has no {split!r} figures, which protocol={metrics['protocol']} needs")
            continue
        for key in ("accuracy", "f1_macro", "auroc_macro"):
            value = scores.get(key) if isinstance(scores, dict) else None
            share = isinstance(value, int | float) and 0 <= value <= 1  # NaN is none
            if not share and not (key == "auroc_macro" and value is None):
                raise _Damage(f"metrics.json: {split}.{key}={value!r} is not a figure in 0..1")


def _read_predictions(folder: Path, metrics: dict[str, Any]) -> dict[str, Predictions]:
    """The predictions of the held-out splits. Raises _Damage unless they are whole and fit the metrics."""
    held_out = [split for split in ("val", "test") if metrics.get(split) is not None]
    if not held_out:
        return {}
    columns = [f"p_{label}" for label in range(len(metrics["classes"]))]
    rows = _read_rows(folder / "predictions.csv", ["split", "clip", "label", "predicted", *columns])
    listed = _read_rows(folder / "split.csv", ["clip", "source"]) if (folder / "split.csv").exists() else []
    sources = {row["clip"]: row["source"] or "" for row in listed}
    found = {}
    for split in held_out:
        ours = [row for row in rows if row["split"] == split]
        predictions = _to_predictions(ours, metrics, sources, columns)
        accuracy = float(predictions.correct.mean()) if ours else None
        if accuracy is None or abs(accuracy - metrics[split]["accuracy"]) > 1e-4:
            raise _Damage(
                f"predictions.csv has {len(ours)} {split} clips with accuracy {accuracy}, "
                f"metrics.json says {metrics[split]['accuracy']}"
            )
        found[split] = predictions
    return found


def _read_rows(path: Path, needed: list[str]) -> list[dict[str, str]]:
    try:
        columns, rows = read_csv(path)
    except FileNotFoundError:
        raise _Damage(f"no {path.name}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise _Damage(f"{path.name} cannot be read: {error}") from None
    if lacking := [column for column in needed if column not in columns]:
        raise _Damage(f"{path.name} has no column {lacking[0]!r}")
    return rows


def _to_predictions(
    rows: list[dict[str, str]], metrics: dict[str, Any], sources: dict[str, str], columns: list[str]
) -> Predictions:
    try:
        labels = np.array([int(row["label"]) for row in rows], dtype=np.int64)
        predicted = np.array([int(row["predicted"]) for row in rows], dtype=np.int64)
        probabilities = np.array([[float(row[column]) for column in columns] for row in rows])
    except (TypeError, ValueError):  # TypeError: a row cut short has None
        raise _Damage("predictions.csv has a row that is not numbers where it should be") from None
    num_classes = len(columns)
    in_range = ((labels >= 0) & (labels < num_classes) & (predicted >= 0) & (predicted < num_classes)).all()
    if not in_range or not np.isfinite(probabilities).all():
        raise _Damage(f"predictions.csv has labels outside 0..{num_classes - 1} or probabilities that are not finite")
    clips = tuple(row["clip"] for row in rows)
    if len(set(clips)) < len(clips):
        raise _Damage("predictions.csv has a clip twice in one split")
    return Predictions(
        fold=metrics["fold"],
        seed=metrics["seed"],
        split_digest=str(metrics.get("split_digest")),
        clips=clips,
        sources=tuple(sources.get(clip, "") for clip in clips),
        labels=labels,
        predicted=predicted,
        probabilities=probabilities,
    )
