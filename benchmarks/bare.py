"""Training without Lightning: the loop that one would write by hand, over the same network, data and recipe."""

import copy
import csv
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audio_cls.config.job import Job, clips, num_folds
from audio_cls.data.batches import Batch, TrainBatches
from audio_cls.experiment.build import make_datamodule, make_module
from audio_cls.training.callbacks import HISTORY_COLUMNS
from audio_cls.training.datamodule import ClipDataModule
from audio_cls.training.metrics import ClipMetrics
from audio_cls.training.modules import ClassifierModule
from audio_cls.training.optimization import make_optimizer, make_schedule


class MovingAverage:
    """A copy of a network that follows it slowly, as `audio_cls.training.optimization.EMA` does."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network)
        self.decay = decay
        self.num_steps = 0
        averaged, current = _state(self.network), _state(network)
        self.floats = [pair for pair in zip(averaged, current, strict=True) if pair[0].is_floating_point()]
        self.counters = [pair for pair in zip(averaged, current, strict=True) if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        weight = 1 - min(self.decay, (1 + self.num_steps) / (10 + self.num_steps)) if self.num_steps else 1.0
        averaged, current = zip(*self.floats, strict=True)
        torch._foreach_lerp_(averaged, current, weight)
        for average, value in self.counters:
            average.copy_(value)
        self.num_steps += 1


class BareTraining:
    """One fold of a job, trained by hand."""

    def __init__(self, job: Job) -> None:
        config = job.config
        torch.manual_seed(config.seed)
        clip_set = clips(job)
        self.job = job
        self.module: ClassifierModule = make_module(job, clip_set.classes)
        self.datamodule: ClipDataModule = make_datamodule(job, num_folds(job))
        self.current_epoch = self.num_steps = 0
        self.datamodule.trainer = self  # it asks for the epoch's number only
        self.batches: TrainBatches = self.datamodule.train_dataloader()
        self.optimizer = make_optimizer(
            self.module.network, config.optimizer.name, config.optimizer.lr, config.optimizer.weight_decay
        )
        total_steps = config.trainer.max_epochs * len(self.batches)
        self.schedule = make_schedule(
            self.optimizer, config.optimizer.schedule, config.optimizer.warmup_fraction, total_steps
        )
        decay = config.trainer.ema_decay
        self.average = MovingAverage(self.module.network, decay) if decay else None

    def step(self, batch: Batch) -> Tensor:
        loss = self.forward(batch)
        self.backward(loss)
        self.update()
        return loss.detach()

    def forward(self, batch: Batch) -> Tensor:
        seeds = np.random.SeedSequence([self.job.config.seed, self.num_steps])
        torch.manual_seed(int(seeds.generate_state(1)[0]))
        return self.module.training_step(batch, 0)

    def backward(self, loss: Tensor) -> None:
        self.optimizer.zero_grad()
        loss.backward()

    def update(self) -> None:
        if self.job.config.trainer.gradient_clip:
            nn.utils.clip_grad_norm_(self.module.network.parameters(), self.job.config.trainer.gradient_clip)
        self.optimizer.step()
        self.schedule.step()
        if self.average is not None:
            self.average.update()
        self.num_steps += 1

    def run(self, folder: Path) -> list[dict[str, Any]]:
        """Trains all epochs with validation, history.csv and checkpoints in `folder`; returns the rows of the"
        " history."""
        folder.mkdir(parents=True)
        rows: list[dict[str, Any]] = []
        best = float("inf")
        every = self.job.config.trainer.validate_every
        with (folder / "history.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, HISTORY_COLUMNS, restval="")
            writer.writeheader()
            started = time.perf_counter()
            for epoch in range(self.job.config.trainer.max_epochs):
                self.current_epoch = epoch
                self.module.on_train_epoch_start()
                losses = [self.step(batch) for batch in self.batches]
                row = {"epoch": epoch, "train_loss": float(torch.stack(losses).mean())}
                validated = self.datamodule.split.val is not None and (epoch + 1) % every == 0
                row |= self.validate() if validated else {}
                now = time.perf_counter()
                row["epoch_seconds"] = now - started
                started = now
                writer.writerow(row)
                file.flush()
                rows.append(row)
                if validated and row["val_loss"] < best:
                    best = row["val_loss"]
                    self._save(folder / "best.ckpt")
                self._save(folder / "last.ckpt")
        return rows

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        trained = self.module.network
        self.module.clip_classifier.network = self.average.network if self.average is not None else trained
        self.module.eval()
        metrics, loss = ClipMetrics(len(self.module.classes)), 0.0
        for batch in self.datamodule.val_dataloader():
            probabilities = self.module.clip_classifier.clip_probabilities(batch["waveform"])
            metrics.update(probabilities, batch["label"])
            loss += float(F.nll_loss(probabilities.clamp(min=1e-12).log(), batch["label"], reduction="sum"))
        self.module.clip_classifier.network = trained
        self.module.train()
        scores = metrics.compute().scalars()
        return {
            "val_loss": loss / len(self.datamodule.split.val),
            **{f"val_{name}": value for name, value in scores.items()},
        }

    def _save(self, path: Path) -> None:
        content = {
            "epoch": self.current_epoch,
            "weights": self.module.network.state_dict(),
            "average": self.average.network.state_dict() if self.average is not None else None,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
        }
        temporary = path.with_suffix(".tmp")
        torch.save(content, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)


def _state(network: nn.Module) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]
