"""How much plain shuffling leaks, and the manifest that lets it be measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audio_cls.data.clips import Clip, ClipSet
from audio_cls.data.sources import read_manifest
from audio_cls.data.splits import make_split
from audio_cls.data.synthetic import synthetic_clips
from audio_cls.reports.dataset.leakage import (
    check_leaky_manifest,
    expected_leaked,
    leaked_over_shuffles,
    num_leaked,
    num_plain_folds,
    plain_folds,
    write_leaky_manifest,
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


def clips_on_disk(root: Path, clips_per_source: int = 2) -> ClipSet:
    """Two classes of twelve clips in three folds."""
    clips = []
    for index in range(24):
        label, number = divmod(index, 12)
        name = f'{"ab"[label]}/{number:02d}, take "1".wav'
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
        source = number // clips_per_source
        clips.append(Clip(root / name, name, label, f"{label}-{source}", source % 3 + 1))
    return ClipSet("mine", root, ("a", "b"), tuple(clips), 3)


@pytest.mark.parametrize("where", ["beside", "elsewhere"])
def test_the_leaky_manifest_keeps_clips_and_labels_and_leaves_the_sources_out(tmp_path, where):
    clip_set = clips_on_disk(tmp_path / "data")
    folder = tmp_path if where == "beside" else tmp_path / "other"
    folder.mkdir(exist_ok=True)
    leaked = write_leaky_manifest(clip_set, folder / "leaky.csv")
    read = read_manifest(folder / "leaky.csv")
    assert {(clip.path, read.classes[clip.label]) for clip in read.clips} == {
        (clip.path, clip_set.classes[clip.label]) for clip in clip_set.clips
    }
    assert {clip.source for clip in read.clips} == {None}
    assert {clip.fold for clip in read.clips} == {1, 2, 3}
    source_of = {clip.path: clip.source for clip in clip_set.clips}
    assert num_leaked([clip.fold for clip in read.clips], [source_of[clip.path] for clip in read.clips]) == leaked > 0


def test_a_split_by_the_leaky_manifest_has_recordings_on_both_sides(tmp_path):
    clip_set = clips_on_disk(tmp_path / "data")
    write_leaky_manifest(clip_set, tmp_path / "leaky.csv")
    read = read_manifest(tmp_path / "leaky.csv")
    split = make_split(read, "crossval", 0, num_folds=3, split_seed=0)
    source_of = {clip.path: clip.source for clip in clip_set.clips}
    train, test = ({source_of[read.clips[index].path] for index in part} for part in (split.train, split.test))
    assert train & test


def test_a_leaky_manifest_that_would_say_nothing_is_refused(tmp_path):
    clip_set = clips_on_disk(tmp_path)
    assert check_leaky_manifest(clip_set) is None
    assert "synthetic" in check_leaky_manifest(synthetic_clips(20))
    unknown = replace(clip_set, clips=tuple(replace(clip, source=None) for clip in clip_set.clips))
    assert "not known" in check_leaky_manifest(unknown)
    two_folds = replace(clip_set, clips=tuple(clip for clip in clip_set.clips if clip.fold < 3))
    assert "at least 3" in check_leaky_manifest(two_folds)
    few = replace(clip_set, clips=tuple(replace(clip, fold=None) for clip in clip_set.clips[10:14]))
    assert "no class has 4 clips" in check_leaky_manifest(few)
