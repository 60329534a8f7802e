"""What is written down while a job trains: a row of history.csv and a line on the terminal for each epoch."""

import csv
import sys
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, EarlyStopping
from rich.console import Console
from rich.progress import Progress

from audio_cls.files import write_csv
from audio_cls.terminal import progress_bar
from audio_cls.training.history import HISTORY_COLUMNS, read_history
from audio_cls.wording import duration


class History(Callback):
    """Appends each finished epoch to a CSV and flushes it. Rows of epochs that a resumed run repeats are dropped."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._started = 0.0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        rows = [row for row in read_history(self.path) if (row["epoch"] or 0) < trainer.current_epoch]
        rows = [{**row, "epoch": int(row["epoch"] or 0)} for row in rows]
        write_csv(self.path, HISTORY_COLUMNS, ([row.get(column) for column in HISTORY_COLUMNS] for row in rows))
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        now = time.perf_counter()
        values: dict[str, Any] = {key: float(value) for key, value in trainer.callback_metrics.items()}
        row = {key: f"{values[key]:.6g}" for key in HISTORY_COLUMNS if key in values and is_fresh(key, trainer)}
        row |= {"epoch": str(trainer.current_epoch), "epoch_seconds": f"{now - self._started:.3f}"}
        self._started = now
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, HISTORY_COLUMNS, restval="").writerow(row)


class StopEarly(EarlyStopping):
    """Ends training after `patience` validations without a lower loss. Resuming does not go on after that."""

    def __init__(self, patience: int) -> None:
        super().__init__("val_loss", mode="min", patience=patience)

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        # A checkpoint holds how many epochs were waited for, but not that the trainer was told to stop.
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


class TerminalReport(Callback):
    """A progress bar where there is a terminal, and one line for each epoch, which stays.

    With a `label` each line begins with it and there is no bar: several jobs share the terminal.
    """

    def __init__(self, label: str = "") -> None:
        self._label = label
        self._console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self._progress: Progress | None = None
        self._started = 0.0
        self._first_epoch = 0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._started, self._first_epoch = time.perf_counter(), trainer.current_epoch
        if trainer.current_epoch:
            self._say(f"continuing after epoch {trainer.current_epoch} of {trainer.max_epochs}")
        if self._console.is_terminal and not self._label:
            self._progress = progress_bar(console=self._console)
            total = (trainer.max_epochs or 0) * trainer.num_training_batches
            self._task = self._progress.add_task("training", total=total, completed=trainer.global_step)
            self._progress.start()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if self._progress is not None:
            self._progress.update(self._task, completed=trainer.global_step)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        values = {key: float(value) for key, value in trainer.callback_metrics.items()}
        elapsed = time.perf_counter() - self._started
        max_epochs = trainer.max_epochs or epoch
        left = elapsed / (epoch - self._first_epoch) * (max_epochs - epoch)
        parts = [f"epoch {epoch:{len(str(max_epochs))}d}/{max_epochs}", f"train loss {values['train_loss']:.3f}"]
        if "val_loss" in values and is_fresh("val_loss", trainer):
            parts += [f"val loss {values['val_loss']:.3f}", f"accuracy {values['val_accuracy']:6.1%}"]
            parts += [f"F1 {values['val_f1_macro']:.3f}"]
            parts += [f"AUROC {values['val_auroc_macro']:.3f}"] if "val_auroc_macro" in values else []
        else:
            parts += [f"train accuracy {values['train_accuracy']:6.1%}"]
        parts += [f"lr {values['lr']:.1e}", f"{duration(left)} left"]
        self._say(" | ".join(parts))

    def on_train_end(self, *_: Any) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def on_exception(self, *_: Any) -> None:
        self.on_train_end()

    def _say(self, text: str) -> None:
        self._console.print(f"{self._label} | {text}" if self._label else text, markup=False)


def is_fresh(key: str, trainer: pl.Trainer) -> bool:
    """Whether a logged value is of this epoch: those of validation stay until the next validation."""
    return not key.startswith("val_") or (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1) == 0
