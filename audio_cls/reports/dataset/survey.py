"""Everything that is known about a data set after listening to it: findings, pictures and page are made from it."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from audio_cls.data.clips import Clip, ClipSet, DataError
from audio_cls.data.content import identical
from audio_cls.data.decode import BadAudio, probe
from audio_cls.data.fingerprint import Match, find_matches
from audio_cls.data.sound import MAX_COMPARED
from audio_cls.reports.dataset import leakage
from audio_cls.reports.dataset.measure import Measures, is_synthetic, measure_clips

MAX_SAMPLE = MAX_COMPARED  # clips with spectra and fingerprints


@dataclass(frozen=True)
class Leak:
    """Clips whose source would be on both sides of plain shuffled k-fold: exactly on average, and over shuffles."""

    num_folds: int
    expected: float
    over_shuffles: np.ndarray
    published: int | None  # under the folds that came with the clips


@dataclass(frozen=True)
class Survey:
    """`measures` and the clips of `clip_set` go together by index; BadAudio says why a clip cannot be used. `sample`
    holds the clips with spectra and fingerprints, `highest` is the end of the spectra in Hz."""

    clip_set: ClipSet
    measures: list[Measures | BadAudio]
    sample: set[int]
    highest: float
    matches: list[Match]
    leak: Leak | None

    @cached_property
    def good(self) -> dict[int, Measures]:
        """By index, the clips that could be read."""
        return {index: each for index, each in enumerate(self.measures) if isinstance(each, Measures)}

    @cached_property
    def bad(self) -> dict[int, str]:
        """By index, why a clip cannot be used."""
        return {index: str(each) for index, each in enumerate(self.measures) if isinstance(each, BadAudio)}

    @cached_property
    def shapes(self) -> list[tuple[tuple[int, int, int], list[int]]]:
        """(channels, frames, rate) and the clips of that shape, commonest first."""
        groups = defaultdict(list)
        for index, each in self.good.items():
            groups[each.shape].append(index)
        return sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))

    @cached_property
    def identical(self) -> list[list[int]]:
        """Groups of clips that are the same, sample for sample. Silence is not a sound."""
        clips = np.array(list(self.good))
        without_sound = [place for place, each in enumerate(self.good.values()) if each.silent == 1 or each.constant]
        groups = identical(np.array([each.digest for each in self.good.values()]), without_sound)
        return [clips[group].tolist() for group in groups]

    @cached_property
    def has_sources(self) -> bool:
        return any(clip.source is not None for clip in self.clip_set.clips)

    @cached_property
    def has_folds(self) -> bool:
        return any(clip.fold is not None for clip in self.clip_set.clips)

    @cached_property
    def clips_of_source(self) -> dict[str, list[int]]:
        groups = defaultdict(list)
        for index, clip in enumerate(self.clip_set.clips):
            if clip.source is not None:
                groups[clip.source].append(index)
        return dict(groups)

    def folds(self, indices: Iterable[int]) -> list[int]:
        """The published folds of these clips."""
        return sorted({fold for index in indices if (fold := self.clip(index).fold) is not None})

    def clip(self, index: int) -> Clip:
        return self.clip_set.clips[index]

    def of_class(self, label: int) -> list[int]:
        """The clips of a class that could be read."""
        return [index for index in self.good if self.clip_set.clips[index].label == label]


def survey(clip_set: ClipSet) -> Survey:
    """Listens to every clip. Raises DataError where none can be read."""
    sample = choose_sample(clip_set)
    highest = _commonest_rate(clip_set) / 2
    measures = measure_clips(clip_set, sample, highest)
    reasons = [each for each in measures if isinstance(each, BadAudio)]
    if len(reasons) == len(measures):
        raise DataError(
            f"none of the {len(measures)} clips of {clip_set.name} can be used; the first, {clip_set.clips[0].name!r}, "
            f"is {reasons[0]}: convert them to wav or flac"
        )
    matches = find_matches([getattr(each, "fingerprint", None) for each in measures])
    return Survey(clip_set, measures, sample, highest, matches, _leak(clip_set))


def choose_sample(clip_set: ClipSet, size: int = MAX_SAMPLE) -> set[int]:
    """All clips, or so many of them at random, as evenly over the classes as can be."""
    if len(clip_set) <= size:
        return set(range(len(clip_set)))
    random = np.random.default_rng(0)
    turn = np.empty(len(clip_set), dtype=int)  # the first of each class, then the second of each, ...
    labels = np.array([clip.label for clip in clip_set.clips])
    for label in range(len(clip_set.classes)):
        members = np.flatnonzero(labels == label)
        turn[members] = random.permutation(len(members))
    return set(np.argsort(turn, kind="stable")[:size].tolist())


def _commonest_rate(clip_set: ClipSet) -> int:
    if is_synthetic(clip_set):
        from audio_cls.data.synthetic import SAMPLE_RATE

        return SAMPLE_RATE
    rates: Counter[int] = Counter()
    for clip in clip_set.clips:
        try:
            rates[probe(clip.path).sample_rate] += 1
        except BadAudio:
            continue
    return rates.most_common(1)[0][0] if rates else 8_000  # no clip will have a spectrum then


def _leak(clip_set: ClipSet) -> Leak | None:
    """None where sources are not known, or classes are too small for so many folds."""
    sources = [clip.source for clip in clip_set.clips]
    labels = np.array([clip.label for clip in clip_set.clips])
    num_folds = leakage.num_plain_folds(clip_set)
    if all(source is None for source in sources) or np.bincount(labels).max() < num_folds:
        return None
    published = None
    if all(clip.fold is not None for clip in clip_set.clips):
        published = leakage.num_leaked(np.array([clip.fold for clip in clip_set.clips]), sources)
    return Leak(
        num_folds,
        leakage.expected_leaked(labels, sources, num_folds),
        leakage.leaked_over_shuffles(labels, sources, num_folds),
        published,
    )
