"""Many clips in few lines."""

from audio_cls.reports.dataset.grouping import FEW_CLIPS, grouped


def entries(count, said="short", name="one/{}_anna.wav"):
    return [(name.format(number), said) for number in range(count)]


def test_few_clips_keep_their_names():
    clips = entries(FEW_CLIPS)
    assert grouped(clips, {}) == clips


def test_many_clips_are_told_by_the_pattern_of_their_names():
    assert grouped(entries(30) + entries(20, name="two/{}_ben.wav"), {}) == [
        ("one/*_anna.wav", "30 clips, short"),
        ("two/*_ben.wav", "20 clips, short"),
    ]


def test_many_clips_of_few_recordings_are_told_by_these():
    clips = [(f"{word}/{number}.wav", "short") for word in ("yes", "no", "go") for number in range(10)]
    source_of = {name: "anna" if int(name.split("/")[1][0]) < 5 else "ben" for name, _ in clips}
    assert grouped(clips, source_of) == [("source anna", "15 clips, short"), ("source ben", "15 clips, short")]


def test_a_group_whose_clips_differ_gives_an_example():
    clips = [(f"{number}.wav", f"{number} s") for number in range(13)]
    assert grouped(clips, {}) == [("*.wav", "13 clips, such as 0.wav: 0 s")]


def test_clips_that_have_nothing_in_common_keep_their_names():
    clips = [(f"{'abcdefghijklmno'[number]}.wav", "short") for number in range(15)]
    assert grouped(clips, {name: name for name, _ in clips}) == clips
