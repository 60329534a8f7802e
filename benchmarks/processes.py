"""Work in processes of their own: whole commands, and single functions that need a fresh process to be measured.

With `here` everything runs in this process, which is quicker and measures nothing: for trying the suite out.
"""

import contextlib
import importlib
import io
import json
import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.section import BenchmarkError

ROOT = Path(__file__).resolve().parents[1]


def run(command: Sequence[str], limit_seconds: float, environment: Mapping[str, str] | None = None) -> str:
    """What the command prints on stdout. Raises BenchmarkError if it fails or takes longer; its children end with"
    " it."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=limit_seconds)
    except subprocess.TimeoutExpired:
        raise BenchmarkError(f"{_name(command)} took longer than {limit_seconds:.0f} s") from None
    finally:
        end(process)
    if process.returncode:
        raise BenchmarkError(f"{_name(command)} ended with status {process.returncode}: {_last_line(errors)}")
    return output


def end(process: subprocess.Popen) -> None:
    """Ends a process that leads a session of its own, and everything that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def train(arguments: Sequence[str], *, limit_seconds: float, here: bool) -> float:
    """Seconds that `python train.py` takes with these arguments."""
    started = time.perf_counter()
    if here:
        _train_here(arguments)
    else:
        run([sys.executable, "train.py", *arguments], limit_seconds)
    return time.perf_counter() - started


def isolated(function: Callable[..., Any], *arguments: Any, limit_seconds: float, here: bool) -> Any:
    """What the function returns in a fresh process. It is a function of a module; arguments and result are JSON."""
    if here:
        return function(*arguments)
    name = f"{function.__module__}:{function.__name__}"
    command = [sys.executable, "-m", "benchmarks.processes", name, json.dumps(arguments)]
    return json.loads(run(command, limit_seconds).splitlines()[-1])


def _train_here(arguments: Sequence[str]) -> None:
    before = sys.argv, {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    sys.argv = ["train.py", *arguments]
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            runpy.run_path(str(ROOT / "train.py"), run_name="__main__")
    except SystemExit as error:
        status = error.code
    else:
        status = 0
    finally:
        sys.argv, handlers = before
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if status:
        raise BenchmarkError(
            f"train.py {' '.join(arguments)} ended with status {status}: {_last_line(said.getvalue())}"
        )


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no message")


def _name(command: Sequence[str]) -> str:
    return " ".join(command[1:3] if command[0] == sys.executable else command[:2])


if __name__ == "__main__":
    module_name, _, function_name = sys.argv[1].partition(":")
    function = getattr(importlib.import_module(module_name), function_name)
    print("\n" + json.dumps(function(*json.loads(sys.argv[2]))))
