"""Whether planned jobs fit into their study: what cannot be compared afterwards is not trained into one folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from audio_cls.config.job import Job, clips, num_folds
from audio_cls.config.schema import ConfigError, DataConfig
from audio_cls.results import job_files

_NUM_CLIPS = ("num_train", "num_val", "num_test")


def split_digests(jobs: Sequence[Job]) -> list[str]:
    """The digest of each job's clips and split, as its metrics will have it."""
    known: dict[tuple[DataConfig, str], str] = {}
    for job in jobs:
        data, protocol = job.config.data, job.config.protocol
        if (data, protocol) not in known:
            known[data, protocol] = job_files.split_digest(clips(job), protocol, num_folds(job), data.split_seed)
    return [known[job.config.data, job.config.protocol] for job in jobs]


def check_comparable(jobs: Sequence[Job], digests: Sequence[str]) -> None:
    """Raises ConfigError if jobs have other clips or another split than what their study holds, or than each other.

    What has at least begun counts, as it does when the study is compared; what cannot be read says nothing here.
    """
    first: dict[Path, tuple[Job, str]] = {}
    for job, digest in zip(jobs, digests, strict=True):
        study = job.folder.parent.parent
        if study not in first:
            _check_begun(study, job, digest)
        other, other_digest = first.setdefault(study, (job, digest))
        if digest != other_digest:
            raise ConfigError(
                f"the jobs of this sweep cannot be compared in one study, {study}:"
                f" {_differences(_of_plan(other), _of_plan(job), 'in one')} in another;"
                " sweep each kind into a study of its own: study=NAME"
            )


def _check_begun(study: Path, job: Job, digest: str) -> None:
    for folder in sorted(path.parent for path in study.glob(f"*/fold*-seed*/{job_files.METRICS}")):
        begun = job_files.read_metrics(folder) or {}
        if begun.get("split_digest") not in (None, digest):
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
    num_clips = [metrics.get(key) for key in _NUM_CLIPS]
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
