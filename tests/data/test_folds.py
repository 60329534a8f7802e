"""What the columns fold and split say: numbers that rotate, words that are roles, or a mistake."""

from pathlib import Path

import pytest

from audio_cls.data.clips import DataError
from audio_cls.data.folds import agree, read_folds

PATH = Path("x.csv")


def folds(*values: str):
    return read_folds(PATH, "column 'fold'", dict(enumerate(values, 2)))


@pytest.mark.parametrize("values", [("1", "2", "10"), ("0", "01", "2"), ("1.0", "2.0", "3.0"), ("1", "2", "20241")])
def test_folds_are_counted_in_the_order_of_their_numbers(values):
    assert list(folds(*values, values[0]).of.values()) == [1, 2, 3, 1]


def test_numbers_that_do_not_count_from_one_are_noted():
    assert folds("1", "2", "3").notes == ()
    assert (
        folds("1", "2", "10")
        .notes[0]
        .endswith("folds 1, 2, 10 by column 'fold' of x.csv are counted as published folds 1 to 3")
    )


def test_the_same_number_is_one_fold_however_it_is_written():
    assert list(folds("1", "01", "1.0", "2", "3").of.values()) == [1, 1, 1, 2, 3]


def test_words_are_roles_in_any_case_and_what_they_are_taken_for_is_noted():
    found = folds("train", "Training", "VAL", "valid", "validation", "dev", "test", "Testing", "eval")
    assert found.has_roles and list(found.of.values()) == [1, 1, 2, 2, 2, 2, 3, 3, 3]
    assert found.notes == (
        "clips of x.csv have roles by column 'fold': 2 train (Training, train), 4 val (VAL, dev, valid, validation), "
        "3 test (Testing, eval, test)",
    )


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (("1", "", "3"), "x.csv, line 3: column 'fold' is empty"),
        (("train", "extra", "test"), "line 3: column 'fold' says 'extra': use numbers .*, or train, val and test"),
        (("A", "B", "C"), "line 2: column 'fold' says 'A'"),
        (("fold1", "fold2", "fold10"), "line 2: column 'fold' says 'fold1'"),
        (("1", "1.5", "2"), "line 3: column 'fold' says '1.5'"),
        (("1", "-1", "2"), "line 3: column 'fold' says '-1'"),
        (("1", "2", "test"), "line 4: column 'fold' says 'test' among others"),
        (("1", "01", "2"), "has 2 values .1, 2., at least 3"),
    ],
)
def test_what_is_neither_is_refused_naming_the_line(values, problem):
    with pytest.raises(DataError, match=problem):
        folds(*values)


def test_of_two_columns_one_may_be_empty_or_both_say_the_same():
    roles, numbers = folds("train", "val", "test"), folds("1", "2", "3")
    assert agree(PATH, folds("", "", ""), roles) is roles and agree(PATH, numbers, folds("", "", "")) is numbers
    assert agree(PATH, roles, folds("training", "dev", "eval")) is roles
    with pytest.raises(DataError, match="one of the columns fold and split says folds, the other roles"):
        agree(PATH, numbers, roles)
    with pytest.raises(DataError, match="x.csv, line 3: the columns fold and split contradict each other"):
        agree(PATH, roles, folds("train", "test", "val"))
