"""What a command leaves for its jobs, which may run in processes of their own: the checked jobs, and about the sweep.

The files stand in a temporary folder that ends with the command. Its name is in the environment, which the processes
that train jobs inherit.
"""

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audio_cls.config.job import Job

_VARIABLE = "AUDIO_CLS_SWEEP"
_made: list[Path] = []  # by this process


def begin(jobs: Sequence[Job]) -> None:
    """Makes the folder and writes the jobs that this process starts, in the order in which they are numbered."""
    end()
    folder = Path(tempfile.mkdtemp(prefix="audio_cls-"))
    _made.append(folder)
    for number, job in enumerate(jobs):
        (folder / f"job-{number}.json").write_text(json.dumps(job.to_values()), encoding="utf-8")
    os.environ[_VARIABLE] = str(folder)


def read_job(number: int) -> Job | None:
    """The job with this number, its configuration checked again; None where the folder cannot be seen."""
    values = _read(f"job-{number}.json")
    return Job.from_values(values) if values else None


def write_sweep(content: dict[str, Any]) -> None:
    """Leaves what all jobs of a sweep may read with `read_sweep`."""
    (Path(os.environ[_VARIABLE]) / "sweep.json").write_text(json.dumps(content), encoding="utf-8")


def read_sweep() -> dict[str, Any] | None:
    """What `write_sweep` left; None outside a sweep, or where the folder cannot be seen, as on another machine."""
    return _read("sweep.json")


@atexit.register
def end() -> None:
    """Removes the folder if this process made it."""
    os.environ.pop(_VARIABLE, None)
    while _made:
        shutil.rmtree(_made.pop(), ignore_errors=True)


def _read(name: str) -> dict[str, Any] | None:
    try:
        return json.loads((Path(os.environ[_VARIABLE]) / name).read_text(encoding="utf-8"))
    except (KeyError, OSError):
        return None
