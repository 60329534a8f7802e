"""What is found in a data set, and that nothing is found in a clean one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from audio_cls.data.clips import Clip, ClipSet
from audio_cls.data.decode import BadAudio
from audio_cls.data.fingerprint import Match
from audio_cls.reports.dataset.finding import ERROR, NOTE, WARNING
from audio_cls.reports.dataset.findings import find
from audio_cls.reports.dataset.measure import Measures
from audio_cls.reports.dataset.survey import Leak, Survey

NUM_CLIPS = 40  # in two classes of ten recordings with two clips each


def clean_clips(folds: bool = True) -> list[Clip]:
    clips = []
    for index in range(NUM_CLIPS):
        label, source = index // 20, index // 2
        name = f"{'ab'[label]}/{index:02d}.wav"
        clips.append(Clip(Path("/data") / name, name, label, f"rec{source}", source % 5 + 1 if folds else None))
    return clips


def clean_measures() -> list:
    return [
        Measures(
            frames=220_500, sample_rate=44_100, channels=1, examined=220_500, peak=0.5, rms_db=-20.0, clipped=0.0,
            silent=0.0, leading_seconds=0.0, trailing_seconds=0.0, offset=0.0, cancelled_db=0.0,
            constant=False, digest=str(index), fingerprint=None, bands=None,
        )
        for index in range(NUM_CLIPS)
    ]  # fmt: skip


def surveyed(clips=None, measures=None, matches=(), leak=None, num_folds: int | None = 5) -> Survey:
    clip_set = ClipSet("mine", Path("/data"), ("a", "b"), tuple(clips or clean_clips()), num_folds)
    return Survey(clip_set, measures or clean_measures(), set(), 22_050, list(matches), leak)


def with_measures(*changed: int, **changes) -> Survey:
    measures = clean_measures()
    for index in changed:
        measures[index] = replace(measures[index], **changes)
    return surveyed(measures=measures)


def with_clips(*changed: int, folds: bool = True, **changes) -> Survey:
    clips = clean_clips(folds)
    for index in changed:
        clips[index] = replace(clips[index], **changes)
    return surveyed(clips=clips, num_folds=5 if folds else None)


def the_finding(survey: Survey, text: str):
    found = [finding for finding in find(survey) if text in finding.title]
    assert len(found) == 1, [finding.title for finding in find(survey)]
    return found[0]


def test_in_a_clean_data_set_nothing_is_found():
    assert find(surveyed()) == []
    assert find(surveyed(clean_clips(folds=False), num_folds=None)) == []


MEASURED = [
    ({"silent": 1.0, "leading_seconds": 5.0}, WARNING, "2 clips hold nothing but digital silence"),
    ({"constant": True, "offset": 0.3}, WARNING, "2 clips hold one value all along, which is no sound"),
    ({"silent": 0.7, "trailing_seconds": 3.5}, WARNING, "2 clips are digital silence for more than half"),
    ({"silent": 0.3, "leading_seconds": 1.5}, WARNING, "The first second of 2 clips is digital silence"),
    ({"cancelled_db": 30.0, "channels": 2}, WARNING, "The channels of 2 clips cancel each other"),
    ({"channels": 2}, NOTE, "2 clips are not mono"),
    ({"sample_rate": 22_050, "frames": 110_250}, WARNING, "2 clips are not at 44100 Hz"),
    ({"clipped": 0.01}, NOTE, "2 clips are clipped"),
    ({"rms_db": -75.0}, WARNING, "2 clips are very soft (RMS below -60 dBFS)"),
    ({"offset": -0.1}, NOTE, "2 clips have a constant offset"),
    ({"frames": 160_000}, WARNING, "2 clips last more than 2% longer or shorter than 5.000 s"),
    ({"frames": 220_544}, NOTE, "2 clips are off [1, 220500] at 44100 Hz by less than 2%"),
    ({"examined": 100_000}, NOTE, "Of 2 clips only the beginning was examined"),
]


@pytest.mark.parametrize(("changes", "severity", "title"), MEASURED, ids=[title for _, _, title in MEASURED])
def test_clips_that_are_not_like_the_others_are_named(changes, severity, title):
    finding = the_finding(with_measures(3, 8, **changes), title)
    assert finding.severity == severity
    assert [name for name, _ in finding.clips] == ["a/03.wav", "a/08.wav"]
    assert finding.advice


def test_one_clip_is_spoken_of_as_one():
    assert the_finding(with_measures(3, clipped=0.01), "1 clip is clipped")
    assert the_finding(with_measures(3, silent=1.0), "1 clip holds nothing but digital silence")


def test_a_rate_that_all_classes_have_does_no_harm():
    finding = the_finding(with_measures(3, 33, sample_rate=22_050, frames=110_250), "2 clips are not at 44100 Hz")
    assert finding.severity == NOTE


def test_clips_of_all_lengths_and_levels_are_noted():
    measures = [
        replace(each, frames=44_100 + 1_000 * index, rms_db=-5.0 - index)
        for index, each in enumerate(clean_measures())
    ]  # fmt: skip
    titles = [finding.title for finding in find(surveyed(measures=measures))]
    assert any("no duration is common to half of them" in title for title in titles)
    assert any("Levels differ widely" in title for title in titles)


def test_unreadable_files_come_first_with_their_reasons():
    measures = clean_measures()
    measures[5] = BadAudio("empty: the file has no bytes")
    measures[0] = replace(measures[0], silent=1.0)
    first = find(surveyed(measures=measures))[0]
    assert (first.severity, first.title) == (ERROR, "1 clip cannot be used")
    assert first.clips == (("a/05.wav", "empty: the file has no bytes"),)


def test_what_was_assumed_to_read_a_file_is_a_warning():
    noted = with_measures(3, notes=("the header was never closed: the 1.0 s that are there were read",))
    finding = the_finding(noted, "1 clip is not quite what the file says")
    assert finding.severity == WARNING
    assert finding.clips == (("a/03.wav", "the header was never closed: the 1.0 s that are there were read"),)


def test_findings_are_sorted_by_severity():
    measures = clean_measures()
    measures[0] = replace(measures[0], offset=0.5)
    measures[1] = replace(measures[1], silent=1.0)
    measures[2] = BadAudio("x")
    assert [finding.severity for finding in find(surveyed(measures=measures))] == [ERROR, WARNING, NOTE]


def test_a_recording_in_two_folds_must_be_mended():
    finding = the_finding(with_clips(3, fold=5), "2 clips lie in another fold than the rest of the recording")
    assert finding.severity == ERROR
    assert finding.clips[0] == ("a/02.wav", "source rec1, which lies in folds 2 and 5")


def test_a_class_from_a_single_recording_must_be_mended():
    finding = the_finding(with_clips(*range(20), folds=False, source="one"), "There is one recording only of 'a'")
    assert finding.severity == ERROR


def test_few_recordings_of_a_class_are_a_warning():
    assert the_finding(with_clips(*range(16), source="one", fold=1), "Fewer than 5 recordings of 'a' (3)")


def test_unknown_sources_are_a_warning():
    assert the_finding(with_clips(*range(40), source=None), "It is not known which clips were cut from the same")
    unknown = the_finding(with_clips(*range(40), source=None), "It is not known")
    assert "data.source='*_{source}_*'" in unknown.advice and "columns file,label,source" in unknown.advice
    assert the_finding(with_clips(1, 2, source=None), "The source of 2 clips is not known")


def test_a_recording_in_two_classes_is_noted():
    finding = the_finding(with_clips(20, source="rec0", fold=1), "3 clips come from recordings that are in several")
    assert finding.clips[-1] == ("b/20.wav", "source rec0, in 'a' and 'b'")


def test_classes_of_very_different_size_are_a_warning():
    survey = surveyed(clean_clips()[:25], clean_measures()[:25])
    assert the_finding(survey, "Classes differ in size: 'a' has 20 clips, 'b' 5")


def test_what_the_reader_of_the_clips_notes_is_a_finding():
    survey = surveyed()
    noted = replace(survey, clip_set=replace(survey.clip_set, notes=("3 files of other kinds are left out",)))
    assert the_finding(noted, "3 files of other kinds are left out").severity == NOTE


def test_an_absent_fold_is_noted():
    kept = [index for index, clip in enumerate(clean_clips()) if clip.fold != 1]
    survey = surveyed([clean_clips()[index] for index in kept], [clean_measures()[index] for index in kept])
    assert the_finding(survey, "Published fold 1 is not in this copy").severity == NOTE


def test_roles_are_called_by_their_names_and_an_absent_one_is_no_absent_fold():
    survey = surveyed([replace(clip, fold=1 if index < 20 else 3) for index, clip in enumerate(clean_clips())])
    survey = replace(survey, clip_set=replace(survey.clip_set, has_roles=True), matches=[Match(0, 20, 0.1, 4.0, 0.0)])
    finding = the_finding(survey, "1 pair of clips holds the same sound, in different folds")
    assert finding.clips[0][1].endswith("(folds train and test)")
    assert not any("not in this copy" in each.title for each in find(survey))


def test_a_copy_in_another_fold_is_a_warning_and_one_in_the_same_fold_a_note():
    apart, together = Match(0, 2, 0.1, 4.0, 0.0), Match(0, 10, 0.1, 4.0, 0.0)
    assert clean_clips()[0].fold == clean_clips()[10].fold
    finding = the_finding(surveyed(matches=[apart]), "1 pair of clips holds the same sound, in different folds")
    assert finding.severity == WARNING
    assert finding.clips == (("a/00.wav", "4.0 s of the same sound as a/02.wav (folds 1 and 2)"),)
    finding = the_finding(surveyed(matches=[together]), "1 pair of clips holds the same sound, in one fold")
    assert finding.severity == NOTE


def test_an_identical_copy_in_another_fold_stops_training_but_not_on_published_data():
    measures = clean_measures()
    measures[2] = replace(measures[2], digest=measures[0].digest)
    survey = surveyed(measures=measures)
    finding = the_finding(survey, "1 pair of clips holds the same sound, in different folds")
    assert finding.severity == ERROR
    survey = replace(survey, clip_set=replace(survey.clip_set, name="esc10"))
    finding = the_finding(survey, "1 pair of clips holds the same sound, in different folds")
    assert finding.severity == WARNING


def test_a_copy_without_folds_is_a_warning():
    survey = surveyed(clean_clips(folds=False), matches=[Match(0, 2, 0.1, 4.0, 0.0)], num_folds=None)
    assert the_finding(survey, "1 pair of clips holds the same sound").severity == WARNING


def test_copies_within_a_recording_are_no_finding():
    assert find(surveyed(matches=[Match(0, 1, 0.1, 4.0, 0.0)])) == []


def test_identical_clips_with_two_labels_are_a_warning():
    measures = clean_measures()
    measures[30] = replace(measures[30], digest="0")
    finding = the_finding(surveyed(measures=measures), "The same sound has two labels (1 clip)")
    assert finding.clips == (("a/00.wav", "the same samples as b/30.wav, which is labelled b"),)


def test_silent_clips_are_not_copies_of_each_other():
    survey = with_measures(3, 8, silent=1.0, digest="silence")
    assert survey.identical == []


def test_what_a_plain_shuffle_would_leak_is_noted():
    leak = Leak(5, 32.4, np.array([30, 34]), 0)
    finding = the_finding(surveyed(leak=leak), "on average 32 of 40 clips (81%)")
    assert finding.severity == NOTE
    assert find(surveyed(leak=Leak(5, 0.0, np.array([0, 0]), 0))) == []
