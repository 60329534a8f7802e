"""From the command line to the jobs it stands for: composed, checked, named, before anything heavy is imported.

Nothing here writes to disk, so that a mistake leaves nothing behind.
"""

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.override_parser.types import Override

from audio_cls.config import naming
from audio_cls.config.auto import automatic_keys, filled
from audio_cls.config.checks import check_config
from audio_cls.config.compose import combinations, compose_job, line_of, parse, parse_all, quoted
from audio_cls.config.dataset import resolve_auto
from audio_cls.config.job import (
    Job,
    clips,
    clips_of,
    fitting,
    headers_of,
    num_cores,
    num_folds,
    num_threads,
    recommended,
    sound_of,
)
from audio_cls.config.schema import TEXT_KEYS, BaselineConfig, Config, ConfigError, flatten, result_keys, shown
from audio_cls.data.clips import DataError, SplitError
from audio_cls.data.same_sound import Groups
from audio_cls.data.splits import Split, make_split
from audio_cls.wording import one_line

JOB_MEMORY = 2 * 2**30  # bytes: a job of the default transformer holds 1.4 GB, torch's libraries included


@dataclass(frozen=True)
class Plan:
    """The jobs in the order in which they run, and the arguments with which Hydra composes just these."""

    jobs: tuple[Job, ...]
    multirun: bool
    hydra_arguments: tuple[str, ...]
    notices: tuple[str, ...]

    @property
    def studies(self) -> list[Path]:
        """The folders of the studies that the jobs belong to."""
        return list(dict.fromkeys(job.study_folder for job in self.jobs))


def make_plan(arguments: Sequence[str], multirun: bool) -> Plan:
    """Composes and checks every job that the overrides stand for. Hydra must be initialised with the folder conf/.

    Raises ConfigError for a mistake of the user, DataError where ESC-10 is asked for and cannot be downloaded.
    """
    describe.cache_clear()
    for cached in (clips_of, headers_of, recommended, sound_of):
        cached.cache_clear()
    overrides = parse_all(arguments)
    _check_together(overrides, multirun)
    overrides, notices = _with_data_resolved(overrides)
    fold = next((override for override in overrides if override.key_or_group == "fold"), None)
    others = [override for override in overrides if override is not fold]
    if fold is None and multirun:
        fold = _every_fold([describe(combination) for combination in combinations(others)])
    ordered = [*others, fold] if fold is not None else others  # the folds of a variant one after the other
    jobs = [describe(combination) for combination in combinations(ordered)]
    if (jobs[0].config.jobs or 1) > 1 and not multirun:
        raise ConfigError(f"jobs={jobs[0].config.jobs} runs the jobs of a sweep side by side; add -m, or leave it out")
    for job in {(job.config.data, job.config.protocol, job.config.fold): job for job in jobs}.values():
        split_of(job)
    _check_folders_differ(jobs)
    launcher = next((str(override.value()) for override in ordered if override.key_or_group == "hydra/launcher"), None)
    if multirun and jobs[0].config.jobs is None:
        side_by_side = _default_side_by_side(jobs, launcher)
        ordered = [override for override in ordered if override.key_or_group != "jobs"]
        ordered.append(parse(f"jobs={side_by_side}"))
        jobs = [describe(combination) for combination in combinations(ordered)]
    hydra_arguments = [line_of(override) for override in ordered]
    if multirun:
        hydra_arguments += _sweep_arguments(jobs, launcher)
    return Plan(tuple(jobs), multirun, tuple(hydra_arguments), tuple(notices))


@cache
def describe(overrides: tuple[str, ...]) -> Job:
    """Composes, checks and names one job. Raises ConfigError in one line."""
    values, choices = compose_job(overrides)
    automatic, settings = automatic_keys(values), fitting(values)
    config = check_config(filled(values, settings))
    if isinstance(config.model, BaselineConfig):
        _check_only_fitted(config, settings)
    dataset = clips_of(config.data).name
    return Job(
        config=config,
        preset=choices.get("experiment"),
        study=config.study or naming.study_name(dataset, config.protocol),
        variant=config.variant or naming.variant_name(config, overrides, choices, automatic, settings),
        dataset=dataset,
        overrides=overrides,
        automatic=tuple(automatic),
    )


def _check_only_fitted(config: Config, settings: Mapping[str, Any]) -> None:
    """Raises ConfigError for a changed key of training in steps, which the baseline is not."""
    usual = result_keys(filled(compose_job(("model=baseline",))[0], settings))
    for key, value in result_keys(config.model_dump()).items():
        if key.startswith(("augment.", "optimizer.", "trainer.")) and value != usual[key]:
            raise ConfigError(
                f"{key}={shown(value)} has no effect on model=baseline, which is fitted at once; leave it out, or train"
                " the other models by a command of their own into the same study"
            )


def thread_warning(jobs: Sequence[Job]) -> str:
    """One line if the jobs that run at once have more threads than there are cores; empty if not."""
    config, cores = jobs[0].config, num_cores()
    side_by_side, threads = min(config.jobs or 1, len(jobs)), max(num_threads(job.config) for job in jobs)
    if side_by_side * threads <= cores:
        return ""
    return (
        f"warning: {side_by_side} job{'s' * (side_by_side > 1)} at once with {threads}"
        f" thread{'s' * (threads > 1)} each share {cores} core{'s' * (cores > 1)} and will wait for each other;"
        " lower jobs or trainer.num_threads"
    )


def split_of(job: Job, identical: Groups = (), similar: Groups = ()) -> Split:
    """The job's split. Raises ConfigError if its fold does not exist or it cannot be made from the clips at hand,
    DataError where no other fold or key would help."""
    folds = num_folds(job)
    if job.config.fold >= folds:
        raise ConfigError(
            f"fold={job.config.fold} does not exist: protocol={job.config.protocol} on {job.dataset}"
            f" has the folds 0 to {folds - 1}"
        )
    data = job.config.data
    try:
        return make_split(
            clips(job), job.config.protocol, job.config.fold,
            num_folds=folds, split_seed=data.split_seed, allow_missing=data.allow_missing,
            identical=identical, similar=similar,
        )  # fmt: skip
    except SplitError as error:
        raise (DataError if isinstance(error, DataError) else ConfigError)(one_line(error)) from None


def _check_together(overrides: Sequence[Override], multirun: bool) -> None:
    """What overrides must not say between them."""
    for override in overrides:
        key = override.key_or_group
        if not multirun and override.is_sweep_override():
            quoting = f", or quote the text: \"{key}='...'\"" if key in TEXT_KEYS else ""
            raise ConfigError(
                f"{override.input_line} names several jobs: add -m to train them all, or give one value{quoting}"
            )
        if override.is_sweep_override() and (key == "jobs" or override.is_hydra_override()):
            raise ConfigError(f"{override.input_line}: {key} says how the sweep runs, so it takes one value")
    keys = {override.key_or_group for override in overrides}
    if {"experiment", "model"} <= keys:
        raise ConfigError(
            "experiment= chooses the model already; leave out model=, or start from the model without a preset"
        )


def _every_fold(jobs: Sequence[Job]) -> Override:
    counts = {num_folds(job) for job in jobs}
    if len(counts) > 1:
        raise ConfigError(
            f"the jobs of this sweep have {' or '.join(map(str, sorted(counts)))} folds;"
            " say which ones to train, as in fold=0,1,2"
        )
    return parse(f"fold={','.join(map(str, range(counts.pop())))}")


def trains_on_cpu(job: Job) -> bool:
    """Whether no graphics processor does the job's work, as far as can be seen without torch, which takes seconds."""
    may_have_gpu = sys.platform == "darwin" or shutil.which("nvidia-smi") is not None
    accelerator = job.config.trainer.accelerator
    return accelerator == "cpu" or (accelerator == "auto" and not may_have_gpu)


def _default_side_by_side(jobs: Sequence[Job], launcher: str | None) -> int:
    """How many jobs run at once where `jobs` does not say: as many as cores, one thread each, as networks this small
    gain little from a second thread. One where a graphics processor may do the work, or another launcher was chosen."""
    if launcher not in (None, "joblib") or not all(map(trains_on_cpu, jobs)):
        return 1
    return max(1, min(num_cores(), len(jobs), _memory() // JOB_MEMORY))


def _memory() -> int:
    """Bytes of the machine's memory; more than enough where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 2**60


def _sweep_arguments(jobs: Sequence[Job], launcher: str | None) -> list[str]:
    """What Hydra is told about the sweep beside its jobs."""
    side_by_side = jobs[0].config.jobs or 1
    if side_by_side > 1 and launcher not in (None, "joblib"):
        raise ConfigError(f"jobs={side_by_side} needs hydra/launcher=joblib, not {launcher}; leave one of them out")
    studies = {job.study for job in jobs}
    folder = Path(jobs[0].config.output_dir) / (studies.pop() if len(studies) == 1 else "")
    arguments = [f"hydra.sweep.dir={quoted(str(folder))}"]
    if side_by_side > 1 and launcher is None:
        arguments.append("hydra/launcher=joblib")
    if side_by_side > 1 or launcher == "joblib":  # whose own default is a job for each core, whatever their threads
        arguments.append(f"hydra.launcher.n_jobs={side_by_side}")
    return [*arguments, "-m"]


def _with_data_resolved(overrides: list[Override]) -> tuple[list[Override], list[str]]:
    """Replaces data=auto by the data set that it stands for on this machine, and says so."""
    chosen = next((override for override in overrides if override.key_or_group == "data"), None)
    if chosen is not None and chosen.is_sweep_override():
        if any(value.endswith("=auto") for (value,) in combinations([chosen])):
            raise ConfigError(
                f"{chosen.input_line}: auto is one of the others; name the data sets, as in data=esc10,synthetic"
            )
        return overrides, []
    if chosen is not None and chosen.value() != "auto":
        return overrides, []
    of_data = [override for override in overrides if override.key_or_group.startswith("data.")]
    for override in of_data:
        if override.is_sweep_override():
            raise ConfigError(
                f"{override.input_line}: say what kind of data these are, as in data=folder or data=esc10"
            )
    # The mistakes first: finding the data may take a download.
    for combination in combinations(overrides):
        check_config(filled(compose_job(combination)[0]))
    values, _ = compose_job([line_of(override) for override in of_data])
    kind, notice = resolve_auto(values["data"]["root"])
    known = flatten(compose_job((f"data={kind}",))[0])
    kept = [
        override
        for override in overrides
        if override is not chosen and (override not in of_data or override.key_or_group in known)
    ]
    return [*kept, parse(f"data={kind}")], [notice] if notice else []


def _check_folders_differ(jobs: Sequence[Job]) -> None:
    seen: dict[Path, Job] = {}
    for job in jobs:
        if job.folder in seen:
            differing = sorted(set(job.overrides) ^ set(seen[job.folder].overrides))
            raise ConfigError(
                f"two jobs of this sweep would write to {job.folder}"
                f" ({', '.join(differing) or 'the same overrides twice'});"
                " leave out variant= and study=, or give each value once"
            )
        seen[job.folder] = job
