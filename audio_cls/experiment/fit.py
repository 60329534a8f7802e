"""What a plan says about its settings and the clips: what was taken from them, and what does not fit them."""

import shlex
from collections.abc import Iterator, Sequence

import numpy as np

from audio_cls.config.auto import KINDS_AS_USUAL
from audio_cls.config.job import Job, clips, headers_of, recommended
from audio_cls.config.recommend import misfits
from audio_cls.config.schema import BaselineConfig
from audio_cls.data.balance import describe_imbalance
from audio_cls.data.fingerprint import MIN_SECONDS
from audio_cls.data.headers import MOST_FILES
from audio_cls.experiment.plan import split_of
from audio_cls.experiment.sound import num_too_short, same_sound


def remarks(jobs: Sequence[Job]) -> list[str]:
    """A line for each thing to say, once."""
    lines = [*_unequal_classes(jobs), *(line for job in jobs for line in _about(job))]
    return list(dict.fromkeys(lines))


def _unequal_classes(jobs: Sequence[Job]) -> Iterator[str]:
    """Of all folds of the same data, the first whose training clips are unequal speaks for the others."""
    said = set()
    for job in {(job.config.data, job.config.protocol, job.config.fold): job for job in jobs}.values():
        data, classes = job.config.data, clips(job).classes
        unequal = describe_imbalance(_training_labels(job), classes) if data not in said else None
        if unequal is None:
            continue
        said.add(data)
        fits = "weights" if isinstance(job.config.model, BaselineConfig) else "weights or sampling"
        makes_up = f"; data.balance={fits} makes up for it"
        if data.balance != "none":
            makes_up = f", which data.balance={data.balance} makes up for"
        yield f"note: classes differ in size in training ({unequal}){makes_up}"


def _training_labels(job: Job) -> np.ndarray:
    labels = np.array([clip.label for clip in clips(job).clips])
    return labels[split_of(job, *same_sound(job)).train]


def _only_identical(job: Job) -> str:
    """That short clips are not searched for copies that were cut or encoded anew, where there are any."""
    too_short = num_too_short(job)
    if not too_short:
        return ""
    return f"; {too_short} clips last less than {MIN_SECONDS:.2g} s, and of these only identical copies are found"


def _about(job: Job) -> Iterator[str]:
    clip_set, data = clips(job), job.config.data
    unknown = sum(clip.source is None for clip in clip_set.clips)
    if unknown and job.config.protocol != "all":  # which holds nothing out
        yield (
            f"note: source unknown for {unknown} of {len(clip_set)} clips: leakage cannot be excluded; data.source or "
            f"a column source says which belong together{_only_identical(job)}"
        )
    if data.kind in KINDS_AS_USUAL:
        return
    taken = [str(setting) for setting in recommended(data) if setting.used and setting.key in job.automatic]
    if taken:
        few = f" (a sample of {MOST_FILES:,} of {len(clip_set):,} files)" if len(clip_set) > MOST_FILES else ""
        why = f"`{shlex.join(['audio-cls', 'explore', data.root or 'PATH'])}` says why"
        yield f"settings that follow from the clips{few}: {', '.join(taken)}; {why}"
    headers, given = headers_of(data), job.config.input
    if headers is not None:
        preset = f"experiment={job.preset}: " if job.preset else ""
        for problem in misfits(headers, given.sample_rate, given.crop_seconds):
            yield f"warning: {preset}{problem}"
