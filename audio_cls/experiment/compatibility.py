"""Whether planned jobs fit into their study: what cannot be compared afterwards is not trained into one folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from audio_cls.config.job import Job, clips, num_folds
from audio_cls.config.schema import ConfigError
from audio_cls.results import job_files


def split_digest(job: Job) -> str:
    """The digest of the job's clips and split, as its metrics have it."""
    config = job.config
    return job_files.split_digest(clips(job), config.protocol, num_folds(job), config.data.split_seed)


def check_comparable(jobs: Sequence[Job]) -> None:
    """Raises ConfigError if jobs have other clips or another split than what their study holds, or than each other.

    What has at least begun counts, as it does when the study is compared; what cannot be read says nothing here.
    """
    first: dict[Path, Job] = {}
    for job in jobs:
        if job.study_folder not in first:
            _check_begun(job)
        other = first.setdefault(job.study_folder, job)
        if split_digest(job) != split_digest(other):
            raise ConfigError(
                f"the jobs of this sweep cannot be compared in one study, {job.study_folder}:"
                f" {_differences(_of_plan(other), _of_plan(job), 'in one')} in another;"
                " sweep each kind into a study of its own: study=NAME"
            )


def _check_begun(job: Job) -> None:
    study = job.study_folder
    for folder in sorted(path.parent for path in study.glob(f"*/fold*-seed*/{job_files.METRICS}")):
        begun = job_files.read_metrics(folder) or {}
        if begun.get("split_digest") not in (None, split_digest(job)):
            raise ConfigError(
                f"{study} holds what cannot be compared with this, as {folder.relative_to(study)}:"
                f" {_differences(_of_folder(folder, begun), _of_plan(job), 'there')} now; choose another study=NAME"
            )


def _differences(before: dict[str, Any], after: dict[str, Any], there: str) -> str:
    """What differs where both sides say it: 'protocol holdout there, crossval'."""
    known = [key for key in after if before.get(key) is not None and after[key] is not None]
    differing = [f"{key} {before[key]} {there}, {after[key]}" for key in known if before[key] != after[key]]
    return " and ".join(differing) or f"other clips (files, labels, sources or folds) {there} than"


def _of_plan(job: Job) -> dict[str, Any]:
    clip_set, data = clips(job), job.config.data
    published = any(clip.fold is not None for clip in clip_set.clips)
    return {
        "data set": clip_set.name,
        "protocol": job.config.protocol,
        "number of folds": num_folds(job),
        "data.split_seed": None if published else data.split_seed,
        "classes": _listed(clip_set.classes),
        "number of clips": len(clip_set),
        "data.root": data.root,
    }


def _of_folder(folder: Path, metrics: dict[str, Any]) -> dict[str, Any]:
    """The same of a job that has begun; None for what its files do not say."""
    try:
        data = dict(yaml.safe_load((folder / job_files.CONFIG).read_text(encoding="utf-8"))["data"])
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError):
        data = {}
    num_clips = [metrics.get(key) for key in ("num_train", "num_val", "num_test")]
    return {
        "data set": metrics.get("dataset"),
        "protocol": metrics.get("protocol"),
        "number of folds": metrics.get("num_folds"),
        "data.split_seed": data.get("split_seed"),
        "classes": _listed(metrics.get("classes") or ()),
        "number of clips": None if None in num_clips else sum(num_clips),
        "data.root": data.get("root"),
    }


def _listed(classes: Sequence[str]) -> str | None:
    return ", ".join(map(str, classes))[:200] or None
