"""Jobs whose clips are longer than a crop and silent in their second half, for tests of what happens after training."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from support.tiny_jobs import plan_jobs

from audio_cls.config.job import Job
from audio_cls.experiment.run_job import run_job

RATE = 4_000
SETTINGS = ("input.crop_seconds=0.25", "input.eval_crops=4", "model.hop_length=16", "logger=none")
CNN = (
    "model=cnn", "data=folder", "data.num_folds=2", "input.sample_rate=4000", "input.crop_seconds=0.1",
    "trainer.max_epochs=1", "trainer.num_threads=1", "trainer.accelerator=cpu", "logger=none",
)  # fmt: skip


def write_clips(folder: Path, clips_per_class: int = 6) -> None:
    """Class folders of 0.75 s: a tone of 0.3 s, then silence."""
    time = np.arange(int(0.75 * RATE)) / RATE
    for frequency, name in ((900, "high"), (300, "low")):
        (folder / name).mkdir(parents=True)
        for index in range(clips_per_class):
            tone = 0.3 * np.sin(2 * np.pi * (frequency + 10 * index) * time) * (time < 0.3)
            soundfile.write(folder / name / f"{name}-{index}.wav", tone.astype(np.float32), RATE)


def train(folder: Path, *more: str) -> Job:
    """Trains one job on the clips in `folder`/tones, made on first use."""
    if not (folder / "tones").exists():
        write_clips(folder / "tones")
    (job,) = plan_jobs(folder, *SETTINGS, *more)
    run_job(job, lambda _: [])
    return job


def train_cnn(folder: Path, overrides: Sequence[str] = CNN) -> Job:
    """Trains the CNN on the same clips."""
    from hydra import initialize_config_dir
    from support.tiny_jobs import ROOT

    from audio_cls.experiment.plan import make_plan

    places = [f"data.root={folder / 'tones'}", f"output_dir={folder / 'outputs'}"]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        (job,) = make_plan([*overrides, *places], False).jobs
    run_job(job, lambda _: [])
    return job
