"""Draws a clip and, along the same time axis, the attention of one or several transformers to it.

Axis letters: L layers, H heads, P places along the clip.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from audio_cls.data.decode import resample
from audio_cls.figures.clip import draw_attention, draw_spectrogram, draw_waveform
from audio_cls.figures.style import (
    DOTTED,
    FONT_SIZE,
    GREY,
    add_axes,
    add_title,
    figure_style,
    line_style,
    new_figure,
    short,
)
from audio_cls.models.attention_maps import transformer_of
from audio_cls.serving.attention import ClipAttention, explain_clip
from audio_cls.serving.clips import ShownClip, find_clip
from audio_cls.serving.load import load_classifier
from audio_cls.wording import SPLIT_NAMES

WIDTH = 7.5  # inches
ROW = 0.17  # of one head
MAX_ROWS_NAMED = 64


def explained_figure(clip: ShownClip, explained: Sequence[ClipAttention]) -> Figure:
    """Waveform, log-mel spectrogram, attention of each classifier by layer and head, and rollout."""
    figure = new_figure()
    seconds = len(clip.waveform) / clip.sample_rate
    top = 0.0
    waveform = add_axes(figure, 0, top, WIDTH, 0.8)
    draw_waveform(waveform, clip.waveform, clip.sample_rate, 0.0)
    add_title(waveform, _title(clip, explained), WIDTH)
    top += 0.9
    spectrogram = add_axes(figure, 0, top, WIDTH, 1.5)
    rates = [clip.sample_rate, *(attention.classifier.sample_rate for attention in explained)]
    draw_spectrogram(spectrogram, clip.waveform, clip.sample_rate, 0.0, highest=min(rates) / 2)
    top += 1.6
    brightest = max(2.0, *(float(np.nanquantile(attention.heads, 0.995)) for attention in explained))
    panels = [waveform, spectrogram]
    first_top = top
    for attention in explained:
        top += 0.3
        num_layers, num_heads = attention.heads.shape[:2]
        height = min(ROW * num_heads, MAX_ROWS_NAMED * ROW / num_layers) * num_layers
        panels.append(add_axes(figure, 0, top, WIDTH, height))
        image = _draw_heads(panels[-1], attention, brightest, compared=len(explained) > 1)
        top += height
    _add_scale(figure, image, first_top + 0.3, top, brightest)
    top += 0.3
    panels.append(add_axes(figure, 0, top, WIDTH, 1.0))
    _draw_rollout(panels[-1], explained)
    for axes in panels:
        axes.set_xlim(0, seconds)
        axes.tick_params(labelbottom=axes is panels[-1], length=2, labelsize=FONT_SIZE - 1)
    panels[-1].set_xlabel("time in seconds")
    return figure


def _title(clip: ShownClip, explained: Sequence[ClipAttention]) -> str:
    title = clip.name
    if clip.label is not None and clip.split is not None:
        title += f", a {SPLIT_NAMES[clip.split]} clip of {clip.label}"
    if len(explained) > 1:
        return title
    return f"{title}: predicted {explained[0].prediction} ({explained[0].classifier.name})"


def _draw_heads(axes: Axes, attention: ClipAttention, brightest: float, compared: bool) -> AxesImage:
    """A row for each head, layer by layer from the first; behind it the share of its attention that is on the sound."""
    num_layers, num_heads, num_places = attention.heads.shape
    num_rows = num_layers * num_heads
    rows = attention.heads.reshape(num_rows, num_places)
    image = draw_attention(axes, rows, attention.edges, brightest)
    for layer in range(1, num_layers):
        axes.axhline(layer * num_heads - 0.5, color="white", linewidth=2.5)
    if num_rows <= MAX_ROWS_NAMED:
        names = [f"layer {row // num_heads + 1}, head {row % num_heads + 1}" for row in range(num_rows)]
        axes.set_yticks(range(num_rows), names)
        beside: dict[str, Any] = {"textcoords": "offset points", "fontsize": FONT_SIZE - 2, "color": GREY}
        for row, share in enumerate(attention.sound_share.ravel()):
            on_row = ("axes fraction", "data")
            axes.annotate(f"{share:.0%}", (1, row), xycoords=on_row, xytext=(4, 0), va="center", **beside)
        axes.annotate("on sound", (1, 1), xycoords="axes fraction", xytext=(4, 2), va="bottom", **beside)
    else:
        middles = np.arange(num_layers) * num_heads + (num_heads - 1) / 2
        axes.set_yticks(middles, [f"layer {layer + 1}" for layer in range(num_layers)])
    heading = "attention of the CLS token"
    if compared:
        heading = f"{short(attention.classifier.name, 60)}: predicted {attention.prediction}"
    if np.isnan(rows).any():
        heading += " (grey: no crop, or only silent ones)"
    axes.set_title(heading, loc="left", fontsize=FONT_SIZE, pad=4, parse_math=False)
    return image


def _add_scale(figure: Figure, image: AxesImage, top: float, bottom: float, brightest: float) -> None:
    height = min(bottom - top, 2.5)
    bar = figure.colorbar(image, cax=add_axes(figure, WIDTH + 0.62, top, 0.12, height), extend="max")
    bar.set_label("attention (1: even)", fontsize=FONT_SIZE - 1)
    bar.ax.tick_params(labelsize=FONT_SIZE - 1, length=2)
    bar.outline.set_visible(False)


def _draw_rollout(axes: Axes, explained: Sequence[ClipAttention]) -> None:
    for index, attention in enumerate(explained):
        name = short(attention.classifier.name, 40) if len(explained) > 1 else None
        axes.stairs(attention.rollout, attention.edges, baseline=None, linewidth=1.5, label=name, **line_style(index))
    axes.axhline(1, **DOTTED)
    axes.set_ylim(0, 1.1 * max(1.5, *(float(np.nanmax(attention.rollout)) for attention in explained)))
    axes.set_ylabel("rollout (1: even)", fontsize=FONT_SIZE - 1)
    axes.spines[["top", "right"]].set_visible(False)
    if len(explained) > 1:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=FONT_SIZE - 2)


def attention_figure(jobs: Sequence[Path], clip: str) -> Figure:
    """The attention of the transformers of several jobs, with 1, 2 and 4 heads for instance, to the same clip."""
    classifiers = [load_classifier(job) for job in jobs]
    for classifier in classifiers:
        transformer_of(classifier.module.network)
    shown = find_clip(classifiers[0], clip)
    explained = [
        explain_clip(classifier, resample(shown.waveform, shown.sample_rate, classifier.sample_rate))
        for classifier in classifiers
    ]
    with figure_style():
        return explained_figure(shown, explained)
