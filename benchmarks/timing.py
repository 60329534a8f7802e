"""Times of alternatives, taken in turns, so that a slow spell of the machine meets all of them alike."""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

SHORTEST_SAMPLE_SECONDS = 0.01  # shorter calls are timed several at once


@dataclass(frozen=True)
class Ratio:
    """The median over rounds of one time divided by another of the same round, and the middle half of the rounds."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def interleaved(
    alternatives: Mapping[str, Callable[[], object]],
    *,
    seconds: float,
    min_rounds: int = 3,
    max_rounds: int = 100,
    warm_up: int = 1,
) -> dict[str, list[float]]:
    """Seconds of one call of each alternative, one value a round: A B, B A, A B, ...

    Rounds are repeated for about `seconds` altogether, but at least `min_rounds` times.
    """
    calls = {}
    for name, alternative in alternatives.items():
        shortest = min(_seconds(alternative, 1) for _ in range(max(1, warm_up)))
        calls[name] = max(1, math.ceil(SHORTEST_SAMPLE_SECONDS / max(shortest, 1e-7)))
    found: dict[str, list[float]] = {name: [] for name in alternatives}
    started = time.perf_counter()
    for number in range(max_rounds):
        if number >= min_rounds and time.perf_counter() - started > seconds:
            break
        for name in list(alternatives) if number % 2 == 0 else list(alternatives)[::-1]:
            found[name].append(_seconds(alternatives[name], calls[name]))
    return found


def _seconds(call: Callable[[], object], times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - started) / times


def median(seconds: Sequence[float]) -> float:
    return statistics.median(seconds)


def ratio(seconds: Sequence[float], other: Sequence[float]) -> Ratio:
    """`seconds` / `other`, round by round: how many times faster the other is."""
    ratios = sorted(one / two for one, two in zip(seconds, other, strict=True))
    if len(ratios) == 1:
        return Ratio(ratios[0], ratios[0], ratios[0])
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(middle, low, high)
