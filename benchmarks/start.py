"""How long one waits for an answer, and for the first training step."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import data
from benchmarks.processes import ROOT, end
from benchmarks.section import BenchmarkError, Numbers, Options, Target, table

TITLE = "Start"
LIMIT_SECONDS = 180
ANSWER_SECONDS = 1.0
STEP_SECONDS = 10.0
COMMANDS = {
    "python train.py --help": (["--help"], 0),
    "python train.py heads=5": (["heads=5"], 2),
    "python train.py trainer.max_epoch=3": (["trainer.max_epoch=3"], 2),
}
PATIENCE_SECONDS = 60


def measure(options: Options) -> Numbers:
    rounds = 1 if options.quick else 5
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = data.arguments(folder, quick=options.quick)
        first = _first_step(source, folder / "warm", "none")  # decodes the clips, compiles Python
        answers: dict[str, list[float]] = {command: [] for command in list(COMMANDS)[: 2 if options.quick else None]}
        for _ in range(rounds):
            for command in answers:
                answers[command].append(_answer(*COMMANDS[command]))
        starts: dict[str, list[float]] = {"none": [first]} if options.quick else {"none": [], "wandb": []}
        for number in range(0 if options.quick else 3):
            for logger, seconds in starts.items():
                seconds.append(_first_step(source, folder / f"{logger}{number}", logger))
    return {"answers": answers, "starts": starts}


def _answer(arguments: list[str], status: int) -> float:
    started = time.perf_counter()
    command = [sys.executable, "train.py", *arguments]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    if found.returncode != status:
        raise BenchmarkError(f"train.py {' '.join(arguments)} ended with status {found.returncode}, not {status}")
    return time.perf_counter() - started


def _first_step(source: list[str], output: Path, logger: str) -> float:
    """Seconds from the command to the first training step: history.csv gets its header right before it."""
    arguments = [*source, "study=start", "variant=start", f"logger={logger}", f"output_dir={output}"]
    environment = {**os.environ, "WANDB_MODE": "offline", "WANDB_DIR": str(output.parent)}
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "train.py", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        history = output / "start" / "start" / "fold0-seed0" / "history.csv"
        while not history.exists():
            if process.poll() is not None:
                raise BenchmarkError(f"train.py ended with status {process.returncode}: {process.stderr.read()[-300:]}")
            if time.perf_counter() - started > PATIENCE_SECONDS:
                raise BenchmarkError(f"train.py took no step within {PATIENCE_SECONDS} s")
            time.sleep(0.005)
        return time.perf_counter() - started
    finally:
        end(process)
        process.stderr.close()


def targets(numbers: Numbers) -> list[Target]:
    slowest = max(min(seconds) for seconds in numbers["answers"].values())
    first = max(min(seconds) for seconds in numbers["starts"].values())
    return [
        Target(
            f"help and mistakes: an answer within {ANSWER_SECONDS:.0f} s", f"{slowest:.2f} s", slowest < ANSWER_SECONDS
        ),
        Target(f"a warm start: the first step within {STEP_SECONDS:.0f} s", f"{first:.1f} s", first < STEP_SECONDS),
    ]


def describe(numbers: Numbers) -> str:
    names = {"none": "first training step, logger=none", "wandb": "first training step, logger=wandb (offline)"}
    rows = [[f"`{command}`", f"{min(seconds):.2f} s", len(seconds)] for command, seconds in numbers["answers"].items()]
    rows += [[names[logger], f"{min(seconds):.2f} s", len(seconds)] for logger, seconds in numbers["starts"].items()]
    return "\n\n".join(
        [
            "From the start of the command until it ends, or until the first training step begins. The clips are"
            " decoded already, and the libraries are in the system's cache. The shortest of several runs, because"
            " other processes only add to it.",
            table(["command", "best", "runs"], rows),
        ]
    )
