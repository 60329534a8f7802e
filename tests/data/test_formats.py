import sys
from pathlib import PurePath

from audio_cls.data.formats import AUDIO_SUFFIXES, OPTIONAL_SUFFIXES, readable_suffixes, remedy


def test_no_suffix_stands_in_both_lists():
    assert not AUDIO_SUFFIXES & OPTIONAL_SUFFIXES


def test_without_the_decoder_only_the_formats_of_libsndfile_are_read(monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    assert readable_suffixes() == AUDIO_SUFFIXES
    monkeypatch.undo()
    assert readable_suffixes() == AUDIO_SUFFIXES | OPTIONAL_SUFFIXES


def test_files_that_need_the_decoder_are_named_in_one_line_with_the_command():
    paths = [PurePath(name) for name in ("a/1.m4a", "a/2.M4A", "b/1.m4a", "b/2.wma")]
    assert remedy(paths) == (
        "3 .m4a and 1 .wma files (a/1.m4a, a/2.M4A, b/1.m4a and 1 more) need a decoder that is not installed: "
        "pip install av"
    )
    assert remedy(paths[:1]) == "1 .m4a file (a/1.m4a) needs a decoder that is not installed: pip install av"
