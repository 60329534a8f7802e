import pytest

from audio_cls.wording import duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "0.2 s"), (12.5, "12 s"), (59.4, "59 s"), (59.9, "1 min 00 s"), (185, "3 min 05 s"),
        (3599.6, "1 h 00 min"), (7265, "2 h 01 min"), (7800, "2 h 10 min"),
    ],
)  # fmt: skip
def test_durations_are_written_in_the_largest_fitting_units(seconds, text):
    assert duration(seconds) == text
