"""What stands around Hydra in train.py: the plan before, one job within, the verdict after. Heavy imports wait until they are needed."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from hydra import initialize_config_dir

from audio_cls.data.clips import DataError
from audio_cls.studies import results, sweep
from audio_cls.studies.config import ConfigError
from audio_cls.studies.plan import Job, Plan, clips, describe, make_plan, num_folds

# What Hydra answers itself, without training.
_HYDRA_QUESTIONS = (
    "--help",
    "-h",
    "--hydra-help",
    "--version",
    "--cfg",
    "-c",
    "--info",
    "-i",
    "--shell-completion",
    "-sc",
)


def asks_hydra(arguments: Sequence[str]) -> bool:
    """Whether the command line only asks for help or for the composed configuration."""
    return any(argument.partition("=")[0] in _HYDRA_QUESTIONS for argument in arguments)


def prepare(arguments: Sequence[str], config_dir: Path) -> Plan:
    """Checks everything that can be checked before training; ends the process with one line and its status if it cannot be done."""
    _handle_signals()
    multirun = any(argument in ("-m", "--multirun") for argument in arguments)
    overrides = [argument for argument in arguments if argument not in ("-m", "--multirun")]
    try:
        unknown = [argument for argument in overrides if argument.startswith("-")]
        if unknown:
            raise ConfigError(
                f"{unknown[0]} is not an option; -m sweeps, --help explains, everything else is key=value"
            )
        with initialize_config_dir(str(config_dir), version_base="1.3"):
            plan = make_plan(overrides, multirun)
        for job in plan.jobs:
            results.check_folder(job, _digest(job))
    except ConfigError as error:
        _end(2, str(error))
    except DataError as error:
        _end(1, str(error))
    for notice in plan.notices:
        _say(f"\n*** {notice} ***\n")
    sweep.forget()
    if plan.multirun:
        sweep.announce(plan)
    return plan


def run(overrides: Sequence[str], number: int) -> None:
    """Runs one job inside Hydra, given its overrides. Never raises for a failed job: its folder says what happened."""
    _handle_signals()
    job = describe(tuple(overrides))
    place = sweep.place(number)
    place = f"{place}: " if place else ""
    name = f"{job.variant} fold {job.config.fold} seed {job.config.seed}"
    if results.is_done(job):
        _say(f"{place}{name} is done already: {_outcome(job)}")
        return
    if place:
        _say(" | ".join(part for part in (f"\n{place}{name}", sweep.progress()) if part))
    started = time.perf_counter()
    try:
        from audio_cls.studies.job import run_job  # torch and lightning take seconds to import

        run_job(job, make_loggers)
    except Exception as error:
        if not isinstance(error, DataError):
            job.folder.mkdir(parents=True, exist_ok=True)
            results.write_text(job.folder / "error.txt", traceback.format_exc())
        _say(
            f"{place}{name} FAILED: {error}"
            + ("" if isinstance(error, DataError) else f" (see {job.folder / 'error.txt'})")
        )
        return
    _say(f"{place}{name} done in {time.perf_counter() - started:.0f} s: {_outcome(job)}")


def finish(plan: Plan) -> int:
    """Says how it went; returns the exit status."""
    failed = [job for job in plan.jobs if not results.is_done(job)]
    if plan.multirun:
        sweep.report(plan)
    for job in failed:
        metrics = results.read_metrics(job.folder) or {}
        _say(f"FAILED {job.folder}: {metrics.get('error') or 'no result was written'}")
    if not plan.multirun and not failed:
        _say(f"results: {plan.jobs[0].folder}")
    return 1 if failed else 0


def make_loggers(job: Job) -> list[Any]:
    """The Lightning loggers of a job, from its `logger` block; none where that is empty."""
    from hydra.utils import instantiate

    settings = job.config.logger
    if not settings:
        return []
    # Partial, then called: an argument of instantiate() that is a dataclass would arrive as a dictionary.
    make = instantiate(settings, _partial_=True, _convert_="all")
    own = str(settings.get("_target_", "")).startswith("audio_cls.")
    return [make(job=job) if own else make(save_dir=str(job.folder))]


def _digest(job: Job) -> str:
    return results.split_digest(clips(job), job.config.protocol, num_folds(job), job.config.data.split_seed)


def _outcome(job: Job) -> str:
    metrics = results.read_metrics(job.folder) or {}
    scores = [
        f"{name} accuracy {metrics[name]['accuracy']:.1%}, F1 {metrics[name]['f1_macro']:.3f}"
        for name in ("val", "test")
        if metrics.get(name)
    ]
    return "; ".join(scores) or "no held-out clips in this protocol"


def _handle_signals() -> None:
    """Ctrl-C and SIGTERM end the process with the usual status, after the job's folder and its loggers have been told."""

    def end(number: int, _: Any) -> NoReturn:
        signal.signal(number, signal.SIG_IGN)
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


def _end(status: int, message: str) -> NoReturn:
    _say(message)
    raise SystemExit(status)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
