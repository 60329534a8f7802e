"""Checkpoints that are whole or not there, wherever their folder is moved."""

import os
from pathlib import Path
from typing import Any

from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint

from audio_cls.files import replacing


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target, forces it to disk and renames: after a crash the previous checkpoint is still there."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | os.PathLike, storage_options: Any = None) -> None:
        with replacing(Path(path)) as temporary:
            super().save_checkpoint(checkpoint, temporary, storage_options)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())


class EpochCheckpoint(ModelCheckpoint):
    """Saves `<folder>/<name>.ckpt` after every so many epochs, or only after one with the lowest `monitor` so far."""

    def __init__(self, folder: Path, name: str, monitor: str | None = None, every_n_epochs: int = 1) -> None:
        super().__init__(
            dirpath=folder,
            filename=name,
            monitor=monitor,
            mode="min",
            every_n_epochs=every_n_epochs,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        # Lightning forgets the best score when the folder is another one, and a worse epoch would overwrite the best.
        super().load_state_dict({**state_dict, "dirpath": self.dirpath})
