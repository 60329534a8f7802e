"""One job: its checked configuration and its names; and what follows from these, its clips and its folds."""

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from audio_cls.config.auto import filled, needs_clips
from audio_cls.config.checks import check_config, check_data
from audio_cls.config.dataset import load_clips
from audio_cls.config.recommend import Setting, recommend
from audio_cls.config.schema import Config, DataConfig
from audio_cls.data.clips import ClipSet
from audio_cls.data.headers import Headers, read_headers
from audio_cls.data.sound import Sound, read_sound
from audio_cls.data.splits import num_folds as count_folds
from audio_cls.data.splits import published_folds


class JobBusy(RuntimeError):
    """Another process is training the job."""


@dataclass(frozen=True)
class Job:
    """One fold of one variant with one seed, and the folder that its result goes to."""

    config: Config
    preset: str | None
    study: str
    variant: str
    dataset: str
    overrides: tuple[str, ...]
    config_dir: str | None = None  # of the user's own options
    content_digest: str | None = None  # of the clips when the plan was made; None where they were not read then
    automatic: tuple[str, ...] = ()  # keys that were `auto`

    @property
    def study_folder(self) -> Path:
        return Path(self.config.output_dir) / self.study

    @property
    def folder(self) -> Path:
        return self.study_folder / self.variant / f"fold{self.config.fold}-seed{self.config.seed}"

    @property
    def label(self) -> str:
        """What tells the job from the others of its study on the terminal."""
        return f"{self.variant} fold {self.config.fold} seed {self.config.seed}"

    def to_values(self) -> dict[str, Any]:
        """Plain values, as JSON holds them."""
        return {**vars(self), "config": self.config.model_dump(mode="json")}

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> "Job":
        """The job of `to_values`. Raises ConfigError for values that no job has."""
        return cls(
            **{
                **values,
                "config": check_config(values["config"]),
                "overrides": tuple(values["overrides"]),
                "automatic": tuple(values["automatic"]),
            }
        )

    @property
    def heads(self) -> int | None:
        return self.config.num_heads


def clips(job: Job) -> ClipSet:
    """The job's clips, listed once."""
    return clips_of(job.config.data)


@cache
def clips_of(data: DataConfig) -> ClipSet:
    """The clips that a data block stands for, listed once a process."""
    return load_clips(data)


def sound(job: Job) -> Sound:
    """What is in the job's clips, read once. Raises DataError naming every clip that cannot be used."""
    return sound_of(job.config.data, job.config.input.sample_rate)


@cache
def sound_of(data: DataConfig, sample_rate: int) -> Sound:
    """What is in the clips that a data block stands for, read once a process."""
    return read_sound(clips_of(data), sample_rate)


@cache
def headers_of(data: DataConfig) -> Headers | None:
    """What the files of these clips say of themselves, read once a process."""
    return read_headers(clips_of(data))


@cache
def recommended(data: DataConfig) -> tuple[Setting, ...]:
    """The settings that fit the clips."""
    return recommend(clips_of(data), headers_of(data))


def fitting(values: dict[str, Any]) -> dict[str, int | float]:
    """What `auto` stands for in a composed configuration, where it takes the clips to know it; else nothing.
    Raises ConfigError where these cannot be listed."""
    if not needs_clips(values):
        return {}
    return {setting.key: setting.value for setting in recommended(check_data(filled(values)["data"]))}


def num_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def num_threads(config: Config) -> int:
    """CPU threads of one job: as configured, or else its share of the cores."""
    return config.trainer.num_threads or max(1, num_cores() // (config.jobs or 1))


def num_folds(job: Job) -> int:
    """How many folds the job's protocol has on its data."""
    clip_set, requested = clips(job), job.config.data.num_folds
    published, has_roles = published_folds(clip_set), clip_set.has_roles
    return count_folds(job.config.protocol, published=published, requested=requested, has_roles=has_roles)
