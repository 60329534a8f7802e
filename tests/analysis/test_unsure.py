import numpy as np

from audio_cls.analysis.unsure import UnsureCounts, count_unsure
from audio_cls.results.predictions import Predictions


def fold_of(number: int, tops: np.ndarray, wrong: int = 0, seed: int = 0) -> Predictions:
    """Two classes; the first `wrong` clips are of the other one."""
    labels = (np.arange(len(tops)) < wrong).astype(int)
    names = tuple(f"{number}-{index}.wav" for index in range(len(tops)))
    probabilities = np.stack([tops, 1 - tops], axis=1)
    return Predictions(number, seed, "", names, names, labels, np.zeros(len(tops), int), probabilities)


def test_right_and_wrong_answers_are_counted_apart() -> None:
    tops = np.linspace(0.7, 0.99, 100)
    low = np.concatenate([np.full(4, 0.52), tops])
    counts = count_unsure([fold_of(0, tops), fold_of(1, tops), fold_of(2, low, wrong=4)])
    assert counts is not None
    assert (counts.right, counts.wrong, counts.wrong_unsure) == (300, 4, 4)
    assert 0 < counts.right_unsure <= 15


def test_no_clip_has_a_part_in_its_own_threshold() -> None:
    surer, doubtful = np.linspace(0.9, 0.99, 50), np.linspace(0.55, 0.6, 50)
    counts = count_unsure([fold_of(0, surer), fold_of(1, surer), fold_of(2, doubtful)])
    assert counts is not None
    assert counts.right_unsure >= 50  # all of the third fold, whose own threshold would let most of them pass


def test_one_fold_alone_gives_no_counts() -> None:
    assert count_unsure([fold_of(0, np.full(40, 0.9))]) is None
    assert count_unsure([fold_of(0, np.full(40, 0.9)), fold_of(0, np.full(40, 0.9), seed=1)]) is None


def test_seeds_are_counted_together() -> None:
    folds = [fold_of(number, np.full(40, 0.9), seed=seed) for number in range(2) for seed in range(3)]
    assert count_unsure(folds) == UnsureCounts(right=240, right_unsure=0, wrong=0, wrong_unsure=0)
