"""How much plain shuffling leaks."""

from dataclasses import replace

import numpy as np
import pytest

from audio_cls.data.synthetic import synthetic_clips
from audio_cls.reports.dataset.leakage import (
    expected_leaked,
    leaked_over_shuffles,
    num_leaked,
    num_plain_folds,
    plain_folds,
)

LABELS = np.repeat([0, 1], 4)


def test_a_pair_in_a_class_of_four_is_parted_two_times_in_three():
    sources = ["a", "a", None, None, None, None, None, None]
    assert expected_leaked(LABELS, sources, 2) == pytest.approx(2 * 2 / 3)


def test_a_recording_with_a_clip_in_each_of_two_classes_is_parted_half_of_the_time():
    sources = ["a", None, None, None, "a", None, None, None]
    assert expected_leaked(LABELS, sources, 2) == pytest.approx(2 * 1 / 2)


def test_what_is_expected_is_the_mean_over_shuffles():
    random = np.random.default_rng(0)
    labels = np.sort(random.integers(0, 3, 70))  # classes do not divide evenly
    sources = [f"{source}" if source < 25 else None for source in random.integers(0, 30, 70)]
    counts = leaked_over_shuffles(labels, sources, 4)
    assert expected_leaked(labels, sources, 4) == pytest.approx(counts.mean(), abs=4 * counts.std() / 10)


def test_without_shared_recordings_nothing_leaks():
    assert expected_leaked(LABELS, list("abcdefgh"), 2) == pytest.approx(0)
    assert num_leaked(plain_folds(LABELS, 2, seed=0), list("abcdefgh")) == 0


def test_a_shuffle_spreads_the_classes_evenly_and_depends_on_its_seed():
    labels = np.repeat(np.arange(5), 20)
    folds = plain_folds(labels, 4, seed=0)
    assert all((np.bincount(folds[labels == label]) == 5).all() for label in range(5))
    assert (folds == plain_folds(labels, 4, seed=0)).all()
    assert (folds != plain_folds(labels, 4, seed=1)).any()


def test_there_are_as_many_plain_folds_as_published_ones():
    clip_set = synthetic_clips(20)
    assert num_plain_folds(clip_set) == 5
    without_fold_1 = tuple(clip for clip in clip_set.clips if clip.fold != 1)
    assert num_plain_folds(replace(clip_set, clips=without_fold_1)) == 4
    assert num_plain_folds(replace(clip_set, clips=tuple(replace(clip, fold=None) for clip in clip_set.clips))) == 4
