from itertools import pairwise

import numpy as np
import pytest

from audio_cls.serving.events import merge
from audio_cls.serving.prediction import Event, Window


def window(start: float, label: int, probability: float = 0.8, *flags: str) -> Window:
    """A window of 2 s."""
    probabilities = np.full(3, (1 - probability) / 2)
    probabilities[label] = probability
    return Window(start, start + 2, probabilities, flags)


def test_windows_of_one_class_in_a_row_are_one_event():
    assert merge([window(0, 1, 0.6), window(1, 1, 0.9), window(2, 1, 0.7)]) == [Event(0, 4, 1, 0.9)]


def test_events_of_two_classes_meet_in_the_middle_of_the_overlap():
    assert merge([window(0, 1), window(1, 2), window(2, 2)]) == [Event(0, 1.5, 1, 0.8), Event(1.5, 4, 2, 0.8)]


def test_a_gap_parts_events_and_windows_that_touch_do_not():
    found = merge([window(0, 1), window(2, 1), window(5, 1)])
    assert [(event.start_seconds, event.end_seconds) for event in found] == [(0, 4), (5, 7)]


@pytest.mark.parametrize("flag", ["silent", "unsure"])
def test_windows_that_say_nothing_make_no_event(flag):
    found = merge([window(0, 1), window(1, 1, 0.8, flag), window(2, 1)])
    assert found == [Event(0, 4, 1, 0.8)]  # the windows on both sides touch
    assert merge([window(0, 1, 0.8, flag)]) == []


def test_an_event_of_sound_unlike_the_training_is_kept():
    assert len(merge([window(0, 1, 0.8, "unlike training data")])) == 1


def test_windows_that_are_less_certain_than_asked_for_make_no_event():
    assert merge([window(0, 1, 0.6), window(1, 2, 0.9)], min_confidence=0.7) == [Event(1, 3, 2, 0.9)]


def test_events_do_not_overlap():
    rng = np.random.default_rng(0)
    found = merge([window(start / 2, int(rng.integers(3))) for start in range(100)])
    assert all(one.end_seconds <= other.start_seconds for one, other in pairwise(found))
    assert all(event.start_seconds < event.end_seconds for event in found)
