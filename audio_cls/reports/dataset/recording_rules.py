"""Findings about labels, recordings and folds: what is too few, unknown, split across folds or there twice."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from audio_cls.data.balance import describe_imbalance
from audio_cls.data.same_sound import PUBLISHED
from audio_cls.data.splits import published_folds
from audio_cls.reports.dataset.finding import ERROR, MANIFEST, NOTE, WARNING, Finding, about_clips, count_clips
from audio_cls.reports.dataset.survey import Survey
from audio_cls.wording import listed

IDENTICAL = "the same samples"

FEW_SOURCES = 5  # recordings of a class


def notes(survey: Survey) -> Iterator[Finding]:
    for note in survey.clip_set.notes:
        yield Finding(NOTE, note[:1].upper() + note[1:], "Training reads the clips in the same way.")


def sources_over_folds(survey: Survey) -> Iterator[Finding]:
    parted: dict[int, str] = {}
    for source, indices in survey.clips_of_source.items():
        folds = survey.folds(indices)
        if len(folds) > 1:
            parted |= {
                index: f"source {source}, which lies in folds {listed(list(map(survey.clip_set.fold_name, folds)))}"
                for index in indices
            }
    yield from about_clips(
        survey,
        parted,
        ERROR,
        "{clips} {lies} in another fold than the rest of the recording",
        "A model would be tested on recordings that it was trained on, so training refuses these folds. Put all clips "
        "of a source into one fold, or leave the column fold out of the manifest.",
    )


def single_sources(survey: Survey) -> Iterator[Finding]:
    if not survey.has_sources or survey.has_folds:
        return
    sources = _sources_by_class(survey)
    alone = [name for label, name in enumerate(survey.clip_set.classes) if len(sources[label]) < 2]
    if alone:
        yield Finding(
            ERROR,
            f"There is one recording only of {listed([repr(name) for name in alone])}",
            "A recording cannot train and test at once, so training finds no split: add recordings, or use "
            "protocol=all for a model without held-out figures.",
        )


def contradictions(survey: Survey) -> Iterator[Finding]:
    twins = []
    for first, second, how in _same_sound(survey):
        one, other = survey.clip(first), survey.clip(second)
        if one.label != other.label:
            label = survey.clip_set.classes[other.label]
            twins.append((one.name, f"{how} as {other.name}, which is labelled {label}"))
    if twins:
        yield Finding(
            WARNING,
            f"The same sound has two labels ({count_clips(len(twins))})",
            "One label is wrong, or the classes overlap: listen, then correct or remove one of each pair.",
            tuple(twins),
        )


def hidden_copies(survey: Survey) -> Iterator[Finding]:
    apart: list[tuple[str, str]] = []
    together: list[tuple[str, str]] = []
    for first, second, how in _same_sound(survey):
        one, other = survey.clip(first), survey.clip(second)
        if one.source is not None and one.source == other.source:
            continue
        parted = one.fold is None or one.fold != other.fold
        names = [survey.clip_set.fold_name(clip.fold) for clip in (one, other) if clip.fold is not None]
        folds = "" if not names else f" (folds {listed(names)})" if parted else f" (fold {names[0]})"
        (apart if parted else together).append((one.name, f"{how} as {other.name}{folds}"))
    if apart:
        where = ", in different folds" if survey.has_folds else ""
        kept = "Training keeps identical clips on one side of every split, and similar ones where sources are unknown."
        kept = "Training refuses identical clips in two folds of your own." if survey.has_folds else kept
        how = "put both into one fold" if survey.has_folds else f"give both the same source in {MANIFEST}"
        refused = survey.has_folds and survey.clip_set.name not in PUBLISHED
        yield Finding(
            ERROR if refused and any(said.startswith(IDENTICAL) for _, said in apart) else WARNING,
            f"{_pairs(len(apart))}{where}",
            "A model that trains on one has seen the other, so tested on the other its accuracy is too high. "
            f"{kept} Listen to both, and {how}, or remove one.",
            tuple(apart),
        )
    if together:
        yield Finding(
            NOTE,
            f"{_pairs(len(together))}, in one fold but under different sources",
            "They do no harm with the published folds. With a split of your own, give them the same source.",
            tuple(together),
        )


def unknown_sources(survey: Survey) -> Iterator[Finding]:
    unknown = sum(clip.source is None for clip in survey.clip_set.clips)
    if unknown:
        whole = unknown == len(survey.clip_set)
        title = f"The source of {count_clips(unknown)} is not known"
        yield Finding(
            WARNING,
            "It is not known which clips were cut from the same recording" if whole else title,
            "Clips of one recording may end up on both sides of a split, and the accuracy is too high then. If several "
            "were cut from one, say so: by names or folders, as data.source='*_{source}_*' or data.source=parent (here "
            f"--source), or by {MANIFEST}. If each is a recording of its own, all is well.",
        )


def imbalance(survey: Survey) -> Iterator[Finding]:
    labels = np.array([clip.label for clip in survey.clip_set.clips])
    if unequal := describe_imbalance(labels, survey.clip_set.classes):
        yield Finding(
            WARNING,
            f"Classes differ in size: {unequal}",
            "Judge by balanced accuracy and per-class results, train with data.balance=weights or sampling, and add "
            "recordings of the small classes.",
        )


def few_sources(survey: Survey) -> Iterator[Finding]:
    if not survey.has_sources:
        return
    sources = _sources_by_class(survey)
    counts = [(name, len(sources[label])) for label, name in enumerate(survey.clip_set.classes)]
    few = [f"{name!r} ({count})" for name, count in counts if count < FEW_SOURCES]
    if few:
        yield Finding(
            WARNING,
            f"Fewer than {FEW_SOURCES} recordings of {listed(few)}",
            "Results of such a class depend on one or two recordings: add more before relying on them.",
        )


def sources_over_classes(survey: Survey) -> Iterator[Finding]:
    shared: dict[int, str] = {}
    for source, indices in survey.clips_of_source.items():
        labels = sorted({survey.clip(index).label for index in indices})
        if len(labels) > 1:
            names = listed([repr(survey.clip_set.classes[label]) for label in labels])
            shared |= dict.fromkeys(indices, f"source {source}, in {names}")
    title = "{clips} {comes} from recordings that are in several classes"
    advice = "Right where a recording holds several sounds; else a label is wrong."
    yield from about_clips(survey, shared, NOTE, title, advice)


def missing_folds(survey: Survey) -> Iterator[Finding]:
    if not survey.has_folds or survey.clip_set.has_roles:
        return
    present = {clip.fold for clip in survey.clip_set.clips}
    absent = sorted(set(range(1, (published_folds(survey.clip_set) or 0) + 1)) - present)
    if absent:
        yield Finding(
            NOTE,
            f"Published fold {listed(absent)} is not in this copy",
            "With protocol=holdout and fold 1 missing, test results are null; for figures that compare with published "
            "ones get the whole data set.",
        )


def plain_shuffle(survey: Survey) -> Iterator[Finding]:
    leak = survey.leak
    if leak is not None and leak.expected > 0:
        share = leak.expected / len(survey.clip_set)
        yield Finding(
            NOTE,
            f"Plain shuffled {leak.num_folds}-fold cross-validation would leak: on average {leak.expected:.0f} of "
            f"{len(survey.clip_set)} clips ({share:.0%}) would be tested by a model trained on their recording",
            "Training keeps the clips of a recording together. Do the same wherever you split, and ask it of results "
            "that you compare with.",
        )


def _same_sound(survey: Survey) -> Iterator[tuple[int, int, str]]:
    """Pairs of clips that are the same or nearly; of a group of identical ones, each with the first."""
    identical = set()
    for first, *others in survey.identical:
        for other in others:
            identical.add((first, other))
            yield first, other, IDENTICAL
        identical |= {(one, other) for place, one in enumerate(others) for other in others[place + 1 :]}
    for match in survey.matches:
        if (match.first, match.second) not in identical:
            yield match.first, match.second, f"{match.overlap_seconds:.1f} s of the same sound"


def _sources_by_class(survey: Survey) -> dict[int, set]:
    """By label; a clip without a source is one of its own."""
    sources = defaultdict(set)
    for index, clip in enumerate(survey.clip_set.clips):
        sources[clip.label].add(index if clip.source is None else clip.source)
    return sources


def _pairs(count: int) -> str:
    return "1 pair of clips holds the same sound" if count == 1 else f"{count} pairs of clips hold the same sound"
