"""A workspace with made-up data sets, and train.py called in it as a user would."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

REPOSITORY = Path(__file__).resolve().parents[2]
CONF = REPOSITORY / "conf"
ESC10_CLASSES = [f"{number:03d} - Class {number}" for number in range(1, 11)]
# The smallest network that every protocol and front end accepts, and no service.
TINY = (
    *(
        "logger=none",
        "trainer.num_threads=1",
        "trainer.max_epochs=1",
        "trainer.batch_size=4",
        "trainer.crops_per_clip=1",
    ),
    *("input.sample_rate=4000", "input.crop_seconds=0.5", "input.eval_crops=1", "model.n_fft=256", "model.num_mels=16"),
    *("model.stem_width=2", "model.d_model=8", "model.d_feedforward=8", "model.num_layers=1"),
)


def train(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Runs train.py within this process; returns its exit status."""
    monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(REPOSITORY / "train.py"), run_name="__main__")
    return end.value.code


def forbid_heavy_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, importing torch and the like raises ImportError."""
    for name in ("torch", "lightning", "lightning.pytorch", "torchmetrics", "matplotlib", "wandb"):
        monkeypatch.setitem(sys.modules, name, None)


def write_sounds(folder: Path, clips_per_class: dict[str, int], seconds: float = 0.6) -> Path:
    """A folder of class folders with tones of noise."""
    random = np.random.default_rng(0)
    for name, count in clips_per_class.items():
        (folder / name).mkdir(parents=True)
        for clip in range(count):
            soundfile.write(folder / name / f"{clip}.wav", 0.1 * random.standard_normal(round(4000 * seconds)), 4000)
    return folder


def write_esc10(folder: Path, folds: tuple[int, ...]) -> Path:
    """Laid out like ESC-10, two clips a class and fold; the files are empty, so it can be listed but not trained on."""
    for index, name in enumerate(ESC10_CLASSES):
        (folder / name).mkdir(parents=True)
        for fold in folds:
            for letter in "AB":
                (folder / name / f"{fold}-{1000 * fold + index}-{letter}.ogg").touch()
    return folder


def contents(folder: Path) -> dict[str, tuple]:
    """Every file and folder below, with what would change if it were written to."""
    return {
        str(path): (path.is_file() and path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode)
        for path in sorted([folder, *folder.rglob("*")])
    }
