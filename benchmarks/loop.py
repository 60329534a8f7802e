"""What the job runner costs beside a loop written by hand."""

import csv
import math
import tempfile
from pathlib import Path

from audio_cls.experiment.run_job import run_job
from audio_cls.training.allocator import keep_freed_memory
from benchmarks import data
from benchmarks.bare import BareTraining
from benchmarks.section import BenchmarkError, Numbers, Options, Target, figures, table
from benchmarks.timing import Ratio, median, ratio

TITLE = "Training loop"
LIMIT_SECONDS = 240
TARGET_RATIO = 1.05


def measure(options: Options) -> Numbers:
    keep_freed_memory()
    rounds, epochs = (1, 2) if options.quick else (4, 4)
    seconds: dict[str, list[float]] = {"runner": [], "bare": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        overrides = [*data.arguments(folder, quick=options.quick), f"trainer.max_epochs={epochs}"]
        for number in range(rounds):
            histories = {}
            for way in ("runner", "bare") if number % 2 == 0 else ("bare", "runner"):
                job = data.make_jobs(overrides, folder / f"{number}")[0]
                if way == "runner":
                    histories[way] = _run(job)
                else:
                    bare = BareTraining(job)
                    histories[way] = bare.run(folder / f"bare{number}")
            _check_equal(histories)
            for way, rows in histories.items():
                # Not the first: it allocates, and has no checkpoint of an epoch before it.
                seconds[way].append(median([float(row["epoch_seconds"]) for row in rows[1:]]))
    return {"seconds": seconds, "epochs": epochs, "steps": len(bare.batches)}


def _run(job) -> list[dict[str, str]]:
    run_job(job, lambda _: [])
    with (job.folder / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def _check_equal(histories: dict[str, list]) -> None:
    """Both sides compute the same: the losses of the last epoch agree to rounding."""
    for column in ("train_loss", "val_loss"):
        runner, bare = (float(rows[-1][column]) for rows in (histories["runner"], histories["bare"]))
        if not math.isclose(runner, bare, rel_tol=1e-3):
            raise BenchmarkError(
                f"{column} is {runner} in the job runner and {bare} in the bare loop: not the same work"
            )


def targets(numbers: Numbers) -> list[Target]:
    times = _ratio(numbers)
    wanted = f"an epoch in the job runner: at most {TARGET_RATIO - 1:.0%} longer than in a bare loop"
    return [Target(wanted, f"{100 * (times.median - 1):+.1f}%", times.median <= TARGET_RATIO)]


def describe(numbers: Numbers) -> str:
    runner, bare = (median(numbers["seconds"][way]) for way in ("runner", "bare"))
    per_step = 1000 * (runner - bare) / numbers["steps"]
    return "\n\n".join(
        [
            f"An epoch of the default transformer ({numbers['steps']} steps) with validation, history and two"
            " checkpoints that are forced to disk: through the job runner of train.py (Lightning), and in a loop"
            " written by hand. Both end with the same losses.",
            table(
                ["loop", "epoch", "times the bare loop"],
                [["job runner", f"{figures(runner)} s", str(_ratio(numbers))], ["bare", f"{figures(bare)} s", "1"]],
            ),
            f"{len(numbers['seconds']['bare'])} runs of {numbers['epochs']} epochs of each, alternately; the"
            f" difference is {per_step:.2f} ms a step.",
        ]
    )


def _ratio(numbers: Numbers) -> Ratio:
    return ratio(numbers["seconds"]["runner"], numbers["seconds"]["bare"])
