"""A trained classifier in use: its network, its classes, and how it is fed.

Axis letters: B batch, C crops of a clip, T samples of a crop, K classes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from audio_cls.data.crops import crop_starts, evaluation_crops
from audio_cls.data.profile import TrainingProfile
from audio_cls.models.clip_classifier import ClipClassifier
from audio_cls.wording import UserError

_LEAST_PROBABILITY = 1e-12  # what is rounded to 0 has a logarithm, too; as in analysis.calibration


class LoadError(UserError):
    """A folder that holds no classifier, in one line with what to do."""


@dataclass(frozen=True)
class LoadedClassifier:
    """A trained classifier in eval mode, and how it is fed at evaluation. `module` may be moved to another device.

    Args:
        module: crops (B, 1, T) float32 at `sample_rate` Hz to logits (B, K).
        classes: their names, in index order.
        crop_samples: T.
        eval_crops: crops of a clip whose probabilities are averaged.
        folder: the job's, or the exported one.
        config: the job's resolved configuration, plain containers; None for an exported model.
        temperature: by which logarithms of probabilities are divided; 1 for a job, whose probabilities are those of
            its evaluation.
        unsure_below: a top probability below it means 'unsure'; 0: not known, nothing is unsure.
        profile: what the training clips are like; None where it is not known.
        trained_on: the first 16 hexadecimal digits of the digest of each training clip (`data.content`).
    """

    module: ClipClassifier
    classes: tuple[str, ...]
    sample_rate: int
    crop_samples: int
    eval_crops: int
    folder: Path
    config: dict[str, Any] | None = None
    temperature: float = 1.0
    unsure_below: float = 0.0
    profile: TrainingProfile | None = None
    trained_on: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """Variant, fold and seed of a job: 'transformer_h4, fold 0, seed 0'; the folder's name of an exported model."""
        folder = self.folder.resolve()
        if self.config is None:
            return folder.name
        return f"{folder.parent.name}, fold {self.config['fold']}, seed {self.config['seed']}"

    @property
    def device(self) -> torch.device:
        """Where the network is, and its input has to be."""
        return next((parameter.device for parameter in self.module.parameters()), torch.device("cpu"))

    def crop_starts(self, num_samples: int) -> np.ndarray:
        """First samples (C,) of the crops of a clip of `num_samples`."""
        return crop_starts(np.array([num_samples]), self.crop_samples, self.eval_crops)[0]

    def crops(self, waveform: np.ndarray) -> Tensor:
        """The crops (C, 1, T) of a clip (samples,), as at evaluation; on the CPU."""
        crops = evaluation_crops(waveform.astype(np.float32, copy=False), self.crop_samples, self.eval_crops)
        return torch.from_numpy(crops).unsqueeze(1)

    @torch.no_grad()
    def probabilities(self, waveform: np.ndarray) -> Tensor:
        """Probabilities (K,) of a clip (samples,) at `sample_rate`: those of its crops, averaged, then calibrated.

        On the CPU, wherever the network is.
        """
        return self.clip_probabilities(self.crops(waveform).unsqueeze(0))[0]

    @torch.no_grad()
    def clip_probabilities(self, crops: Tensor) -> Tensor:
        """The same (B, K) of several clips at once, or of windows, given as crops (B, C, 1, T)."""
        return self.calibrated(self.module.clip_probabilities(crops.to(self.device)).cpu())

    @torch.no_grad()
    def clip_embeddings(self, crops: Tensor) -> Tensor:
        """What the network's last layers get, (B, D) on the CPU, of clips given as crops (B, C, 1, T).

        Raises ValueError where the network gives none.
        """
        return self.module.clip_embeddings(crops.to(self.device)).cpu()

    def calibrated(self, probabilities: Tensor) -> Tensor:
        """softmax(log p / temperature) of probabilities (..., K): their order stays, and so does the accuracy."""
        if self.temperature == 1:
            return probabilities
        return (probabilities.clamp(min=_LEAST_PROBABILITY).log() / self.temperature).softmax(-1)
