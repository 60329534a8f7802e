"""Classifiers with random weights, as loaded ones, and sounds for them."""

from pathlib import Path

import numpy as np
import torch
from torch import nn

from audio_cls.models.build import build_network
from audio_cls.models.clip_classifier import ClipClassifier
from audio_cls.serving.classifier import LoadedClassifier

RATE, CROP = 8_000, 4_000
CLASSES = ("dog", "rain", "Säge")
SMALL = {
    "name": "transformer", "num_heads": 2, "num_mels": 16, "n_fft": 256, "hop_length": 40, "d_model": 16,
    "num_layers": 1, "d_feedforward": 32, "stem_width": 4,
}  # fmt: skip
NETWORKS = {
    "transformer": SMALL | {"front_end": "log_mel_texture"},
    "segments": SMALL | {"front_end": "log_mel_texture", "num_segments": 3, "num_layers": 0, "pool": "mean"},
    "log mel": SMALL | {"front_end": "log_mel", "num_layers": 0, "pool": "mean"},
    "cnn": {"name": "cnn"},
    "baseline": {"name": "baseline", "num_mels": 16, "n_fft": 256, "hop_length": 64},
}


def classifier(
    name: str, classes: tuple[str, ...] = CLASSES, unsure_below: float = 0.0, eval_crops: int = 4
) -> LoadedClassifier:
    """With random weights, and running statistics of noise."""
    torch.manual_seed(0)
    network = build_network(NETWORKS[name], num_classes=len(classes), sample_rate=RATE, num_samples=CROP)
    with torch.no_grad():
        for _ in range(20):
            network.train()(torch.randn(8, 1, CROP) * torch.linspace(0.1, 1, CROP))
    return loaded(network, classes, eval_crops, silence_db=30.0, temperature=1.7, unsure_below=unsure_below)


def loaded(
    network: nn.Module,
    classes: tuple[str, ...] = CLASSES,
    eval_crops: int = 1,
    silence_db: float = 0.0,
    temperature: float = 1.0,
    unsure_below: float = 0.0,
) -> LoadedClassifier:
    return LoadedClassifier(
        module=ClipClassifier(network, True, silence_db).eval(),
        classes=classes,
        sample_rate=RATE,
        crop_samples=CROP,
        eval_crops=eval_crops,
        folder=Path("model"),
        temperature=temperature,
        unsure_below=unsure_below,
    )


def sound(samples: int, seed: int = 0) -> np.ndarray:
    """A tone that comes and goes, in noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(samples) / RATE
    tone = np.sin(2 * np.pi * rng.uniform(100, 3000) * time) * (np.sin(2 * np.pi * 1.5 * time) > rng.uniform(-1, 1))
    return (0.3 * tone + 0.001 * rng.standard_normal(samples)).astype(np.float32)
