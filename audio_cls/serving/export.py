"""Writes a classifier as a folder that needs neither its job nor what trained it."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from audio_cls import __version__
from audio_cls.files import replacing_folder, unwritable, write_json, write_text
from audio_cls.serving.classifier import LoadedClassifier
from audio_cls.serving.exported import (
    CARD,
    CONFIG,
    LABELS,
    ONNX,
    OPTIONAL,
    PAGE,
    REQUIRED,
    SUMS,
    TRAINING_CLIPS,
    WEIGHTS,
    load_exported,
)
from audio_cls.serving.exported_config import FORMAT, FORMAT_VERSION, MODELS
from audio_cls.wording import UserError, shorten

Write = Callable[[LoadedClassifier, Path], None]
TOLERANCE = 1e-6  # of a probability, between the classifier and what was written


class ExportError(UserError):
    """A classifier that cannot be exported, or a folder that must not be replaced; in one line."""


def check_exportable(configuration: dict[str, Any], name: object) -> None:
    """Raises ExportError for the network of somebody else: the folder has no code, and loading it runs none."""
    if target := configuration["model"].get("_target_"):
        raise ExportError(
            f"{name}: its network is {target}, and an exported model holds no code, so that nobody has to trust it;"
            " share the code and the job's folder, or export a model of ours with --variant"
        )


def check_target(folder: Path) -> None:
    """Raises ExportError unless the folder is new, empty, or holds just what an export wrote, nothing added since."""
    if reason := unwritable(folder):
        raise ExportError(f"{folder} cannot be written, as {reason}; choose another --out")
    if not folder.exists():
        return
    names = sorted(path.name for path in folder.iterdir())
    if others := [name for name in names if name not in (*REQUIRED, *OPTIONAL, SUMS, CARD)]:
        raise ExportError(f"{folder} holds {shorten(others, 3)}, which no export writes; choose another --out")
    if not names:
        return
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        written = config["card_sha256"] if config["format"] == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError):
        written = None
    if written is None:
        raise ExportError(f"{folder} was not written by this command, so it is not replaced; choose another --out")
    card = folder / CARD
    if card.exists() and _sha256(card) != written:
        raise ExportError(f"{card} was changed since it was written; move it away, or choose another --out")


def write_exported(
    folder: Path, classifier: LoadedClassifier, card: str, *, onnx: Write | None = None, page: Write | None = None
) -> None:
    """Writes the folder, whole or not at all; `card` is the text of its README.md.

    `onnx`, `page`: what writes these files, where they are wanted. Raises ExportError, and what these raise.
    """
    if classifier.config is None:
        raise ExportError(
            f"{classifier.folder} is an exported model already; copy the folder, or give a job or a study"
        )
    check_exportable(classifier.config, classifier.folder)
    check_target(folder)
    with replacing_folder(folder) as partial:
        _write_weights(classifier, partial / WEIGHTS)
        write_text(partial / CARD, card)
        write_json(partial / CONFIG, _config(classifier, _sha256(partial / CARD)))
        write_json(partial / LABELS, list(classifier.classes))
        write_text(partial / TRAINING_CLIPS, "".join(f"{clip}\n" for clip in sorted(classifier.trained_on)))
        if onnx:
            onnx(classifier, partial / ONNX)
        if page:
            page(classifier, partial / PAGE)
        names = [name for name in (*REQUIRED, *OPTIONAL) if (partial / name).exists()]
        write_text(partial / SUMS, "".join(f"{_sha256(partial / name)}  {name}\n" for name in names))
        _check(classifier, partial)


def preparation(classifier: LoadedClassifier) -> str:
    """How a sound becomes probabilities, in one sentence."""
    module, rate = classifier.module, classifier.sample_rate
    steps = [
        f"mono by the mean of the channels, at {rate:,} Hz",
        f"{classifier.eval_crops} evenly spaced crops of {classifier.crop_samples / rate:.3g} s",
        *(["each scaled to an RMS of 1"] if module.normalize else []),
        "logits and softmax",
        "mean over the crops"
        + (f" that are at most {module.silence_db:g} dB quieter than the loudest" if module.silence_db else ""),
        *([f"softmax(log p / {classifier.temperature:.4g})"] if classifier.temperature != 1 else []),
    ]
    return "; ".join(steps)


def _config(classifier: LoadedClassifier, card_sha256: str) -> dict[str, Any]:
    assert classifier.config is not None
    model = classifier.config["model"]
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "audio_cls_version": __version__,
        "model": {"name": model["name"], **{key: model[key] for key in MODELS[model["name"]]}},
        "sample_rate": classifier.sample_rate,
        "crop_samples": classifier.crop_samples,
        "eval_crops": classifier.eval_crops,
        "normalize": classifier.module.normalize,
        "silence_db": classifier.module.silence_db,
        "temperature": classifier.temperature,
        "unsure_below": classifier.unsure_below,
        "profile": classifier.profile and classifier.profile.as_json(),
        "preparation": preparation(classifier),
        "card_sha256": card_sha256,  # that of README.md as written, to know whether a user has changed it
    }


def _write_weights(classifier: LoadedClassifier, path: Path) -> None:
    from safetensors.torch import save

    weights = classifier.module.network.state_dict()
    path.write_bytes(save({name: tensor.cpu().contiguous().clone() for name, tensor in weights.items()}))


def _check(classifier: LoadedClassifier, folder: Path) -> None:
    """Raises ExportError unless what was written is loaded, and says what the classifier says to a second of noise."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(2 * classifier.crop_samples).astype(np.float32)
    difference = (load_exported(folder).probabilities(noise) - classifier.probabilities(noise)).abs().max()
    if not difference <= TOLERANCE:
        raise ExportError(f"what was written differs from {classifier.folder} by {difference:.2g}; nothing was kept")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
