"""The figures of a job: confusion matrix and ROC curves. One style, colours that colour-blind eyes can tell apart."""

import os
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

# Okabe and Ito (2008), without yellow, which is too light for lines on white; line styles tell repeats apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#000000")
LINE_STYLES = ("-", "--", ":", "-.")
matplotlib.rcParams["text.parse_math"] = False  # a class may be called "$5 bill"
FONT_SIZE = 9
DPI = 130


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches. Without pyplot, so that nothing is kept and jobs can run side by side."""
    figure = Figure(figsize=(width, height), layout="constrained", dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def confusion_figure(confusion: np.ndarray, classes: tuple[str, ...], title: str) -> Figure:
    """Counts in the cells, shades by row: true classes (K rows) against predicted classes (K columns)."""
    num_classes = len(classes)
    size = max(4.5, 0.42 * num_classes + 2.2)
    figure = new_figure(size, size)
    axes = figure.add_subplot()
    totals = confusion.sum(axis=1, keepdims=True)
    share = confusion / np.maximum(totals, 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    if num_classes <= 30:
        for row, column in np.argwhere(confusion > 0):
            colour = "white" if share[row, column] > 0.55 else "black"
            axes.text(
                column, row, str(confusion[row, column]), ha="center", va="center", color=colour, fontsize=FONT_SIZE
            )
    axes.set_xticks(range(num_classes), classes, rotation=45, ha="right", fontsize=FONT_SIZE)
    axes.set_yticks(range(num_classes), classes, fontsize=FONT_SIZE)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(title, fontsize=FONT_SIZE + 1)
    return figure


def roc_figure(
    curves: list[tuple[np.ndarray, np.ndarray] | None], areas: list[float | None], classes: tuple[str, ...], title: str
) -> Figure:
    """One curve a class against the rest, with its area, and chance as a diagonal. Classes without clips are named."""
    figure = new_figure(8.0, 4.8)
    axes = figure.add_subplot()
    # The names come second in the legend: matplotlib leaves out labels that begin with an underscore.
    for index, (curve, area, name) in enumerate(zip(curves, areas, classes, strict=True)):
        style = {
            "color": COLOURS[index % len(COLOURS)],
            "linestyle": LINE_STYLES[index // len(COLOURS) % len(LINE_STYLES)],
        }
        if curve is None:
            axes.plot([], [], label=f"no clips  {name}", **style)
        else:
            axes.plot(curve[0], curve[1], label=f"{area:.3f}  {name}", linewidth=1.6, **style)
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1, linestyle=(0, (1, 3)), label="0.500  chance")
    axes.set_xlim(-0.01, 1)
    axes.set_ylim(0, 1.01)
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    axes.set_title(title, fontsize=FONT_SIZE + 1)
    columns = 1 if len(classes) <= 24 else 2
    axes.legend(
        loc="center left",
        bbox_to_anchor=(1.02, 0.5),
        fontsize=FONT_SIZE - 1,
        frameon=False,
        ncols=columns,
        title="area under the curve",
    )
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        figure.savefig(temporary, format="png")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
