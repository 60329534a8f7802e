"""How a job learnt: loss, accuracy and learning rate by epoch."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from audio_cls.figures.style import COLOURS, FONT_SIZE, GREY, add_axes, add_title, new_figure

WIDTH = 6.5  # inches
MAX_MARKED = 40  # points of a line that get a dot each
Row = Mapping[str, float | None]


def learning_figure(history: Sequence[Row], num_classes: int, title: str) -> Figure:
    """The rows of history.csv as curves, epochs counted from 1. Validation has points only where it was done."""
    figure = new_figure()
    epochs = [row["epoch"] + 1 for row in history]
    loss = add_axes(figure, 0, 0, WIDTH, 2.2)
    accuracy = add_axes(figure, 0, 2.4, WIDTH, 2.2)
    rate = add_axes(figure, 0, 4.8, WIDTH, 1.0)
    for axes, measure in ((loss, "loss"), (accuracy, "accuracy")):
        _line(axes, history, f"train_{measure}", "training crops", COLOURS[0], "-")
        _line(axes, history, f"val_{measure}", "validation clips", COLOURS[3], "-")
    _line(accuracy, history, "val_f1_macro", "validation, macro F1", COLOURS[3], ":")
    _line(rate, history, "lr", "learning rate", COLOURS[2], "-")
    accuracy.axhline(1 / num_classes, color="0.6", linewidth=1, linestyle=(0, (1, 2)), label="chance")
    accuracy.set_ylim(0, 1.02)
    accuracy.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    for axes, name in ((loss, "loss"), (accuracy, "accuracy"), (rate, "learning rate")):
        axes.set_ylabel(name)
        axes.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
        axes.grid(color="0.93", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        if axes is not rate:
            axes.tick_params(labelbottom=False)
            axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=FONT_SIZE - 1)
    for axes in (loss, rate):
        axes.set_ylim(0, 1.06 * axes.dataLim.ymax if axes.dataLim.ymax > 0 else 1)
    rate.set_xlabel("epoch")
    rate.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    rate.yaxis.get_offset_text().set_color(GREY)
    add_title(loss, title, WIDTH)
    return figure


def _line(axes: Axes, history: Sequence[Row], key: str, label: str, colour: str, style: str) -> None:
    """A line through the epochs that have a value; with a dot for each where they are few."""
    points = [(row["epoch"] + 1, row[key]) for row in history if row.get(key) is not None]
    if points:
        marker = "o" if len(points) <= MAX_MARKED else None
        x, y = zip(*points, strict=True)
        axes.plot(x, y, color=colour, linestyle=style, linewidth=1.5, marker=marker, markersize=3, label=label)
