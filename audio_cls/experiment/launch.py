"""What stands around Hydra: the plan before, one job within, the verdict after.

Heavy imports wait until they are needed: a mistake is said, and a job that is done is passed over, without torch.
"""

import argparse
import os
import shlex
import sys
import tempfile
import textwrap
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from audio_cls.config.auto import explanation
from audio_cls.config.checks import is_own_logger
from audio_cls.config.compose import combinations, compose_job, configuration, parse_all
from audio_cls.config.help import help_text
from audio_cls.config.job import Job, JobBusy, clips
from audio_cls.config.schema import ConfigError
from audio_cls.data.clips import DataError
from audio_cls.experiment import signals, sweep
from audio_cls.experiment.compatibility import check_comparable, check_content
from audio_cls.experiment.fit import remarks
from audio_cls.experiment.plan import Plan, describe, make_plan, thread_warning
from audio_cls.experiment.sound import listen, notes
from audio_cls.files import unwritable, write_text
from audio_cls.results import job_files, sweep_folder
from audio_cls.terminal import answer, open_terminal, printable, say
from audio_cls.wording import UserError, one_line

_HELP = frozenset({"--help", "-h"})
_CONFIG_DIR = "--config-dir"
_MULTIRUN = frozenset({"--multirun", "-m"})
_FULL_ERROR = "HYDRA_FULL_ERROR"

# What Hydra answers itself, without training.
_HYDRA_QUESTIONS = frozenset({"--hydra-help", "--cfg", "-c", "--info", "-i", "--shell-completion", "-sc"})


def asks_hydra(arguments: Sequence[str]) -> bool:
    """Whether the command line only asks Hydra for the composed configuration or about itself."""
    return any(argument.partition("=")[0] in _HYDRA_QUESTIONS for argument in arguments)


def check_question(arguments: Sequence[str], config_dir: Path) -> None:
    """Ends the process with one line and status 2 if a question to Hydra holds an override that cannot be composed."""
    with _one_line_errors():
        arguments, own = _own_config(arguments)
        overrides = [argument for argument in arguments if "=" in argument and not argument.startswith("-")]
        with configuration(config_dir, own):
            composed = [compose_job(combination)[0] for combination in combinations(parse_all(overrides))]
    if line := explanation(composed):
        say(line)


def prepare(arguments: Sequence[str], config_dir: Path) -> Plan:
    """Checks all that can be checked before training; ends the process, with one line and its status, if it must."""
    signals.handle()
    if os.environ.get("AUDIO_CLS_DATA") == "":
        del os.environ["AUDIO_CLS_DATA"]  # empty is how shells say: not set
    with _one_line_errors():
        rest, own = _own_config(arguments)
        if _HELP & set(rest):
            answer(help_text(config_dir, rest, own))
            raise SystemExit(0)
        overrides = [argument for argument in rest if argument not in _MULTIRUN]
        unknown = [argument for argument in overrides if argument.startswith("-")]
        if unknown:
            raise ConfigError(
                f"{unknown[0]} is not an option; -m sweeps, --help explains, --config-dir DIR adds options of your own,"
                " everything else is key=value"
            )
        if own is not None:
            sys.path.append(os.getcwd())  # where the Python files of the user's options are
        with configuration(config_dir, own):
            plan = make_plan(overrides, multirun=len(overrides) < len(rest))
        if own is not None:
            jobs = tuple(replace(job, config_dir=str(own)) for job in plan.jobs)
            plan = replace(plan, jobs=jobs, hydra_arguments=(*plan.hydra_arguments, f"{_CONFIG_DIR}={own}"))
        for job in plan.jobs:
            job_files.check_folder(job)
            _check_writable(job.folder)
        check_comparable(plan.jobs)
        for study in plan.studies if plan.multirun else ():
            job_files.check_study(study)
        plan = replace(plan, jobs=listen(plan.jobs))
        check_content(plan.jobs)
        _say_notes(plan)
        for study in plan.studies:
            job_files.record_command(study, arguments)
    sweep_folder.begin(plan.jobs)
    warning = thread_warning(plan.jobs)
    if warning:
        say(warning)
    if plan.multirun:
        sweep.announce(plan)
    _find_wandb_mode(plan.jobs)
    signals.handle(plan.jobs)
    return plan


def _say_notes(plan: Plan) -> None:
    """What is to be known of the data, each once."""
    for notice in plan.notices:
        say(f"\n*** {notice} ***\n")
    alike = {(job.config.data, job.config.protocol): job for job in plan.jobs}.values()
    for note in dict.fromkeys(note for job in alike for note in (*clips(job).notes, *notes(job))):
        say(f"note: {note}")
    for line in remarks(plan.jobs):
        say(line)


def run(overrides: Sequence[str], number: int) -> None:
    """Runs one job inside Hydra, given its overrides. Never raises for a failed job: its folder says what happened."""
    open_terminal(lasting=True)  # in a process of its own, too
    signals.check()  # a worker's next job may wait in its queue already
    signals.handle()
    place = sweep.place(number)
    try:
        # A job on another machine may not see the files of the plan.
        job = sweep_folder.read_job(number) or describe(tuple(overrides))
        clips(job)
    except (ConfigError, DataError) as error:  # the data have changed since the plan was made
        signals.check()
        say(f"{place}{' '.join(overrides)} FAILED: {error}")
        return
    name = f"{place}{job.label}"
    if job_files.is_done(job):
        say(f"{name} is done already: {_outcome(job)}")
        return
    if place:
        say(" | ".join(part for part in (f"\n{name}", sweep.progress()) if part))
    started = time.perf_counter()
    try:
        from audio_cls.experiment.run_job import run_job  # torch and lightning take seconds to import

        run_job(job)
    except SystemExit:
        if job_files.is_done(job):
            say(f"{name} is done; its loggers were interrupted: {_outcome(job)}")
        else:
            say(f"{name} interrupted; the same command continues after its last finished epoch")
        raise
    except JobBusy as error:  # its folder belongs to the other process
        say(f"{name} FAILED: {error}")
    except (DataError, ConfigError) as error:
        say(f"{name} FAILED: {error}")
    except Exception as error:
        say(f"{name} FAILED: {one_line(error)} (see {_write_trace(job)})")
    else:
        (job.folder / job_files.ERROR_TRACE).unlink(missing_ok=True)  # of an earlier attempt
        say(f"{name} done in {time.perf_counter() - started:.0f} s: {_outcome(job)}")


def attempt(train: Callable[[], None]) -> int:
    """Runs Hydra with all jobs; returns 1 if it gave up, after saying why in one line, and else 0.

    A failed job is no reason for that. A worker process that was killed is: the launcher then ends the others, too.
    """
    if os.environ.get(_FULL_ERROR) == "1":  # the user wants to see where
        train()
        return 0
    os.environ[_FULL_ERROR] = "1"  # Hydra hands errors on, instead of printing a trace and ending the process
    try:
        train()
    except BrokenProcessPool:
        say(
            "\na process that trained a job was killed, most often for lack of memory (a smaller jobs=N needs less);"
            " the same command goes on with what is not done"
        )
        return 1
    except Exception as error:
        say(f"the jobs could not be run: {one_line(error)} ({_FULL_ERROR}=1: where)")
        return 1
    finally:
        del os.environ[_FULL_ERROR]
    return 0


def finish(plan: Plan, arguments: Sequence[str]) -> int:
    """Says how it went; returns the exit status. Where no job of a study could start, the study is as it was before."""
    for study in plan.studies:
        if not any(_has_started(job) for job in plan.jobs if job.study_folder == study):
            job_files.forget_command(study, arguments)
    failed = [job for job in plan.jobs if not job_files.is_done(job)]
    if plan.multirun:
        sweep.report(plan)
        for job in failed:  # a job by itself has said so just now
            say(f"FAILED {job.folder}: {_reason(job)}")
        sweep.lead_on(plan)
    elif not failed:
        folder = plan.jobs[0].folder
        say(f"results: {folder}")
        say(f"to classify other sounds: {shlex.join(['audio-cls', 'predict', str(folder)])} SOUND ...")
    return 1 if failed else 0


def _find_wandb_mode(jobs: Sequence[Job]) -> None:
    """Has W&B tried once for all jobs that are to be trained and log to it."""
    logged = [job for job in jobs if is_own_logger(job.config.logger) and not job_files.is_done(job)]
    if logged and (settings := logged[0].config.logger):
        from audio_cls.tracking.wandb_mode import find_mode

        find_mode(settings["mode"], list(dict.fromkeys(job.study_folder for job in logged)))


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Ends the process with one line for what the user has to put right: status 1 for data, else 2."""
    try:
        yield
    except (UserError, DataError) as error:
        signals.check()  # code of somebody else was interrupted
        say(printable(str(error)) if isinstance(error, UserError) else str(error))
        raise SystemExit(2 if isinstance(error, UserError) else 1) from None
    except OSError as error:
        say(f"{error.filename} cannot be used ({error.strerror}); choose another output_dir=PATH")
        raise SystemExit(2) from None


def _own_config(arguments: Sequence[str]) -> tuple[list[str], Path | None]:
    """The arguments without --config-dir DIR, and its folder."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(_CONFIG_DIR, nargs="?", const="", dest="folder")
    found, rest = parser.parse_known_args(arguments)
    own = None if found.folder is None else Path(found.folder).expanduser()
    if own is not None and (not found.folder or not own.is_dir()):
        raise ConfigError(
            f"{_CONFIG_DIR} {found.folder!r} is not a folder; give one that has files like model/mine.yaml"
        )
    return rest, own


def _check_writable(folder: Path) -> None:
    """Raises ConfigError if a job could not write to its folder. Writes nothing."""
    if reason := unwritable(folder):
        raise ConfigError(f"results cannot go to {folder}, as {reason}; choose another output_dir=PATH")


def _has_started(job: Job) -> bool:
    return (job.folder / job_files.METRICS).exists()


def _write_trace(job: Job) -> Path:
    path = job.folder / job_files.ERROR_TRACE
    if not _has_started(job):  # nothing is left in the study
        path = Path(tempfile.mkdtemp(prefix="audio_cls-")) / job_files.ERROR_TRACE
    try:
        write_text(path, traceback.format_exc())
    except OSError:
        traceback.print_exc()  # nowhere else to put it
    return path


def _reason(job: Job) -> str:
    metrics = job_files.read_metrics(job.folder)
    if metrics is None:
        return "no result was written"
    if metrics.get("status") == "running":
        return "another process is training it, or was killed while it did"
    return textwrap.shorten(metrics.get("error") or "its result is incomplete", 300)


def _outcome(job: Job) -> str:
    metrics = job_files.read_metrics(job.folder) or {}
    scores = [
        f"{name} accuracy {metrics[name]['accuracy']:.1%}, F1 {metrics[name]['f1_macro']:.3f}"
        for name in ("val", "test")
        if metrics.get(name)
    ]
    return "; ".join(scores) or "no held-out clips in this protocol"
