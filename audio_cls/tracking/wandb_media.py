"""What a W&B run shows of a job's result: charts, the job's figures, clips to listen to, the weights."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from audio_cls.data.excerpts import cut_excerpt, encode
from audio_cls.figures.curves import roc_curve

MAX_ROC_POINTS = 200  # of one class: W&B draws at most 10,000 rows in a chart
MAX_CLIPS = 4  # of those that were wrong, and of those that were right
MAX_ARTIFACT_NAME = 128  # as W&B has it
LoadClip = Callable[[int], tuple[str, np.ndarray, int]]  # index -> name, waveform (samples,), Hz


def charts(split: str, result: Any, classes: Sequence[str]) -> dict[str, Any]:
    import wandb

    probabilities, labels = result.probabilities.numpy(), result.labels.numpy()
    curves = {name: roc_curve(probabilities[:, index], labels == index) for index, name in enumerate(classes)}
    drawn = {name: curve for name, curve in curves.items() if curve is not None}
    charts = {
        f"{split}_confusion_matrix": wandb.plot.confusion_matrix(
            y_true=labels.tolist(),
            preds=probabilities.argmax(1).tolist(),
            class_names=list(classes),
            title=f"Confusion matrix ({split} clips)",
        )
    }
    if drawn:
        charts[f"{split}_roc_curves"] = wandb.plot.line_series(
            xs=[_thinned(curve.x) for curve in drawn.values()],
            ys=[_thinned(curve.y) for curve in drawn.values()],
            keys=list(drawn),
            title=f"ROC curves ({split} clips): true positive rate",
            xname="false positive rate",
        )
    return charts


def _thinned(values: np.ndarray) -> list[float]:
    """At most MAX_ROC_POINTS of the values, evenly spaced, with both ends."""
    kept = np.linspace(0, len(values) - 1, min(len(values), MAX_ROC_POINTS)).round().astype(int)
    return values[kept].tolist()


def figures(folder: Path) -> dict[str, Any]:
    """The pictures that the job drew into its folder."""
    import wandb

    return {f"figures/{path.stem}": wandb.Image(str(path)) for path in sorted(folder.glob("*.png"))}


def clip_table(result: Any, classes: Sequence[str], load_clip: LoadClip, folder: Path) -> Any:
    """The surest mistakes and some clips that were right, as sounds of a few seconds with label and prediction.

    The sounds are written into the folder, which must last until the table is logged.
    """
    import wandb

    table = wandb.Table(columns=["clip", "sound", "label", "predicted", "probability", "right"])
    probabilities, labels = result.probabilities.numpy(), result.labels.numpy()
    for row in choose_clips(probabilities, labels):
        name, waveform, sample_rate = load_clip(int(result.clips[row]))
        excerpt = cut_excerpt(waveform, sample_rate)
        content, kind = encode(excerpt.waveform, sample_rate)
        path = folder / f"{row}.{kind}"
        path.write_bytes(content)
        best = int(probabilities[row].argmax())
        sound = wandb.Audio(str(path), caption=name)
        table.add_data(
            name, sound, classes[labels[row]], classes[best], float(probabilities[row, best]), best == labels[row]
        )
    return table


def choose_clips(probabilities: np.ndarray, labels: np.ndarray) -> list[int]:
    """Rows of (N, K) and (N,): the mistakes made with most confidence, then the surest right clip of some classes."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    order = np.argsort(-confidence, kind="stable")
    wrong = [int(row) for row in order if not right[row]][:MAX_CLIPS]
    first_of_class: dict[int, int] = {}
    for row in order:
        if right[row]:
            first_of_class.setdefault(int(labels[row]), int(row))
    return [*wrong, *list(first_of_class.values())[:MAX_CLIPS]]


def checkpoint_artifact(record: Mapping[str, Any], checkpoint: Path) -> Any:
    """The final weights as an artifact, named by study, variant, fold and seed."""
    import wandb

    name = f"{record['study']}-{record['variant']}-fold{record['fold']}-seed{record['seed']}"
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[-MAX_ARTIFACT_NAME:]
    scores = {split: record[split]["accuracy"] for split in ("val", "test") if record[split]}
    artifact = wandb.Artifact(name, type="model", metadata={"classes": list(record["classes"]), "accuracy": scores})
    artifact.add_file(str(checkpoint), name=checkpoint.name, policy="immutable")  # not copied first
    return artifact
