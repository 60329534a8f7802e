"""What held-out clips say of a model that is exported: scores, calibration, and when it is unsure.

Axis letters: N clips, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audio_cls.analysis.calibration import (
    apply_temperature,
    calibration_error,
    fit_temperature,
)
from audio_cls.analysis.compare import variant_row
from audio_cls.analysis.summary import VariantRow
from audio_cls.analysis.unsure import count_unsure
from audio_cls.results.job_folder import RANKING_SPLIT, StudyJob
from audio_cls.results.predictions import Predictions
from audio_cls.serving.confidence import confidence_threshold


@dataclass(frozen=True)
class ClassScores:
    """Of one class, over the held-out clips of all folds and seeds; None where nothing can be divided."""

    name: str
    num_clips: int  # each once, however many seeds predicted it
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class Unsure:
    """How often clips of other folds than those of the threshold are unsure, by whether they were answered right."""

    right: float | None
    wrong: float | None
    num_wrong: int


@dataclass(frozen=True)
class HeldOut:
    """Of the clips of the split that ranks. `confusion` (K, K) counts predictions, rows are labels."""

    row: VariantRow
    split: str
    num_folds: int | None  # of a full rotation
    num_clips: int
    classes: tuple[ClassScores, ...]
    confusion: np.ndarray
    temperature: float
    unsure_below: float
    error: float  # expected calibration error of the probabilities as they are
    unsure: Unsure | None  # None with a single fold


def held_out(jobs: Sequence[StudyJob]) -> HeldOut | None:
    """Of finished jobs of one variant; None where they held no clip out."""
    split = RANKING_SPLIT.get(str(jobs[0].metrics.get("protocol"))) if jobs else None
    predictions = [job.predictions[split] for job in jobs if split in job.predictions] if split else []
    if not split or not predictions:
        return None
    probabilities, labels = _pool(predictions)
    predicted = np.concatenate([fold.predicted for fold in predictions])
    names = jobs[0].metrics["classes"]
    confusion = np.zeros((len(names), len(names)), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    once = {
        (fold.fold, clip): label for fold in predictions for clip, label in zip(fold.clips, fold.labels, strict=True)
    }
    counts = np.bincount([int(label) for label in once.values()], minlength=len(names))
    temperature = fit_temperature(probabilities, labels)
    return HeldOut(
        row=variant_row(jobs[0].variant, jobs, split),
        split=split,
        num_folds=jobs[0].metrics.get("num_folds"),
        num_clips=len({clip for _, clip in once}),
        classes=tuple(_scores(name, int(counts[place]), confusion, place) for place, name in enumerate(names)),
        confusion=confusion,
        temperature=temperature,
        unsure_below=confidence_threshold(apply_temperature(probabilities, temperature), labels),
        error=calibration_error(predictions),
        unsure=_unsure(predictions),
    )


def _scores(name: str, num_clips: int, confusion: np.ndarray, place: int) -> ClassScores:
    hits, labelled, predicted = confusion[place, place], confusion[place].sum(), confusion[:, place].sum()
    return ClassScores(
        name,
        num_clips,
        precision=_share(hits, predicted),
        recall=_share(hits, labelled),
        f1=_share(2 * hits, labelled + predicted),
    )


def _unsure(predictions: Sequence[Predictions]) -> Unsure | None:
    counts = count_unsure(predictions)
    if counts is None:
        return None
    return Unsure(
        right=_share(counts.right_unsure, counts.right),
        wrong=_share(counts.wrong_unsure, counts.wrong),
        num_wrong=counts.wrong,
    )


def _pool(folds: Sequence[Predictions]) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (N, K) and labels (N,) of the clips of several folds."""
    return np.concatenate([fold.probabilities for fold in folds]), np.concatenate([fold.labels for fold in folds])


def _share(part: int | np.integer, whole: int | np.integer) -> float | None:
    return float(part / whole) if whole else None
