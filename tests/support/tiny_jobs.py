"""Jobs that train within a second: two kinds of short tones, and a transformer of a few hundred weights."""

from pathlib import Path

import numpy as np
import soundfile
from hydra import initialize_config_dir
from support.command_line import CONF

from audio_cls.config.job import Job
from audio_cls.experiment.plan import make_plan

CLASSES = ("high", "low")
TINY = (
    "data=folder", "data.num_folds=2", "input.sample_rate=4000", "input.crop_seconds=0.1", "input.eval_crops=1",
    "model.num_mels=8", "model.n_fft=128", "model.hop_length=64", "model.stem_width=2", "model.d_model=8",
    "model.num_layers=1", "model.d_feedforward=8", "trainer.max_epochs=2", "trainer.batch_size=8",
    "trainer.crops_per_clip=1", "trainer.num_threads=1", "trainer.accelerator=cpu", "variant=tiny_h${heads}",
)  # fmt: skip


def write_tones(folder: Path, clips_per_class: int = 9, seconds: float = 0.2, sounding: float = 0.2) -> Path:
    """Makes a folder of class folders with tones, silent after the seconds in which they sound."""
    time = np.arange(round(seconds * 4000)) / 4000
    for frequency, name in zip((900, 300), CLASSES, strict=True):
        (folder / name).mkdir(parents=True)
        for index in range(clips_per_class):
            tone = 0.3 * np.sin(2 * np.pi * (frequency + 10 * index) * time) * (time < sounding)
            soundfile.write(folder / name / f"{name}-{index}.wav", tone.astype(np.float32), 4000)
    return folder


def overrides(tmp_path: Path, *more: str) -> list[str]:
    """The command line of tiny jobs on the tones of `tmp_path`; `more` replaces keys of TINY."""
    given = {line.partition("=")[0] for line in more}
    kept = [line for line in TINY if line.partition("=")[0] not in given]
    places = [f"data.root={tmp_path / 'tones'}", f"output_dir={tmp_path / 'outputs'}"]
    return [*kept, *places, *more]


def plan_jobs(tmp_path: Path, *more: str, multirun: bool = False) -> tuple[Job, ...]:
    """Composes tiny jobs as train.py does; makes their tones on first use."""
    if not (tmp_path / "tones").exists():
        write_tones(tmp_path / "tones")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return make_plan(overrides(tmp_path, *more), multirun).jobs
