"""What a plan learns from the sound of its clips, before anything is trained or written: what to keep together, what to
say."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from audio_cls.config.job import Job, clips, sound
from audio_cls.data.clips import ClipSet
from audio_cls.data.same_sound import PUBLISHED, Groups
from audio_cls.data.sound import MAX_COMPARED, Sound
from audio_cls.data.splits import published_folds
from audio_cls.experiment.plan import split_of
from audio_cls.wording import listed, shorten

NUM_NAMED = 3
_KINDS = {
    "silent": "with nothing but digital silence: remove them, unless silence is a class",
    "constant": "with one value all along, which is no sound: remove them",
    "cancelled": "whose channels cancel each other in mono, which models get: keep one channel, or invert one",
}


def listen(jobs: Sequence[Job]) -> tuple[Job, ...]:
    """The jobs, told what their clips hold. Synthetic clips are left out, as nobody can replace them.

    Raises DataError naming every clip that cannot be used, or two that hold the same sound in parts of a given split.
    """
    heard = [replace(job, content_digest=content_digest(job)) for job in jobs]
    for job in {(job.config.data, job.config.protocol, job.config.fold): job for job in heard}.values():
        if any(same_sound(job)):
            split_of(job, *same_sound(job))
    return tuple(heard)


def content_digest(job: Job) -> str | None:
    """The digest of what is in the job's clips, as its metrics have it. Reads the clips."""
    return sound(job).digest if _has_files(job) else None


def same_sound(job: Job) -> tuple[Groups, Groups]:
    """Groups of clips that a split must keep together as they are identical, and as they are similar."""
    if not _has_files(job) or job.config.data.kind in PUBLISHED:
        return (), ()
    heard = sound(job)
    return heard.identical, heard.similar


def num_too_short(job: Job) -> int:
    """How many clips are too short to be searched for copies that were cut or encoded anew."""
    return sound(job).num_too_short if _has_files(job) else 0


def notes(job: Job) -> tuple[str, ...]:
    """What the user should know of the clips' sound, a sentence each."""
    return tuple(_notes(job, clips(job), sound(job))) if _has_files(job) else ()


def _has_files(job: Job) -> bool:
    return clips(job).root is not None


def _notes(job: Job, clip_set: ClipSet, heard: Sound) -> Iterator[str]:
    def names(indices: Sequence[int]) -> str:
        return shorten([clip_set.clips[index].name for index in indices], NUM_NAMED)

    store = heard.store
    found = {"silent": store.silent - store.cancelled, "constant": store.constant, "cancelled": store.cancelled}
    for kind, indices in found.items():
        if indices:
            yield f"{_count(len(indices), 'clip')} {_KINDS[kind]} ({names(sorted(indices))})"
    for said in _by_kind(store.notes).values():
        more = ", and the like" if len(set(said.values())) > 1 else ""
        yield f"{_count(len(said), 'clip')}: {next(iter(said.values()))}{more} ({names(list(said))})"
    together = job.config.protocol != "all" and published_folds(clip_set) is None
    stays = ", each of which stays on one side of every split" if together else ""
    if heard.identical:
        groups = [" = ".join(clip_set.clips[index].name for index in group[:NUM_NAMED]) for group in heard.identical]
        yield f"{_count(len(groups), 'group')} of clips with the same sound{stays}: {shorten(groups, NUM_NAMED)}"
    if heard.similar:
        pairs = [f"{clip_set.clips[one].name} ~ {clip_set.clips[other].name}" for one, other in heard.similar]
        yield f"{_count(len(pairs), 'pair')} of clips with nearly the same sound{stays}: {shorten(pairs, NUM_NAMED)}"
    yield from _contradictions(clip_set, heard)
    if len(clip_set) > MAX_COMPARED and any(clip.source is None for clip in clip_set.clips):
        yield (
            f"more than {MAX_COMPARED:,} clips, some of unknown source: looked for identical clips only, not for copies"
            " that were cut or encoded anew"
        )


def _by_kind(notes: dict[int, list[str]]) -> dict[str, dict[int, str]]:
    """What readers assumed, by clip; of one kind is what differs in its numbers only."""
    kinds: dict[str, dict[int, str]] = {}
    for index, said in notes.items():
        for note in said:
            kinds.setdefault(re.sub(r"\d+", "0", note), {})[index] = note
    return kinds


def _contradictions(clip_set: ClipSet, heard: Sound) -> Iterator[str]:
    pairs = [(group[0], other) for group in heard.identical for other in group[1:]] + list(heard.similar)
    named = []
    for one, other in pairs:
        first, second = clip_set.clips[one], clip_set.clips[other]
        if first.label != second.label:
            labels = [repr(clip_set.classes[clip.label]) for clip in (first, second)]
            named.append(f"{first.name} = {second.name}, {listed(labels)}")
    if named:
        yield (
            f"the same sound has two labels ({shorten(named, NUM_NAMED)}): one is wrong, or the classes overlap;"
            " listen, then correct or remove one of each pair"
        )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
