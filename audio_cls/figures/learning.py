"""Loss, accuracy and learning rate by epoch: of one job, and of the variants of a study over their jobs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from audio_cls.figures.style import (
    COLOURS,
    DOTTED,
    FONT_SIZE,
    GREY,
    Styles,
    VariantStyle,
    add_axes,
    add_title,
    in_percent,
    new_figure,
    plain_axes,
    short,
)

WIDTH = 6.5  # inches, of the figure of a job
PANEL_WIDTH, PANEL_HEIGHT = 2.9, 1.9  # inches, of the figure of a study
MAX_MARKED = 40  # points of a line that get a dot each
MAX_BANDS = 4  # variants; the bands of more would hide each other
Row = Mapping[str, Any]  # of history.csv: numbers, None where a column has no value
History = Sequence[Row]


def learning_figure(history: History, num_classes: int, title: str) -> Figure:
    """The rows of history.csv as curves, epochs counted from 1. Validation has points only where it was done."""
    figure = new_figure()
    epochs = [row["epoch"] + 1 for row in history]
    loss = add_axes(figure, 0, 0, WIDTH, 2.2)
    accuracy = add_axes(figure, 0, 2.4, WIDTH, 2.2)
    rate = add_axes(figure, 0, 4.8, WIDTH, 1.0)
    for axes, measure in ((loss, "loss"), (accuracy, "accuracy")):
        _draw_line(axes, history, f"train_{measure}", "training crops", COLOURS[0], "-")
        _draw_line(axes, history, f"val_{measure}", "validation clips", COLOURS[3], "-")
    _draw_line(accuracy, history, "val_f1_macro", "validation, macro F1", COLOURS[3], ":")
    _draw_line(rate, history, "lr", "learning rate", COLOURS[2], "-")
    _scale_accuracy(accuracy, num_classes)
    for axes, name in ((loss, "loss"), (accuracy, "accuracy"), (rate, "learning rate")):
        axes.set_ylabel(name)
        axes.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
        _style_epochs(axes, last=axes is rate)
        if axes is not rate:
            axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=FONT_SIZE - 1)
    for axes in (loss, rate):
        axes.set_ylim(0, 1.06 * axes.dataLim.ymax if axes.dataLim.ymax > 0 else 1)
    rate.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    rate.yaxis.get_offset_text().set_color(GREY)
    add_title(loss, title, WIDTH)
    return figure


def study_learning_figure(histories: Mapping[str, Sequence[History]], styles: Styles, num_classes: int) -> Figure:
    """Mean and range over the jobs of each variant: loss and accuracy, on training crops and below on validation."""
    figure = new_figure()
    with_val = any(row.get("val_loss") is not None for jobs in histories.values() for job in jobs for row in job)
    splits = [("train", "training crops"), *([("val", "validation clips")] if with_val else [])]
    for line, (split, clips) in enumerate(splits):
        for column, measure in enumerate(("loss", "accuracy")):
            place = column * (PANEL_WIDTH + 0.62), line * (PANEL_HEIGHT + 0.35)
            axes = add_axes(figure, *place, PANEL_WIDTH, PANEL_HEIGHT)
            for name, jobs in histories.items():
                _draw_mean(axes, jobs, f"{split}_{measure}", styles[name], name, band=len(histories) <= MAX_BANDS)
            axes.set_title(f"{measure}, {clips}", fontsize=FONT_SIZE, loc="left")
            _style_epochs(axes, last=line == len(splits) - 1)
            if measure == "accuracy":
                _scale_accuracy(axes, num_classes)
            else:
                axes.set_ylim(bottom=0)
    handles, names = figure.axes[0].get_legend_handles_labels()
    legend = figure.axes[0].legend(
        handles, [short(name, 40) for name in names], loc="lower left", bbox_to_anchor=(0, 1.16),
        ncols=3 if len(names) <= 3 else 1, frameon=False, fontsize=FONT_SIZE - 1, borderaxespad=0, handlelength=2.8,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _draw_line(axes: Axes, history: History, key: str, label: str, colour: str, style: str) -> None:
    """A line through the epochs that have a value; with a dot for each where they are few."""
    points = [(row["epoch"] + 1, row[key]) for row in history if row.get(key) is not None]
    if points:
        marker = "o" if len(points) <= MAX_MARKED else None
        x, y = zip(*points, strict=True)
        axes.plot(x, y, color=colour, linestyle=style, linewidth=1.5, marker=marker, markersize=3, label=label)


def _draw_mean(axes: Axes, jobs: Sequence[History], key: str, style: VariantStyle, name: str, band: bool) -> None:
    """The mean of each epoch over the jobs that have a value for it, and the range of them."""
    values: dict[int, list[float]] = {}
    for job in jobs:
        for row in job:
            if row.get(key) is not None:
                values.setdefault(int(row["epoch"]) + 1, []).append(row[key])
    epochs = sorted(values)
    if not epochs:
        return
    if band:
        low, high = [min(values[epoch]) for epoch in epochs], [max(values[epoch]) for epoch in epochs]
        axes.fill_between(epochs, low, high, color=style.colour, alpha=0.15, linewidth=0)
    mean = [float(np.mean(values[epoch])) for epoch in epochs]
    marker = style.marker if len(epochs) == 1 else None
    axes.plot(epochs, mean, color=style.colour, linestyle=style.line_style, linewidth=1.6, marker=marker, label=name)


def _scale_accuracy(axes: Axes, num_classes: int) -> None:
    axes.axhline(1 / num_classes, **DOTTED, label="chance")
    axes.set_ylim(0, 1.02)
    in_percent(axes.yaxis)


def _style_epochs(axes: Axes, last: bool) -> None:
    """The axis of epochs, with numbers and a label on the last of several panels."""
    plain_axes(axes)
    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True, min_n_ticks=1))
    axes.tick_params(labelbottom=last)
    if last:
        axes.set_xlabel("epoch")
