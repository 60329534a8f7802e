"""What is worth knowing about the clips' sound: what cannot be read, lengths, rates, silence, levels."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from audio_cls.reports.dataset.finding import ERROR, NOTE, WARNING, Finding, count_clips, named
from audio_cls.reports.dataset.survey import Survey

SIMILAR_SECONDS = 0.02  # share of the commonest duration that a clip may be off without harm
MOSTLY_SILENT = 0.5
LATE_SECONDS = 1.0  # the crop of the original project's models is the first second
CLIPPED = 5e-4  # of the samples, 2.5 ms of 5 s
QUIET_DB = -60
LEVEL_RANGE_DB = 30  # between the 5% quietest and the 5% loudest
CANCELLED_DB = 12
OFFSET = 0.02


def unusable(survey: Survey) -> Iterator[Finding]:
    if survey.bad:
        yield Finding(
            ERROR,
            f"{count_clips(len(survey.bad))} cannot be used",
            "Repair, convert or remove these files: train.py stops on them.",
            tuple((survey.clip(index).name, reason) for index, reason in survey.bad.items()),
        )


def silent_clips(survey: Survey) -> Iterator[Finding]:
    silent = {
        index: f"{each.examined / each.sample_rate:.2f} s of digital silence"
        for index, each in survey.good.items()
        if each.silent == 1 and each.cancelled_db <= CANCELLED_DB
    }
    if silent:
        yield Finding(
            WARNING,
            f"{count_clips(len(silent), 'holds', 'hold')} nothing but digital silence",
            "There is nothing in them to learn from: remove them, unless silence is a class.",
            named(survey, silent),
        )


def cancelled(survey: Survey) -> Iterator[Finding]:
    lost = {
        index: f"mono is {each.cancelled_db:.0f} dB softer than the channels"
        for index, each in survey.good.items()
        if each.cancelled_db > CANCELLED_DB
    }
    if lost:
        yield Finding(
            WARNING,
            f"The channels of {count_clips(len(lost))} cancel each other in mono",
            "Models hear the average of the channels. One channel is inverted, probably: keep one, or turn one over.",
            named(survey, lost),
        )


def rates(survey: Survey) -> Iterator[Finding]:
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
            f"{count_clips(len(others), 'is', 'are')} not at {commonest} Hz",
            advice,
            named(survey, others),
        )


def channels(survey: Survey) -> Iterator[Finding]:
    channels = Counter(each.channels for each in survey.good.values())
    if len(channels) > 1:
        commonest = channels.most_common(1)[0][0]
        others = {
            index: _channel_word(each.channels) for index, each in survey.good.items() if each.channels != commonest
        }
        yield Finding(
            NOTE,
            f"{count_clips(len(others), 'is', 'are')} not {_channel_word(commonest)}",
            "train.py averages the channels, so they can stay.",
            named(survey, others),
        )


def durations(survey: Survey) -> Iterator[Finding]:
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
            f"{count_clips(len(off), 'lasts', 'last')} more than {SIMILAR_SECONDS:.0%} longer or shorter than "
            f"{usual:.3f} s",
            "Crops are taken from what is there and padded with silence where it is too short; a clip that was cut off "
            "by mistake should be replaced.",
            named(survey, {index: off[index] for index in furthest}),
        )
    few = [index for _, group in survey.shapes[1:] for index in group if index not in off]
    if few and len(members) >= len(survey.good) / 2:
        shape = f"[{channels}, {frames}] at {rate} Hz"
        yield Finding(
            NOTE,
            f"{count_clips(len(few), 'is', 'are')} off {shape} by less than {SIMILAR_SECONDS:.0%}",
            "Code that stacks clips as they are would fail on them. train.py cuts crops, so they can stay.",
            named(survey, {index: f"{survey.good[index].frames - frames:+d} samples" for index in few}),
        )


def mostly_silent(survey: Survey) -> Iterator[Finding]:
    silent = {
        index: f"{each.silent:.0%} of it" for index, each in survey.good.items() if MOSTLY_SILENT < each.silent < 1
    }
    if silent:
        loudest = sorted(silent, key=lambda index: -survey.good[index].silent)
        yield Finding(
            WARNING,
            f"{count_clips(len(silent), 'is', 'are')} digital silence for more than half of the time",
            "Short sounds were padded. A crop at a fixed or random place may hold nothing: hear whole clips "
            "(input.crop_seconds as long as they are), or average many crops (input.eval_crops).",
            named(survey, {index: silent[index] for index in loudest}),
        )


def late(survey: Survey) -> Iterator[Finding]:
    late = {
        index: f"begins at {each.leading_seconds:.2f} s"
        for index, each in survey.good.items()
        if each.leading_seconds >= LATE_SECONDS and each.silent < 1
    }
    if late:
        yield Finding(
            WARNING,
            f"The first second of {count_clips(len(late))} is digital silence",
            "A model that hears the first second only, as in the original project, hears nothing.",
            named(survey, late),
        )


def clipped(survey: Survey) -> Iterator[Finding]:
    clipped = {
        index: f"{each.clipped:.2%} of the samples" for index, each in survey.good.items() if each.clipped > CLIPPED
    }
    if clipped:
        worst = sorted(clipped, key=lambda index: -survey.good[index].clipped)
        yield Finding(
            WARNING if len(clipped) > 0.05 * len(survey.good) else NOTE,
            f"{count_clips(len(clipped), 'is', 'are')} clipped (more than {CLIPPED:.2%} of the samples at full scale)",
            "Recorded too loud: distortion adds treble that is not in the sound. Take a cleaner copy where there is "
            "one; it matters where one class is clipped and others are not.",
            named(survey, {index: clipped[index] for index in worst}),
        )


def levels(survey: Survey) -> Iterator[Finding]:
    levels = {index: each.rms_db for index, each in survey.good.items() if each.silent < 1}
    quiet = {index: f"{level:.0f} dBFS" for index, level in levels.items() if level < QUIET_DB}
    if quiet:
        yield Finding(
            WARNING,
            f"{count_clips(len(quiet), 'is', 'are')} very soft (RMS below {QUIET_DB} dBFS)",
            "Listen whether there is anything in them; keep input.normalize=true, which brings clips to one level.",
            named(survey, dict(sorted(quiet.items(), key=lambda entry: levels[entry[0]]))),
        )
    if levels:
        low, high = np.percentile(list(levels.values()), (5, 95))
        if high - low > LEVEL_RANGE_DB:
            yield Finding(
                NOTE,
                f"Levels differ widely: nine clips in ten lie between {low:.0f} and {high:.0f} dBFS",
                "Keep input.normalize=true, or a model learns the distance of the microphone.",
            )


def offsets(survey: Survey) -> Iterator[Finding]:
    offsets = {
        index: f"mean {each.offset:+.3f}" for index, each in survey.good.items() if abs(each.offset) > OFFSET
    }  # fmt: skip
    if offsets:
        yield Finding(
            NOTE,
            f"{count_clips(len(offsets), 'has', 'have')} a constant offset",
            "It takes headroom and shows at 0 Hz; a high-pass filter at 20 Hz removes it.",
            named(survey, offsets),
        )


def excerpted(survey: Survey) -> Iterator[Finding]:
    long = {
        index: f"{each.seconds / 60:.1f} min, the first {each.examined / each.sample_rate / 60:.1f} examined"
        for index, each in survey.good.items()
        if each.examined < each.frames
    }
    if long:
        yield Finding(
            NOTE,
            f"Of {count_clips(len(long))} only the beginning was examined",
            "One label for so long a file is seldom right all along: cut it into clips, with the file as their source.",
            named(survey, long),
        )


def _channel_word(channels: int) -> str:
    return {1: "mono", 2: "stereo"}.get(channels, f"of {channels} channels")
