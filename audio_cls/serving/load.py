"""A trained job's classifier, ready for new sound: from plain files, without Lightning, Hydra or the training data.

Axis letters: B batch, C crops of a clip, T samples of a crop, K classes.
"""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from audio_cls.models.cnn import WaveformCNN
from audio_cls.models.crops import crop_weights, unit_rms
from audio_cls.models.late_fusion import make_transformer


class LoadError(ValueError):
    """A job folder that holds no classifier, in one line with what to do."""


class Classifier(nn.Module):
    """A network and the normalisation that it was trained with: crops (B, 1, T) to logits (B, K)."""

    def __init__(self, network: nn.Module, normalize: bool) -> None:
        super().__init__()
        self.network = network
        self.normalize = normalize

    def forward(self, waveforms: Tensor) -> Tensor:
        return self.network(self.normalized(waveforms))

    def normalized(self, waveforms: Tensor) -> Tensor:
        """What the network gets: each crop at unit RMS, if it was trained so."""
        return unit_rms(waveforms) if self.normalize else waveforms


@dataclass(frozen=True)
class LoadedClassifier:
    """A trained classifier in eval mode, and how its job feeds it at evaluation.

    Args:
        module: crops (B, 1, T) float32 at `sample_rate` Hz to logits (B, K).
        classes: their names, in index order.
        crop_samples: T.
        eval_crops: crops of a clip whose probabilities are averaged.
        silence_db: crops this much quieter than their clip's loudest one are left out of the average; 0: none is.
        folder: the job's.
        config: the job's resolved configuration, plain containers.
    """

    module: Classifier
    classes: tuple[str, ...]
    sample_rate: int
    crop_samples: int
    eval_crops: int
    silence_db: float
    folder: Path
    config: dict[str, Any]

    @property
    def name(self) -> str:
        """Variant, fold and seed: 'transformer_h4, fold 0, seed 0'."""
        return f"{self.folder.resolve().parent.name}, fold {self.config['fold']}, seed {self.config['seed']}"

    def crop_starts(self, num_samples: int) -> np.ndarray:
        """First samples (C,) of a clip's evenly spaced crops: the first starts with the clip, the last ends with it."""
        return np.linspace(0, max(num_samples - self.crop_samples, 0), self.eval_crops).round().astype(np.int64)

    def crops(self, waveform: np.ndarray) -> Tensor:
        """The crops (C, 1, T) of a waveform (samples,); zeros at the end where it is shorter than a crop."""
        padded = np.pad(waveform, (0, max(0, self.crop_samples - len(waveform)))).astype(np.float32)
        starts = self.crop_starts(len(waveform))
        crops = np.stack([padded[start : start + self.crop_samples] for start in starts])  # (C, T)
        return torch.from_numpy(crops).unsqueeze(1)

    def crop_weights(self, crops: Tensor) -> Tensor:
        """What each of a clip's crops (C, 1, T) counts in the average, (C,): the same, or nothing if it is silent."""
        return crop_weights(crops.unsqueeze(0), self.silence_db).squeeze(0)

    @torch.no_grad()
    def probabilities(self, waveform: np.ndarray) -> Tensor:
        """Probabilities (K,) of a clip (samples,) at `sample_rate`: those of its crops, averaged."""
        crops = self.crops(waveform)
        return self.crop_weights(crops) @ self.module(crops).softmax(-1)


def load_classifier(folder: Path) -> LoadedClassifier:
    """The classifier whose scores stand in the metrics.json of the job's folder, on the CPU.

    Only numbers, text and weights are read from the checkpoint; no code in it is run.
    Raises LoadError where there is none or it cannot be read.
    """
    folder = Path(folder)
    config = _read_config(folder)
    path = folder / "checkpoints" / f"{config['trainer']['weights']}.ckpt"
    if not path.exists():
        raise LoadError(
            f"{path} does not exist: kept results and jobs that did not finish an epoch have no checkpoint; train the"
            " job (again), or give its folder under the output folder"
        )
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        parameters = checkpoint["hyper_parameters"]
        module = Classifier(_build(parameters, config), parameters["normalize"])
        prefix = "network."
        weights = {key: value for key, value in checkpoint["state_dict"].items() if key.startswith(prefix)}
        module.load_state_dict(weights)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, KeyError, TypeError, ValueError) as error:
        reason = f"{error}".strip().partition("\n")[0] or type(error).__name__
        raise LoadError(f"{path} cannot be loaded ({reason}); train the job again") from None
    return LoadedClassifier(
        module=module.eval(),
        classes=tuple(parameters["classes"]),
        sample_rate=config["input"]["sample_rate"],
        crop_samples=parameters["crop_samples"],
        eval_crops=config["input"]["eval_crops"],
        silence_db=parameters.get("silence_db", 0.0),
        folder=folder,
        config=config,
    )


def _read_config(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise LoadError(f"{folder} does not exist; give a job's folder, as in outputs/STUDY/VARIANT/fold0-seed0")
    path = folder / "config.yaml"
    if not path.exists():
        raise LoadError(f"{folder} is not a job's folder ({_jobs_below(folder)})")
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        _ = config["input"]["sample_rate"], config["input"]["eval_crops"], config["trainer"]["weights"], config["data"]
        _ = config["fold"], config["seed"]
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError):
        raise LoadError(f"{path} cannot be read; train the job again") from None
    return config


def _jobs_below(folder: Path) -> str:
    """Where the jobs are that were meant, for whoever named a study or a variant."""
    jobs = sorted(path.parent for path in [*folder.glob("*/config.yaml"), *folder.glob("*/*/config.yaml")])
    if not jobs:
        return "there is no config.yaml in it; give one as outputs/STUDY/VARIANT/fold0-seed0"
    return f"name one job in it, as {jobs[0]}"


def _build(parameters: dict[str, Any], config: dict[str, Any]) -> nn.Module:
    """The network from the plain values that its checkpoint holds."""
    num_classes, num_samples = len(parameters["classes"]), parameters["crop_samples"]
    if config["model"]["name"] == "cnn":
        return WaveformCNN(num_classes, num_samples)
    return make_transformer(
        num_classes=num_classes,
        sample_rate=parameters["sample_rate"],
        num_samples=num_samples,
        **parameters["model"],
    )
