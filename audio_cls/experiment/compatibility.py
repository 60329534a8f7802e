"""Whether planned jobs fit into their study: what cannot be compared afterwards is not trained into one folder."""

import csv
import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from audio_cls.config.job import Job, clips, num_folds, sound
from audio_cls.config.schema import ConfigError
from audio_cls.data.splits import published_folds
from audio_cls.experiment.sound import same_sound
from audio_cls.results import job_files
from audio_cls.wording import shorten

_TOGETHER = "+"  # goes before the digest of what is kept together, in a split's digest


def split_digest(job: Job) -> str:
    """The digest of the job's clips and split, as its metrics have it. Reads the clips."""
    clip_set = clips(job)
    if job.config.protocol == "all" or published_folds(clip_set) is not None:
        return listing_digest(job)  # clips that hold the same sound do not change the split
    sources = [clip.source for clip in clip_set.clips]
    together = [
        list(group)
        for group in itertools.chain(*same_sound(job))
        if len(known := {sources[index] for index in group}) > 1 or known == {None}
    ]
    if not together:
        return listing_digest(job)
    return f"{listing_digest(job)}{_TOGETHER}{hashlib.sha256(json.dumps(together).encode()).hexdigest()[:8]}"


def listing_digest(job: Job) -> str:
    """The digest of the job's clips and split as far as they are known before any clip is read."""
    config = job.config
    return job_files.split_digest(clips(job), config.protocol, num_folds(job), config.data.split_seed)


def check_comparable(jobs: Sequence[Job]) -> None:
    """Raises ConfigError if jobs have other clips or another split than what their study holds, or than each other.

    What has at least begun counts, as it does when the study is compared; what cannot be read says nothing here.
    Reads no clip: `check_content` goes on where this finds nothing.
    """
    first: dict[Path, Job] = {}
    for job in jobs:
        if job.study_folder not in first:
            _check_begun(job)
        other = first.setdefault(job.study_folder, job)
        if listing_digest(job) != listing_digest(other):
            raise ConfigError(
                f"the jobs of this sweep cannot be compared in one study, {job.study_folder}:"
                f" {_differences(_of_plan(other), _of_plan(job), 'in one')} in another;"
                " sweep each kind into a study of its own: study=NAME"
            )


def check_content(jobs: Sequence[Job]) -> None:
    """Raises ConfigError if the sound under the clips' names is another than what a study was begun with, or than that
    of another job. Reads the clips; those of studies from before contents were recorded are taken as the same."""
    first: dict[Path, Job] = {}
    for job in jobs:
        study = job.study_folder
        if study not in first and job.content_digest:
            for folder, begun in _begun(study):
                if begun.get("content_digest") not in (None, job.content_digest):
                    raise ConfigError(
                        f"{study} holds what cannot be compared with this, as {folder.relative_to(study)}:"
                        f" {_changed(folder, job)} now; choose another study=NAME"
                    )
                if begun.get("split_digest") not in (None, split_digest(job)):
                    raise ConfigError(
                        f"{study} holds what cannot be compared with this, as {folder.relative_to(study)}: clips that"
                        " hold the same sound were not kept on one side of its split; choose another study=NAME"
                    )
        other = first.setdefault(study, job)
        if job.content_digest != other.content_digest:
            raise ConfigError(
                f"the jobs of this sweep cannot be compared in one study, {study}: other sound under the same names"
                f" ({other.config.data.root} in one, {job.config.data.root} in another);"
                " sweep each kind into a study of its own: study=NAME"
            )


def _changed(folder: Path, job: Job) -> str:
    """'other sound in 2 of 16 clips (a/0.wav, a/1.wav)', as far as the folder says what its clips held."""
    try:
        with (folder / job_files.SPLIT).open(newline="", encoding="utf-8") as file:
            before = {row["clip"]: row["content"] for row in csv.DictReader(file)}
    except (OSError, ValueError, KeyError, csv.Error):
        before = {}
    digests = zip(clips(job).clips, sound(job).store.digests, strict=True)
    names = [clip.name for clip, digest in digests if before.get(clip.name, "") not in ("", digest.decode())]
    if not names:
        return "other sound under the same names than"
    return f"other sound in {len(names)} of {len(clips(job))} clips ({shorten(names, 3)})"


def _begun(study: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The folders of the jobs that have at least begun, and what is known of them."""
    for folder in sorted(path.parent for path in study.glob(f"*/fold*-seed*/{job_files.METRICS}")):
        yield folder, job_files.read_metrics(folder) or {}


def _check_begun(job: Job) -> None:
    study = job.study_folder
    for folder, begun in _begun(study):
        split = begun.get("split_digest")
        if split is not None and split.partition(_TOGETHER)[0] != listing_digest(job):
            raise ConfigError(
                f"{study} holds what cannot be compared with this, as {folder.relative_to(study)}:"
                f" {_differences(_of_folder(folder, begun), _of_plan(job), 'there')} now; choose another study=NAME"
            )


def _differences(before: dict[str, Any], after: dict[str, Any], there: str) -> str:
    """What differs where both sides say it: 'protocol holdout there, crossval'."""
    known = [key for key in after if before.get(key) is not None and after[key] is not None]
    differing = {key: f"{key} {before[key]} {there}, {after[key]}" for key in known if before[key] != after[key]}
    if differing.keys() <= {"data.root"}:  # the same clips may lie anywhere
        return f"other clips (files, labels, sources or folds) {there} than"
    return " and ".join(differing.values())


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
