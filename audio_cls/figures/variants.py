"""The variants of a study: every fold and seed, changes one by one, and numbers of heads side by side."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from audio_cls.analysis.summary import Spread
from audio_cls.figures.style import (
    COLOURS,
    DOTTED,
    FONT_SIZE,
    GREY,
    Styles,
    add_axes,
    in_percent,
    new_figure,
    plain_axes,
    short,
)

WIDTH = 5.2  # inches
ROW = 0.36
PANEL = 1.75
MEASURES = (("accuracy", "accuracy"), ("f1_macro", "macro F1"), ("auroc_macro", "macro AUROC"))


@dataclass(frozen=True)
class Shown:
    """A figure of a variant: its mean and 95% interval, and that of each of its jobs by fold and seed."""

    mean: float
    interval: tuple[float, float] | None
    points: Mapping[tuple[int, int], float]


def folds_figure(variants: Mapping[str, Shown], styles: Styles, clips: str) -> Figure:
    """A row for each variant, the first on top: a dot for each of its jobs, below them its mean and interval.

    `clips` says on which: 'validation clips'.
    """
    figure, axes = _rows(variants)
    for row, (name, shown) in enumerate(variants.items()):
        colour = styles[name].colour
        axes.plot(list(shown.points.values()), [row - 0.17] * len(shown.points), "o", color=colour, markersize=4,
                  alpha=0.5, markeredgewidth=0)  # fmt: skip
        if shown.interval is not None:
            axes.plot(shown.interval, [row + 0.2] * 2, color=colour, linewidth=2, solid_capstyle="butt")
        axes.plot(shown.mean, row + 0.2, marker=styles[name].marker, color=colour, markersize=7)
    low, high = axes.get_xlim()
    axes.set_xlim(max(low, -0.02), min(high, 1.02))
    for row in range(1, len(variants)):
        axes.axhline(row - 0.5, color="0.9", linewidth=0.6)
    axes.set_xlabel(f"accuracy on {clips}: above each fold and seed, below the mean and its 95% interval")
    return figure


def ablation_figure(
    held_out: Mapping[str, Spread], training: Mapping[str, float | None], chance: float, clips: str
) -> Figure:
    """A row for each variant, the first on top: its accuracy on `clips` with its interval, and that on training clips.

    The grey line between the two is the generalisation gap; the dotted one is chance.
    """
    figure, axes = _rows(held_out)
    # A ring wide enough to be seen around the dot of a model that is as good on clips it has not seen.
    ring: dict[str, Any] = {"color": COLOURS[0], "fillstyle": "none", "markersize": 9, "markeredgewidth": 1.4}
    dot: dict[str, Any] = {"color": COLOURS[3], "markersize": 5.5}
    axes.plot([], [], "o", label="training clips", **ring)
    axes.plot([], [], "o", label=clips, **dot)
    axes.axvline(chance, **DOTTED, zorder=1, label="chance")
    for row, (name, accuracy) in enumerate(held_out.items()):
        mean = accuracy.mean or 0.0
        reached = training.get(name)
        if reached is not None:
            axes.plot([mean, reached], [row, row], color="0.8", linewidth=1.2, zorder=1)
            axes.plot(reached, row, "o", **ring)
        if accuracy.interval is not None:
            axes.plot(accuracy.interval, [row, row], color=COLOURS[3], linewidth=2, alpha=0.6, solid_capstyle="butt")
        axes.plot(mean, row, "o", **dot)
        axes.text(1.04, row, f"{100 * mean:.1f}", va="center_baseline", color=COLOURS[3])
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel(f"accuracy; bars: 95% interval on {clips}")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize=FONT_SIZE, borderaxespad=0.2)
    return figure


def _rows(names: Collection[str]) -> tuple[Figure, Axes]:
    """A row for each name, the first on top, over an axis in percent."""
    figure = new_figure()
    axes = add_axes(figure, 0, 0, WIDTH, ROW * len(names) + 0.1)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), [short(name, 34) for name in names], parse_math=False)
    in_percent(axes.xaxis)
    plain_axes(axes, "x")
    return figure, axes


def heads_figure(
    variants: Mapping[str, Mapping[str, Shown]], heads: Mapping[str, int], styles: Styles, title: str
) -> Figure:
    """Variants that differ in their number of heads alone: each measure of MEASURES over the number of heads."""
    figure = new_figure()
    names = sorted(variants, key=heads.__getitem__)
    for column, (measure, label) in enumerate(MEASURES):
        axes = add_axes(figure, column * (PANEL + 0.62), 0, PANEL, 2.1)
        drawn = {place: variants[name][measure] for place, name in enumerate(names) if measure in variants[name]}
        axes.plot(list(drawn), [shown.mean for shown in drawn.values()], color="0.7", linewidth=1)
        for place, shown in drawn.items():
            style = styles[names[place]]
            points = list(shown.points.values())
            axes.plot([place - 0.14] * len(points), points, "o", color=style.colour, alpha=0.5, markersize=3.5,
                      markeredgewidth=0)  # fmt: skip
            if shown.interval is not None:
                axes.plot([place] * 2, shown.interval, color=style.colour, linewidth=2, solid_capstyle="butt")
            axes.plot(place, shown.mean, marker=style.marker, color=style.colour, markersize=7)
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set_xticks(range(len(names)), [str(heads[name]) for name in names])
        axes.set_title(label, fontsize=FONT_SIZE, loc="left")
        axes.set_xlabel("heads")
        in_percent(axes.yaxis)
        plain_axes(axes, "y")
        if column == 0:
            figure.text(0, 0.4, title, fontsize=FONT_SIZE + 1, parse_math=False)
    figure.text(0, -2.75, "small dots: folds and seeds; bars: 95% interval", fontsize=FONT_SIZE - 1, color=GREY)
    return figure
