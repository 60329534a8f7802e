"""A study folder read back: the jobs in it, which must be of one kind."""

import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from audio_cls.config.schema import result_keys
from audio_cls.results import job_files
from audio_cls.results.job_folder import JOB_FOLDER, StudyJob, read_job
from audio_cls.training.history import read_history
from audio_cls.wording import UserError, did_you_mean, shorten


class StudyError(UserError):
    """A study that cannot be compared; one line."""


@dataclass(frozen=True)
class Study:
    """All jobs of a folder, in the order of their names; they share data set, protocol, split and classes."""

    path: Path
    jobs: tuple[StudyJob, ...]
    dataset: str | None  # this and the next ones: None where no job says it
    protocol: str | None
    split_digest: str | None
    num_folds: int | None  # of a full rotation
    classes: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path.resolve().name

    def planned(self) -> list[set[tuple[int, int]]]:
        """Fold and seed of the jobs that each of the recorded commands asked for, of whichever variants."""
        path, every_fold = self.path / job_files.COMMANDS, list(range(self.num_folds or 0))
        commands = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        split = (command.replace("'", "").split() for command in commands)
        planned = []
        for words in split:
            folds = every_fold if {"-m", "--multirun"} & set(words) else [0]
            planned.append(set(product(_numbers(words, "fold", folds), _numbers(words, "seed", [0]))))
        return planned

    def check_variant(self, name: str) -> None:
        """Raises StudyError, with the nearest name, unless the study has a variant of this name."""
        variants = sorted({job.variant for job in self.jobs})
        if name not in variants:
            hint = did_you_mean(name, variants) or f"there is {', '.join(variants) or 'none'}"
            raise StudyError(f"no variant {name!r} in the study; {hint}")

    def configuration(self, job: StudyJob) -> dict[str, Any] | None:
        """The flat keys that determine the result of a job, but for fold and seed; None where they cannot be read."""
        try:
            text = (self.path / job.name / job_files.CONFIG).read_text(encoding="utf-8")
            keys = result_keys(yaml.safe_load(text))
        except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, TypeError):
            return None
        return {key: value for key, value in keys.items() if key not in ("fold", "seed")}

    def history(self, job: StudyJob) -> list[dict[str, float | None]]:
        """The epochs of a job, oldest first; empty where the file is missing or cut off."""
        try:
            rows = read_history(self.path / job.name / job_files.HISTORY)
            return rows if all(row["epoch"] is not None for row in rows) else []
        except (OSError, KeyError, TypeError, ValueError):
            return []


def load_study(path: Path | str) -> Study:
    """Reads all job folders. What is wrong with one job is its `status` and `reason`.

    Raises StudyError for a folder that is not there or jobs that must not be mixed.
    """
    path = Path(path)
    if not path.is_dir():
        raise StudyError(f"there is no study in {path}: no such folder")
    folders = [job for variant in path.iterdir() if variant.is_dir() for job in variant.iterdir() if is_job_folder(job)]
    jobs = sorted((read_job(folder) for folder in folders), key=lambda job: (job.variant, job.fold, job.seed))
    for key in ("dataset", "protocol", "split_digest", "content_digest", "classes"):
        _check_same(path, key, jobs)
    found: dict[str, Any] = {}
    for key in ("dataset", "protocol", "split_digest", "num_folds", "classes"):
        found[key] = next((job.metrics[key] for job in jobs if job.metrics.get(key)), None)
    return Study(path, tuple(jobs), **(found | {"classes": tuple(found["classes"] or ())}))


def _numbers(words: list[str], key: str, default: list[int]) -> list[int]:
    """The values that an override gives a key, [] where they are neither listed nor a range; without it the default."""
    text = next((word.partition("=")[2] for word in words if word.partition("=")[0] == key), None)
    if text is None:
        return default
    if ends := re.fullmatch(r"range\((?:(\d+),)?(\d+)\)", text):
        return list(range(int(ends[1] or 0), int(ends[2])))
    return [int(number) for number in text.split(",")] if re.fullmatch(r"\d+(,\d+)*", text) else []


def is_job_folder(path: Path) -> bool:
    return JOB_FOLDER.fullmatch(path.name) is not None and path.is_dir()


def _check_same(path: Path, key: str, jobs: list[StudyJob]) -> None:
    groups: dict[str, list[str]] = defaultdict(list)
    for job in jobs:
        if job.metrics.get(key):  # a job that failed early, or of an earlier version, may not say it
            groups[str(job.metrics[key])].append(job.name)
    if len(groups) > 1:
        groups_text = "; ".join(f"{key} {value[:60]} in {shorten(names, 3)}" for value, names in groups.items())
        raise StudyError(
            f"{path} mixes jobs that cannot be compared: {groups_text}. Give each kind a study of its own (study=NAME)"
        )
