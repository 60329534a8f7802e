"""What is worth knowing about a data set before training on it, most important first, with what to do about it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from audio_cls.data.splits import published_folds
from audio_cls.studies.explore.survey import Survey

SEVERITIES = ("must be mended", "look at this", "good to know")
ERROR, WARNING, NOTE = SEVERITIES
IMBALANCE = 3  # largest class to smallest
FEW_SOURCES = 5  # recordings of a class
SIMILAR_SECONDS = 0.02  # share of the commonest duration that a clip may be off without harm
MOSTLY_SILENT = 0.5
LATE_SECONDS = 1.0  # the crop of the original project's models is the first second
CLIPPED = 5e-4  # of the samples, 2.5 ms of 5 s
QUIET_DB = -60
LEVEL_RANGE_DB = 30  # between the 5% quietest and the 5% loudest
CANCELLED_DB = 12
OFFSET = 0.02
MANIFEST = "a CSV manifest with the columns file,label,source (data=folder data.root=FILE.csv)"


@dataclass(frozen=True)
class Finding:
    """`clips`: names, each with what is to be said about it."""

    severity: str
    title: str
    advice: str
    clips: tuple[tuple[str, str], ...] = ()


def find(survey: Survey) -> list[Finding]:
    """All findings; within a severity in the order of the rules below."""
    found = [finding for rule in RULES for finding in rule(survey)]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def _unusable(survey: Survey) -> Iterator[Finding]:
    if survey.bad:
        yield Finding(
            ERROR,
            f"{_clips(len(survey.bad))} cannot be used",
            "Repair, convert or remove these files: train.py stops on them.",
            tuple((survey.clip(index).name, reason) for index, reason in survey.bad.items()),
        )


def _sources_over_folds(survey: Survey) -> Iterator[Finding]:
    torn = {}
    for source, indices in survey.clips_of_source.items():
        folds = sorted({survey.clip(index).fold for index in indices} - {None})
        if len(folds) > 1:
            torn |= {index: f"source {source}, which lies in folds {_listed(folds)}" for index in indices}
    if torn:
        yield Finding(
            ERROR,
            f"{_clips(len(torn), 'lies', 'lie')} in another fold than the rest of the recording",
            "A model would be tested on recordings that it was trained on, so train.py refuses these folds. Put all "
            "clips of a source into one fold, or leave the column fold out of the manifest.",
            _named(survey, torn),
        )


def _single_sources(survey: Survey) -> Iterator[Finding]:
    if not survey.has_sources or survey.has_folds:
        return
    sources = _sources_by_class(survey)
    alone = [name for label, name in enumerate(survey.clip_set.classes) if len(sources[label]) < 2]
    if alone:
        yield Finding(
            ERROR,
            f"There is one recording only of {_listed([repr(name) for name in alone])}",
            "A recording cannot train and test at once, so train.py finds no split: add recordings, or use "
            "protocol=all for a model without held-out figures.",
        )


def _contradictions(survey: Survey) -> Iterator[Finding]:
    twins = []
    for first, second, how in _same_sound(survey):
        if survey.clip(first).label != survey.clip(second).label:
            label = survey.clip_set.classes[survey.clip(second).label]
            said = f"{how} as {survey.clip(second).name}, which is labelled {label}"
            twins.append((survey.clip(first).name, said))
    if twins:
        yield Finding(
            WARNING,
            f"The same sound has two labels ({_clips(len(twins))})",
            "One label is wrong, or the classes overlap: listen, then correct or remove one of each pair.",
            tuple(twins),
        )


def _hidden_copies(survey: Survey) -> Iterator[Finding]:
    apart, together = [], []
    for first, second, how in _same_sound(survey):
        one, other = survey.clip(first), survey.clip(second)
        if one.source is not None and one.source == other.source:
            continue
        parted = one.fold is None or one.fold != other.fold
        folds = "" if one.fold is None else f" (folds {one.fold} and {other.fold})" if parted else f" (fold {one.fold})"
        (apart if parted else together).append((one.name, f"{how} as {other.name}{folds}"))
    if apart:
        where = ", in different folds" if survey.has_folds else ""
        how = "put both into one fold" if survey.has_folds else f"give both the same source in {MANIFEST}"
        yield Finding(
            WARNING,
            f"{_pairs(len(apart), 'holds', 'hold')}{where}",
            "A model that trains on one knows the other, so its accuracy is a little too good. Listen to them below; "
            f"{how}, or remove one.",
            tuple(apart),
        )
    if together:
        yield Finding(
            NOTE,
            f"{_pairs(len(together), 'holds', 'hold')}, in one fold but under different sources",
            "They do no harm with the published folds. With a split of your own, give them the same source.",
            tuple(together),
        )


def _unknown_sources(survey: Survey) -> Iterator[Finding]:
    unknown = sum(clip.source is None for clip in survey.clip_set.clips)
    if unknown:
        whole = unknown == len(survey.clip_set)
        yield Finding(
            WARNING,
            "It is not known which clips were cut from the same recording"
            if whole
            else f"The source of {_clips(unknown)} is not known",
            "Clips of one recording may end up on both sides of a split, and the accuracy is too good then. If several "
            f"were cut from one, say so: {MANIFEST}. If each is a recording of its own, all is well.",
        )


def _silent_clips(survey: Survey) -> Iterator[Finding]:
    silent = {
        index: f"{each.examined / each.sample_rate:.2f} s of digital silence"
        for index, each in survey.good.items()
        if each.silent == 1 and each.cancelled_db <= CANCELLED_DB
    }
    if silent:
        yield Finding(
            WARNING,
            f"{_clips(len(silent), 'holds', 'hold')} nothing but digital silence",
            "There is nothing in them to learn from: remove them, unless silence is a class.",
            _named(survey, silent),
        )


def _cancelled(survey: Survey) -> Iterator[Finding]:
    lost = {
        index: f"mono is {each.cancelled_db:.0f} dB softer than the channels"
        for index, each in survey.good.items()
        if each.cancelled_db > CANCELLED_DB
    }
    if lost:
        yield Finding(
            WARNING,
            f"The channels of {_clips(len(lost))} cancel each other in mono",
            "Models hear the average of the channels. One channel is inverted, probably: keep one, or turn one over.",
            _named(survey, lost),
        )


def _rates(survey: Survey) -> Iterator[Finding]:
    rates = Counter(each.sample_rate for each in survey.good.values())
    if len(rates) > 1:
        commonest = rates.most_common(1)[0][0]
        others = {
            index: f"{each.sample_rate} Hz"
            for index, each in survey.good.items()
            if each.sample_rate != commonest
        }  # fmt: skip
        advice = "train.py brings all to one rate, so this does no harm in itself."
        labels = {survey.clip(index).label for index in others}
        if len(labels) < len(survey.clip_set.classes):
            advice += (
                " But only some classes have them, and a model can tell a low rate by the missing treble: choose "
                f"input.sample_rate no higher than {min(rates)}, or record all classes alike."
            )
        yield Finding(
            WARNING if len(labels) < len(survey.clip_set.classes) else NOTE,
            f"{_clips(len(others), 'is', 'are')} not at {commonest} Hz",
            advice,
            _named(survey, others),
        )


def _channels(survey: Survey) -> Iterator[Finding]:
    channels = Counter(each.channels for each in survey.good.values())
    if len(channels) > 1:
        commonest = channels.most_common(1)[0][0]
        others = {
            index: _channel_word(each.channels) for index, each in survey.good.items() if each.channels != commonest
        }
        yield Finding(
            NOTE,
            f"{_clips(len(others), 'is', 'are')} not {_channel_word(commonest)}",
            "train.py averages the channels, so they can stay.",
            _named(survey, others),
        )


def _durations(survey: Survey) -> Iterator[Finding]:
    if len(survey.shapes) < 2:
        return
    (channels, frames, rate), members = survey.shapes[0]
    usual = frames / rate
    off = {
        index: f"{each.seconds:.3f} s, {each.seconds - usual:+.3f} s"
        for index, each in survey.good.items()
        if abs(each.seconds - usual) > SIMILAR_SECONDS * usual
    }
    if len(members) < len(survey.good) / 2:
        seconds = [each.seconds for each in survey.good.values()]
        yield Finding(
            NOTE,
            f"Clips last from {min(seconds):.3g} to {max(seconds):.3g} s; no duration is common to half of them",
            "A model hears crops of input.crop_seconds; shorter clips are padded with silence. Choose a crop that most "
            "clips fill.",
        )
    elif off:
        furthest = sorted(off, key=lambda index: -abs(survey.good[index].seconds - usual))
        yield Finding(
            WARNING if len(off) > 0.02 * len(survey.good) else NOTE,
            f"{_clips(len(off), 'lasts', 'last')} more than {SIMILAR_SECONDS:.0%} longer or shorter than {usual:.3f} s",
            "Crops are taken from what is there and padded with silence where it is too short; a clip that was cut off "
            "by mistake should be replaced.",
            _named(survey, {index: off[index] for index in furthest}),
        )
    few = [index for _, group in survey.shapes[1:] for index in group if index not in off]
    if few and len(members) >= len(survey.good) / 2:
        shape = f"[{channels}, {frames}] at {rate} Hz"
        yield Finding(
            NOTE,
            f"{_clips(len(few), 'is', 'are')} off {shape} by less than {SIMILAR_SECONDS:.0%}",
            "Code that stacks clips as they are would fail on them. train.py cuts crops, so they can stay.",
            _named(survey, {index: f"{survey.good[index].frames - frames:+d} samples" for index in few}),
        )


def _mostly_silent(survey: Survey) -> Iterator[Finding]:
    silent = {
        index: f"{each.silent:.0%} of it" for index, each in survey.good.items() if MOSTLY_SILENT < each.silent < 1
    }
    if silent:
        loudest = sorted(silent, key=lambda index: -survey.good[index].silent)
        yield Finding(
            WARNING,
            f"{_clips(len(silent), 'is', 'are')} digital silence for more than half of the time",
            "Short sounds were padded. A crop at a fixed or random place may hold nothing: hear whole clips "
            "(input.crop_seconds as long as they are), or average many crops (input.eval_crops).",
            _named(survey, {index: silent[index] for index in loudest}),
        )


def _late(survey: Survey) -> Iterator[Finding]:
    late = {
        index: f"begins at {each.leading_seconds:.2f} s"
        for index, each in survey.good.items()
        if each.leading_seconds >= LATE_SECONDS and each.silent < 1
    }
    if late:
        yield Finding(
            WARNING,
            f"The first second of {_clips(len(late))} is digital silence",
            "A model that hears the first second only, as in the original project, hears nothing.",
            _named(survey, late),
        )


def _clipped(survey: Survey) -> Iterator[Finding]:
    clipped = {
        index: f"{each.clipped:.2%} of the samples" for index, each in survey.good.items() if each.clipped > CLIPPED
    }
    if clipped:
        worst = sorted(clipped, key=lambda index: -survey.good[index].clipped)
        yield Finding(
            WARNING if len(clipped) > 0.05 * len(survey.good) else NOTE,
            f"{_clips(len(clipped), 'is', 'are')} clipped (more than {CLIPPED:.2%} of the samples at full scale)",
            "Recorded too loud: distortion adds treble that is not in the sound. Take a cleaner copy where there is "
            "one; it matters where one class is clipped and others are not.",
            _named(survey, {index: clipped[index] for index in worst}),
        )


def _levels(survey: Survey) -> Iterator[Finding]:
    levels = {index: each.rms_db for index, each in survey.good.items() if each.silent < 1}
    quiet = {index: f"{level:.0f} dBFS" for index, level in levels.items() if level < QUIET_DB}
    if quiet:
        yield Finding(
            WARNING,
            f"{_clips(len(quiet), 'is', 'are')} very soft (RMS below {QUIET_DB} dBFS)",
            "Listen whether there is anything in them; keep input.normalize=true, which brings clips to one level.",
            _named(survey, dict(sorted(quiet.items(), key=lambda entry: levels[entry[0]]))),
        )
    if levels:
        low, high = np.percentile(list(levels.values()), (5, 95))
        if high - low > LEVEL_RANGE_DB:
            yield Finding(
                NOTE,
                f"Levels differ widely: nine clips in ten lie between {low:.0f} and {high:.0f} dBFS",
                "Keep input.normalize=true, or a model learns the distance of the microphone.",
            )


def _offsets(survey: Survey) -> Iterator[Finding]:
    offsets = {
        index: f"mean {each.offset:+.3f}" for index, each in survey.good.items() if abs(each.offset) > OFFSET
    }  # fmt: skip
    if offsets:
        yield Finding(
            NOTE,
            f"{_clips(len(offsets), 'has', 'have')} a constant offset",
            "It takes headroom and shows at 0 Hz; a high-pass filter at 20 Hz removes it.",
            _named(survey, offsets),
        )


def _imbalance(survey: Survey) -> Iterator[Finding]:
    classes = survey.clip_set.classes
    counts = Counter(clip.label for clip in survey.clip_set.clips)
    largest, smallest = max(counts, key=counts.get), min(range(len(classes)), key=lambda label: counts[label])
    if counts[largest] > IMBALANCE * counts[smallest]:
        yield Finding(
            WARNING,
            f"Classes differ in size: {classes[largest]!r} has {_clips(counts[largest])}, {classes[smallest]!r} has "
            f"{counts[smallest]}",
            "Judge by macro F1 and per-class results rather than accuracy, and add recordings of the small classes.",
        )


def _few_sources(survey: Survey) -> Iterator[Finding]:
    if not survey.has_sources:
        return
    sources = _sources_by_class(survey)
    few = [
        f"{name!r} ({len(sources[label])})"
        for label, name in enumerate(survey.clip_set.classes)
        if len(sources[label]) < FEW_SOURCES
    ]
    if few:
        yield Finding(
            WARNING,
            f"Fewer than {FEW_SOURCES} recordings of {_listed(few)}",
            "Results of such a class hang on one or two recordings: add more before believing them.",
        )


def _sources_over_classes(survey: Survey) -> Iterator[Finding]:
    shared = {}
    for source, indices in survey.clips_of_source.items():
        labels = sorted({survey.clip(index).label for index in indices})
        if len(labels) > 1:
            names = _listed([repr(survey.clip_set.classes[label]) for label in labels])
            shared |= dict.fromkeys(indices, f"source {source}, in {names}")
    if shared:
        yield Finding(
            NOTE,
            f"{_clips(len(shared), 'comes', 'come')} from recordings that are in several classes",
            "Right where a recording holds several sounds; else a label is wrong.",
            _named(survey, shared),
        )


def _missing_folds(survey: Survey) -> Iterator[Finding]:
    if not survey.has_folds:
        return
    present = {clip.fold for clip in survey.clip_set.clips}
    absent = sorted(set(range(1, (published_folds(survey.clip_set) or 0) + 1)) - present)
    if absent:
        yield Finding(
            NOTE,
            f"Published fold {_listed(absent)} is not in this copy",
            "With protocol=holdout and fold 1 missing, test results are null; for figures that compare with published "
            "ones get the whole data set.",
        )


def _excerpted(survey: Survey) -> Iterator[Finding]:
    long = {
        index: f"{each.seconds / 60:.1f} min, the first {each.examined / each.sample_rate / 60:.1f} examined"
        for index, each in survey.good.items()
        if each.examined < each.frames
    }
    if long:
        yield Finding(
            NOTE,
            f"Of {_clips(len(long))} only the beginning was examined",
            "One label for so long a file is seldom right all along: cut it into clips, with the file as their source.",
            _named(survey, long),
        )


def _plain_shuffle(survey: Survey) -> Iterator[Finding]:
    leak = survey.leak
    if leak is not None and leak.expected > 0:
        share = leak.expected / len(survey.clip_set)
        yield Finding(
            NOTE,
            f"Plain shuffled {leak.num_folds}-fold cross-validation would leak: on average {leak.expected:.0f} of "
            f"{len(survey.clip_set)} clips ({share:.0%}) would be tested by a model that knows their recording",
            "train.py keeps the clips of a recording together. Do the same wherever you split, and ask it of results "
            "that you compare with.",
        )


RULES: tuple[Callable[[Survey], Iterator[Finding]], ...] = (
    *(_unusable, _sources_over_folds, _single_sources),
    *(_contradictions, _hidden_copies, _unknown_sources, _silent_clips, _cancelled, _rates),
    *(_mostly_silent, _late, _imbalance, _few_sources, _levels, _clipped, _durations),
    *(_plain_shuffle, _sources_over_classes, _missing_folds, _channels, _offsets, _excerpted),
)


def _same_sound(survey: Survey) -> Iterator[tuple[int, int, str]]:
    """Pairs of clips that are the same or nearly; of a group of identical ones, each with the first."""
    identical = set()
    for first, *others in survey.identical:
        for other in others:
            identical.add((first, other))
            yield first, other, "the same samples"
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


def _channel_word(channels: int) -> str:
    return {1: "mono", 2: "stereo"}.get(channels, f"of {channels} channels")


def _named(survey: Survey, said: dict[int, str]) -> tuple[tuple[str, str], ...]:
    return tuple((survey.clip(index).name, text) for index, text in said.items())


def _clips(count: int, one: str = "", several: str = "") -> str:
    """'1 clip is', '2 clips are', for the verbs 'is' and 'are'."""
    return f"{count} clip{'s' * (count != 1)} {one if count == 1 else several}".strip()


def _pairs(count: int, one: str, several: str) -> str:
    return f"{count} pair{'s' * (count != 1)} of clips {one if count == 1 else several} the same sound"


def _listed(things: list) -> str:
    words = [str(thing) for thing in things]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
