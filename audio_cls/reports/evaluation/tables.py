"""The tables of an evaluation. They are shown on the terminal and on pages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from audio_cls.analysis.evaluation import ClassFigures, EvaluatedClip, Evaluation, Figures, count_flags
from audio_cls.data.balance import is_unequal
from audio_cls.reports.tables import Cell, Columns, Table, column_table, counts, make_table, number_cell, percent_cell

MOST_IN_MATRIX = 16  # classes


def score_table(scored: Mapping[str, Figures]) -> Table:
    """A row for each set of clips, by what they are."""
    columns: dict[str, Callable[[tuple[str, Figures]], str | Cell]] = {
        "Scored on": lambda each: each[0],
        "Accuracy": lambda each: _accuracy_cell(each[1]),
    }
    if any(_has_unequal_classes(figures) for figures in scored.values()):
        columns["Balanced"] = lambda each: percent_cell(each[1].balanced_accuracy)
    columns |= {
        "F1": lambda each: percent_cell(each[1].f1_macro),
        "AUROC": lambda each: percent_cell(each[1].auroc_macro),
        "Confidence": lambda each: percent_cell(each[1].confidence),
        "ECE": lambda each: percent_cell(each[1].calibration_error),
    }
    return column_table(columns, scored.items(), "Scores in percent")


def class_table(figures: Figures) -> Table:
    columns: Columns[ClassFigures] = {
        "Class": lambda each: each.label,
        "Clips": lambda each: number_cell(each.num_clips, each.num_clips),
        "Recall": lambda each: percent_cell(each.recall),
        "Precision": lambda each: percent_cell(each.precision),
        "F1": lambda each: percent_cell(each.f1),
        "AUROC": lambda each: percent_cell(each.auroc),
    }
    occurring = [each for each in figures.classes if each.f1 is not None]
    return column_table(columns, occurring, "Classes, in percent")


def confusion_table(figures: Figures) -> Table:
    """A row for each true class and a numbered column for each prediction; of many classes, a row for each mistake."""
    names = [each.label for each in figures.classes]
    occurring = [index for index, each in enumerate(figures.classes) if each.f1 is not None]
    if len(occurring) <= MOST_IN_MATRIX:
        rows: list[list[str | Cell]] = [
            [f"{place} {names[row]}", *(number_cell(figures.confusion[row][column] or "·") for column in occurring)]
            for place, row in enumerate(occurring, 1)
        ]
        heads = ["True class, predicted as:", *(str(place) for place in range(1, len(occurring) + 1))]
        return make_table(heads, rows, "Confusion: rows are true classes, columns what was predicted")
    wrong = [
        (count, label, predicted)
        for label, row in enumerate(figures.confusion)
        for predicted, count in enumerate(row)
        if count and predicted != label
    ]
    totals = [sum(row) for row in figures.confusion]
    mistakes: list[list[str | Cell]] = [
        [names[label], names[predicted], number_cell(f"{count} of {totals[label]}", count)]
        for count, label, predicted in sorted(wrong, key=lambda each: (-each[0], *each[1:]))[:MOST_IN_MATRIX]
    ]
    return make_table(["True class", "Predicted as", "Clips"], mistakes, "The most frequent mistakes")


def wrong_table(evaluation: Evaluation, clips: Sequence[EvaluatedClip]) -> Table:
    columns: dict[str, Callable[[EvaluatedClip], str | Cell]] = {
        "File": lambda clip: Cell(clip.file, code=True),
        "Label": lambda clip: clip.label,
        "Predicted as": lambda clip: evaluation.predicted(clip)[0],
        "Probability": lambda clip: percent_cell(evaluation.predicted(clip)[1]),
    }
    if any(clip.flags for clip in clips):
        columns["Flags"] = lambda clip: ", ".join(clip.flags)
    return column_table(columns, clips, "Wrong clips, the most confident first")


def unknown_table(evaluation: Evaluation) -> Table:
    """A row for each label that the model does not know."""
    columns: Columns[tuple[str, list[EvaluatedClip]]] = {
        "Unknown label": lambda each: each[0],
        "Clips": lambda each: number_cell(len(each[1]), len(each[1])),
        "Flagged": lambda each: number_cell(
            sum(bool(clip.flags) for clip in each[1]), sum(bool(clip.flags) for clip in each[1])
        ),
        "Flags": lambda each: counts(count_flags(each[1])),
        "Taken for": lambda each: counts(evaluation.taken_for(each[1])),
    }
    return column_table(columns, evaluation.by_unknown_label().items())


def _has_unequal_classes(figures: Figures) -> bool:
    """Classes without clips are left aside."""
    return is_unequal(np.array([each.num_clips for each in figures.classes if each.num_clips]))


def _accuracy_cell(figures: Figures) -> Cell:
    interval = figures.accuracy_interval
    more = "[{:.1f}, {:.1f}]".format(*(100 * end for end in interval)) if interval else ""
    return replace(percent_cell(figures.accuracy), more=more)
