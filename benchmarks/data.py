"""The clips that are measured on, and jobs made as train.py makes them."""

import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.processes import ROOT

SAMPLE_RATE = 16_000


def arguments(folder: Path, *, quick: bool) -> list[str]:
    """Overrides that choose the data: ESC-10 where it is on disk, else the synthetic set; a few tones in `folder` if"
    " quick."""
    if quick:
        tones = write_tones(folder / "tones", num_clips=40)
        # One thread: on a machine that is busy, two would wait for each other.
        return ["data=folder", f"data.root={tones}", "trainer.batch_size=4", "trainer.num_threads=1"]
    return ["data=esc10"] if _has_esc10() else ["data=synthetic"]


def _has_esc10() -> bool:
    from audio_cls.data.download import default_esc10_root
    from audio_cls.data.sources import looks_like_esc10

    root = os.environ.get("AUDIO_CLS_DATA")
    return looks_like_esc10(Path(root)) if root else default_esc10_root().is_dir()


def write_tones(root: Path, num_clips: int, num_classes: int = 4) -> Path:
    """One-second wav files in class folders; those of a class differ in their last two samples alone, as only their
    number matters, and copies would stay on one side of every split."""
    if root.exists():
        return root
    random = np.random.default_rng(0)
    for label in range(num_classes):
        sound = io.BytesIO()
        tone = 0.5 * np.sin(2 * np.pi * 200 * 2**label * np.arange(SAMPLE_RATE) / SAMPLE_RATE)
        soundfile.write(sound, tone + 0.01 * random.standard_normal(SAMPLE_RATE), SAMPLE_RATE, format="WAV")
        folder = root / f"class{label}"
        folder.mkdir(parents=True)
        for number in range(label, num_clips, num_classes):
            (folder / f"{number:06d}.wav").write_bytes(sound.getvalue()[:-4] + number.to_bytes(4, "little"))
    return root


def write_clips(root: Path, clips_per_class: int) -> Path:
    """Synthetic five-second clips as ogg files at 44.1 kHz in class folders, as ESC-10 has them."""
    from audio_cls.data import synthetic

    clip_set = synthetic.synthetic_clips(clips_per_class=clips_per_class)
    for clip in clip_set.clips:
        path = root / clip_set.classes[clip.label].replace("/", "-") / f"{Path(clip.name).stem}.ogg"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, synthetic.synthesize(clip), synthetic.SAMPLE_RATE, format="OGG", subtype="VORBIS")
    return root


def merged(overrides: Sequence[str]) -> list[str]:
    """The last override of each key: train.py refuses a key that is given twice."""
    return list({override.partition("=")[0]: override for override in overrides}.values())


def make_jobs(overrides: Sequence[str], output: Path, *, sweep: bool = False) -> tuple:
    """The jobs that `python train.py` would run with these overrides, without a logger."""
    from hydra import initialize_config_dir

    from audio_cls.experiment.plan import make_plan

    arguments = merged([*overrides, "logger=none", f"output_dir={output}"])
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return make_plan(arguments, sweep).jobs
