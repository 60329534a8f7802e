"""What plain shuffled k-fold would leak: clips tested by a model that was trained on the same recording.

Only classes are spread evenly over the folds then (scikit-learn's StratifiedKFold), sources are not looked at.
"""

import warnings
from collections import Counter
from math import comb

import numpy as np

from audio_cls.data.clips import ClipSet

NUM_SHUFFLES = 100
DEFAULT_FOLDS = 4  # data.num_folds in conf/data/folder.yaml


def num_plain_folds(clip_set: ClipSet) -> int:
    """As many as there are published folds among the clips, so that figures compare; 4 where there are none."""
    folds = {clip.fold for clip in clip_set.clips}
    return DEFAULT_FOLDS if None in folds or len(folds) < 2 else len(folds)


def plain_folds(labels: np.ndarray, num_folds: int, seed: int) -> np.ndarray:
    """The fold of each clip, from 0, shuffled within classes by the seed. ValueError if each class has fewer clips than
    there are folds."""
    from sklearn.model_selection import StratifiedKFold

    folds = np.empty(len(labels), dtype=int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # one class with fewer clips than folds
        splitter = StratifiedKFold(num_folds, shuffle=True, random_state=seed)
        for fold, (_, held_out) in enumerate(splitter.split(labels, labels)):
            folds[held_out] = fold
    return folds


def num_leaked(folds: np.ndarray, sources: list[str | None]) -> int:
    """How many clips have another clip of their source in another fold, which trains when theirs tests."""
    folds_of_source: dict[str, set[int]] = {}
    for fold, source in zip(folds, sources, strict=True):
        if source is not None:
            folds_of_source.setdefault(source, set()).add(int(fold))
    return sum(source is not None and len(folds_of_source[source]) > 1 for source in sources)


def expected_leaked(labels: np.ndarray, sources: list[str | None], num_folds: int) -> float:
    """The exact mean of `num_leaked` over all plain shuffles.

    Within a class every arrangement is as likely, and classes are shuffled independently. So all clips of a source lie
    in fold f with the probability that each class it has clips in assigns them all to it: C(s, m) / C(n, m), with m of
    the class's n clips from the source and s places in the fold.
    """
    folds = plain_folds(labels, num_folds, seed=0)  # how many of each class go where does not depend on the seed
    places = np.zeros((labels.max() + 1, num_folds), dtype=int)
    np.add.at(places, (labels, folds), 1)
    clips_of_source: dict[str, Counter] = {}
    for label, source in zip(labels.tolist(), sources, strict=True):
        if source is not None:
            clips_of_source.setdefault(source, Counter())[label] += 1
    expected = 0.0
    for counts in clips_of_source.values():
        together = 0.0
        for fold in range(num_folds):
            chances = [
                comb(int(places[label, fold]), count) / comb(int(places[label].sum()), count)
                for label, count in counts.items()
            ]
            together += float(np.prod(chances))
        expected += counts.total() * (1 - together)
    return expected


def leaked_over_shuffles(labels: np.ndarray, sources: list[str | None], num_folds: int) -> np.ndarray:
    """`num_leaked` for the shuffles with seeds 0 to 99."""
    return np.array([num_leaked(plain_folds(labels, num_folds, seed), sources) for seed in range(NUM_SHUFFLES)])
