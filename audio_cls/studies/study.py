"""A study folder read back: the jobs in it, which must be of one kind."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio_cls.studies.dataset import PUBLISHED_FOLDS
from audio_cls.studies.job_folder import JOB_FOLDER, StudyJob, read_job


class StudyError(ValueError):
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
        """Folds of a full rotation; None where neither the jobs nor the data set's name say it."""
        published = PUBLISHED_FOLDS.get(self.dataset or "")
        if self.protocol == "all":
            return 1
        return self._shared("num_folds") or (published and published - (self.protocol == "holdout"))

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
        told = "; ".join(f"{key} {value[:60]} in {shorten(names, 3)}" for value, names in groups.items())
        raise StudyError(
            f"{path} mixes jobs that cannot be compared: {told}. Give each kind a study of its own (study=NAME)"
        )


def shorten(names: list[str], most: int) -> str:
    """The names in a row, of which no more than `most`."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
