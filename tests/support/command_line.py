"""A workspace with made-up data sets, and train.py called in it as a user would."""

import builtins
import runpy
import sys
from pathlib import Path
from typing import Any

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
    *("model.stem_width=2", "model.d_model=8", "model.d_feedforward=8", "model.num_layers=1", "variant=tiny"),
)


def train(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Runs train.py within this process; returns its exit status."""
    monkeypatch.setattr(sys, "argv", ["train.py", *arguments])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(REPOSITORY / "train.py"), run_name="__main__")
    return end.value.code


HEAVY = frozenset({"torch", "torchaudio", "torchmetrics", "lightning", "matplotlib", "wandb"})


def forbid_heavy_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, an import of torch and the like raises ImportError, also where another test has imported it."""
    usual = builtins.__import__

    def guarded(name: str, *arguments: Any, **options: Any) -> Any:
        if name.split(".")[0] in HEAVY:
            raise ImportError(f"{name} must not be imported here")
        return usual(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", guarded)


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
