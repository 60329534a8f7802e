"""Names as people type them."""

import pytest

from audio_cls.data.names import Finder, in_order, look_alikes


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (("10", "2", "0", "1"), ["0", "1", "2", "10"]),
        (("-1", "10", "2.5"), ["-1", "2.5", "10"]),
        (("10", "2", "rain"), ["10", "2", "rain"]),
        (("class10", "class2", "class1"), ["class1", "class10", "class2"]),
        (("b", "B", "a"), ["B", "a", "b"]),
    ],
)
def test_numbers_are_ordered_by_value_and_all_else_as_text(names, order):
    assert in_order(names) == order


@pytest.mark.parametrize(
    ("names", "note"),
    [
        (("dog", "Dog"), "classes 'Dog' and 'dog' differ only in case"),
        (("dog", "dog "), "classes 'dog' and 'dog ' differ only in blanks"),
        (("sea  wave", "sea wave"), "classes 'sea  wave' and 'sea wave' differ only in blanks"),
        (("sea\xa0wave", "sea wave"), r"classes 'sea wave' and 'sea\xa0wave' differ only in blanks or Unicode form"),
        (("dog\u200b", "dog"), r"classes 'dog' and 'dog\u200b' differ only in invisible characters"),
        (("\ufeffdog", "dog"), r"classes 'dog' and '\ufeffdog' differ only in invisible characters"),
        (("do\xadg", "dog"), r"classes 'dog' and 'do\xadg' differ only in invisible characters"),
        (("caf\xe9", "cafe\u0301"), r"classes 'cafe\u0301' and 'caf\xe9' differ only in Unicode form"),
        (("ｄog", "dog"), r"classes 'dog' and '\uff44og' differ only in Unicode form"),
        (("Dog ", "dog"), "classes 'Dog ' and 'dog' differ only in blanks and case"),
        (("01", "1", "2"), "classes '01' and '1' differ only in the way a number is written"),
        (("straße", "STRASSE"), "classes 'STRASSE' and 'straße' differ only in case"),
    ],
)
def test_names_that_look_alike_are_noted_with_what_parts_them(names, note):
    assert look_alikes("classes", names) == (note,)


def test_names_that_differ_are_not_noted_and_many_pairs_are_counted():
    assert look_alikes("classes", ("dog", "dogs", "鸟", "1", "10")) == ()
    many = look_alikes("sources", [name for letter in "abcde" for name in (letter, letter.upper())])
    assert len(many) == 4 and many[-1] == "2 more groups of sources look alike"


def test_a_file_is_found_under_another_case_or_form_of_its_name_or_folder(tmp_path):
    (tmp_path / "Cafe\u0301").mkdir()
    (tmp_path / "Cafe\u0301" / "x.WAV").touch()
    for name in ("Cafe\u0301/x.WAV", "caf\xe9/x.wav", "CAF\xc9/X.wav", "caf\xe9\\x.wav", "y\\..\\caf\xe9/x.wav"):
        assert Finder().find(tmp_path / name) == tmp_path / "Cafe\u0301" / "x.WAV"
    assert Finder().find(tmp_path / "caf\xe9/y.wav") == tmp_path / "caf\xe9/y.wav"
    assert Finder().find(tmp_path / "no/x.wav") == tmp_path / "no/x.wav"


def test_a_file_that_could_be_either_of_two_is_not_guessed(tmp_path):
    (tmp_path / "x.WAV").touch()
    (tmp_path / "X.wav").touch()
    if len(list(tmp_path.iterdir())) == 2:
        assert Finder().find(tmp_path / "x.wav") == tmp_path / "x.wav"
        assert Finder().find(tmp_path / "X.wav") == tmp_path / "X.wav"
