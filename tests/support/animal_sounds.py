"""Four kinds of sound that a network tells apart after a few seconds of training, by the names that documents use."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from hydra import initialize_config_dir
from support.command_line import CONF

from audio_cls.config.job import Job
from audio_cls.experiment.plan import make_plan
from audio_cls.experiment.run_job import run_job

RATE = 8_000
SETTINGS = (
    "data=folder", "data.num_folds=2", "protocol=holdout", "input.sample_rate=8000", "input.crop_seconds=0.5",
    "input.eval_crops=3", "trainer.max_epochs=16", "trainer.batch_size=16", "trainer.crops_per_clip=2",
    "trainer.num_threads=1", "trainer.accelerator=cpu", "trainer.validate_every=16", "optimizer.lr=3e-3",
    "trainer.ema_decay=0", "augment=none", "model.num_mels=32", "logger=none", "study=animals", "variant=tiny",
)  # fmt: skip


def _dog(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Short barks, one every 0.3 to 0.4 s."""
    since = time % rng.uniform(0.3, 0.4)
    return np.exp(-since / 0.03) * (np.sin(2 * np.pi * rng.uniform(500, 600) * time) + 0.5 * rng.normal(size=len(time)))


def _rain(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=len(time))


def _rooster(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A tone that rises and falls, with harmonics."""
    pitch = rng.uniform(900, 1_000) + 250 * np.sin(2 * np.pi * rng.uniform(0.9, 1.1) * time)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    return np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.25 * np.sin(3 * phase)


def _engine(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Harmonics of a low hum."""
    hum = rng.uniform(60, 80)
    return sum(np.sin(2 * np.pi * hum * harmonic * time) / harmonic for harmonic in range(1, 8))


KINDS: dict[str, Callable[[np.ndarray, np.random.Generator], np.ndarray]] = {
    "dog": _dog, "engine": _engine, "rain": _rain, "rooster": _rooster,
}  # fmt: skip


def sound(kind: str, seconds: float = 1.5, seed: int = 0) -> np.ndarray:
    """(samples,) float32 at RATE, with peaks of 0.3 and a little noise."""
    rng = np.random.default_rng([seed, *kind.encode()])
    samples = KINDS[kind](np.arange(round(seconds * RATE)) / RATE, rng)
    samples = 0.3 * samples / np.abs(samples).max()
    return (samples + 1e-3 * rng.normal(size=len(samples))).astype(np.float32)


def write_clips(folder: Path, clips_per_class: int = 10) -> Path:
    """A folder of class folders."""
    for kind in KINDS:
        (folder / kind).mkdir(parents=True)
        for index in range(clips_per_class):
            soundfile.write(folder / kind / f"{kind}-{index}.wav", sound(kind, seed=1 + index), RATE)
    return folder


def train(folder: Path, *more: str) -> Job:
    """One job of the default transformer on the clips in `folder`/my_sounds, made on first use."""
    if not (folder / "my_sounds").exists():
        write_clips(folder / "my_sounds")
    places = [f"data.root={folder / 'my_sounds'}", f"output_dir={folder / 'outputs'}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        (job,) = make_plan([*SETTINGS, *places, *more], False).jobs
    run_job(job, lambda _: [])
    return job
