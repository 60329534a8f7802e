"""What the processes of a running sweep tell each other: files in a folder of its own, which ends with the sweep.

Its name stands in the environment, which the processes that train jobs inherit. Outside a sweep there is none.
"""

import atexit
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

_VARIABLE = "AUDIO_CLS_SWEEP"
_made: list[Path] = []  # by this process


def begin(content: dict[str, Any]) -> None:
    """Makes the folder of a sweep that this process starts; `content` is what `read` returns to its jobs."""
    end()
    folder = Path(tempfile.mkdtemp(prefix="audio_cls-sweep-"))
    _made.append(folder)
    (folder / "sweep.json").write_text(json.dumps(content), encoding="utf-8")
    os.environ[_VARIABLE] = str(folder)


@atexit.register
def end() -> None:
    """Leaves the sweep, and removes its folder if this process began it."""
    os.environ.pop(_VARIABLE, None)
    while _made:
        shutil.rmtree(_made.pop(), ignore_errors=True)


def read() -> dict[str, Any] | None:
    """What the sweep began with; None outside a sweep, or where its folder cannot be seen, as on another machine."""
    path = file("sweep.json")
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path else None
    except OSError:
        return None


def file(name: str) -> Path | None:
    """A file that all jobs of the sweep share; None where there is no such folder."""
    folder = os.environ.get(_VARIABLE)
    return Path(folder) / name if folder and Path(folder).is_dir() else None


def is_first(name: str) -> bool:
    """Whether no job of the sweep has asked this before; always true outside a sweep."""
    path = file(name)
    try:
        if path:
            path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True
