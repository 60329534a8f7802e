"""The two LightningModules over one base: what happens to a batch in training and in evaluation.

Axis letters: B batch, C crops of a clip, T samples, K classes.
"""

import math
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audio_cls.models.cnn import WaveformCNN
from audio_cls.models.crops import crop_weights, unit_power, unit_rms
from audio_cls.models.features import Features
from audio_cls.models.late_fusion import make_transformer
from audio_cls.models.transformer import combined
from audio_cls.training.augment import BetweenClassMix, SpectrogramMask, WaveformAugment
from audio_cls.training.datamodule import Batch
from audio_cls.training.metrics import ClipMetrics
from audio_cls.training.optimization import make_optimizer, make_schedule


class TrainingDiverged(RuntimeError):
    """The loss is not finite any more."""


class ClassifierModule(pl.LightningModule):
    """Trains a network, which has a `front_end` and one or several classifiers, by cross-entropy on (mixed) labels.

    Args:
        network: (B, 1, T) waveforms to (B, K) logits; each of its classifiers has the same share of the loss, and each
            part of a crop the same share of the loss of a classifier of parts.
        classes: their names, in index order.
        crop_samples: T.
        normalize: scale each crop to unit RMS.
        augment: keys of conf/augment.
        optimizer: keys of `optimizer` in conf/config.yaml.
        loss_on: 'logits', or 'probabilities' for the double softmax of the original project.
        silence_db: crops this much quieter than their clip's loudest one do not count at evaluation; 0: all count.
        seed: of everything random in a step; step n draws the same numbers whether the run was interrupted or not.
    """

    def __init__(
        self,
        network: nn.Module,
        classes: list[str],
        *,
        crop_samples: int,
        normalize: bool,
        augment: dict[str, Any],
        optimizer: dict[str, Any],
        loss_on: str = "logits",
        seed: int = 0,
        silence_db: float = 0.0,
    ) -> None:
        super().__init__()
        self.network = network
        self.silence_db = silence_db
        self.classes = classes
        self.normalize = normalize
        self.augment = WaveformAugment(crop_samples, augment["time_scale"], augment["gain_db"], augment["mix"])
        self.mix_power = BetweenClassMix(power=True) if augment["mix"] else None  # of batches that hold power
        self.mask = SpectrogramMask(augment["spectrogram_masks"], augment["mask_fraction"])
        self.optimizer_settings = optimizer
        self.loss_on = loss_on
        self.seed = seed
        self.val_metrics = ClipMetrics(len(classes))
        self._sums: dict[str, Tensor] = {}

    def forward(self, waveforms: Tensor) -> Tensor:
        """Logits (B, K) of crops (B, 1, T)."""
        return self.network(self._normalized(waveforms))

    def clip_probabilities(self, waveforms: Tensor) -> Tensor:
        """Probabilities (B, K) of clips given as crops (B, C, 1, T), averaged over the crops that are not silent."""
        num_clips, num_crops = waveforms.shape[:2]
        probabilities = self(waveforms.flatten(0, 1)).float().softmax(-1).view(num_clips, num_crops, -1)  # (B, C, K)
        return (probabilities * crop_weights(waveforms, self.silence_db).unsqueeze(-1)).sum(1)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        # Dropout and augmentation of step n must not depend on what was drawn before, or resuming would change results.
        # Hashed, as torch's generator on the CPU keeps 32 bits only: sums of seed and step would repeat among seeds.
        torch.manual_seed(int(np.random.SeedSequence([self.seed, self.global_step]).generate_state(1)[0]))
        self._rate = self.optimizers().param_groups[0]["lr"]  # the schedule moves on before the step's end

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        targets = F.one_hot(batch["label"], len(self.classes)).float()  # (B, K)
        features, targets = self._augmented(batch, targets)
        opinions = self.network.opinions(features)
        loss = sum(self._loss(logits, targets) for logits in opinions) / len(opinions)
        correct = (combined(opinions).detach().argmax(1) == targets.argmax(1)).float().mean()
        self._add(loss=loss.detach(), correct=correct, batches=1)
        return loss

    def _augmented(self, batch: Batch, targets: Tensor) -> tuple[Features | Tensor, Tensor]:
        """What the front end makes of the augmented sounds, and their labels (B, K)."""
        if "power" in batch:
            power = unit_power(batch["power"]) if self.normalize else batch["power"]
            if self.mix_power is not None:
                power, targets = self.mix_power(power, targets)
            return self.mask(self.network.features_of_power(power.contiguous())), targets
        # Normalised before the gain, which would have no effect otherwise.
        waveforms, targets = self.augment(self._normalized(batch["waveform"]), targets)
        return self.mask(self.network.features_of_waveforms(waveforms)), targets

    def on_train_epoch_start(self) -> None:
        self._sums = {}

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        if not self.trainer.is_last_batch:
            return
        # Once an epoch: a log call at every step would cost more than a small model's step. Not at the epoch's end,
        # where the callbacks that write the values down have had their turn already.
        loss = float(self._sums["loss"] / self._sums["batches"])
        if not math.isfinite(loss):
            raise TrainingDiverged(
                f"the training loss is not finite in epoch {self.current_epoch}; lower optimizer.lr"
                f" (now {self.optimizer_settings['lr']:g}), raise optimizer.warmup_fraction"
                " or set trainer.gradient_clip=1"
            )
        accuracy = float(self._sums["correct"] / self._sums["batches"])
        values = {"train_loss": loss, "train_accuracy": accuracy, "lr": self._rate}
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=1)

    def on_validation_epoch_start(self) -> None:
        self.val_metrics.reset()
        self._val_loss = torch.zeros(())

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        probabilities = self.clip_probabilities(batch["waveform"])
        self.val_metrics.update(probabilities, batch["label"])
        self._val_loss += F.nll_loss(probabilities.clamp(min=1e-12).log().cpu(), batch["label"].cpu(), reduction="sum")

    def on_validation_epoch_end(self) -> None:
        scores = self.val_metrics.compute()
        num_clips = sum(map(sum, scores.confusion))
        self.log("val_loss", float(self._val_loss) / num_clips)
        self.log_dict({f"val_{name}": value for name, value in scores.scalars().items()})

    def configure_optimizers(self) -> dict[str, Any]:
        settings = self.optimizer_settings
        # On a GPU torch chooses for itself.
        fused = True if self.device.type == "cpu" and self.trainer.precision == "32-true" else None
        optimizer = make_optimizer(
            self.network, settings["name"], settings["lr"], settings["weight_decay"], fused=fused
        )
        total_steps = int(self.trainer.estimated_stepping_batches)
        schedule = make_schedule(optimizer, settings["schedule"], settings["warmup_fraction"], total_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _normalized(self, waveforms: Tensor) -> Tensor:
        return unit_rms(waveforms) if self.normalize else waveforms

    def _loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        if logits.ndim == 3:  # (B, P, K) of parts
            logits, targets = logits.flatten(0, 1), targets.repeat_interleave(logits.shape[1], dim=0)
        scores = logits.softmax(-1) if self.loss_on == "probabilities" else logits
        return F.cross_entropy(scores, targets)

    def _add(self, **values: Tensor | int) -> None:
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0) + value


class CNNModule(ClassifierModule):
    """Trains `WaveformCNN`."""

    def __init__(self, classes: list[str], crop_samples: int, model: dict[str, Any], **recipe: Any) -> None:
        super().__init__(WaveformCNN(len(classes), crop_samples), classes, crop_samples=crop_samples, **recipe)
        self.save_hyperparameters()


class TransformerModule(ClassifierModule):
    """Trains what `make_transformer` makes of the keys in `model`."""

    def __init__(
        self, classes: list[str], crop_samples: int, sample_rate: int, model: dict[str, Any], **recipe: Any
    ) -> None:
        network = make_transformer(num_classes=len(classes), sample_rate=sample_rate, num_samples=crop_samples, **model)
        super().__init__(network, classes, crop_samples=crop_samples, **recipe)
        self.save_hyperparameters()
