"""How well a job ranks the clips of each class above the others: ROC and precision-recall curves.

Axis letters: N clips, K classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure, SubFigure

from audio_cls.figures.style import (
    COLOURS,
    DOTTED,
    FONT_SIZE,
    GREY,
    add_axes,
    add_title,
    from_left,
    in_percent,
    line_style,
    new_figure,
    plain_axes,
    short,
    thinned,
)
from audio_cls.terminal import text_columns

MAX_COLOURED = 14  # classes with a line of their own style
NUM_WORST = 6  # with more classes than that, so many stand out, those with the smallest areas
MAX_LISTED = 100  # classes named beside the curves
SIDE = 4.6  # inches
ROW = 0.172
GRID = np.linspace(0, 1, 1_001)


@dataclass(frozen=True)
class Curve:
    """A class against the rest: its points and the area under them."""

    x: np.ndarray
    y: np.ndarray
    area: float


def roc_curve(probabilities: np.ndarray, positive: np.ndarray) -> Curve | None:
    """True positive rate against false positive rate, from (0, 0) to (1, 1); None without clips of both kinds.

    Shape:
        probabilities (N,), positive (N,) bool
    """
    from sklearn import metrics  # 0.2 s

    if not 0 < positive.sum() < len(positive):
        return None
    false_rate, true_rate, _ = metrics.roc_curve(positive, probabilities, drop_intermediate=False)
    return Curve(false_rate, true_rate, float(metrics.auc(false_rate, true_rate)))


def precision_recall_curve(probabilities: np.ndarray, positive: np.ndarray) -> Curve | None:
    """Precision against recall, to be drawn as steps: point n is the precision on the way from recall n - 1 to n.

    Its area is the average precision: without interpolation, which would promise what no threshold gives (Davis and
    Goadrich 2006).
    """
    from sklearn import metrics

    if not 0 < positive.sum() < len(positive):
        return None
    precision, recall, _ = (values[::-1] for values in metrics.precision_recall_curve(positive, probabilities))
    rises = np.flatnonzero(np.diff(recall)) + 1  # thresholds that find nothing new only lower the precision
    area = float(metrics.average_precision_score(positive, probabilities))
    return Curve(np.append(0, recall[rises]), precision[[rises[0], *rises]], area)


def roc_figure(probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """One curve for each class against the rest, their mean, and chance as the diagonal."""
    curves = [roc_curve(probabilities[:, index], labels == index) for index in range(len(classes))]
    figure, axes = _square(title, "false positive rate", "true positive rate")
    axes.plot([0, 1], [0, 1], **DOTTED)
    _draw(axes, curves, classes, "area under the curve", _mean_roc, chance=0.5)
    return figure


def precision_recall_figure(
    probabilities: np.ndarray, labels: np.ndarray, classes: Sequence[str], title: str
) -> Figure:
    """One curve for each class against the rest, their mean, and chance: the share of a class among the clips."""
    curves = [precision_recall_curve(probabilities[:, index], labels == index) for index in range(len(classes))]
    figure, axes = _square(title, "recall", "precision")
    shares = [float((labels == index).mean()) for index, curve in enumerate(curves) if curve is not None]
    chance = sum(shares) / len(shares) if shares else 0.0
    axes.axhline(chance, **DOTTED)
    _draw(axes, curves, classes, "average precision", _mean_precision, chance, drawstyle="steps-pre")
    return figure


def _mean_roc(curves: Sequence[Curve]) -> np.ndarray:
    mean = np.mean([np.interp(GRID, curve.x, curve.y) for curve in curves], axis=0)
    mean[0] = 0
    return mean


def _mean_precision(curves: Sequence[Curve]) -> np.ndarray:
    mean = np.mean([curve.y[np.searchsorted(curve.x, GRID)] for curve in curves], axis=0)
    mean[0] = mean[1]
    return mean


def _square(title: str, x_name: str, y_name: str) -> tuple[Figure, Axes]:
    figure = new_figure()
    axes = add_axes(figure, 0, 0, SIDE, SIDE)
    axes.set_xlim(-0.012, 1.012)
    axes.set_ylim(-0.012, 1.012)
    plain_axes(axes)
    for axis in (axes.xaxis, axes.yaxis):
        in_percent(axis)
    axes.set_xlabel(x_name)
    axes.set_ylabel(y_name)
    add_title(axes, title, SIDE + 2)
    return figure, axes


def _draw(
    axes: Axes,
    curves: Sequence[Curve | None],
    classes: Sequence[str],
    measure: str,
    mean: Callable[[Sequence[Curve]], np.ndarray],
    chance: float,
    drawstyle: str = "default",
) -> None:
    """The curves, their mean over the classes that have one, and beside them the list of areas."""
    drawn = [curve for curve in curves if curve is not None]
    styles = _line_styles(curves)
    for curve, style in zip(curves, styles, strict=True):
        if curve is not None:
            axes.plot(thinned(curve.x), thinned(curve.y), drawstyle=drawstyle, **style)
    entries = [
        ("no curve" if curve is None else f"{curve.area:.3f}", short(name), style)
        for curve, name, style in zip(curves, classes, styles, strict=True)
    ]
    if len(entries) > MAX_LISTED:
        kept = [index for index in np.argsort(_areas(curves), kind="stable") if curves[index] is not None][:MAX_LISTED]
        entries = [entries[index] for index in kept]
        measure += f", the {MAX_LISTED} smallest of {len(classes)}"
    if drawn:
        bold: dict[str, Any] = {"color": "black", "linewidth": 2.4}
        axes.plot(GRID, mean(drawn), **bold)
        area = sum(curve.area for curve in drawn) / len(drawn)
        entries.insert(0, (f"{area:.3f}", f"macro average of {len(drawn)} classes", bold))
    entries.append((f"{chance:.3f}", "chance", DOTTED))
    _list_areas(axes.figure, entries, measure)


def _areas(curves: Sequence[Curve | None]) -> list[float]:
    return [np.inf if curve is None else curve.area for curve in curves]


def _line_styles(curves: Sequence[Curve | None]) -> list[dict]:
    """Line styles: one for each class, or, with many classes, for those with the smallest areas; the others grey."""
    if len(curves) <= MAX_COLOURED:
        # Black is the mean's.
        return [line_style(index, COLOURS[:-1]) | {"linewidth": 1.5} for index in range(len(curves))]
    styles: list[dict] = [{"color": "0.75", "linewidth": 0.8, "zorder": 1.5} for _ in curves]
    worst = [index for index in np.argsort(_areas(curves), kind="stable") if curves[index] is not None][:NUM_WORST]
    for place, index in enumerate(worst):
        styles[index] = line_style(place, COLOURS[:-1]) | {"linewidth": 1.5}
    return styles


def _list_areas(figure: Figure | SubFigure, entries: Sequence[tuple[str, str, dict]], heading: str) -> None:
    """A column, or several, of line, area and class to the right of the curves, in inches from their upper corner.

    Not a legend: those leave out names that begin with an underscore, do not line up the numbers, and take long for
    many classes.
    """
    rows = max(int(SIDE / ROW), -(-len(entries) // 4))
    column_width = 0.95 + 0.068 * max(text_columns(name) for _, name, _ in entries)
    font: dict[str, Any] = {"fontsize": FONT_SIZE - 1, "va": "center_baseline", "parse_math": False}
    left, top = SIDE + 0.25, -0.05
    figure.text(left, top, heading, va="top", fontsize=FONT_SIZE, color=GREY)
    places = [(left + index // rows * column_width, top - (index % rows + 1.6) * ROW) for index in range(len(entries))]
    for (x, y), (area, name, _) in zip(places, entries, strict=True):
        figure.text(x + 0.42, y, from_left(f"{area:<5}  {name}"), **font)  # digits are all of one width
    styles = [style for _, _, style in entries]
    lines = LineCollection(
        [[(x, y), (x + 0.32, y)] for x, y in places],
        colors=[style["color"] for style in styles],
        linewidths=[style["linewidth"] for style in styles],
        linestyles=[style.get("linestyle", "-") for style in styles],
        transform=figure.transFigure,
    )
    figure.add_artist(lines, clip=False)
