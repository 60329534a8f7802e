"""How a job did on each class: confusion matrix and F1 scores."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from audio_cls.figures.style import (
    COLOURS,
    FONT_SIZE,
    GREY,
    add_axes,
    add_title,
    from_left,
    in_percent,
    new_figure,
    short,
)

MAX_WITH_SHARES = 25  # classes whose cells have room for a percentage below the count
MAX_WITH_COUNTS = 64


def confusion_figure(confusion: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """Counts and shares of the true class: true classes (K rows) against predicted ones (K columns).

    From 26 classes on the cells hold counts alone, and the share on the diagonal (recall) stands behind each row.
    """
    num_classes = len(classes)
    cell = _cell_size(num_classes)
    size = cell * num_classes
    figure = new_figure()
    axes = add_axes(figure, 0, 0, size, size)
    totals = confusion.sum(axis=1)
    share = confusion / np.maximum(totals, 1)[:, None]
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    if num_classes <= MAX_WITH_COUNTS:
        _write_counts(axes, confusion, share, cell)
    for row in np.flatnonzero(totals == 0):  # classes without clips, where nothing could be right or wrong
        axes.axhspan(row - 0.5, row + 0.5, facecolor="0.95", edgecolor="0.8", hatch="////", linewidth=0)
    if num_classes > MAX_WITH_SHARES:
        _write_recall(axes, confusion, totals, cell)
    names = [short(name) for name in classes]
    font_size = min(FONT_SIZE, cell * 72 * 0.8)
    axes.set_xticks(
        range(num_classes), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=font_size, parse_math=False
    )
    counted = [from_left(f"{name} ({total:,})") for name, total in zip(names, totals, strict=True)]
    axes.set_yticks(range(num_classes), counted, fontsize=font_size, parse_math=False)
    axes.tick_params(length=2)
    edges = np.arange(1, num_classes) - 0.5
    axes.hlines(edges, -0.5, num_classes - 0.5, color="0.9", linewidth=0.5)
    axes.vlines(edges, -0.5, num_classes - 0.5, color="0.9", linewidth=0.5)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class (clips)")
    add_title(axes, title, max(size, 5))
    beside = 0.25 if num_classes <= MAX_WITH_SHARES else 0.65
    bar = figure.colorbar(image, cax=add_axes(figure, size + beside, 0, 0.13, size))
    bar.set_label("share of the true class", fontsize=FONT_SIZE)
    in_percent(bar.ax.yaxis)
    bar.ax.tick_params(labelsize=FONT_SIZE - 1)
    bar.outline.set_visible(False)
    return figure


def f1_figure(f1_per_class: Sequence[float | None], f1_macro: float, counts: Sequence[int], classes: Sequence[str],
              title: str) -> Figure:  # fmt: skip
    """A bar for the F1 score of each class, in the classes' order, and a line for their mean."""
    num_classes = len(classes)
    row = 0.24 if num_classes <= 25 else max(0.1, min(0.19, 24 / num_classes))  # inches
    width, height = 5.5, row * num_classes + 0.1
    font_size = min(FONT_SIZE, row * 72 * 0.8)
    figure = new_figure()
    axes = add_axes(figure, 0, 0, width, height)
    axes.barh(range(num_classes), [value or 0.0 for value in f1_per_class], height=0.7, color=COLOURS[0])
    for index, value in enumerate(f1_per_class):
        style: dict[str, Any] = {"va": "center", "fontsize": font_size, "in_layout": False}
        if value is None:
            axes.text(0.01, index, "no clips, never predicted", color=GREY, **style)
        else:
            axes.text(1.02, index, f"{value:.2f}", **style)
    axes.axvline(f1_macro, color=COLOURS[3], linewidth=1.2, linestyle="--")
    axes.text(f1_macro, -0.62, f"macro F1 {f1_macro:.3f}", ha="center", va="bottom", color=COLOURS[3])
    names = [from_left(f"{short(name)} ({count:,})") for name, count in zip(classes, counts, strict=True)]
    axes.set_yticks(range(num_classes), names, fontsize=font_size, parse_math=False)
    axes.set_ylim(num_classes - 0.4, -0.6)
    axes.set_xlim(0, 1.1)  # the figures stand at the right
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.tick_params(length=2)
    axes.spines["bottom"].set_bounds(0, 1)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("F1 score")
    axes.set_ylabel("class (clips)")
    add_title(axes, title, width, pad=18)
    return figure


def _cell_size(num_classes: int) -> float:
    """In inches: large enough for what is written into it."""
    if num_classes <= 12:
        return max(0.5, 2.6 / num_classes)
    if num_classes <= MAX_WITH_COUNTS:
        return 0.42 if num_classes <= MAX_WITH_SHARES else 0.27
    return max(0.1, 18 / num_classes)


def _write_counts(axes: Axes, confusion: np.ndarray, share: np.ndarray, cell: float) -> None:
    """The counts that are not zero, and below them, where there is room, the percentages."""
    with_shares = len(confusion) <= MAX_WITH_SHARES
    digits = max(3 if with_shares else 1, len(str(confusion.max())))
    font_size = min(FONT_SIZE, cell * 72 * 0.8 / (0.64 * digits))
    for row, column in np.argwhere(confusion > 0):
        style: dict[str, Any] = {
            "ha": "center", "color": "white" if share[row, column] > 0.55 else "black", "fontsize": font_size,
            "in_layout": False,
        }  # fmt: skip
        if not with_shares:
            axes.text(column, row, str(confusion[row, column]), va="center_baseline", **style)
            continue
        axes.text(column, row - 0.02, str(confusion[row, column]), va="bottom", **style)
        percent = int(100 * share[row, column] + 0.5)
        text = f"{percent}%" if percent else "<1%"
        axes.text(column, row + 0.04, text, va="top", **style | {"fontsize": min(font_size, FONT_SIZE - 2.5)})


def _write_recall(axes: Axes, confusion: np.ndarray, totals: np.ndarray, cell: float) -> None:
    """The share of each class that was recognised, at the end of its row."""
    num_classes = len(confusion)
    font_size = min(FONT_SIZE - 1, cell * 72 * 0.8)
    for row, total in enumerate(totals):
        recall = f"{confusion[row, row] / total:.0%}" if total else "–"
        axes.text(num_classes - 0.35, row, recall, va="center_baseline", fontsize=font_size)
    axes.text(num_classes - 0.35, -0.7, "recall", va="bottom", fontsize=font_size)
