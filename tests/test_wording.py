import pytest

from audio_cls.wording import did_you_mean, duration, one_line, wrap_markdown


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "0.2 s"), (12.5, "12 s"), (59.4, "59 s"), (59.9, "1 min 00 s"), (185, "3 min 05 s"),
        (3599.6, "1 h 00 min"), (7265, "2 h 01 min"), (7800, "2 h 10 min"),
    ],
)  # fmt: skip
def test_durations_are_written_in_the_largest_fitting_units(seconds, text):
    assert duration(seconds) == text


def test_prose_is_wrapped_and_tables_code_and_headings_are_not():
    kept = ["# A heading that is longer", "| a | table row |", "    code that is longer", "![a picture](that.png)"]
    text = "\n".join([*kept, "one two three four five", "- an item of a list", "cnn - mlp - rnn", "see `a b c d` now"])
    wrapped = wrap_markdown(text, width=13).split("\n")
    assert wrapped[:4] == kept
    assert wrapped[4:] == [
        "one two three", "four five", "- an item of", "  a list", "cnn - mlp -", "rnn", "see `a b c d`", "now",
    ]  # fmt: skip


def test_no_wrapped_line_begins_like_a_list():
    assert wrap_markdown("a long name - b", width=12) == "a long\nname - b"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("a  bad\tvalue"), "a bad value"),
        (ValueError("these are bad:\n  one\n  two"), "these are bad: one; two"),
        (ValueError("1\n2\n3\n4\n5"), "1; 2; 3; and 2 more"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
    ],
)
def test_an_error_is_told_in_one_line(error, text):
    assert one_line(error) == text


def test_the_nearest_name_is_suggested_where_one_is_near():
    assert did_you_mean("transfromer", ["cnn", "transformer"]) == "did you mean transformer?"
    assert did_you_mean("gru", ["cnn", "transformer"]) == ""
