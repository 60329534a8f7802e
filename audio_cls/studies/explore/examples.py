"""Examples of every class, to look at and to listen to."""

import base64
import io
from dataclasses import dataclass

import numpy as np
import soundfile

from audio_cls.data.decode import resample
from audio_cls.studies.explore.measure import is_synthetic, read
from audio_cls.studies.explore.survey import Survey

EXCERPT_SECONDS = 6.0
PLAYED_RATE = 22_050  # Hz
FEW_CLASSES, SEVERAL_CLASSES, MAX_CLASSES = 16, 60, 120  # with three, two and one example
ROLES = ("typical", "in between", "unusual")


@dataclass(frozen=True)
class Excerpt:
    """The loudest 6 s of a clip, or all of it: (T,) float32 at `sample_rate` Hz, from `start_seconds` on."""

    index: int
    role: str
    waveform: np.ndarray
    sample_rate: int
    start_seconds: float
    clip_seconds: float


def choose_examples(survey: Survey) -> dict[int, list[tuple[int, str]]]:
    """By label, clips and what they are examples of: the clip whose mean spectrum is nearest to that of its class, the
    farthest and one in between. Fewer of many classes. Other sources before the same again."""
    classes = range(min(len(survey.clip_set.classes), MAX_CLASSES))
    some = (ROLES[0], ROLES[2]) if len(classes) <= SEVERAL_CLASSES else ROLES[:1]
    roles = ROLES if len(classes) <= FEW_CLASSES else some
    return {label: _choose(survey, survey.of_class(label), roles) for label in classes}


def cut_excerpt(survey: Survey, index: int, role: str) -> Excerpt:
    info, waveform = read(survey.clip(index), is_synthetic(survey.clip_set))
    size = round(EXCERPT_SECONDS * info.sample_rate)
    start = 0
    if len(waveform) > size:
        step = max(1, info.sample_rate // 10)
        energy = np.add.reduceat(np.square(waveform, dtype=np.float64), np.arange(0, len(waveform), step))
        total = np.concatenate([[0], np.cumsum(energy)])
        span = size // step
        start = int((total[span:] - total[:-span]).argmax()) * step
    return Excerpt(
        index, role, waveform[start : start + size], info.sample_rate,
        start / info.sample_rate, info.frames / info.sample_rate,
    )  # fmt: skip


def sound_uri(excerpt: Excerpt) -> str:
    """The excerpt as a data: URI, mp3 where libsndfile can write it, else wav."""
    played = resample(np.ascontiguousarray(excerpt.waveform), excerpt.sample_rate, PLAYED_RATE)
    played = np.clip(played, -1, 1)
    buffer = io.BytesIO()
    if "MP3" in soundfile.available_formats():
        soundfile.write(buffer, played, PLAYED_RATE, format="MP3", compression_level=0.6)
        kind = "mpeg"
    else:
        soundfile.write(buffer, played, PLAYED_RATE, format="WAV", subtype="PCM_16")
        kind = "wav"
    return f"data:audio/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _choose(survey: Survey, members: list[int], roles: tuple[str, ...]) -> list[tuple[int, str]]:
    with_bands = [index for index in members if survey.good[index].bands is not None]
    if not with_bands:
        return [(index, "") for index in members[:1]]
    levels = np.log10(np.stack([survey.good[index].bands for index in with_bands]) + 1e-8)
    distance = np.sqrt(np.mean((levels - levels.mean(axis=0)) ** 2, axis=1))
    order = [with_bands[place] for place in np.argsort(distance, kind="stable")]
    chosen: list[tuple[int, str]] = []
    sources = set()
    for role in roles:
        candidates = {ROLES[0]: order, ROLES[1]: order[len(order) // 2 :], ROLES[2]: order[::-1]}[role]
        left = [index for index in candidates if index not in {taken for taken, _ in chosen}]
        fresh = [index for index in left if survey.clip(index).source not in sources - {None}]
        if fresh or left:
            index = (fresh or left)[0]
            chosen.append((index, role))
            sources.add(survey.clip(index).source)
    return chosen
