"""What a plan says about its settings and the clips: what was taken from them, and what does not fit them."""

import shlex
from collections.abc import Iterator, Sequence

from audio_cls.config.auto import KINDS_AS_USUAL
from audio_cls.config.job import Job, clips, headers_of, recommended
from audio_cls.config.recommend import misfits
from audio_cls.data.balance import describe_imbalance
from audio_cls.data.headers import MOST_FILES


def remarks(jobs: Sequence[Job]) -> list[str]:
    """A line for each thing to say, once."""
    return list(dict.fromkeys(line for job in jobs for line in _about(job)))


def _about(job: Job) -> Iterator[str]:
    clip_set, data = clips(job), job.config.data
    if unequal := describe_imbalance(clip_set):
        if data.balance == "none":
            yield f"note: classes differ in size ({unequal}); data.balance=weights or sampling makes up for it"
        else:
            yield f"note: classes differ in size ({unequal}), which data.balance={data.balance} makes up for"
    if data.kind in KINDS_AS_USUAL:
        return
    taken = [str(setting) for setting in recommended(data) if setting.key in job.automatic]
    if taken:
        few = f" (a sample of {MOST_FILES:,} of {len(clip_set):,} files)" if len(clip_set) > MOST_FILES else ""
        why = f"`{shlex.join(['audio-cls', 'explore', data.root or 'PATH'])}` says why"
        yield f"settings that follow from the clips{few}: {', '.join(taken)}; {why}"
    headers, sound = headers_of(data), job.config.input
    if headers is not None:
        preset = f"experiment={job.preset}: " if job.preset else ""
        for problem in misfits(headers, sound.sample_rate, sound.crop_seconds):
            yield f"warning: {preset}{problem}"
