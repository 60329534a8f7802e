"""Findings about the clips' sound: what cannot be read, lengths, rates, silence, levels."""

from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from audio_cls.data.content import CANCELLED_DB
from audio_cls.reports.dataset.finding import ERROR, NOTE, WARNING, Finding, about_clips
from audio_cls.reports.dataset.measure import Measures
from audio_cls.reports.dataset.survey import Survey

SIMILAR_SECONDS = 0.02  # share of the commonest duration that a clip may be off without harm
MOSTLY_SILENT = 0.5
LATE_SECONDS = 1.0  # the crop of the original project's models is the first second
CLIPPED = 5e-4  # of the samples, 2.5 ms of 5 s
QUIET_DB = -60
LEVEL_RANGE_DB = 30  # between the 5% quietest and the 5% loudest
OFFSET = 0.02


def unusable(survey: Survey) -> Iterator[Finding]:
    advice = "Repair, convert or remove these files: training stops on them."
    yield from about_clips(survey, survey.bad, ERROR, "{clips} cannot be used", advice)


def assumed(survey: Survey) -> Iterator[Finding]:
    noted = _details(survey, lambda each: bool(each.notes), lambda each: "; ".join(each.notes))
    advice = "All that is there was read. Listen whether it is what you recorded, or write these files anew."
    yield from about_clips(survey, noted, WARNING, "{clips} {is} not quite what the file says", advice)


def silent_clips(survey: Survey) -> Iterator[Finding]:
    silent = _details(
        survey,
        lambda each: each.silent == 1 and each.cancelled_db <= CANCELLED_DB,
        lambda each: f"{each.examined / each.sample_rate:.2f} s of digital silence",
    )
    advice = "There is nothing in them to learn from: remove them, unless silence is a class."
    yield from about_clips(survey, silent, WARNING, "{clips} {holds} nothing but digital silence", advice)


def constant(survey: Survey) -> Iterator[Finding]:
    constant = _details(survey, lambda each: each.constant, lambda each: f"{each.offset:+.3f} all along")
    advice = "There is nothing in them to learn from: the recorder delivered a constant voltage. Remove them."
    yield from about_clips(survey, constant, WARNING, "{clips} {holds} one value all along, which is no sound", advice)


def cancelled(survey: Survey) -> Iterator[Finding]:
    cancelled = _details(
        survey,
        lambda each: each.cancelled_db > CANCELLED_DB,
        lambda each: f"mono is {each.cancelled_db:.0f} dB softer than the channels",
    )
    advice = "Models get the average of the channels. One channel is probably inverted: keep one, or invert one."
    yield from about_clips(survey, cancelled, WARNING, "The channels of {clips} cancel each other in mono", advice)


def rates(survey: Survey) -> Iterator[Finding]:
    rates = Counter(each.sample_rate for each in survey.good.values())
    if len(rates) < 2:
        return
    commonest = rates.most_common(1)[0][0]
    others = _details(survey, lambda each: each.sample_rate != commonest, lambda each: f"{each.sample_rate} Hz")
    advice, severity = "Training resamples all to one rate, so this does no harm in itself.", NOTE
    if len({survey.clip(index).label for index in others}) < len(survey.clip_set.classes):
        severity = WARNING
        advice += (
            " But only some classes have them, and a model can recognise a low rate by the missing treble: choose "
            f"input.sample_rate no higher than {min(rates)}, or record all classes alike."
        )
    yield from about_clips(survey, others, severity, f"{{clips}} {{is}} not at {commonest} Hz", advice)


def channels(survey: Survey) -> Iterator[Finding]:
    channels = Counter(each.channels for each in survey.good.values())
    if len(channels) > 1:
        commonest = channels.most_common(1)[0][0]
        others = _details(survey, lambda each: each.channels != commonest, lambda each: _channel_word(each.channels))
        advice = "Training averages the channels, so they can stay."
        yield from about_clips(survey, others, NOTE, f"{{clips}} {{is}} not {_channel_word(commonest)}", advice)


def durations(survey: Survey) -> Iterator[Finding]:
    if len(survey.shapes) < 2:
        return
    (channels, frames, rate), members = survey.shapes[0]
    if len(members) < len(survey.good) / 2:
        seconds = [each.seconds for each in survey.good.values()]
        yield Finding(
            NOTE,
            f"Clips last from {min(seconds):.3g} to {max(seconds):.3g} s; no duration is common to half of them",
            "A model gets crops of input.crop_seconds; shorter clips are padded with silence. Choose a crop that most "
            "clips fill.",
        )
        return
    usual = frames / rate
    off = _details(
        survey,
        lambda each: abs(each.seconds - usual) > SIMILAR_SECONDS * usual,
        lambda each: f"{each.seconds:.3f} s, {each.seconds - usual:+.3f} s",
        worst=lambda each: abs(each.seconds - usual),
    )
    yield from about_clips(
        survey,
        off,
        WARNING if len(off) > 0.02 * len(survey.good) else NOTE,
        f"{{clips}} {{lasts}} more than {SIMILAR_SECONDS:.0%} longer or shorter than {usual:.3f} s",
        "Crops are taken from what is there and padded with silence where it is too short; a clip that was cut off "
        "by mistake should be replaced.",
    )
    few = [index for _, group in survey.shapes[1:] for index in group if index not in off]
    yield from about_clips(
        survey,
        {index: f"{survey.good[index].frames - frames:+d} samples" for index in few},
        NOTE,
        f"{{clips}} {{is}} off [{channels}, {frames}] at {rate} Hz by less than {SIMILAR_SECONDS:.0%}",
        "Code that stacks clips as they are would fail on them. Training cuts crops, so they can stay.",
    )


def mostly_silent(survey: Survey) -> Iterator[Finding]:
    silent = _details(
        survey,
        lambda each: MOSTLY_SILENT < each.silent < 1,
        lambda each: f"{each.silent:.0%} of it",
        worst=lambda each: each.silent,
    )
    yield from about_clips(
        survey,
        silent,
        WARNING,
        "{clips} {is} digital silence for more than half of the time",
        "Short sounds were padded. A crop at a fixed or random place may hold nothing: use whole clips "
        "(input.crop_seconds as long as they are), or average many crops (input.eval_crops).",
    )


def late(survey: Survey) -> Iterator[Finding]:
    late = _details(
        survey,
        lambda each: each.leading_seconds >= LATE_SECONDS and each.silent < 1,
        lambda each: f"begins at {each.leading_seconds:.2f} s",
    )
    advice = "A model that gets the first second only, as in the original project, gets nothing."
    yield from about_clips(survey, late, WARNING, "The first second of {clips} is digital silence", advice)


def clipped(survey: Survey) -> Iterator[Finding]:
    clipped = _details(
        survey,
        lambda each: each.clipped > CLIPPED,
        lambda each: f"{each.clipped:.2%} of the samples",
        worst=lambda each: each.clipped,
    )
    yield from about_clips(
        survey,
        clipped,
        WARNING if len(clipped) > 0.05 * len(survey.good) else NOTE,
        f"{{clips}} {{is}} clipped (more than {CLIPPED:.2%} of the samples at full scale)",
        "Recorded too loud: distortion adds treble that is not in the sound. Take a cleaner copy where there is one; "
        "it matters where one class is clipped and others are not.",
    )


def levels(survey: Survey) -> Iterator[Finding]:
    quiet = _details(
        survey,
        lambda each: each.silent < 1 and each.rms_db < QUIET_DB,
        lambda each: f"{each.rms_db:.0f} dBFS",
        worst=lambda each: -each.rms_db,
    )
    advice = "Check whether there is anything in them; keep input.normalize=true, which brings clips to one level."
    yield from about_clips(survey, quiet, WARNING, f"{{clips}} {{is}} very soft (RMS below {QUIET_DB} dBFS)", advice)
    levels = [each.rms_db for each in survey.good.values() if each.silent < 1]
    low, high = np.percentile(levels, (5, 95)) if levels else (0, 0)
    if high - low > LEVEL_RANGE_DB:
        yield Finding(
            NOTE,
            f"Levels differ widely: nine clips in ten lie between {low:.0f} and {high:.0f} dBFS",
            "Keep input.normalize=true, or a model learns the distance of the microphone.",
        )


def offsets(survey: Survey) -> Iterator[Finding]:
    offsets = _details(
        survey,
        lambda each: abs(each.offset) > OFFSET and not each.constant,
        lambda each: f"mean {each.offset:+.3f}",
    )
    advice = "It takes headroom and shows at 0 Hz; a high-pass filter at 20 Hz removes it."
    yield from about_clips(survey, offsets, NOTE, "{clips} {has} a constant offset", advice)


def excerpted(survey: Survey) -> Iterator[Finding]:
    long = _details(
        survey,
        lambda each: each.examined < each.frames,
        lambda each: f"{each.seconds / 60:.1f} min, the first {each.examined / each.sample_rate / 60:.1f} examined",
    )
    advice = "One label for so long a file is seldom right all along: cut it into clips, with the file as their source."
    yield from about_clips(survey, long, NOTE, "Of {clips} only the beginning was examined", advice)


def _details(
    survey: Survey,
    condition: Callable[[Measures], bool],
    detail: Callable[[Measures], str],
    worst: Callable[[Measures], float] | None = None,
) -> dict[int, str]:
    """What to say of the clips that meet the condition, by index; those with the greatest `worst` first."""
    found = [index for index, each in survey.good.items() if condition(each)]
    if worst:
        found.sort(key=lambda index: -worst(survey.good[index]))
    return {index: detail(survey.good[index]) for index in found}


def _channel_word(channels: int) -> str:
    return {1: "mono", 2: "stereo"}.get(channels, f"of {channels} channels")
