"""Models, clips and trainers small enough to train within a second."""

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import soundfile
import torch

from audio_cls.data.sources import read_folder
from audio_cls.data.waveform_store import open_store
from audio_cls.training.datamodule import ClipDataModule
from audio_cls.training.modules import ClassifierModule, CNNModule, TransformerModule

RATE = 4_000
CROP = 1_000
CLASSES = ["low", "middle", "high"]
FREQUENCIES = (200, 500, 1_200)
NO_AUGMENT = {
    "random_crop": False,
    "circular": False,
    "gain_db": 0.0,
    "time_scale": 1.0,
    "mix": False,
    "spectrogram_masks": 0,
    "mask_fraction": 0.2,
}
AUGMENT = {
    "random_crop": True,
    "circular": False,
    "gain_db": 6.0,
    "time_scale": 1.1,
    "mix": True,
    "spectrogram_masks": 1,
    "mask_fraction": 0.2,
}
OPTIMIZER = {"name": "adamw", "lr": 1e-2, "weight_decay": 0.01, "schedule": "cosine", "warmup_fraction": 0.1}
TRANSFORMER = {
    "name": "transformer",
    "num_heads": 2,
    "num_mels": 16,
    "n_fft": 256,
    "hop_length": 64,
    "d_model": 16,
    "num_layers": 1,
    "d_feedforward": 32,
    "dropout": 0.1,
    "stem_width": 4,
}


def transformer(classes: list[str] = CLASSES, model: dict[str, Any] | None = None, **recipe: Any) -> ClassifierModule:
    torch.manual_seed(0)
    recipe = {"normalize": True, "augment": NO_AUGMENT, "optimizer": OPTIMIZER} | recipe
    return TransformerModule(classes, CROP, RATE, TRANSFORMER | (model or {}), **recipe)


def cnn(classes: list[str] = CLASSES, **recipe: Any) -> ClassifierModule:
    torch.manual_seed(0)
    recipe = {"normalize": True, "augment": NO_AUGMENT, "optimizer": OPTIMIZER} | recipe
    return CNNModule(classes, CROP, RATE, {"name": "cnn"}, **recipe)


def batch(batch_size: int = 12, num_classes: int = 3, num_samples: int = CROP) -> dict[str, torch.Tensor]:
    """Noise with labels that mean nothing."""
    generator = torch.Generator().manual_seed(0)
    return {
        "waveform": torch.randn(batch_size, 1, num_samples, generator=generator),
        "label": torch.arange(batch_size) % num_classes,
        "clip": torch.arange(batch_size),
    }


def write_tones(root: Path, clips_per_class: int = 8) -> Path:
    """Class folders of half-second tones in noise, one frequency a class."""
    random = np.random.default_rng(0)
    for label, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for index in range(clips_per_class):
            frequency = FREQUENCIES[label] * random.uniform(0.9, 1.1)
            waveform = np.sin(2 * np.pi * frequency * np.arange(RATE // 2) / RATE)
            waveform = 0.3 * waveform + 0.2 * random.normal(size=RATE // 2)
            soundfile.write(root / name / f"{index}.wav", waveform.clip(-1, 1), RATE)
    return root


def datamodule(folder: Path, cache_dir: Path | None = None, **settings: Any) -> ClipDataModule:
    """One fold of the tones in `folder`/tones: 8 clips train, 8 validate, 8 test."""
    defaults = {"protocol": "holdout", "fold": 0, "num_folds": 2, "crop_samples": CROP}
    defaults |= {"batch_size": 4, "crops_per_clip": 2, "eval_crops": 2}
    root = folder / "tones"
    clip_set = read_folder(root if root.exists() else write_tones(root))
    return ClipDataModule(clip_set, open_store(clip_set, RATE, cache_dir or folder / "cache"), **(defaults | settings))


def trainer(max_epochs: int, callbacks: list[pl.Callback], **settings: Any) -> pl.Trainer:
    settings = {"enable_checkpointing": False} | settings
    return pl.Trainer(
        accelerator="cpu",
        max_epochs=max_epochs,
        callbacks=callbacks,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        **settings,
    )
