"""Reliability diagrams: accuracy against confidence."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from audio_cls.analysis.calibration import Bin
from audio_cls.figures.style import DOTTED, GREY, add_axes, add_title, in_percent, new_figure, plain_axes

SIDE = 3.3  # inches


def calibration_figure(bins: Sequence[Bin], error: float, colour: str, title: str) -> Figure:
    """Reliability diagram: accuracy against confidence in each bin, and below it how many clips are in it.

    Below the diagonal the model is overconfident, above it underconfident. `error`: the expected calibration error.
    """
    figure = new_figure()
    above = add_axes(figure, 0, 0, SIDE, SIDE)
    below = add_axes(figure, 0, SIDE + 0.15, SIDE, 0.8)
    above.plot([0, 1], [0, 1], **DOTTED)
    largest = max(each.count for each in bins)
    points = [
        (x, y, each.count) for each in bins if (x := each.confidence) is not None and (y := each.accuracy) is not None
    ]
    for x, y, count in points:
        above.plot([x, x], [x, y], color=colour, linewidth=3, alpha=0.35)
        above.plot(x, y, "o", color=colour, markersize=3 + 6 * (count / largest) ** 0.5)
    above.plot([x for x, _, _ in points], [y for _, y, _ in points], color=colour, linewidth=1.2)
    above.text(0.97, 0.14, f"expected calibration\nerror {error:.1%}", ha="right", transform=above.transAxes)
    above.text(0.97, 0.05, "overconfident", ha="right", color=GREY, transform=above.transAxes)
    above.text(0.03, 0.95, "underconfident", va="top", color=GREY, transform=above.transAxes)
    above.set_ylim(-0.02, 1.02)
    above.set_ylabel("accuracy")
    below.bar([each.low for each in bins], [each.count for each in bins], [each.high - each.low for each in bins],
              align="edge", color=colour, edgecolor="white", linewidth=1)  # fmt: skip
    below.set_ylabel("clips")
    below.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    below.set_xlabel("confidence: the largest probability of a clip")
    for axes in (above, below):
        axes.set_xlim(-0.02, 1.02)
        plain_axes(axes)
        axes.tick_params(labelbottom=axes is below)
        in_percent(axes.xaxis)
    in_percent(above.yaxis)
    add_title(above, title, SIDE + 0.6)
    return figure
