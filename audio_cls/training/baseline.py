"""Fits the baseline: scikit-learn finds the weights, which the network then holds like any other's.

Axis letters: B clips, C crops of a clip, N crops of all clips, T samples, S statistics.
"""

import time
from pathlib import Path

import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from audio_cls.files import write_csv
from audio_cls.models.baseline import BandStatistics
from audio_cls.training.checkpoint import AtomicCheckpointIO
from audio_cls.training.datamodule import ClipDataModule
from audio_cls.training.history import HISTORY_COLUMNS
from audio_cls.training.modules import ClassifierModule

MAX_ITERATIONS = 2_000


def fit_baseline(
    module: ClassifierModule, datamodule: ClipDataModule, regularization: float, history: Path, checkpoint: Path
) -> None:
    """Fits the linear layer of a `BandStatistics` network to the training clips, in their crops of the evaluation.

    Writes a history of one epoch and a checkpoint like Lightning's. Nothing in it is random. A
    clip counts as one, however many crops it has, and silent crops do not count, as at evaluation;
    where the module has weights of classes, a clip counts as much as its class says.
    """
    started = time.perf_counter()
    statistics, labels, weights = training_statistics(module, datamodule)
    if module.class_weights is not None:
        weights = weights * module.class_weights[labels]
    _find_weights(module.network, statistics, labels, weights, 1 / regularization)
    with torch.no_grad():
        logits = module.network.classify(statistics)
    share = weights / weights.sum()
    loss, correct = F.cross_entropy(logits, labels, reduction="none"), logits.argmax(1) == labels
    row = {"epoch": "0", "epoch_seconds": f"{time.perf_counter() - started:.3f}"}
    row |= {"train_loss": f"{(loss * share).sum():.6g}", "train_accuracy": f"{(correct * share).sum():.6g}"}
    content = {"state_dict": module.state_dict(), "hyper_parameters": dict(module.hparams)}
    AtomicCheckpointIO().save_checkpoint(content, checkpoint)
    write_csv(history, HISTORY_COLUMNS, [[row.get(column) for column in HISTORY_COLUMNS]])


@torch.no_grad()
def training_statistics(module: ClassifierModule, datamodule: ClipDataModule) -> tuple[Tensor, Tensor, Tensor]:
    """Of the crops of the training clips: statistics (N, S), labels (N,), and what each counts, 1 for a whole clip."""
    classifier, parts = module.clip_classifier, []
    for batch in datamodule.evaluation_batches(datamodule.split.train):
        crops = batch["waveform"]  # (B, C, 1, T)
        statistics = module.network.statistics(classifier.normalized(crops.flatten(0, 1)))
        labels = batch["label"].repeat_interleave(crops.shape[1])
        parts.append((statistics, labels, classifier.crop_weights(crops).flatten()))
    statistics, labels, weights = (torch.cat(values) for values in zip(*parts, strict=True))
    return statistics, labels, weights


def _find_weights(network: BandStatistics, statistics: Tensor, labels: Tensor, weights: Tensor, c: float) -> None:
    scaler = StandardScaler().fit(statistics.numpy(), sample_weight=weights.numpy())
    regression = LogisticRegression(C=c, max_iter=MAX_ITERATIONS)
    regression.fit(scaler.transform(statistics.numpy()), labels.numpy(), sample_weight=weights.numpy())
    coefficients, intercepts = torch.from_numpy(regression.coef_), torch.from_numpy(regression.intercept_)
    if len(coefficients) == 1:  # of two classes: the softmax of 0 and x is the sigmoid of x
        coefficients = torch.cat([torch.zeros_like(coefficients), coefficients])
        intercepts = torch.cat([torch.zeros_like(intercepts), intercepts])
    found = {"mean": scaler.mean_, "deviation": scaler.scale_}
    found |= {"linear.weight": coefficients, "linear.bias": intercepts}
    network.load_state_dict({name: torch.as_tensor(values) for name, values in found.items()})
