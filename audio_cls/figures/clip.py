"""A clip as a picture of fixed size: waveform, log-mel spectrogram and, where it is known, a model's attention.

Axis letters: B mel bands, N frames, P places along the clip.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from audio_cls.figures.spectrogram import FLOOR, band_edges, mel_power
from audio_cls.figures.style import COLOURS, FONT_SIZE

WIDTH, TIME_HEIGHT = 4.0, 2.9  # inches, without attention
ROW = 0.2  # of a row of attention
COLUMNS = 430  # of a waveform, one a pixel
RANGE_DB = 80  # of a spectrogram
HERTZ = (1000, 5000, 10_000, 20_000, 2000, 500, 200, 100)  # round ones, those that matter most first
TICK_SPACE = 0.09  # of the axis, between two labels
MAX_SECONDS_TICKS = 5


def clip_figure(
    waveform: np.ndarray,
    sample_rate: int,
    start_seconds: float,
    highest: float,
    attention: Sequence[tuple[str, np.ndarray]] = (),
    edges: np.ndarray | None = None,
) -> Figure:
    """Waveform (T,) above its spectrogram up to `highest` Hz, over the same seconds.

    `attention`: rows with their names, each (P,), 1 for even attention, NaN where there is none; `edges`, (P + 1,), are
    those of the places in seconds of the clip.
    """
    added = ROW * len(attention) + 0.1 if attention else 0.0
    height = TIME_HEIGHT + added
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    # The same margins in all of them, so that their axes line up.
    left, width = (0.17, 0.78) if attention else (0.13, 0.82)  # room for half a label on the right
    bottom, gap = 0.435, 0.12  # inches
    room = TIME_HEIGHT - bottom - 0.12 - gap
    above = figure.add_axes((left, (bottom + added + room * 2 / 3 + gap) / height, width, room / 3 / height))
    below = figure.add_axes((left, (bottom + added) / height, width, room * 2 / 3 / height), sharex=above)
    draw_waveform(above, waveform, sample_rate, start_seconds)
    draw_spectrogram(below, waveform, sample_rate, start_seconds, highest)
    panels = [above, below]
    if attention and edges is not None:
        panels.append(figure.add_axes((left, bottom / height, width, ROW * len(attention) / height), sharex=above))
        rows = np.stack([row for _, row in attention])  # (rows, P)
        draw_attention(panels[-1], rows, edges, max(2.0, float(np.nanquantile(rows, 0.995))))
        panels[-1].set_yticks(range(len(rows)), [name for name, _ in attention])
        for row in range(1, len(rows)):
            panels[-1].axhline(row - 0.5, color="white", linewidth=1)
    panels[-1].set_xlabel("seconds")
    above.set_xlim(start_seconds, start_seconds + len(waveform) / sample_rate)
    above.xaxis.set_major_locator(MaxNLocator(MAX_SECONDS_TICKS))
    for axes in panels:
        axes.tick_params(labelsize=FONT_SIZE - 1, labelbottom=axes is panels[-1])
    return figure


def hertz_ticks(axis: Axis, highest: float) -> None:
    """Round frequencies on an axis of mel bands."""
    peaks = band_edges(highest)[1:-1]
    places: dict[int, float] = {}
    for value in HERTZ:
        place = float(np.interp(value, peaks, np.arange(len(peaks))))
        if peaks[0] <= value <= highest and all(abs(place - at) > TICK_SPACE * len(peaks) for at in places.values()):
            places[value] = place
    axis.set_ticks(list(places.values()), [f"{value / 1000:g}" for value in places])


def draw_waveform(axes: Axes, waveform: np.ndarray, sample_rate: int, start: float) -> None:
    """Lowest and highest sample of each column of the picture."""
    edges = np.linspace(0, len(waveform), min(COLUMNS, len(waveform)), endpoint=False).astype(int)
    low, high = np.minimum.reduceat(waveform, edges), np.maximum.reduceat(waveform, edges)
    seconds = np.linspace(start, start + len(waveform) / sample_rate, len(low))
    axes.fill_between(seconds, low, high, color=COLOURS[0], linewidth=0.4)
    peak = max(float(np.abs(waveform).max()), 1e-4)
    shown = f"{peak:.2g}" if peak >= 0.01 else f"{peak:.0e}"
    axes.set_ylim(-1.05 * peak, 1.05 * peak)
    axes.set_yticks((-peak, 0, peak), (f"-{shown}", "0", shown))


def draw_spectrogram(axes: Axes, waveform: np.ndarray, sample_rate: int, start: float, highest: float) -> None:
    """Log-mel levels up to `highest` Hz, from the loudest to 80 dB below it."""
    seconds = len(waveform) / sample_rate
    power = mel_power(waveform, sample_rate, highest, hop_seconds=max(seconds / 500, 0.004))
    decibels = 10 * np.log10(power.T + FLOOR)  # (B, N)
    axes.imshow(
        decibels, origin="lower", aspect="auto", cmap="magma", interpolation="nearest",
        vmin=decibels.max() - RANGE_DB, vmax=decibels.max(), extent=(start, start + seconds, -0.5, len(decibels) - 0.5),
    )  # fmt: skip
    hertz_ticks(axes.yaxis, highest)
    axes.set_ylabel("kHz")


def draw_attention(axes: Axes, rows: np.ndarray, edges: np.ndarray, brightest: float) -> AxesImage:
    """Rows of attention, (rows, P), between the edges (P + 1,) of their places in seconds."""
    axes.set_facecolor("0.85")  # shows where no crop counts
    return axes.imshow(
        rows, aspect="auto", cmap="viridis", vmin=0, vmax=brightest, interpolation="nearest",
        extent=(edges[0], edges[-1], len(rows) - 0.5, -0.5),
    )  # fmt: skip
