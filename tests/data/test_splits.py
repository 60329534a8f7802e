from dataclasses import replace

import numpy as np
import pytest

from audio_cls.data import splits
from audio_cls.data.clips import Clip, ClipSet, DataError, SplitError
from audio_cls.data.splits import Split, check_split, make_split, num_folds, published_folds


def clip_set(rows, num_classes: int | None = None, published: int | None = None) -> ClipSet:
    """Rows of (label, source, fold)."""
    clips = tuple(Clip(None, f"{i:04d}.wav", label, source, fold) for i, (label, source, fold) in enumerate(rows))
    num_classes = num_classes or 1 + max(clip.label for clip in clips)
    return ClipSet("test", None, tuple(f"class {label}" for label in range(num_classes)), clips, published)


def esc_like(folds=(1, 2, 3, 4, 5), takes: int = 2) -> ClipSet:
    """Three classes, four recordings per class and fold, as many clips of each as `takes`."""
    rows = [
        (label, f"{label}-{fold}-{source}", fold)
        for label in range(3)
        for fold in folds
        for source in range(4)
        for _ in range(takes)
    ]
    return clip_set(rows, published=5)


def sourced(num_sources: int, takes: int, num_classes: int = 2) -> ClipSet:
    rows = [(s % num_classes, f"s{s}", None) for s in range(num_sources) for _ in range(takes)]
    return clip_set(rows)


def folds_of(clips: ClipSet, indices: np.ndarray) -> set[int]:
    return {clips.clips[i].fold for i in indices}


def split(clips, protocol, fold, num_folds=5, split_seed=0, **options) -> Split:
    return make_split(clips, protocol, fold, num_folds=num_folds, split_seed=split_seed, **options)


def test_the_number_of_folds_follows_from_protocol_and_published_folds():
    assert [num_folds(p, published=5, requested=9) for p in ("holdout", "crossval", "all")] == [4, 5, 1]
    assert [num_folds(p, published=None, requested=3) for p in ("holdout", "crossval", "all")] == [3, 3, 1]


def test_unknown_protocols_and_too_few_folds_are_refused():
    with pytest.raises(SplitError, match="protocol=kfold: choose one of holdout, crossval, all"):
        num_folds("kfold", published=5, requested=5)
    with pytest.raises(SplitError, match="data.num_folds=1: at least 2"):
        num_folds("crossval", published=None, requested=1)


def test_holdout_tests_on_the_first_fold_and_rotates_validation_over_the_others():
    clips = esc_like()
    for fold in range(4):
        parts = split(clips, "holdout", fold)
        assert folds_of(clips, parts.test) == {1}
        assert folds_of(clips, parts.val) == {fold + 2}
        assert folds_of(clips, parts.train) == {2, 3, 4, 5} - {fold + 2}
        assert len(parts.train) + len(parts.val) + len(parts.test) == len(clips) and parts.notes == ()


def test_crossval_tests_on_each_fold_once_and_validates_on_none():
    clips = esc_like()
    tested = [split(clips, "crossval", fold) for fold in range(5)]
    assert all(parts.val is None for parts in tested)
    assert [folds_of(clips, parts.test) for parts in tested] == [{1}, {2}, {3}, {4}, {5}]
    assert all(folds_of(clips, parts.train) == {1, 2, 3, 4, 5} - folds_of(clips, parts.test) for parts in tested)


def test_all_trains_on_every_clip():
    clips = esc_like()
    parts = split(clips, "all", 0)
    assert parts.train.tolist() == list(range(len(clips))) and parts.val is None and parts.test is None


def test_published_folds_do_not_depend_on_the_split_seed_or_the_requested_number():
    one, other = (split(esc_like(), "holdout", 1, n, seed) for n, seed in ((5, 0), (3, 7)))
    assert (one.train == other.train).all() and (one.val == other.val).all() and (one.test == other.test).all()


def test_without_the_first_fold_holdout_works_and_says_that_the_test_set_is_absent():
    clips = esc_like(folds=(2, 3, 4, 5))
    for fold in range(4):
        parts = split(clips, "holdout", fold)
        assert parts.test is None and folds_of(clips, parts.val) == {fold + 2}
        assert "test set, is absent" in parts.notes[0]
    assert "lacks published fold 1" in split(clips, "all", 0).notes[0]


def test_without_the_first_fold_crossval_needs_allow_missing_and_cannot_test_on_it():
    clips = esc_like(folds=(2, 3, 4, 5))
    for allow_missing in (False, True):
        with pytest.raises(SplitError, match="fold=0 tests on published fold 1, which is not here"):
            split(clips, "crossval", 0, allow_missing=allow_missing)
    with pytest.raises(SplitError, match="published fold 1,.*data.allow_missing=true"):
        split(clips, "crossval", 1)
    parts = split(clips, "crossval", 1, allow_missing=True)
    assert folds_of(clips, parts.test) == {2} and folds_of(clips, parts.train) == {3, 4, 5}
    assert parts.notes == ("training lacks published fold 1",)


def test_without_another_fold_holdout_needs_allow_missing_and_cannot_validate_on_it():
    clips = esc_like(folds=(1, 2, 4, 5))
    with pytest.raises(SplitError, match="fold=1 validates on published fold 3"):
        split(clips, "holdout", 1, allow_missing=True)
    with pytest.raises(SplitError, match="data.allow_missing=true"):
        split(clips, "holdout", 0)
    assert folds_of(clips, split(clips, "holdout", 0, allow_missing=True).train) == {4, 5}


@pytest.mark.parametrize(("protocol", "fold"), [("holdout", 4), ("crossval", 5), ("all", 1), ("crossval", -1)])
def test_a_fold_out_of_range_is_refused_naming_the_range(protocol, fold):
    with pytest.raises(SplitError, match=rf"fold={fold}: protocol={protocol} has . fold.*fold=0"):
        split(esc_like(), protocol, fold)


def test_a_set_without_a_count_of_published_folds_takes_the_highest():
    assert published_folds(clip_set([(0, "a", 1), (1, "b", 2), (0, "c", 3), (1, "d", 3)])) == 3
    assert published_folds(clip_set([(0, "a", None), (1, "b", None)])) is None


def test_too_few_published_folds_for_the_protocol_are_refused():
    clips = clip_set([(label, f"{label}{fold}", fold) for label in (0, 1) for fold in (1, 2)])
    with pytest.raises(SplitError, match="protocol=holdout needs more than the 2 published folds"):
        split(clips, "holdout", 0)


def test_published_folds_that_part_a_source_are_refused():
    rows = [(label, f"{label}-{fold}", fold) for label in (0, 1) for fold in (1, 2, 3)] + [(0, "0-1", 2)]
    with pytest.raises(SplitError, match="source '0-1' is in"):
        split(clip_set(rows), "holdout", 0)


def with_roles(*roles: str, per_class: int = 4) -> ClipSet:
    """Two classes, so many clips of each in each role."""
    folds = [("train", "val", "test").index(role) + 1 for role in roles]
    rows = [(label, f"{label}{fold}{i}", fold) for label in (0, 1) for fold in folds for i in range(per_class)]
    return replace(clip_set(rows), has_roles=True)


def test_clips_with_roles_have_one_fold_that_does_as_the_roles_say():
    clips = with_roles("train", "val", "test")
    parts = split(clips, "holdout", 0)
    assert [folds_of(clips, part) for part in (parts.train, parts.val, parts.test)] == [{1}, {2}, {3}]
    assert parts.notes[0].endswith("one fold: trained on train, validated on val, tested on test")
    parts = split(clips, "crossval", 0)
    assert [folds_of(clips, part) for part in (parts.train, parts.test)] == [{1, 2}, {3}] and parts.val is None
    assert parts.notes[0].endswith("trained on train and val, tested on test")
    assert len(split(clips, "all", 0).train) == len(clips)
    assert [num_folds(p, published=3, requested=4, has_roles=True) for p in ("holdout", "crossval", "all")] == [1, 1, 1]
    with pytest.raises(SplitError, match="protocol=holdout has 1 fold here, only fold=0 exists"):
        split(clips, "holdout", 1)


def test_roles_that_a_protocol_lacks_are_refused_naming_another_protocol():
    with pytest.raises(SplitError, match="validates on val clips, .* none: .*use protocol=crossval"):
        split(with_roles("train", "test"), "holdout", 0)
    with pytest.raises(SplitError, match="tests on test clips, .* none: .*use protocol=holdout"):
        split(with_roles("train", "val"), "crossval", 0)
    for protocol in ("holdout", "crossval"):
        with pytest.raises(SplitError, match="use protocol=all"):
            split(with_roles("train"), protocol, 0)
    assert split(with_roles("train", "val"), "holdout", 0).test is None
    assert split(with_roles("train", "test"), "crossval", 0).notes[0].endswith("trained on train, tested on test")
    with pytest.raises(SplitError, match="the train part of the split is empty"):
        split(with_roles("val", "test"), "holdout", 0)


def test_more_folds_than_sources_are_refused_naming_the_key():
    with pytest.raises(SplitError, match="5 folds need at least 5 source recordings, .* has 4: set data.num_folds"):
        split(sourced(4, takes=10), "crossval", 0, 5)
    with pytest.raises(SplitError, match="4 folds and a test set need at least 5.*set data.num_folds"):
        split(sourced(4, takes=10), "holdout", 0, 4)
    assert split(sourced(4, takes=10), "crossval", 0, 2).val is None


def test_a_class_from_a_single_recording_is_refused():
    rows = [(0, f"s{i}", None) for i in range(9)] + [(1, "only", None)] * 9
    with pytest.raises(SplitError, match="class 'class 1' comes from 1 source recording"):
        split(clip_set(rows), "crossval", 0, 3)


def test_a_split_that_cannot_train_every_class_is_refused():
    with pytest.raises(SplitError, match="no split into 4 parts.*data.num_folds"):  # 2 classes of 2, one tests
        split(sourced(4, takes=1), "holdout", 0, 3)


def test_a_rotation_partitions_the_clips_and_the_test_set_stays():
    clips = sourced(30, takes=3, num_classes=3)
    rotation = [split(clips, "holdout", fold, 4) for fold in range(4)]
    assert all((parts.test == rotation[0].test).all() for parts in rotation)
    held_out = np.concatenate([parts.val for parts in rotation] + [rotation[0].test])
    assert sorted(held_out.tolist()) == list(range(len(clips)))
    rotation = [split(clips, "crossval", fold, 4) for fold in range(4)]
    assert sorted(np.concatenate([parts.test for parts in rotation]).tolist()) == list(range(len(clips)))


def test_the_split_seed_alone_decides_the_split():
    clips = sourced(30, takes=2)
    assert (split(clips, "crossval", 0, 5, 3).test == split(clips, "crossval", 0, 5, 3).test).all()
    tested = {tuple(split(clips, "crossval", 0, 5, split_seed).test.tolist()) for split_seed in range(5)}
    assert len(tested) > 1


def test_classes_are_spread_evenly():
    clips = clip_set([(label, f"{label}-{s}", None) for label in range(4) for s in range(10) for _ in range(2)])
    for fold in range(5):
        labels = [clips.clips[i].label for i in split(clips, "crossval", fold, 5).test]
        assert np.bincount(labels, minlength=4).tolist() == [4, 4, 4, 4]


@pytest.mark.parametrize("seed", range(12))
def test_any_structure_of_sources_is_split_without_a_leak_or_refused(seed):
    random = np.random.default_rng(seed)
    num_classes, folds = int(random.integers(2, 6)), int(random.integers(2, 6))
    rows = []
    for source in range(int(random.integers(2, 40))):
        label = int(random.integers(num_classes))
        for _ in range(int(random.geometric(0.3))):
            mixed = random.random() < 0.1  # a recording of several classes
            known = random.random() < 0.9
            rows.append((int(random.integers(num_classes)) if mixed else label, f"s{source}" if known else None, None))
    clips = clip_set(rows, num_classes)
    for protocol in ("holdout", "crossval"):
        try:
            rotation = [split(clips, protocol, fold, folds, seed) for fold in range(folds)]
        except SplitError as error:
            rotation, reason = [], str(error)
        if not rotation:
            assert "data.num_folds" in reason or "add recordings" in reason
            continue
        evaluated = [parts.val if protocol == "holdout" else parts.test for parts in rotation]
        tested = [rotation[0].test] if protocol == "holdout" else []
        assert sorted(np.concatenate(evaluated + tested).tolist()) == list(range(len(clips)))
        for parts in rotation:
            sides = [indices for indices in (parts.train, parts.val, parts.test) if indices is not None]
            sources = [{clips.clips[i].source for i in indices} - {None} for indices in sides]
            assert sum(map(len, sources)) == len(set().union(*sources))
            assert {clips.clips[i].label for i in parts.train} == set(range(num_classes))


PARTS = sourced(6, takes=1)


@pytest.mark.parametrize(
    ("clips", "parts", "message"),
    [
        (PARTS, Split(np.arange(5), np.array([], int), None), "the val part of the split is empty"),
        (PARTS, Split(np.array([], int), np.arange(3), None), "the train part of the split is empty"),
        (PARTS, Split(np.arange(5), np.array([6]), None), "index outside 0 to 5"),
        (PARTS, Split(np.arange(5), None, np.array([-1])), "index outside 0 to 5"),
        (PARTS, Split(np.arange(5), np.array([4, 5]), None), "'0004.wav' is in train and again in val"),
        (PARTS, Split(np.array([0, 2, 4]), np.array([1]), None), "no training clip of class 'class 1'"),
        (sourced(3, takes=2), Split(np.arange(5), None, np.array([5])), "source 's2' is in train and in test"),
    ],
)
def test_a_faulty_split_is_recognised(clips, parts, message):
    with pytest.raises(SplitError, match=message):
        check_split(clips, parts)


# --- the same sound ---


def alternating(count: int, source=lambda index: None, fold=lambda index: None) -> ClipSet:
    """Clips of two classes in turn."""
    return clip_set([(index % 2, source(index), fold(index)) for index in range(count)])


def parted(parts: Split, group) -> bool:
    """Whether a group of clips lies in more than one part."""
    sides = [set(part.tolist()) for part in (parts.train, parts.val, parts.test) if part is not None]
    return sum(bool(set(group) & side) for side in sides) > 1


@pytest.mark.parametrize("protocol", ["holdout", "crossval"])
@pytest.mark.parametrize("source", [lambda index: None, lambda index: f"s{index // 4}-{index % 2}"])
def test_clips_that_hold_the_same_sound_stay_on_one_side_of_every_split(protocol, source):
    clips = alternating(80, source)
    groups, pairs = [[0, 10, 20, 30], [3, 41]], [(30, 32), (7, 19)]
    for fold in range(3):
        for seed in range(3):
            kept = split(clips, protocol, fold, 3, seed, identical=groups, similar=pairs)
            assert not any(parted(kept, group) for group in ([0, 10, 20, 30, 32], [3, 41], [7, 19]))
            check_split(clips, kept)
    loose = [split(clips, protocol, fold, 3) for fold in range(3)]
    assert any(parted(each, groups[0]) for each in loose)


def test_a_few_copies_among_very_many_clips_cost_no_time_and_change_nothing_else(monkeypatch):
    monkeypatch.setattr(splits, "MANY_CLIPS", 100)
    clips = alternating(400)
    kept = split(clips, "crossval", 1, 4, identical=[[0, 10, 20], [5, 7]])
    assert not parted(kept, [0, 10, 20]) and not parted(kept, [5, 7])
    assert abs(len(kept.test) - 100) <= 4
    check_split(clips, kept)


def test_the_same_sound_within_a_source_does_not_change_the_split():
    clips = sourced(12, 3)
    one, other = split(clips, "crossval", 0, 4), split(clips, "crossval", 0, 4, identical=[[0, 1], [3, 5]])
    assert (one.train == other.train).all()


def test_similar_clips_are_parted_and_named_where_too_little_is_left_otherwise():
    clips = alternating(20)
    chain = [(index, index + 2) for index in range(0, 18, 2)]  # the whole first class
    noted = split(clips, "holdout", 0, 2, similar=chain).notes[-1]
    assert "seem to hold the same sound could not be kept on one side of the split (0" in noted
    with pytest.raises(SplitError, match="'class 0' comes from 1 source recording"):
        split(clips, "holdout", 0, 2, identical=chain)
    assert len(split(clips, "all", 0, 2, identical=chain).train) == 20


@pytest.mark.parametrize("protocol", ["holdout", "crossval"])
def test_identical_clips_in_two_given_folds_are_refused_and_similar_ones_noted(protocol):
    clips = alternating(20, fold=lambda index: index % 4 + 1)
    message = "'0002.wav' and '0003.wav' hold the same sound and are in fold 3 and in fold 4: put them into one fold or"
    with pytest.raises(SplitError, match=message):
        split(clips, protocol, 0, identical=[[2, 3]])
    with pytest.raises(DataError, match="are in fold 3 and in fold 4, and there are 2 more groups of clips like them"):
        split(clips, protocol, 0, identical=[[2, 3], [4, 5], [6, 10, 7]])
    noted = split(clips, protocol, 0, identical=[[2, 6]], similar=[(2, 3)])
    assert "(0002.wav ~ 0003.wav): listen, then put them into one fold" in noted.notes[-1]
    assert split(clips, "all", 0, identical=[[2, 3]], similar=[(4, 5)]).val is None


def test_identical_clips_in_two_roles_are_refused_where_the_protocol_parts_them():
    clips = replace(alternating(18, fold=lambda index: index // 2 % 3 + 1), has_roles=True)
    with pytest.raises(SplitError, match="are in train and in val: put them into one part or remove one"):
        split(clips, "holdout", 0, identical=[[0, 2]])
    assert not parted(split(clips, "crossval", 0, identical=[[0, 2]]), [0, 2])
    with pytest.raises(SplitError, match="are in train and in test"):
        split(clips, "crossval", 0, identical=[[0, 4]])


@pytest.mark.parametrize(("num_sources", "num_classes"), [(4, 2), (7, 2), (12, 3)])
def test_with_as_many_folds_as_sources_each_source_is_tested_alone_once(num_sources, num_classes):
    rows = [(label, f"s{s}", None) for s in range(num_sources) for label in range(num_classes) for _ in range(3)]
    clips = clip_set(rows)
    tested = []
    for fold in range(num_sources):
        (source,) = {clips.clips[i].source for i in split(clips, "crossval", fold, num_folds=num_sources).test}
        tested.append(source)
    assert sorted(tested) == sorted({source for _, source, _ in rows})


def test_leaving_one_source_out_refuses_a_class_that_one_source_alone_has():
    rows = [(label, f"s{s}", None) for s in range(4) for label in range(2)] + [(2, "s0", None)]
    with pytest.raises(SplitError, match="class 'class 2' comes from 1 source recording, at least 2 are needed"):
        split(clip_set(rows), "crossval", 0, num_folds=4)


def test_a_class_of_one_recording_is_said_to_look_like_another_class():
    rows = [(label, f"s{s}", None) for s in range(4) for label in range(2)] + [(2, "s0", None)]
    alike = replace(clip_set(rows), classes=("go", "stop", "Stop"))
    with pytest.raises(SplitError, match=r"protocol=all \(classes 'Stop' and 'stop' differ only in case\)$"):
        split(alike, "crossval", 0, num_folds=4)
