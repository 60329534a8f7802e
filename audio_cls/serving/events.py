"""From the windows of a recording to events: stretches in which the same class is the most probable one."""

from collections.abc import Iterable

from audio_cls.serving.flags import SILENT, UNSURE
from audio_cls.serving.prediction import Event, Window


def merge(windows: Iterable[Window], min_confidence: float = 0.0) -> list[Event]:
    """Events in the order of their starts.

    Windows of one class that touch or overlap make one event, unless another class comes between them. A window that is
    flagged as silent or unsure, or whose top probability is below `min_confidence`, makes none. Where windows of two
    classes overlap, one event ends and the next begins in the middle of the overlap.
    """
    events: list[Event] = []
    for window in windows:
        if {SILENT, UNSURE} & set(window.flags) or window.confidence < min_confidence:
            continue
        last = events[-1] if events else None
        if last and last.label == window.best and window.start_seconds <= last.end_seconds:
            highest = max(last.probability, window.confidence)
            events[-1] = Event(last.start_seconds, window.end_seconds, last.label, highest)
            continue
        start = window.start_seconds
        if last and start < last.end_seconds:
            start = (start + last.end_seconds) / 2
            events[-1] = Event(last.start_seconds, start, last.label, last.probability)
        events.append(Event(start, window.end_seconds, window.best, window.confidence))
    return events
