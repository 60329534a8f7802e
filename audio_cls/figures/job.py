"""The pictures of a job. They show its results, and are not worth losing one: what cannot be drawn is reported."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from audio_cls.figures.classes import confusion_figure, f1_figure
from audio_cls.figures.curves import precision_recall_figure, roc_figure
from audio_cls.figures.fonts import fit_fonts
from audio_cls.figures.learning import Row, learning_figure
from audio_cls.figures.style import figure_style
from audio_cls.files import replacing
from audio_cls.wording import SPLIT_NAMES, one_line

DPI = 130
MARGIN = 0.12  # inches


def write_figures(
    folder: Path,
    record: Mapping[str, Any],
    split: str,
    labels: np.ndarray,
    probabilities: np.ndarray,
    history: Sequence[Row],
) -> list[str]:
    """Draws a job's pictures into its folder; returns a line for each that could not be drawn.

    Args:
        record: what metrics.json holds.
        split: which clips are shown: train, val or test.
        labels, probabilities: of these clips, (N,) and (N, K).
        history: the rows of history.csv.
    """
    classes, scores = record["classes"], record[split]
    job = f"{record['variant']} on {record['dataset']}, fold {record['fold']}, seed {record['seed']}"
    title = f"{job}: {len(labels):,} {SPLIT_NAMES[split]} clips, accuracy {scores['accuracy']:.1%}"
    confusion = np.array(scores["confusion"])
    drawings: dict[str, Callable[[], Figure]] = {
        "confusion_matrix.png": lambda: confusion_figure(confusion, classes, title),
        "roc_curves.png": lambda: roc_figure(probabilities, labels, classes, title),
        "precision_recall.png": lambda: precision_recall_figure(probabilities, labels, classes, title),
        "f1_per_class.png": lambda: f1_figure(
            scores["f1_per_class"], scores["f1_macro"], confusion.sum(axis=1), classes, title
        ),
    }
    if any(row.get("lr") is not None for row in history):  # the baseline is fitted at once
        drawings["learning_curves.png"] = lambda: learning_figure(history, len(classes), job)
    problems = []
    with figure_style():
        for name, draw in drawings.items():
            try:
                save_figure(draw(), folder / name)
            except Exception as error:
                (folder / name).unlink(missing_ok=True)  # of an earlier run, if anything
                problems.append(f"{name} could not be drawn ({one_line(error)}); the numbers are not affected")
    return problems


def save_figure(figure: Figure, path: Path, command: str = "audio-cls train") -> None:
    """Writes the figure, cut to what is on it, whole or not at all; `command`, which wrote it, may replace it."""
    fit_fonts(figure)
    figure.set_dpi(DPI)
    with replacing(path) as temporary, figure_style():
        box, by, fast = tight_box(figure), {"Software": command}, {"compress_level": 3}
        figure.savefig(temporary, format="png", dpi=DPI, bbox_inches=box, metadata=by, pil_kwargs=fast)


def tight_box(figure: Figure) -> Bbox:
    """What is on the figure and a margin, in inches. `bbox_inches="tight"` would draw everything once more for it."""
    return figure.get_tightbbox().padded(MARGIN)
