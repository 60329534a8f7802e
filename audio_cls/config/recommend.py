"""Settings that follow from the clips: their length, rate, number and sources. Each with its reason."""

import math
from collections import defaultdict
from dataclasses import dataclass

from audio_cls.data.clips import ClipSet
from audio_cls.data.headers import Headers
from audio_cls.data.splits import published_folds
from audio_cls.models.sizes import POOLING, WAVEFORM_TOKEN_SAMPLES

# Where nothing is known of the clips, and for the data sets that these were chosen on.
USUAL: dict[str, int | float] = {
    "input.sample_rate": 16_000,
    "input.crop_seconds": 1.0,
    "input.eval_crops": 10,
    "data.num_folds": 4,
    "trainer.batch_size": 32,
    "trainer.crops_per_clip": 5,
}
SHORT_SECONDS = 2.0  # clips that are heard as a whole
LONG_SECONDS = 30.0  # field recordings
LEAST_SECONDS = 0.2
TRAINING_SHARE = 0.6  # of the clips, with four folds and a test set
FEWEST_STEPS = 10  # of an epoch
MOST_CROPS = 20_000  # of an epoch
TOO_LONG = 2.0  # a crop and the clips in it
TOO_HIGH = 1.05  # a rate and that of the files


@dataclass(frozen=True)
class Setting:
    """A key, the value that fits the clips, and why: a sentence without a full stop. `used`: whether it matters."""

    key: str
    value: int | float
    reason: str
    used: bool = True

    def __str__(self) -> str:
        return f"{self.key}={self.value:.9g}"


def recommend(clip_set: ClipSet, headers: Headers | None) -> tuple[Setting, ...]:
    """A setting for each key of USUAL."""
    reason = "the default: no file could be opened" if clip_set.root else "the default"
    settings = {key: Setting(key, value, reason) for key, value in USUAL.items()}
    for setting in (*_of_sound(headers), *_of_numbers(clip_set, headers)) if headers else ():
        settings[setting.key] = setting
    return tuple(settings.values())


def misfits(headers: Headers, sample_rate: int, crop_seconds: float) -> list[str]:
    """What of these two keys is certain to be a mistake for the clips: a sentence each, with what would fit."""
    fitting = {setting.key: setting for setting in _of_sound(headers)}
    found = []
    if crop_seconds > TOO_LONG * headers.longest_usual:
        found.append(
            f"input.crop_seconds={crop_seconds:g} is mostly padding: 95% of the clips last"
            f" {headers.longest_usual:.2g} s or less; {fitting['input.crop_seconds']} fits"
        )
    if sample_rate > TOO_HIGH * max(headers.reached_rate, sorted(headers.rates)[len(headers.rates) // 2]):
        found.append(
            f"input.sample_rate={sample_rate} adds nothing: most files have {headers.reached_rate} Hz;"
            f" {fitting['input.sample_rate']} fits"
        )
    return found


def _of_sound(headers: Headers) -> list[Setting]:
    rate, usual = headers.reached_rate, int(USUAL["input.sample_rate"])
    if rate > usual:
        why = f"95% of the files have {rate} Hz or more; {usual} is what the default front end was made for"
        rate = usual
    else:
        why = f"95% of the files have {rate} Hz or more; a higher rate would add nothing"
    found = [Setting("input.sample_rate", rate, why)]
    longest, median = headers.longest_usual, headers.median_seconds
    if longest <= SHORT_SECONDS:
        crop, why = longest, f"95% of the clips last {longest:.2g} s or less, so that a crop holds the whole sound"
        num_crops, why_crops = 2, "the beginning and the end, as few clips are longer than a crop"
    else:
        crop, why = 1.0, f"the clips last {median:.3g} s (median): crops of 1 s are cut at random places"
        num_crops = min(30, max(int(USUAL["input.eval_crops"]), round(median / 5)))
        why_crops = f"spread over clips of {median:.3g} s (median)"
    return [
        *found,
        Setting("input.crop_seconds", _whole_seconds(crop, rate), why),
        Setting("input.eval_crops", num_crops, why_crops),
    ]


def _whole_seconds(seconds: float, rate: int) -> float:
    """The next 0.05 s, in as many samples as every network takes: a multiple of the CNN's pooling, at least one token
    of a waveform."""
    seconds = max(seconds, LEAST_SECONDS, WAVEFORM_TOKEN_SAMPLES / rate)
    samples = round(math.ceil(seconds * 20 - 1e-6) / 20 * rate)
    return round(math.ceil(samples / POOLING) * POOLING / rate, 8)  # as it is written on the command line


def _of_numbers(clip_set: ClipSet, headers: Headers) -> list[Setting]:
    num_clips, crops = len(clip_set), int(USUAL["trainer.crops_per_clip"])
    reason = "the default"
    if headers.median_seconds > LONG_SECONDS:
        crops = min(20, round(headers.median_seconds / 6))
        reason = f"clips of {headers.median_seconds:.3g} s (median) hold more than a few crops show"
    if num_clips * crops > MOST_CROPS:
        crops = max(1, MOST_CROPS // num_clips)
        reason = f"{num_clips:,} clips are enough for an epoch"
    found = [Setting("trainer.crops_per_clip", crops, reason)]
    batch, reason = int(USUAL["trainer.batch_size"]), "the default"
    steps = TRAINING_SHARE * num_clips * crops
    while batch > 8 and steps / batch < FEWEST_STEPS:
        batch, reason = batch // 2, f"{num_clips} clips make few steps an epoch"
    found.append(Setting("trainer.batch_size", batch, reason))
    return [*found, _folds(clip_set)]


def _folds(clip_set: ClipSet) -> Setting:
    usual = int(USUAL["data.num_folds"])
    if published_folds(clip_set):
        return Setting("data.num_folds", usual, "not used: the clips come with folds", used=False)
    known = any(clip.source is not None for clip in clip_set.clips)
    sources = defaultdict(set)
    for clip in clip_set.clips:
        sources[clip.label].add(clip.name if clip.source is None else clip.source)
    label = min(sources, key=lambda label: len(sources[label]))
    count, noun = len(sources[label]), "sources" if known else "clips"
    folds = max(2, min(usual, count - 1))
    few = f"the smallest class, {clip_set.classes[label]!r}, has {count} {noun}"
    return Setting("data.num_folds", folds, few + ("" if folds == usual else ", and each fold should get one"))
