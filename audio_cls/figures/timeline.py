"""What was heard when: a sound's spectrogram, and below it the probability of each class over time.

Axis letters: W windows, B mel bands, K classes.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from audio_cls.data.decode import decode
from audio_cls.figures.clip import RANGE_DB, draw_spectrogram, hertz_ticks
from audio_cls.figures.job import save_figure
from audio_cls.figures.spectrogram import FLOOR, mel_power
from audio_cls.figures.style import FONT_SIZE, add_axes, add_title, figure_style, new_figure, short
from audio_cls.serving.prediction import Prediction, Window
from audio_cls.serving.tables import clock

WIDTH = 9.0  # inches
ROW = 0.2  # of one class
MAX_CLASSES = 12
Column = tuple[float, float, np.ndarray]  # start and end in seconds, power (B,)


def column(start_seconds: float, end_seconds: float, waveform: np.ndarray, sample_rate: int) -> Column:
    """What the spectrogram of a long recording shows of one window (samples,): its mean power in mel bands."""
    power = mel_power(waveform, sample_rate, sample_rate / 2, hop_seconds=0.046)
    return start_seconds, end_seconds, power.mean(axis=0)


def save_timeline(
    place: Path,
    sound: Path,
    prediction: Prediction,
    classes: Sequence[str],
    columns: Sequence[Column],
    sample_rate: int,
    command: str,
) -> None:
    """Draws a prediction. `columns` are those of its windows; without any, the sound is read again."""
    assert prediction.probabilities is not None and prediction.duration_seconds is not None
    seconds = prediction.duration_seconds
    windows = prediction.windows
    if windows is None:
        windows = (Window(0.0, seconds, prediction.probabilities, prediction.flags),)
    with figure_style():
        figure = new_figure()
        above = add_axes(figure, 0, 0, WIDTH, 1.6)
        if columns:
            _draw_columns(above, columns, seconds, sample_rate / 2)
        else:
            draw_spectrogram(above, decode(sound, sample_rate), sample_rate, 0.0, sample_rate / 2)
        add_title(above, f"{short(prediction.file, 80)}, {clock(seconds)}", WIDTH)
        shown = _shown(windows, prediction.probabilities)
        below = add_axes(figure, 0, 1.7, WIDTH, max(2, len(shown)) * ROW)
        _draw_classes(below, windows, [classes[index] for index in shown], shown)
        for axes in (above, below):
            axes.set_xlim(0, seconds)
            axes.tick_params(labelsize=FONT_SIZE - 1, length=2, labelbottom=axes is below)
        if seconds > 120:
            below.xaxis.set_major_formatter(lambda value, _: clock(value).partition(".")[0])
        below.set_xlabel("time" if seconds > 120 else "time in seconds")
    save_figure(figure, place, command)


def _shown(windows: Sequence[Window], probabilities: np.ndarray) -> list[int]:
    """The classes with the highest probability anywhere, in the order of their indices."""
    highest = np.max([window.probabilities for window in windows], axis=0) if windows else probabilities
    return sorted(np.argsort(-highest, kind="stable")[:MAX_CLASSES].tolist())


def _draw_columns(axes: Axes, columns: Sequence[Column], seconds: float, highest: float) -> None:
    decibels = 10 * np.log10(np.stack([power for _, _, power in columns], axis=1) + FLOOR)  # (B, W)
    edges = _edges([column[:2] for column in columns], seconds)
    axes.pcolormesh(
        edges, np.arange(len(decibels) + 1) - 0.5, decibels, cmap="magma", rasterized=True,
        vmin=decibels.max() - RANGE_DB, vmax=decibels.max(),
    )  # fmt: skip
    hertz_ticks(axes.yaxis, highest)
    axes.set_ylabel("kHz")


def _draw_classes(axes: Axes, windows: Sequence[Window], names: Sequence[str], shown: Sequence[int]) -> None:
    """Probabilities from 0 (white) to 1 (dark); grey where windows were left out, hatched where they are flagged."""
    axes.set_facecolor("0.88")
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [short(name) for name in names], parse_math=False)
    for run in _runs(windows):
        edges = _edges([(each.start_seconds, each.end_seconds) for each in run], run[-1].end_seconds)
        values = np.stack([each.probabilities[shown] for each in run], axis=1)  # (K, W)
        rows = np.arange(len(names) + 1) - 0.5
        axes.pcolormesh(edges, rows, values, cmap="Blues", vmin=0, vmax=1, rasterized=True)
        for place, each in enumerate(run):
            if each.flags:
                axes.axvspan(*edges[place : place + 2], facecolor="none", edgecolor="0.6", hatch="////", linewidth=0)


def _runs(windows: Sequence[Window]) -> list[list[Window]]:
    """Windows without gaps between them, together."""
    runs: list[list[Window]] = []
    for window in windows:
        if runs and window.start_seconds <= runs[-1][-1].end_seconds:
            runs[-1].append(window)
        else:
            runs.append([window])
    return runs


def _edges(spans: Sequence[tuple[float, float]], end: float) -> np.ndarray:
    """Where each of several overlapping spans is shown: from the middle of one overlap to the middle of the next."""
    between = [(last[1] + following[0]) / 2 for last, following in pairwise(spans)]
    return np.array([spans[0][0], *between, end])
