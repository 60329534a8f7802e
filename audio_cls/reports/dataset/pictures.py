"""The pictures of the page, in the style of the other figures. Narrow, so that they can be read on a telephone."""

from collections import Counter
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from audio_cls.figures.clip import hertz_ticks
from audio_cls.figures.spectrogram import FLOOR, band_edges
from audio_cls.figures.style import COLOURS, FONT_SIZE, short
from audio_cls.reports.dataset.survey import Survey

WIDTH = 4.8  # inches
MAX_ROWS = 120  # classes in a picture
MAX_FOLDS = 12  # with numbers in the cells
MAX_LABEL = 22  # characters of a class
BLUE, ORANGE, GREEN, VERMILION, SKY = COLOURS[:5]


def classes_picture(survey: Survey) -> Figure:
    counts = Counter(clip.label for clip in survey.clip_set.clips)
    figure, axes, shown = _rows_of_classes(survey)
    places = np.arange(shown)
    thick = 0.4 if survey.has_sources else 0.7
    shift = thick / 2 if survey.has_sources else 0
    axes.barh(places - shift, [counts[label] for label in range(shown)], thick, color=BLUE, label="clips")
    if survey.has_sources:
        sources = Counter(label for label, _ in {(clip.label, clip.source) for clip in survey.clip_set.clips})
        axes.barh(places + shift, [sources[label] for label in range(shown)], thick, color=ORANGE, label="recordings")
        _legend(figure, axes)
    axes.set_xlabel("number of clips" + (" and of recordings they were cut from" if survey.has_sources else ""))
    _integers(axes.xaxis)
    return figure


def durations_picture(survey: Survey) -> Figure | None:
    """None where all clips are of one shape."""
    if len(survey.shapes) == 1:
        return None
    seconds = np.array([each.seconds for each in survey.good.values()])
    figure, axes = _canvas()
    spread = seconds.max() / max(seconds.min(), 1e-3)
    if spread > 20:
        bins = np.geomspace(max(seconds.min(), 1e-3), seconds.max() * 1.001, 40)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        margin = max(0.02 * seconds.max(), 0.02)
        bins = np.linspace(max(0, seconds.min() - margin), seconds.max() + margin, 41)
    axes.hist(seconds, bins.tolist(), color=BLUE)
    if len(seconds) > 50:
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.6)  # so that a bar of one clip is seen
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("seconds")
    axes.set_ylabel("clips" + (" (logarithmic)" if len(seconds) > 50 else ""))
    return figure


def levels_picture(survey: Survey) -> Figure:
    figure, axes, shown = _rows_of_classes(survey)
    random = np.random.default_rng(0)
    for label in range(shown):
        members = [survey.good[index] for index in survey.of_class(label) if survey.good[index].silent < 1]
        if members:
            levels = np.array([each.rms_db for each in members])
            heights = label + random.uniform(-0.25, 0.25, len(levels))
            axes.scatter(levels, heights, s=7 if len(survey.good) > 100 else 16, color=SKY, alpha=0.8, linewidths=0)
            axes.vlines(np.median(levels), label - 0.38, label + 0.38, color="black", linewidth=2)
    axes.set_xlabel("RMS level in dBFS; a line marks the median")
    axes.grid(axis="x", color="0.9")
    return figure


def silence_picture(survey: Survey) -> Figure | None:
    """Mean share of each class's time that is digital silence, by where it is; None where there is none."""
    if not any(each.silent for each in survey.good.values()):
        return None
    figure, axes, shown = _rows_of_classes(survey)
    shares = np.zeros((shown, 3))
    for label in range(shown):
        for index in survey.of_class(label):
            each = survey.good[index]
            seconds = each.examined / each.sample_rate
            ends = each.leading_seconds / seconds, each.trailing_seconds / seconds
            shares[label] += (ends[0], max(0.0, each.silent - sum(ends)), ends[1])
        shares[label] *= 100 / max(len(survey.of_class(label)), 1)
    left = np.zeros(shown)
    kinds = (("before the sound", ORANGE, ""), ("within", SKY, "////"), ("after it", BLUE, ""))
    for share, (name, colour, hatch) in zip(shares.T, kinds, strict=True):
        style: dict[str, Any] = {"color": colour, "hatch": hatch, "edgecolor": "white", "linewidth": 0}
        axes.barh(range(shown), share, 0.7, left, label=name, **style)
        left += share
    axes.set_xlim(0, max(float(left.max()) * 1.05, 5))
    axes.set_xlabel("digital silence, mean share of the time in %")
    _legend(figure, axes)
    return figure


def spectra_picture(survey: Survey) -> Figure:
    """Mean of the clips' spectra, in dB below the whole of a clip, (K, B)."""
    figure, axes, shown = _rows_of_classes(survey)
    means = np.full((shown, len(band_edges(survey.highest)) - 2), np.nan)
    for label in range(shown):
        bands = [found for index in survey.of_class(label) if (found := survey.good[index].bands) is not None]
        if bands:
            means[label] = np.mean(10 * np.log10(np.stack(bands) + FLOOR), axis=0)
    top = np.nanmax(means) if np.isfinite(means).any() else 0
    image = axes.imshow(
        means, aspect="auto", cmap="viridis", vmin=top - 50, vmax=top, interpolation="nearest", origin="upper"
    )
    axes.set_ylim(shown - 0.5, -0.5)
    hertz_ticks(axes.xaxis, survey.highest)
    axes.set_xlabel("kHz, mel scale")
    axes.grid(False)
    height = figure.get_size_inches()[1]
    bar = figure.colorbar(image, ax=axes, location="bottom", aspect=30, shrink=0.9, pad=0.25 / height, extend="min")
    bar.set_label("dB below the clip's whole power", fontsize=FONT_SIZE - 1)
    bar.ax.tick_params(labelsize=FONT_SIZE - 1)
    return figure


def folds_picture(survey: Survey) -> Figure | None:
    """Clips of each class in each published fold, and the recordings they come from; None where there are no folds."""
    folds = survey.folds(range(len(survey.clip_set)))
    if not folds:
        return None
    figure, axes, shown = _rows_of_classes(survey)
    clips = np.zeros((shown, len(folds)), dtype=int)
    sources: list[list[set[object]]] = [[set() for _ in folds] for _ in range(shown)]
    for index, clip in enumerate(survey.clip_set.clips):
        if clip.label < shown and clip.fold is not None:
            column = folds.index(clip.fold)
            clips[clip.label, column] += 1
            sources[clip.label][column].add(index if clip.source is None else clip.source)
    axes.imshow(clips, aspect="auto", cmap="Blues", vmin=0, vmax=max(1, clips.max()) * 2.5, interpolation="nearest")
    if len(folds) <= MAX_FOLDS:
        for (row, column), count in np.ndenumerate(clips):
            text = f"{count} / {len(sources[row][column])}" if survey.has_sources else f"{count}"
            axes.text(column, row, text, ha="center", va="center", fontsize=FONT_SIZE - 1)
    axes.set_xticks(range(len(folds)), [survey.clip_set.fold_name(fold) for fold in folds])
    if len(folds) > MAX_FOLDS:
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    axes.set_ylim(shown - 0.5, -0.5)
    what = "role" if survey.clip_set.has_roles else "published fold"
    axes.set_xlabel(f"{what}: clips" + (" / recordings" if survey.has_sources else ""))
    axes.grid(False)
    return figure


def sources_picture(survey: Survey) -> Figure | None:
    """How many recordings gave one clip, two clips, ...; None where sources are not known."""
    if not survey.has_sources:
        return None
    counts = Counter(len(members) for members in survey.clips_of_source.values())
    figure, axes = _canvas()
    axes.bar(list(counts), list(counts.values()), 0.7 if max(counts) < 30 else 0.9, color=BLUE)
    if len(counts) <= 12 and max(counts) < 30:
        for size, count in counts.items():
            axes.text(size, count, str(count), ha="center", va="bottom", fontsize=FONT_SIZE - 1)
        axes.margins(y=0.12)
    _integers(axes.xaxis, most=12)
    _integers(axes.yaxis)
    axes.set_xlabel("clips cut from a recording")
    axes.set_ylabel("recordings")
    return figure


def leakage_picture(survey: Survey) -> Figure | None:
    if survey.leak is None:
        return None
    figure, axes = _canvas()
    counts = survey.leak.over_shuffles
    size = max(1, -(-(counts.max() - counts.min() + 1) // 20))
    bins = np.arange(counts.min(), counts.max() + size + 1, size) - 0.5
    axes.hist(counts, bins.tolist(), color=SKY, label=f"{len(counts)} plain shuffles")
    axes.axvline(survey.leak.expected, color="black", linewidth=2, label=f"expected: {survey.leak.expected:.1f}")
    axes.axvline(0, color=VERMILION, linewidth=3, linestyle="--", label="recordings kept together: 0")
    axes.set_xlim(left=-0.02 * max(counts.max(), 1))
    axes.set_xlabel(f"leaked clips of {len(survey.clip_set)}")
    axes.set_ylabel("shuffles")
    _integers(axes.yaxis)
    _legend(figure, axes)
    return figure


def _canvas(height: float = 2.6) -> tuple[Figure, Axes]:
    """Empty axes; the figure has a fixed size in inches, so that pictures line up on the page."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.label.set_fontsize(FONT_SIZE)
    axes.yaxis.label.set_fontsize(FONT_SIZE)
    axes.tick_params(labelsize=FONT_SIZE)
    return figure, axes


def _rows_of_classes(survey: Survey) -> tuple[Figure, Axes, int]:
    """A row for each class, the first at the top; and how many are shown."""
    shown = min(len(survey.clip_set.classes), MAX_ROWS)
    small = shown > 20
    figure, axes = _canvas(1.3 + (0.19 if small else 0.27) * shown)
    names = [short(name, MAX_LABEL) for name in survey.clip_set.classes[:shown]]
    axes.set_yticks(range(shown), names, parse_math=False)  # a class may be called $x$
    axes.set_ylim(shown - 0.4, -0.6)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", labelsize=FONT_SIZE - small)
    return figure, axes, shown


def _legend(figure: Figure, axes: Axes) -> None:
    """Above the axes, where it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    columns = 3 if sum(map(len, labels)) < 45 else 1
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, fontsize=FONT_SIZE - 1, frameon=False)


def _integers(axis: Axis, most: int = 6) -> None:
    axis.set_major_locator(MaxNLocator(most, integer=True, min_n_ticks=1))
