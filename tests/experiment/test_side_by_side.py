"""Jobs side by side in real worker processes, as a sweep has them by default."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.command_line import HEAVY, REPOSITORY, TINY, train, write_sounds

STUDY = Path("outputs/sounds-holdout/tiny")
SOUNDS = ("data=folder", "data.root=sounds", "heads=2", *TINY)

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def train_beside(*arguments: str, **environment: str) -> tuple[int, str]:
    """The exit status of `train.py ... jobs=2 -m` in a process of its own, and what it says."""
    command = [sys.executable, str(REPOSITORY / "train.py"), *arguments, "jobs=2", "-m"]
    end = subprocess.run(
        command, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120
    )
    assert "Traceback" not in end.stdout
    return end.returncode, end.stdout


def replace_heavy_libraries(folder: Path, code: str) -> str:
    """Makes a folder that, as PYTHONPATH, puts `code` in the place of torch and the like."""
    folder.mkdir()
    for name in HEAVY:
        (folder / f"{name}.py").write_text(code)
    return str(folder)


def status(fold: int) -> str:
    return json.loads((STUDY / f"fold{fold}-seed0" / "metrics.json").read_text())["status"]


def test_jobs_side_by_side_give_what_they_give_alone_one_that_fails_is_named_and_what_is_done_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sounds(tmp_path / "sounds", {"Dog": 8, "Cat": 8})
    with monkeypatch.context() as patch:
        patch.setenv("WANDB_MODE", "disabled")
        assert train(patch, *SOUNDS, "jobs=1", "-m") == 0
    alone = {fold: (STUDY / f"fold{fold}-seed0" / "predictions.csv").read_bytes() for fold in (1, 2)}
    for fold in alone:  # fold 0 stays: how long a job takes is known, and need not be measured
        shutil.rmtree(STUDY / f"fold{fold}-seed0")
    for path in (STUDY / "fold3-seed0").iterdir():
        if path.name != "config.yaml":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (STUDY / "fold3-seed0" / "checkpoints").touch()  # no folder: nothing can be saved there

    code, said = train_beside(*SOUNDS)
    assert code == 1, said
    assert "2 jobs side by side" in said
    assert [status(fold) for fold in range(4)] == ["done", "done", "done", "failed"]
    assert f"FAILED {STUDY}/fold3-seed0: " in said
    assert f"written to {STUDY.parent}/summary.md" in said
    assert said.count("fold 0 seed 0 is done already") == 1
    for fold, predictions in alone.items():
        assert (STUDY / f"fold{fold}-seed0" / "predictions.csv").read_bytes() == predictions

    libraries = replace_heavy_libraries(tmp_path / "without", "raise ImportError('this must not be imported')")
    code, said = train_beside(*SOUNDS, "fold=0,1,2", PYTHONPATH=libraries)
    assert code == 0, said
    assert said.count("is done already") == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are killed by a signal")
def test_a_worker_that_is_killed_ends_the_sweep_with_its_jobs_named(tmp_path: Path) -> None:
    """As the system does where memory runs out; here once the worker imports torch."""
    libraries = replace_heavy_libraries(tmp_path / "deadly", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    # The parent measures no time and asks no server.
    arguments = ["data=synthetic", "heads=2", "fold=0,1,2", "trainer.accelerator=gpu", "logger=none"]
    code, said = train_beside(*arguments, PYTHONPATH=libraries)
    assert code == 1, said
    assert "a process that trained a job was killed, most often for lack of memory" in said
    for fold in range(3):
        assert f"FAILED outputs/synthetic-holdout/transformer_h2/fold{fold}-seed0: no result was written" in said
