"""Evaluates the final model on the clips of each split, and writes what came out into the job's folder."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from audio_cls.config.job import Job
from audio_cls.data.clips import ClipSet
from audio_cls.figures.job import write_figures
from audio_cls.files import write_csv, write_json
from audio_cls.results import job_files
from audio_cls.terminal import say
from audio_cls.training.datamodule import ClipDataModule
from audio_cls.training.history import read_history
from audio_cls.training.metrics import ClipMetrics, Scores
from audio_cls.training.modules import ClassifierModule


@dataclass(frozen=True)
class SplitResult:
    """Probabilities (N, K) of the clips of one split, in the order of `clips` (indices), and what they score."""

    clips: np.ndarray
    labels: Tensor
    probabilities: Tensor
    scores: Scores


def evaluate(module: ClassifierModule, datamodule: ClipDataModule) -> dict[str, SplitResult | None]:
    split = datamodule.split
    parts = {"train": split.train, "val": split.val, "test": split.test}
    return {name: None if part is None else predict_clips(module, datamodule, part) for name, part in parts.items()}


@torch.no_grad()
def predict_clips(module: ClassifierModule, datamodule: ClipDataModule, indices: np.ndarray) -> SplitResult:
    """Probabilities of un-augmented clips, averaged over their crops, and the scores."""
    # In one piece from the start: a small result kept between the large blocks of two batches splits the memory that
    # the next batch needs, so that the process would grow with the number of clips.
    probabilities = torch.empty(len(indices), len(module.classes))
    labels = torch.from_numpy(datamodule.labels[indices])
    scored = 0
    training = module.training
    module.eval()
    for batch in datamodule.evaluation_batches(indices):
        rows = probabilities[scored : scored + len(batch["label"])]
        rows.copy_(module.clip_classifier.clip_probabilities(batch["waveform"].to(module.device)))
        scored += len(rows)
    module.train(training)
    metrics = ClipMetrics(len(module.classes))
    metrics.update(probabilities, labels)
    return SplitResult(indices, labels, probabilities, metrics.compute())


def write_results(
    job: Job,
    record: dict[str, Any],
    clip_set: ClipSet,
    digests: np.ndarray,
    evaluated: dict[str, SplitResult | None],
) -> None:
    """Metrics last: their status says that everything else is there."""
    found = {name: result for name, result in evaluated.items() if result is not None}
    probability_columns = [f"p_{index}" for index in range(len(clip_set.classes))]
    columns = ["split", "clip", "label", "predicted", "label_name", "predicted_name", *probability_columns]
    rows = (
        [name, *_prediction(clip_set, clip, int(label), row.tolist())]
        for name, result in found.items()
        for clip, label, row in zip(result.clips, result.labels, result.probabilities, strict=True)
    )
    write_csv(job.folder / job_files.PREDICTIONS, columns, rows)
    sources = (
        [name, clip_set.clips[clip].name, clip_set.clips[clip].source or "", digests[clip].decode()]
        for name, result in found.items()
        for clip in result.clips
    )
    write_csv(job.folder / job_files.SPLIT, ["split", "clip", "source", "content"], sources)
    shown = next(name for name in ("val", "test", "train") if name in found)
    result = found[shown]
    labels, probabilities = result.labels.numpy(), result.probabilities.numpy()
    history = read_history(job.folder / job_files.HISTORY)
    for problem in write_figures(job.folder, record, shown, labels, probabilities, history):
        say(f"note: {problem}")
    write_json(job.folder / job_files.METRICS, record)


def _prediction(clip_set: ClipSet, clip: int, label: int, probabilities: list[float]) -> list[Any]:
    """A row of predictions.csv, but for its split."""
    predicted = probabilities.index(max(probabilities))
    names = clip_set.classes[label], clip_set.classes[predicted]
    return [clip_set.clips[clip].name, label, predicted, *names, *(f"{value:.9g}" for value in probabilities)]
