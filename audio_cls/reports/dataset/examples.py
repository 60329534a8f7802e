"""Examples of every class, as pictures and sounds."""

import numpy as np

from audio_cls.data.excerpts import Excerpt, cut_excerpt
from audio_cls.reports.dataset.measure import is_synthetic, read
from audio_cls.reports.dataset.survey import Survey

FEW_CLASSES, SEVERAL_CLASSES, MAX_CLASSES = 16, 60, 120  # with three, two and one example
ROLES = ("typical", "in between", "unusual")


def choose_examples(survey: Survey) -> dict[int, list[tuple[int, str]]]:
    """By label, clips and what they are examples of: the clip whose mean spectrum is nearest to that of its class, the
    farthest and one in between. Fewer of many classes. Other sources before the same again."""
    classes = range(min(len(survey.clip_set.classes), MAX_CLASSES))
    roles = ROLES if len(classes) <= FEW_CLASSES else ROLES[::2] if len(classes) <= SEVERAL_CLASSES else ROLES[:1]
    return {label: _choose(survey, survey.of_class(label), roles) for label in classes}


def excerpt_of(survey: Survey, index: int) -> Excerpt:
    recording = read(survey.clip(index), is_synthetic(survey.clip_set))
    return cut_excerpt(recording.waveform, recording.sample_rate, recording.frames / recording.sample_rate)


def _choose(survey: Survey, members: list[int], roles: tuple[str, ...]) -> list[tuple[int, str]]:
    bands = {index: bands for index in members if (bands := survey.good[index].bands) is not None}
    if not bands:
        return [(index, "") for index in members[:1]]
    levels = np.log10(np.stack(list(bands.values())) + 1e-8)
    distance = np.sqrt(np.mean((levels - levels.mean(axis=0)) ** 2, axis=1))
    order = np.array(list(bands))[np.argsort(distance, kind="stable")].tolist()
    chosen: dict[int, str] = {}
    for role in roles:
        candidates = {ROLES[0]: order, ROLES[1]: order[len(order) // 2 :], ROLES[2]: order[::-1]}[role]
        left = [index for index in candidates if index not in chosen]
        sources = {survey.clip(index).source for index in chosen} - {None}
        fresh = [index for index in left if survey.clip(index).source not in sources]
        for index in (fresh or left)[:1]:
            chosen[index] = role
    return list(chosen.items())
