"""Jobs whose clips are longer than a crop and silent in their second half, for tests of what happens after training."""

from collections.abc import Sequence
from pathlib import Path

from hydra import initialize_config_dir
from support.command_line import CONF
from support.tiny_jobs import plan_jobs, write_tones

from audio_cls.config.job import Job
from audio_cls.experiment.plan import make_plan
from audio_cls.experiment.run_job import run_job

RATE = 4_000
SETTINGS = ("input.crop_seconds=0.25", "input.eval_crops=4", "model.hop_length=16", "logger=none")
CNN = (
    "model=cnn", "data=folder", "data.num_folds=2", "input.sample_rate=4000", "input.crop_seconds=0.1",
    "trainer.max_epochs=1", "trainer.num_threads=1", "trainer.accelerator=cpu", "logger=none",
)  # fmt: skip


def write_clips(folder: Path) -> Path:
    """Six clips a class of 0.75 s: a tone of 0.3 s, then silence."""
    return write_tones(folder, 6, seconds=0.75, sounding=0.3)


def train(folder: Path, *more: str) -> Job:
    """Trains one job on the clips in `folder`/tones, made on first use."""
    if not (folder / "tones").exists():
        write_clips(folder / "tones")
    (job,) = plan_jobs(folder, *SETTINGS, *more)
    run_job(job, lambda _: [])
    return job


def train_cnn(folder: Path, overrides: Sequence[str] = CNN) -> Job:
    """Trains the CNN on the same clips."""
    places = [f"data.root={folder / 'tones'}", f"output_dir={folder / 'outputs'}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        (job,) = make_plan([*overrides, *places], False).jobs
    run_job(job, lambda _: [])
    return job
