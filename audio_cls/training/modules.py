"""The two LightningModules over one base: what happens to a batch in training and in evaluation.

Axis letters: B batch, C crops of a clip, T samples, K classes.
"""

import math
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from audio_cls.data.batches import Batch
from audio_cls.models.build import build_network, network_class
from audio_cls.models.clip_classifier import ClipClassifier
from audio_cls.models.crops import unit_power
from audio_cls.models.late_fusion import geometric_mean
from audio_cls.training.augment import BetweenClassMix, SpectrogramMask, WaveformAugment
from audio_cls.training.metrics import ClipMetrics
from audio_cls.training.optimization import make_optimizer, make_schedule


class TrainingDiverged(RuntimeError):
    """The loss is not finite any more."""


class ClassifierModule(pl.LightningModule):
    """Trains any nn.Module (B, 1, T) -> (B, K) by cross-entropy on the (mixed) labels of augmented waveforms.

    Args:
        classes: their names, in index order.
        crop_samples: T.
        sample_rate: Hz.
        model: the `model` block of the configuration, from which `build_network` builds the network.
        normalize, silence_db: see `ClipClassifier`.
        augment: keys of conf/augment.
        optimizer: keys of `optimizer` in conf/config.yaml.
        loss_on: 'logits', or 'probabilities' for the double softmax of the original project.
        seed: of everything random in a step; step n draws the same numbers whether the run was interrupted or not.
    """

    def __init__(
        self,
        classes: list[str],
        crop_samples: int,
        sample_rate: int,
        model: dict[str, Any],
        *,
        normalize: bool,
        augment: dict[str, Any],
        optimizer: dict[str, Any],
        loss_on: str = "logits",
        seed: int = 0,
        silence_db: float = 0.0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        network = build_network(model, num_classes=len(classes), sample_rate=sample_rate, num_samples=crop_samples)
        self.clip_classifier = ClipClassifier(network, normalize, silence_db)
        self.classes = classes
        self.augment = WaveformAugment(crop_samples, augment["time_scale"], augment["gain_db"], augment["mix"])
        self.optimizer_settings = optimizer
        self.loss_on = loss_on
        self.seed = seed
        # (K,) of the loss, set before training; not a part of the weights, as they follow from the clips.
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", None, persistent=False)
        self.val_metrics = ClipMetrics(len(classes))
        self._sums: dict[str, Any] = {}

    @property
    def network(self) -> Any:
        """The network itself, without normalisation."""
        return self.clip_classifier.network

    def forward(self, waveforms: Tensor) -> Tensor:
        """Logits (B, K) of crops (B, 1, T)."""
        return self.clip_classifier(waveforms)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        # Dropout and augmentation of step n must not depend on what was drawn before, or resuming would change results.
        # Hashed, as torch's generator on the CPU keeps 32 bits only: sums of seed and step would repeat among seeds.
        torch.manual_seed(int(np.random.SeedSequence([self.seed, self.global_step]).generate_state(1)[0]))
        optimizer: Any = self.optimizers()
        self._rate = optimizer.param_groups[0]["lr"]  # the schedule moves on before the step's end

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        targets = F.one_hot(batch["label"], len(self.classes)).float()  # (B, K)
        branch_logits, targets = self._augmented_logits(batch, targets)
        losses = [self._loss(logits, targets) for logits in branch_logits]
        loss = sum(losses[1:], start=losses[0]) / len(losses)
        correct = (geometric_mean(branch_logits).detach().argmax(1) == targets.argmax(1)).float().mean()
        self._add(loss=loss.detach(), correct=correct, batches=1)
        return loss

    def _augmented_logits(self, batch: Batch, targets: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """Logits of each branch of the network, here of the only one, for the augmented sounds; mixed labels (B, K)."""
        waveforms, targets = self._augmented(batch, targets)
        return (self.network(waveforms),), targets

    def _augmented(self, batch: Batch, targets: Tensor) -> tuple[Tensor, Tensor]:
        # Normalised before the gain, which would have no effect otherwise.
        return self.augment(self.clip_classifier.normalized(batch["waveform"]), targets)

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
        probabilities = self.clip_classifier.clip_probabilities(batch["waveform"])
        self.val_metrics.update(probabilities, batch["label"])
        self._val_loss += F.nll_loss(probabilities.clamp(min=1e-12).log().cpu(), batch["label"].cpu(), reduction="sum")

    def on_validation_epoch_end(self) -> None:
        scores = self.val_metrics.compute()
        num_clips = sum(map(sum, scores.confusion))
        self.log("val_loss", float(self._val_loss) / num_clips)
        self.log_dict({f"val_{name}": value for name, value in scores.scalars().items()})

    def configure_optimizers(self) -> Any:
        settings = self.optimizer_settings
        # On a GPU torch chooses for itself.
        fused = True if self.device.type == "cpu" and self.trainer.precision == "32-true" else None
        optimizer = make_optimizer(
            self.network, settings["name"], settings["lr"], settings["weight_decay"], fused=fused
        )
        total_steps = int(self.trainer.estimated_stepping_batches)
        schedule = make_schedule(optimizer, settings["schedule"], settings["warmup_fraction"], total_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        if logits.ndim == 3:  # (B, P, K) of segments
            logits, targets = logits.flatten(0, 1), targets.repeat_interleave(logits.shape[1], dim=0)
        # A class weighs by its share of a mixed label. The mean is over clips, hence weights of 1 on average.
        logits = logits.softmax(-1) if self.loss_on == "probabilities" else logits
        return F.cross_entropy(logits, targets, weight=self.class_weights)

    def _add(self, **values: Tensor | int) -> None:
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0) + value


class CNNModule(ClassifierModule):
    """Trains `WaveformCNN`, as any network of waveforms."""


class TransformerModule(ClassifierModule):
    """Trains a network that has `extract` and `branch_logits`: features are masked before they are classified.

    Each branch has the same share of the loss, and each segment of a crop the same share of the loss of its branch.
    Batches may hold the power of mel bands in place of waveforms.
    """

    def __init__(self, *arguments: Any, augment: dict[str, Any], **recipe: Any) -> None:
        super().__init__(*arguments, augment=augment, **recipe)
        self.mix_power = BetweenClassMix(power=True) if augment["mix"] else None  # of batches that hold power
        self.mask = SpectrogramMask(augment["spectrogram_masks"], augment["mask_fraction"])

    def _augmented_logits(self, batch: Batch, targets: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        if "power" in batch:
            power = unit_power(batch["power"]) if self.clip_classifier.normalize else batch["power"]
            if self.mix_power is not None:
                power, targets = self.mix_power(power, targets)
            features = self.network.extract_from_power(power.contiguous())
        else:
            waveforms, targets = self._augmented(batch, targets)
            features = self.network.extract(waveforms)
        return self.network.branch_logits(self.mask(features)), targets


def module_class(model: dict[str, Any]) -> type[ClassifierModule]:
    """The LightningModule that trains the network of a `model` block."""
    if model["name"] == "cnn":
        return CNNModule
    if model["name"] == "baseline":  # fitted by `training.baseline`, not in steps
        return ClassifierModule
    if model["name"] == "transformer" or hasattr(network_class(model["_target_"]), "extract"):
        return TransformerModule
    return ClassifierModule
