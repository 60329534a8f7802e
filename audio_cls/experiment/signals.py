"""How Ctrl-C and SIGTERM end the training of jobs."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

from filelock import FileLock, Timeout

from audio_cls.config.job import Job
from audio_cls.results import job_files

WORKERS_END_SECONDS = 15.0  # a little longer than W&B may take to send the rest

_ending: list[int] = []  # the exit status, once a signal was received


def handle(jobs: Sequence[Job] = ()) -> None:
    """Ctrl-C and SIGTERM end the process with the usual status, once the job's folder and its loggers were told.

    `jobs` are those that train in processes of their own, started by this one: they end first.
    """
    _ending.clear()

    def end(number: int, _: Any) -> NoReturn:
        signal.signal(number, signal.SIG_IGN)
        _ending.append(128 + number)
        _quiet_finalizers()
        _stop_workers(number, jobs)
        raise SystemExit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


def interrupted() -> bool:
    """Whether a signal has told the process to end."""
    return bool(_ending)


def check() -> None:
    """Ends the process if a signal has told it to; to be called now and then.

    The exception that the handler raises is lost where Python happens to be in a finalizer or in a callback of a weak
    reference, and libraries catch it: fsspec takes it for a missing file, Lightning raises one without a status.
    """
    if _ending:
        raise SystemExit(_ending[0])


def _quiet_finalizers() -> None:
    """Python prints what it loses in a finalizer; of the exception that `check` raises again nobody needs to know."""
    usual = sys.unraisablehook

    def hook(lost: Any) -> None:
        if not isinstance(lost.exc_value, SystemExit):
            usual(lost)

    sys.unraisablehook = hook


def _stop_workers(number: int, jobs: Sequence[Job]) -> None:
    """Passes a signal on to the processes that train jobs, and waits until these have released their folders.

    Without the wait the launcher would kill them before they have written down that they were interrupted.
    """
    workers = multiprocessing.active_children()
    for worker in workers:
        with suppress(ProcessLookupError):
            if worker.pid is not None:  # it was started
                os.kill(worker.pid, number)
    given_up = time.monotonic() + WORKERS_END_SECONDS
    for job in jobs if workers else ():
        if (job.folder / job_files.LOCK).exists():
            with suppress(Timeout), FileLock(job.folder / job_files.LOCK, timeout=max(0, given_up - time.monotonic())):
                pass
