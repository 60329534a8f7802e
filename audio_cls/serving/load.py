"""A trained job's classifier, ready for new sound: from plain files, without Lightning, Hydra or the training data.

Axis letters: B batch, C crops of a clip, T samples of a crop, K classes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from audio_cls.data.batches import crop_starts, evaluation_crops
from audio_cls.models.build import build_network
from audio_cls.models.clip_classifier import ClipClassifier
from audio_cls.wording import UserError

EXAMPLE = "outputs/STUDY/VARIANT/fold0-seed0"


class LoadError(UserError):
    """A job folder that holds no classifier, in one line with what to do."""


@dataclass(frozen=True)
class LoadedClassifier:
    """A trained classifier in eval mode, and how its job feeds it at evaluation.

    Args:
        module: crops (B, 1, T) float32 at `sample_rate` Hz to logits (B, K).
        classes: their names, in index order.
        crop_samples: T.
        eval_crops: crops of a clip whose probabilities are averaged.
        folder: the job's.
        config: the job's resolved configuration, plain containers.
    """

    module: ClipClassifier
    classes: tuple[str, ...]
    sample_rate: int
    crop_samples: int
    eval_crops: int
    folder: Path
    config: dict[str, Any]

    @property
    def name(self) -> str:
        """Variant, fold and seed: 'transformer_h4, fold 0, seed 0'."""
        return f"{self.folder.resolve().parent.name}, fold {self.config['fold']}, seed {self.config['seed']}"

    def crop_starts(self, num_samples: int) -> np.ndarray:
        """First samples (C,) of the crops of a clip of `num_samples`."""
        return crop_starts(np.array([num_samples]), self.crop_samples, self.eval_crops)[0]

    def crops(self, waveform: np.ndarray) -> Tensor:
        """The crops (C, 1, T) of a clip (samples,), as at evaluation."""
        crops = evaluation_crops(waveform.astype(np.float32, copy=False), self.crop_samples, self.eval_crops)
        return torch.from_numpy(crops).unsqueeze(1)

    @torch.no_grad()
    def probabilities(self, waveform: np.ndarray) -> Tensor:
        """Probabilities (K,) of a clip (samples,) at `sample_rate`: those of its crops, averaged."""
        return self.module.clip_probabilities(self.crops(waveform).unsqueeze(0))[0]


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
        network = build_network(
            parameters["model"],
            num_classes=len(parameters["classes"]),
            sample_rate=parameters["sample_rate"],
            num_samples=parameters["crop_samples"],
        )
        module = ClipClassifier(network, parameters["normalize"], parameters["silence_db"])
        prefix = "clip_classifier."
        weights = {key: value for key, value in checkpoint["state_dict"].items() if key.startswith(prefix)}
        module.load_state_dict({key.removeprefix(prefix): value for key, value in weights.items()})
    except KeyError as error:
        raise LoadError(f"{path} lacks {error}: another version of audio_cls wrote it; train the job again") from None
    except Exception as error:  # also what the class of somebody else raises
        reason = f"{error}".strip().partition("\n")[0] or type(error).__name__
        raise LoadError(f"{path} cannot be loaded ({reason}); train the job again") from None
    return LoadedClassifier(
        module=module.eval(),
        classes=tuple(parameters["classes"]),
        sample_rate=config["input"]["sample_rate"],
        crop_samples=parameters["crop_samples"],
        eval_crops=config["input"]["eval_crops"],
        folder=folder,
        config=config,
    )


def _read_config(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise LoadError(f"{folder} {what}; give a job's folder, as in {EXAMPLE}")
    path = folder / "config.yaml"
    if not path.exists():
        jobs = sorted(found.parent for depth in ("*", "*/*") for found in folder.glob(f"{depth}/config.yaml"))
        hint = f"name one job in it, as {jobs[0]}" if jobs else "there is no config.yaml in it; give one as " + EXAMPLE
        raise LoadError(f"{folder} is not a job's folder ({hint})")
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        numbers = config["input"]["sample_rate"], config["input"]["eval_crops"], config["fold"] + 1, config["seed"] + 1
        if not all(type(number) is int and number > 0 for number in numbers):
            raise TypeError(numbers)
        _ = config["trainer"]["weights"], config["data"]
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError):
        raise LoadError(f"{path} cannot be read; train the job again") from None
    return config
