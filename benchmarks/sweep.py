"""Jobs side by side against one after another, and what a job costs beside its training."""

import os
import statistics
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np

from audio_cls.config.job import num_cores
from benchmarks import data
from benchmarks.processes import train
from benchmarks.section import BenchmarkError, Numbers, Options, Target, figures, table

TITLE = "Sweep"
LIMIT_SECONDS = 600
TARGET_RATIO = 1.5
TARGET_JOB_SECONDS = 2.0
TARGET_LINEAR = 0.1
EPOCHS = 3
LONGEST_SECONDS = 120  # of one command: too many threads on a core may wait for each other without an end
# As little training as there can be: what is left is the cost of a job itself.
TINY = ["model=transformer", "model.d_model=16", "model.num_layers=1", "model.d_feedforward=16", "model.stem_width=4"]
TINY += ["trainer.max_epochs=1", "trainer.crops_per_clip=1", "input.eval_crops=1", "variant=tiny"]


def measure(options: Options) -> Numbers:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = data.arguments(folder, quick=options.quick)
        if not options.quick:
            _train([*source, *TINY, "fold=0"], folder / "first", False, logger="none")  # decodes the clips
        return {
            "side_by_side": _side_by_side(source, folder, options.quick),
            "fixed": _fixed_cost(source, folder, options.quick),
        }


def _train(overrides: list[str], output: Path, quick: bool, *, logger: str, limit_seconds: float = 200) -> float:
    arguments = data.merged([*overrides, f"logger={logger}", f"output_dir={output}"])
    return train(arguments, limit_seconds=limit_seconds, here=quick)


def _side_by_side(source: list[str], folder: Path, quick: bool) -> list[Numbers]:
    """Four folds of the default transformer in each of the ways; the two with one thread a second time, in turns."""
    cores = num_cores()
    ways = [(1, 1), (cores, 1), (1, cores), (cores, cores)] if cores > 1 and not quick else [(1, 1)]
    found: list[Numbers] = [{"jobs": jobs, "threads": threads, "command": [], "training": []} for jobs, threads in ways]
    for number, way in enumerate(found if quick else [*found, *found[1::-1]]):
        if "error" in way:
            continue
        output = folder / f"way{number}"
        overrides = [*source, f"trainer.max_epochs={EPOCHS}", f"jobs={way['jobs']}"]
        overrides += [f"trainer.num_threads={way['threads']}", "fold=0,1,2,3", "-m"]
        overrides += [*TINY, "fold=0"] if quick else []
        try:
            way["command"].append(_train(overrides, output, quick, logger="none", limit_seconds=LONGEST_SECONDS))
        except BenchmarkError as error:
            way["error"] = str(error)
        else:
            way["training"].append(_training_span(output))
    if "error" in found[0]:
        raise BenchmarkError(found[0]["error"])
    return found


def _training_span(output: Path) -> float:
    """Seconds from the first job's start to the last one's end: without starting Python and importing torch."""
    begun = [path.stat().st_mtime for path in output.rglob("config.yaml")]
    ended = [path.stat().st_mtime for path in output.rglob("metrics.json")]
    if not begun or not ended:
        raise BenchmarkError(f"the sweep wrote no results into {output}")
    return max(ended) - min(begun)


def _fixed_cost(source: list[str], folder: Path, quick: bool) -> Numbers:
    sizes = (1, 2) if quick else (1, 6, 12, 24)
    seconds = [_tiny_sweep(source, folder / f"fixed{size}", size, quick, logger="none") for size in sizes]
    numbers: Numbers = {"sizes": list(sizes), "seconds": seconds}
    if not quick:
        with mock.patch.dict(os.environ, WANDB_MODE="offline"):
            numbers["wandb"] = [
                _tiny_sweep(source, folder / f"wandb{size}", size, quick, logger="wandb") for size in (1, 6)
            ]
    return numbers


def _tiny_sweep(source: list[str], output: Path, size: int, quick: bool, *, logger: str) -> float:
    overrides = [*source, *TINY, "fold=0", f"seed={','.join(str(seed) for seed in range(size))}", "jobs=1", "-m"]
    return _train(overrides, output, quick, logger=logger)


def targets(numbers: Numbers) -> list[Target]:
    found = []
    ways = numbers["side_by_side"]
    if any(way["jobs"] > 1 and "error" not in way for way in ways):
        best = max(_gain(ways, way) for way in ways if way["jobs"] > 1 and "error" not in way)
        wanted = f"jobs side by side: at least {TARGET_RATIO} times as fast as one-thread jobs one after another"
        found.append(Target(wanted, f"{best:.2f} times", best >= TARGET_RATIO))
    slope, _, deviation = _line(numbers["fixed"])
    wanted = f"a job's own cost: less than {TARGET_JOB_SECONDS:.0f} s"
    found.append(Target(wanted, f"{slope:.2f} s", slope < TARGET_JOB_SECONDS))
    wanted = f"it grows in proportion: within {TARGET_LINEAR:.0%} of a straight line"
    found.append(Target(wanted, f"{deviation:.0%} off at most", deviation <= TARGET_LINEAR))
    return found


def describe(numbers: Numbers) -> str:
    ways = numbers["side_by_side"]
    rows = []
    for way in ways:
        command = f"jobs={way['jobs']} trainer.num_threads={way['threads']}"
        if "error" in way:
            rows.append([command, f"more than {LONGEST_SECONDS} s", "", ""])
            continue
        seconds = [f"{statistics.median(way[part]):.1f} s" for part in ("command", "training")]
        rows.append([command, *seconds, f"{_gain(ways, way):.2f}"])
    fixed = numbers["fixed"]
    slope, intercept, _ = _line(fixed)
    cores = max(way["jobs"] for way in ways)
    tiny = [[size, f"{seconds:.1f} s"] for size, seconds in zip(fixed["sizes"], fixed["seconds"], strict=True)]
    parts = [
        f"Four folds of the default transformer, {EPOCHS} epochs each, as one command. Without `jobs` a sweep on this"
        f" machine runs as `jobs={cores} trainer.num_threads=1` does. Start-up is importing torch and Lightning, once"
        " in the command and once more in each worker of jobs side by side. In real jobs it is a small part of the"
        " time, so the gain is computed without it.",
        table(["way", "command", "without start-up", "times as fast as jobs=1 with 1 thread"], rows),
        "Sweeps of the smallest jobs (one epoch, all result files and figures), one after another (`jobs=1`):",
        table(["jobs", "command"], tiny),
        f"That is {intercept:.1f} s to start and {slope:.2f} s a job.",
    ]
    if "wandb" in fixed:
        one, six = fixed["wandb"]
        parts.append(
            f"With Weights & Biases, offline: {figures(one)} s for one job, {(six - one) / 5:.2f} s for each further"
            " job."
        )
    return "\n\n".join(parts)


def _gain(ways: list[Numbers], way: Numbers) -> float:
    return statistics.median(ways[0]["training"]) / statistics.median(way["training"])


def _line(fixed: Numbers) -> tuple[float, float, float]:
    """Slope and intercept of seconds over jobs, and how far a point lies off the line at most, as a share of its"
    " seconds."""
    sizes, seconds = np.array(fixed["sizes"], float), np.array(fixed["seconds"])
    slope, intercept = np.polyfit(sizes, seconds, 1, w=1 / seconds)  # the least relative error: sizes differ by 24
    off = np.abs(slope * sizes + intercept - seconds) / seconds
    return float(slope), float(intercept), float(off.max())
