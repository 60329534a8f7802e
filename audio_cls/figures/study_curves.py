"""How the variants of a study learnt: loss and accuracy by epoch, over their jobs."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from audio_cls.figures.learning import Row
from audio_cls.figures.style import FONT_SIZE, Look, add_axes, new_figure, short

WIDTH, HEIGHT = 2.9, 1.9  # inches
History = Sequence[Row]
MOST_BANDS = 4  # variants; the bands of more would hide each other


def study_curves_figure(
    histories: Mapping[str, Sequence[History]], looks: Mapping[str, Look], num_classes: int
) -> Figure:
    """Mean over the jobs of each variant, within the range over its jobs. Training clips above, validation below it."""
    figure = new_figure()
    with_val = any(row.get("val_loss") is not None for jobs in histories.values() for job in jobs for row in job)
    splits = [("train", "training crops"), *([("val", "validation clips")] if with_val else [])]
    for line, (split, clips) in enumerate(splits):
        for column, measure in enumerate(("loss", "accuracy")):
            axes = add_axes(figure, column * (WIDTH + 0.62), line * (HEIGHT + 0.35), WIDTH, HEIGHT)
            for name, jobs in histories.items():
                _draw(axes, jobs, f"{split}_{measure}", looks[name], name, band=len(histories) <= MOST_BANDS)
            axes.set_title(f"{measure}, {clips}", fontsize=FONT_SIZE, loc="left")
            axes.grid(color="0.93", linewidth=0.6)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
            axes.tick_params(length=2, labelbottom=line == len(splits) - 1)
            axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
            if measure == "accuracy":
                axes.axhline(1 / num_classes, color="0.6", linewidth=1, linestyle=(0, (1, 2)))
                axes.set_ylim(0, 1.02)
                axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
            else:
                axes.set_ylim(bottom=0)
            if line == len(splits) - 1:
                axes.set_xlabel("epoch")
    handles, names = figure.axes[0].get_legend_handles_labels()
    legend = figure.axes[0].legend(
        handles, [short(name, 40) for name in names], loc="lower left", bbox_to_anchor=(0, 1.16),
        ncols=3 if len(names) <= 3 else 1, frameon=False, fontsize=FONT_SIZE - 1, borderaxespad=0, handlelength=2.8,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _draw(axes: Axes, jobs: Sequence[History], key: str, look: Look, name: str, band: bool) -> None:
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
        axes.fill_between(epochs, low, high, color=look.colour, alpha=0.15, linewidth=0)
    mean = [float(np.mean(values[epoch])) for epoch in epochs]
    marker = look.marker if len(epochs) == 1 else None
    axes.plot(epochs, mean, color=look.colour, linestyle=look.line_style, linewidth=1.6, marker=marker, label=name)
