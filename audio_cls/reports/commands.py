"""The commands that train the variants of a study: the best of a search on every fold, or any of them again."""

import json
import re
import shlex
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

from audio_cls.config.auto import filled, needs_clips
from audio_cls.config.compose import compose_job, configuration, quoted, takes_heads
from audio_cls.config.location import conf_dir, train_command
from audio_cls.config.schema import ConfigError, flatten, result_keys
from audio_cls.results import job_files
from audio_cls.results.job_folder import RANKING_SPLIT
from audio_cls.results.study import Study, StudyError, load_study
from audio_cls.wording import one_line


@dataclass(frozen=True)
class Ranked:
    """A variant and its mean accuracy over the folds and seeds that are done."""

    variant: str
    accuracy: float
    folds: tuple[int, ...]
    folder: Path  # of one of its jobs
    on_every_fold: bool


@dataclass(frozen=True)
class Recipe:
    """How a variant is trained again. `command` is empty where it is not known, and `problem` says why."""

    variant: str
    command: str
    problem: str
    config: str  # config.yaml of its first job


def best_variants(study: Path, top: int) -> list[Ranked]:
    """The best first, by the split that ranks (validation, or test with crossval). Raises StudyError without any."""
    jobs = defaultdict(list)
    loaded = load_study(study)
    for job in loaded.jobs:
        split = RANKING_SPLIT.get(str(job.metrics.get("protocol")))
        if job.status == "done" and split and job.metrics[split]:
            jobs[job.variant].append((job.metrics[split]["accuracy"], job.fold, study / job.name))
    if not jobs:
        raise StudyError(f"{study} has no finished job with held-out clips to rank by")
    ranked = []
    for variant, done in jobs.items():
        accuracies, folds, folders = zip(*done, strict=True)
        distinct = tuple(sorted(set(folds)))
        ranked.append(Ranked(variant, mean(accuracies), distinct, folders[0], len(distinct) == loaded.num_folds))
    return sorted(ranked, key=lambda variant: -variant.accuracy)[:top]


def training_command(folder: Path, study: str, variant: str, seeds: Sequence[int] = ()) -> str:
    """The command line that trains the configuration of a job's folder on every fold; `seeds`: other ones than its.

    Raises OSError or ValueError where the folder's config.yaml cannot be read.
    """
    arguments = training_arguments(folder)
    if seeds:
        arguments = [argument for argument in arguments if not argument.startswith("seed=")]
        arguments += [f"seed={','.join(map(str, seeds))}"] if list(seeds) != [0] else []
    return f"{train_command()} {shlex.join([*arguments, f'study={study}', f'variant={variant}', '-m'])}"


def training_arguments(folder: Path) -> list[str]:
    """The overrides that lead to the configuration of a job's folder, but for its fold.

    Raises OSError or ValueError where the folder's config.yaml cannot be read.
    """
    try:
        return _arguments(yaml.safe_load((folder / job_files.CONFIG).read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError, ConfigError) as error:
        raise ValueError(f"{folder / job_files.CONFIG} cannot be read: {one_line(error)}") from None


def recorded_commands(study: Study) -> list[str]:
    """The command lines that made the study, as commands.txt has them."""
    try:
        return (study.path / job_files.COMMANDS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def recipe(study: Study, variant: str) -> Recipe:
    jobs = [job for job in study.jobs if job.variant == variant]
    folder = study.path / min(jobs, key=lambda job: job.status != "done").name
    config = ""
    try:
        config = (folder / job_files.CONFIG).read_text(encoding="utf-8")
        command = training_command(folder, study.name, variant, sorted({job.seed for job in jobs}))
    except (OSError, UnicodeDecodeError):
        return Recipe(variant, "", f"{folder.name} has no readable {job_files.CONFIG}", "")
    except ValueError as error:
        return Recipe(variant, "", str(error), config)
    return Recipe(variant, command, "", config)


def baseline_command(study: Study) -> str:
    """The command line that adds the baseline to a study; empty where it has one, or its clips are not known."""
    done = [job for job in study.jobs if job.status == "done" and RANKING_SPLIT.get(study.protocol or "")]
    if not done or any(job.metrics.get("model") == "baseline" for job in done):
        return ""
    try:
        stored = yaml.safe_load((study.path / done[0].name / job_files.CONFIG).read_text(encoding="utf-8"))
        arguments = _arguments(stored)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError, ConfigError):
        return ""
    same = ("--config-dir", stored.get("config_dir"))
    kept = [
        word for word in arguments if word in same or word.startswith(("data=", "data.", "protocol=", "output_dir="))
    ]
    return f"{train_command()} {shlex.join([*kept, 'model=baseline', f'study={study.name}', '-m'])}"


def _arguments(stored: dict[str, Any]) -> list[str]:
    """The overrides that lead to the stored configuration: its preset or model, its data, and what else differs."""
    chosen = f"experiment={stored['preset']}" if stored["preset"] else f"model={stored['model']['name']}"
    options = [chosen, f"data={stored['data']['kind']}"]
    own = stored.get("config_dir")
    if own and not Path(own).is_dir():
        raise ConfigError(f"its options stand in --config-dir {own}, which is not a folder here")
    with configuration(conf_dir(), Path(own) if own else None):
        values = compose_job(options)[0]
        # What follows from the clips is written out: they may have changed since.
        usual = flatten(values if needs_clips(values) else filled(values))
        names = {"model.num_heads": "heads"} if takes_heads(options) else {}
    now = result_keys(stored)
    # None of these changes what is trained, but the name of the data is part of the split's digest.
    kept = {key: value for key, value in flatten(stored).items() if key in ("data.root", "data.name", "output_dir")}
    different = [
        f"{names.get(key, key)}={_value(value)}"
        for key, value in (now | {key: value for key, value in kept.items() if value}).items()
        if key in usual and usual[key] != value and key != "fold"
    ]
    return [*(["--config-dir", own] if own else []), *options, *different]


def _value(value: Any) -> str:
    """The value as Hydra reads it back."""
    if not isinstance(value, str):
        return json.dumps(value)
    plain = re.fullmatch(r"[A-Za-z/][\w./-]*", value) and value.lower() not in ("null", "true", "false", "nan", "inf")
    return value if plain else quoted(value)
