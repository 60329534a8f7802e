"""What all figures share: canvas, colours that colour-blind eyes can tell apart, texts that fit and mean themselves."""

import itertools
import textwrap
import unicodedata
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from audio_cls.figures.fonts import OWN_FONT
from audio_cls.terminal import text_columns

# Okabe and Ito (2008), without yellow, which is too light for lines on white; line styles tell repeats apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#000000")
LINE_STYLES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "D", "^")
GREY = "0.45"
DOTTED: dict[str, Any] = {"color": "0.6", "linewidth": 1, "linestyle": (0, (1, 2))}  # chance, even attention
FONT_SIZE = 9
MAX_NAME = 26  # characters of a class's name


@dataclass(frozen=True)
class VariantStyle:
    """How a variant is drawn in every figure of a study."""

    colour: str
    line_style: str
    marker: str


Styles = Mapping[str, VariantStyle]  # by variant


def variant_styles(variants: Sequence[str]) -> dict[str, VariantStyle]:
    """By name, in the order of the names, so that the ranking changes no colour."""
    kinds = [(colour, *kind) for kind in zip(LINE_STYLES, MARKERS, strict=True) for colour in COLOURS]
    return {name: VariantStyle(*kind) for name, kind in zip(sorted(variants), itertools.cycle(kinds), strict=False)}


@contextmanager
def figure_style() -> Iterator[None]:
    """Draws in one size and without warnings of letters that no font has: `fit_fonts` says so in one line."""
    with matplotlib.rc_context({"font.family": OWN_FONT, "font.size": FONT_SIZE}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        yield


def new_figure() -> Figure:
    """An empty figure that grows with what is put on it. Without pyplot, so that nothing is kept from job to job."""
    figure = Figure(figsize=(1, 1))
    FigureCanvasAgg(figure)
    return figure


def add_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place given in inches, from the left and downwards."""
    return figure.add_axes((left, -top - height, width, height))  # the figure is one inch wide and high


def plain_axes(axes: Axes, grid: Literal["both", "x", "y"] = "both") -> None:
    """Grid lines of the directions `grid` ('x', 'y', 'both') behind the data, and no frame at the top and right."""
    axes.grid(axis=grid, color="0.92", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=2)


def in_percent(axis: Axis) -> None:
    axis.set_major_formatter(lambda value, _: f"{100 * value:.3g}%")


def add_title(axes: Axes, text: str, width: float, pad: float = 6) -> None:
    """A title above the axes, in as many lines as `width` inches ask for."""
    text = "\n".join(textwrap.wrap(text, int(width * 13)))
    axes.set_title(text, fontsize=FONT_SIZE + 1, loc="left", pad=pad, parse_math=False)


def short(name: str, length: int = MAX_NAME) -> str:
    """A name in one line of at most `length` columns, its middle left out where it is longer."""
    name = " ".join(name.split())
    if text_columns(name) <= length:
        return name
    half = (length - 1) // 2
    if text_columns(name) > len(name):  # letters two columns wide
        half //= 2
    return f"{name[:half]}…{name[-half:]}"


def from_left(text: str) -> str:
    """The text as one that runs from left to right, so that a number beside an Arabic or Hebrew name stays in place."""
    right_to_left = any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in text)
    return f"\N{LEFT-TO-RIGHT MARK}{text}" if right_to_left else text


def line_style(index: int, colours: Sequence[str] = COLOURS) -> dict[str, Any]:
    """The style of the n-th line of a figure: four times as many as there are colours look different."""
    round_, place = divmod(index, len(colours))
    return {"color": colours[place], "linestyle": LINE_STYLES[round_ % len(LINE_STYLES)]}


def thinned(values: np.ndarray, most: int = 1_000) -> np.ndarray:
    """At most so many of the values, evenly spaced, with both ends."""
    if len(values) <= most:
        return values
    return values[np.linspace(0, len(values) - 1, most).round().astype(int)]
