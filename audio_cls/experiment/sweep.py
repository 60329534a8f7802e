"""What a sweep says about itself: its jobs and their time, where it stands on the way, the comparison at the end."""

import shlex
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audio_cls.config.job import Job
from audio_cls.config.location import export_command
from audio_cls.experiment.plan import Plan, trains_on_cpu
from audio_cls.results import job_files, sweep_folder
from audio_cls.results.job_folder import RANKING_SPLIT
from audio_cls.terminal import say
from audio_cls.wording import duration


def announce(plan: Plan) -> None:
    """Says how many jobs there are, which are done and about how long the rest takes, also to the jobs themselves."""
    pending = [job for job in plan.jobs if not job_files.is_done(job)]
    variants = list(dict.fromkeys(job.variant for job in plan.jobs))
    folds = sorted({job.config.fold for job in plan.jobs})
    seeds = sorted({job.config.seed for job in plan.jobs})
    say(
        f"{len(plan.jobs)} jobs: {_listed('variant', variants)}, {_listed('fold', folds)}, {_listed('seed', seeds)};"
        f" {len(plan.jobs) - len(pending)} done already"
    )
    for variant in variants:
        mine = [job for job in plan.jobs if job.variant == variant]
        done = [f"fold {job.config.fold} seed {job.config.seed}" for job in mine if job not in pending]
        if done:
            say(f"  {variant}: done" + (f" are {', '.join(done)}" if len(done) < len(mine) else ""))
    side_by_side = min(plan.jobs[0].config.jobs or 1, len(plan.jobs))
    if side_by_side > 1:
        say(f"{side_by_side} jobs side by side; jobs=1 trains them one after another")
    seconds = _estimated_seconds(pending)
    if pending:
        time_needed = f"about {duration(seconds)}" if seconds else "time unknown"
        say(f"{time_needed} of training for the {len(pending)} to do on this machine")
    content = {"started": time.time(), "seconds": seconds, "folders": [str(job.folder) for job in plan.jobs]}
    sweep_folder.write_sweep(content | {"pending": [str(job.folder) for job in pending]})


def place(number: int) -> str:
    """'job 3 of 12: ' for the job with this number; empty outside a sweep."""
    sweep = sweep_folder.read_sweep()
    return f"job {number + 1} of {len(sweep['folders'])}: " if sweep else ""


def progress() -> str:
    """The best variant so far and the time left; empty outside a sweep."""
    sweep = sweep_folder.read_sweep()
    if not sweep:
        return ""
    records = [job_files.read_metrics(Path(folder)) or {} for folder in sweep["folders"]]
    done = {folder for folder, record in zip(sweep["folders"], records, strict=True) if _finished(record)}
    left = [folder for folder in sweep["pending"] if folder not in done]
    finished_now = len(sweep["pending"]) - len(left)
    elapsed = time.time() - sweep["started"]
    seconds = elapsed / finished_now * len(left) if finished_now else sweep["seconds"]
    parts = [best_so_far(records)] + ([f"about {duration(seconds)} left"] if left and seconds else [])
    return "; ".join(part for part in parts if part)


def best_so_far(records: Sequence[dict[str, Any]]) -> str:
    """Which variant has the highest mean accuracy over its finished jobs: on validation clips, else on test clips."""
    accuracies: dict[str, list[float]] = {}
    for record in records:
        ranked = record.get("val") or record.get("test")
        if _finished(record) and ranked:
            accuracies.setdefault(record["variant"], []).append(ranked["accuracy"])
    if not accuracies:
        return ""
    best = max(accuracies, key=lambda variant: statistics.mean(accuracies[variant]))
    count = len(accuracies[best])
    return f"best so far {best} with {statistics.mean(accuracies[best]):.1%} over {count} job{'s' * (count > 1)}"


def report(plan: Plan) -> None:
    """Compares the variants of each study that the sweep touched, and writes the summaries."""
    from audio_cls.reports.console import print_summary
    from audio_cls.reports.markdown import write_summary
    from audio_cls.results.study import StudyError

    for study in filter(Path.is_dir, plan.studies):
        try:
            print_summary(write_summary(study))
        except StudyError as error:
            say(f"no comparison of {study}: {error}")
        else:
            say(f"written to {study / 'summary.md'}")


def lead_on(plan: Plan) -> None:
    """The last words: how to get each study's page, which takes seconds, more with sounds, so that it is not written
    here; and where its variants can be ranked, how to take the best one away."""
    for study in filter(Path.is_dir, plan.studies):
        say(f"a page with figures and sounds: {shlex.join(['audio-cls', 'report', str(study)])}")
        done = [job for job in plan.jobs if job.study_folder == study and job_files.is_done(job)]
        if any(RANKING_SPLIT[job.config.protocol] for job in done):
            say(f"the best variant as a folder to use and to share: {export_command(study)}")


def _estimated_seconds(pending: Sequence[Job]) -> float | None:
    """How long the jobs take: as long as like jobs took before; else measured on a few steps, in about a second. None
    where one of them can be neither looked up nor measured."""
    total = 0.0
    for job in {job.variant: job for job in reversed(pending)}.values():
        seconds = _seconds_before(job) or _seconds_measured(job)
        if seconds is None:
            return None
        total += seconds * sum(other.variant == job.variant for other in pending)
    return total / min(pending[0].config.jobs or 1, len(pending)) if pending else None


def _seconds_before(job: Job) -> float | None:
    records = [job_files.read_metrics(folder) or {} for folder in job.folder.parent.glob("fold*-seed*")]
    seconds = [record["train_seconds"] for record in records if _finished(record) and record.get("train_seconds")]
    return statistics.median(seconds) if seconds else None


def _seconds_measured(job: Job) -> float | None:
    """Measured on the CPU; None for a job that may train elsewhere, or that fails: it says itself why, in its turn."""
    if not trains_on_cpu(job):
        return None
    try:
        from audio_cls.experiment.estimate import estimate_seconds  # torch and lightning take seconds to import

        return estimate_seconds(job)
    except Exception:
        return None


def _finished(record: dict[str, Any]) -> bool:
    return record.get("status") == "done"


def _listed(noun: str, values: Sequence[Any]) -> str:
    shown = ", ".join(map(str, values)) if len(values) <= 12 else f"{values[0]} to {values[-1]}"
    return f"{len(values)} {noun}{'s' * (len(values) > 1)} ({shown})"
