from collections import Counter

import numpy as np
import pytest

from audio_cls.data.synthetic import CLASSES, NUM_SAMPLES, synthesize, synthetic_clips


@pytest.fixture(scope="module")
def clip_set():
    return synthetic_clips()


def first_of_each_class(clip_set):
    return [next(clip for clip in clip_set.clips if clip.label == label) for label in range(len(CLASSES))]


def test_the_set_has_ten_classes_of_forty_clips_sorted_by_unique_names(clip_set):
    names = [clip.name for clip in clip_set.clips]
    assert clip_set.name == "synthetic"
    assert clip_set.classes == CLASSES
    assert clip_set.root is None
    assert Counter(clip.label for clip in clip_set.clips) == dict.fromkeys(range(10), 40)
    assert names == sorted(set(names))


def test_every_fold_holds_the_same_number_of_clips_of_every_class(clip_set):
    assert set(Counter((clip.fold, clip.label) for clip in clip_set.clips).values()) == {8}
    assert {clip.fold for clip in clip_set.clips} == {1, 2, 3, 4, 5}


def test_four_clips_share_a_source_and_a_source_stays_in_one_fold_and_class(clip_set):
    assert set(Counter(clip.source for clip in clip_set.clips).values()) == {4}
    assert len({(clip.source, clip.fold, clip.label) for clip in clip_set.clips}) == 100


@pytest.mark.parametrize("clips_per_class", [5, 7, 20, 42])
def test_any_size_fills_all_folds_with_at_most_four_clips_a_source(clips_per_class):
    clips = synthetic_clips(clips_per_class).clips
    assert len({clip.name for clip in clips}) == 10 * clips_per_class
    assert len({(clip.fold, clip.label) for clip in clips}) == 50
    assert max(Counter(clip.source for clip in clips).values()) <= 4


def test_a_clip_of_any_class_is_five_seconds_of_finite_sound_that_does_not_clip(clip_set):
    first = sorted(clip_set.clips, key=lambda clip: clip.label)[:: len(clip_set.clips) // 60]
    assert {clip.label for clip in first} == set(range(10))
    for clip in first:
        waveform = synthesize(clip)
        assert waveform.shape == (NUM_SAMPLES,)
        assert waveform.dtype == np.float32
        assert np.isfinite(waveform).all()
        assert 0.01 < np.abs(waveform).max() < 0.95


def test_the_same_clip_and_seed_give_the_same_samples_in_any_order(clip_set):
    first, second = clip_set.clips[3], clip_set.clips[200]
    waveform = synthesize(first)
    synthesize(second)
    np.testing.assert_array_equal(synthesize(first), waveform)


def test_another_seed_of_the_set_or_of_the_synthesis_gives_other_samples(clip_set):
    clip, other = clip_set.clips[0], synthetic_clips(synthesis_seed=1).clips[0]
    assert clip.name != other.name
    assert clip.source != other.source
    assert not np.array_equal(synthesize(clip), synthesize(other))
    assert not np.array_equal(synthesize(clip), synthesize(clip, seed=1))


def test_takes_of_one_source_differ_from_each_other(clip_set):
    takes = [synthesize(clip) for clip in clip_set.clips if clip.source == clip_set.clips[0].source]
    correlations = np.corrcoef(takes)
    assert np.abs(correlations[np.triu_indices(4, 1)]).max() < 0.9


def test_levels_vary_between_clips_by_more_than_ten_decibels(clip_set):
    peaks = [20 * np.log10(np.abs(synthesize(clip)).max()) for clip in clip_set.clips[::40]]
    assert max(peaks) - min(peaks) > 10


def test_some_sounds_begin_late_so_that_the_first_second_misses_them(clip_set):
    ratios = []
    for clip in clip_set.clips[::10]:
        power = np.square(synthesize(clip)).reshape(5, -1).mean(axis=1)  # of each second
        ratios.append(power[0] / power.max())
    late = np.mean(np.array(ratios) < 0.1)
    assert 0.1 < late < 0.7


def test_an_alarm_keeps_its_pitch_over_the_takes_of_a_source(clip_set):
    alarms = [clip for clip in clip_set.clips if clip.label == CLASSES.index("Alarm beep")][:4]
    peaks = [np.abs(np.fft.rfft(synthesize(clip))).argmax() / 5 for clip in alarms]  # Hz
    assert np.ptp(peaks) < 25


def test_classes_differ_in_where_their_sound_lies(clip_set):
    hz = np.fft.rfftfreq(NUM_SAMPLES, 1 / 44_100)
    centroid = {}
    for clip in first_of_each_class(clip_set):
        power = np.abs(np.fft.rfft(synthesize(clip))) ** 2
        centroid[CLASSES[clip.label]] = (hz * power).sum() / power.sum()
    assert centroid["Wind"] < centroid["Siren"] < centroid["Chirping bird"]
