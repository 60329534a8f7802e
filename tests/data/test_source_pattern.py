"""Sources from paths, by data.source."""

import pytest

from audio_cls.data.clips import Clip, ClipSet, DataError
from audio_cls.data.source_pattern import with_sources

DIGITS = ("0/0_jackson_1.wav", "0/0_theo_2.wav", "1/1_jackson_3.wav", "1/1_theo_4.wav")


def clip_set(*names: str, source: str | None = None) -> ClipSet:
    clips = tuple(Clip(None, name, index % 2, source) for index, name in enumerate(names))
    return ClipSet("set", None, ("a", "b"), clips)


def sources(pattern: str, *names: str) -> list[str]:
    return [clip.source for clip in with_sources(clip_set(*names), pattern).clips]


@pytest.mark.parametrize(
    ("pattern", "names", "found"),
    [
        ("*_{source}_*", DIGITS, ["jackson", "theo", "jackson", "theo"]),
        ("{source}-*.wav", ("dog/a-b-c.wav",), ["a"]),
        ("*-{source}", ("dog/a-tape.1.wav",), ["tape.1"]),
        ("{source}_*", ("dog/x_y_z.wav",), ["x"]),
        ("{source}/*", ("dog/s1/x.wav", "cat/s1/y.wav"), ["s1", "s1"]),
        ("{source}/*/*", ("site/dog/x.wav",), ["site"]),
        ("*/{source}_*", ("dog/b_1.wav",), ["b"]),
        ("take{source}", ("dog/take12.flac",), ["12"]),
        ("({source})*", ("dog/(a) +[.wav",), ["a"]),
        ("parent", ("dog/s1/x.wav", "cat/deep/s2/y.wav"), ["s1", "s2"]),
        ("parent", ("train/a/s1/x.wav", "test/b/s2/y.wav"), ["s1", "s2"]),
    ],
)
def test_a_pattern_names_the_sources(pattern, names, found):
    assert sources(pattern, *names) == found


def test_what_was_found_is_said_in_a_line():
    assert with_sources(clip_set(*DIGITS), "*_{source}_*").notes == (
        "2 sources by data.source=*_{source}_*, 2 clips each (first: 0/0_jackson_1.wav is 'jackson')",
    )
    (note,) = with_sources(clip_set(*DIGITS, "0/0_theo_9.wav"), "*_{source}_*").notes
    assert "2 to 3 clips each" in note


@pytest.mark.parametrize(
    ("pattern", "names", "problem"),
    [
        ("*_{source}_*", (*DIGITS, "0/x.wav"), "1 of 5 clips do not match .0/x.wav.: change the pattern"),
        ("*_{source}_*", ("0/a.wav", "0/b.wav", "0/c.wav", "0/d.wav"), "4 of 4 .*0/a.wav, 0/b.wav, 0/c.wav and 1 more"),
        ("{source}/*/*/*", ("0/a.wav",), "1 of 1 clips do not match"),
        ("parent", ("dog/x.wav",), "1 of 1 clips lie in no folder below that of their class"),
        ("parent", ("train/a/x.wav", "test/b/x.wav"), "2 of 2 clips lie in no folder below that of their class"),
        ("parent", ("a/train/x.wav", "b/fold1/x.wav"), "2 of 2 clips lie in no folder below that of their class"),
        ("*_*", DIGITS, "must hold {source} once"),
        ("{source}_{source}", DIGITS, "must hold {source} once"),
        ("{speaker}_*", DIGITS, "must hold {source} once"),
    ],
)
def test_a_pattern_that_does_not_fit_is_refused_naming_clips(pattern, names, problem):
    with pytest.raises(DataError, match=problem):
        sources(pattern, *names)


def test_sources_are_not_said_twice():
    with pytest.raises(DataError, match="name their sources already"):
        with_sources(clip_set("dog/a_b_c.wav", source="s"), "*_{source}_*")
