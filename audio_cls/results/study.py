"""A study folder read back: the jobs in it, which must be of one kind."""

import difflib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from audio_cls.config.schema import result_keys
from audio_cls.results import job_files
from audio_cls.results.job_folder import JOB_FOLDER, StudyJob, read_job
from audio_cls.training.history import read_history
from audio_cls.wording import UserError, shorten


class StudyError(UserError):
    """A study that cannot be compared; one line."""


@dataclass(frozen=True)
class Study:
    """All jobs of a folder, in the order of their names; they share data set, protocol, split and classes."""

    path: Path
    jobs: tuple[StudyJob, ...]

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def protocol(self) -> str | None:
        return self._shared("protocol")

    @property
    def dataset(self) -> str | None:
        return self._shared("dataset")

    @property
    def split_digest(self) -> str | None:
        return self._shared("split_digest")

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self._shared("classes") or ())

    @property
    def num_folds(self) -> int | None:
        """Folds of a full rotation; None where no job says it."""
        return self._shared("num_folds")

    def check_variant(self, name: str) -> None:
        """Raises StudyError, with the nearest name, unless the study has a variant of this name."""
        variants = sorted({job.variant for job in self.jobs})
        if name not in variants:
            near = difflib.get_close_matches(name, variants, n=1)
            known = f"did you mean {near[0]}?" if near else f"there is {', '.join(variants) or 'none'}"
            raise StudyError(f"no variant {name!r} in the study; {known}")

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

    def _shared(self, key: str) -> Any:
        return next((job.metrics[key] for job in self.jobs if job.metrics.get(key)), None)


def load_study(path: Path | str) -> Study:
    """Reads all job folders. What is wrong with one job is its `status` and `reason`.

    Raises StudyError for a folder that is not there or jobs that must not be mixed.
    """
    path = Path(path)
    if not path.is_dir():
        raise StudyError(f"there is no study in {path}: no such folder")
    folders = [job for variant in path.iterdir() if variant.is_dir() for job in variant.iterdir() if is_job_folder(job)]
    jobs = sorted((read_job(folder) for folder in folders), key=lambda job: (job.variant, job.fold, job.seed))
    for key in ("dataset", "protocol", "split_digest", "classes"):
        _check_same(path, key, jobs)
    return Study(path, tuple(jobs))


def is_job_folder(path: Path) -> bool:
    return JOB_FOLDER.fullmatch(path.name) is not None and path.is_dir()


def _check_same(path: Path, key: str, jobs: list[StudyJob]) -> None:
    groups: dict[str, list[str]] = defaultdict(list)
    for job in jobs:
        if key in job.metrics:
            groups[str(job.metrics[key])].append(job.name)
    if len(groups) > 1:
        groups_text = "; ".join(f"{key} {value[:60]} in {shorten(names, 3)}" for value, names in groups.items())
        raise StudyError(
            f"{path} mixes jobs that cannot be compared: {groups_text}. Give each kind a study of its own (study=NAME)"
        )
