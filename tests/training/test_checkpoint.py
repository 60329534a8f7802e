import errno
import shutil
from pathlib import Path

import pytest
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback
from support import tiny

from audio_cls.training.augment import input_samples
from audio_cls.training.checkpoint import AtomicCheckpointIO, EpochCheckpoint
from audio_cls.training.modules import CNNModule, TransformerModule
from audio_cls.training.optimization import EMA


def fit(folder: Path, epochs: int = 2, module=None, ema: float = 0.9, extra: tuple[Callback, ...] = ()):
    """The module after training that saves `last.ckpt` after every epoch."""
    module = module or tiny.transformer(augment=tiny.AUGMENT)
    data = tiny.datamodule(folder, train_samples=input_samples(tiny.CROP, 1.1))
    callbacks = [EMA(ema)] if ema else []
    callbacks += [*extra, EpochCheckpoint(folder / "checkpoints", "last")]
    trainer = tiny.trainer(epochs, callbacks, enable_checkpointing=True, plugins=[AtomicCheckpointIO()])
    trainer.fit(module, data)
    return module


def test_a_checkpoint_that_is_written_can_be_read(tmp_path):
    path = tmp_path / "new" / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"weights": torch.arange(3)}, path)
    assert torch.equal(torch.load(path, weights_only=True)["weights"], torch.arange(3))
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


def disk_full_in_the_middle(self, checkpoint, path, storage_options=None):
    Path(path).write_bytes(b"half of")
    raise OSError(errno.ENOSPC, "No space left on device")


def killed_in_the_middle(self, checkpoint, path, storage_options=None):
    Path(path).write_bytes(b"half of")
    raise SystemExit(143)


@pytest.mark.parametrize(("failure", "error"), [(disk_full_in_the_middle, OSError), (killed_in_the_middle, SystemExit)])
def test_a_checkpoint_that_cannot_be_written_whole_leaves_the_one_before(tmp_path, monkeypatch, failure, error):
    path = tmp_path / "last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"epoch": 1}, path)
    monkeypatch.setattr(TorchCheckpointIO, "save_checkpoint", failure)
    with pytest.raises(error):
        AtomicCheckpointIO().save_checkpoint({"epoch": 2}, path)
    assert torch.load(path, weights_only=True) == {"epoch": 1}
    assert list(tmp_path.iterdir()) == [path]  # nothing half-written is left behind


def test_a_checkpoint_holds_plain_values_only_and_builds_its_module_again(tmp_path):
    module = fit(tmp_path).eval()
    path = tmp_path / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    assert checkpoint["hyper_parameters"]["classes"] == tiny.CLASSES
    assert checkpoint["hyper_parameters"]["model"] == tiny.TRANSFORMER
    loaded = TransformerModule.load_from_checkpoint(path, weights_only=True).eval()
    waveforms = tiny.batch()["waveform"]
    assert torch.equal(loaded(waveforms), module(waveforms))


def test_a_checkpoint_of_the_cnn_builds_its_module_again(tmp_path):
    module = fit(tmp_path, 1, tiny.cnn()).eval()
    loaded = CNNModule.load_from_checkpoint(tmp_path / "checkpoints" / "last.ckpt", weights_only=True).eval()
    assert torch.equal(loaded(tiny.batch()["waveform"]), module(tiny.batch()["waveform"]))


class LastWeights(Callback):
    """The weights that the last step of training left, before any average."""

    def on_train_batch_end(self, trainer, module, *_):
        self.weights = {name: value.clone() for name, value in module.state_dict().items()}


def test_with_an_average_the_checkpoint_holds_the_averaged_weights_and_beside_them_the_last(tmp_path):
    last = LastWeights()
    module = fit(tmp_path, extra=(last,))
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    averaged, current = checkpoint["state_dict"], checkpoint["current_model_state"]
    assert all(torch.equal(value, averaged[name]) for name, value in module.state_dict().items())
    assert all(torch.equal(value, current[name]) for name, value in last.weights.items())
    assert not torch.equal(
        averaged["clip_classifier.network.classifier.weight"], current["clip_classifier.network.classifier.weight"]
    )


def test_without_an_average_the_checkpoint_holds_the_last_weights(tmp_path):
    last = LastWeights()
    fit(tmp_path, ema=0, extra=(last,))
    weights = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(value, weights[name]) for name, value in last.weights.items())


class ValLosses(Callback):
    def __init__(self, losses: list[float]) -> None:
        self.losses = losses

    def on_validation_epoch_end(self, trainer, module):
        module.log("val_loss", self.losses[trainer.current_epoch])


def test_the_best_epoch_is_remembered_although_the_folder_was_moved_meanwhile(tmp_path):
    data = tiny.datamodule(tmp_path)

    def run(folder: Path, epochs: int) -> None:
        module = tiny.cnn()
        module.on_validation_epoch_end = lambda: None
        callbacks = [ValLosses([2.0, 1.0, 1.5, 0.5, 0.7]), EpochCheckpoint(folder, "best", "val_loss")]
        callbacks += [EpochCheckpoint(folder, "last")]
        trainer = tiny.trainer(epochs, callbacks, enable_checkpointing=True, plugins=[AtomicCheckpointIO()])
        last = folder / "last.ckpt"
        trainer.fit(module, data, ckpt_path=last if last.exists() else None, weights_only=True)

    def epochs_in(folder: Path) -> dict[str, int]:
        return {path.stem: torch.load(path, weights_only=True)["epoch"] for path in folder.iterdir()}

    run(tmp_path / "here", 2)
    assert epochs_in(tmp_path / "here") == {"best": 1, "last": 1}
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    run(tmp_path / "there", 3)
    assert epochs_in(tmp_path / "there") == {"best": 1, "last": 2}
    run(tmp_path / "there", 5)
    assert epochs_in(tmp_path / "there") == {"best": 3, "last": 4}
    assert epochs_in(tmp_path / "here") == {"best": 1, "last": 1}
