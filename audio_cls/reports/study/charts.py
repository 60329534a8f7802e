"""The figures of the report, embedded: of all variants together, and of each one with its folds pooled."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from audio_cls.analysis.calibration import calibration_error, reliability
from audio_cls.analysis.summary import Summary, VariantRow
from audio_cls.figures.calibration import calibration_figure
from audio_cls.figures.classes import confusion_figure
from audio_cls.figures.curves import roc_figure
from audio_cls.figures.learning import History, study_learning_figure
from audio_cls.figures.style import Styles, figure_style
from audio_cls.figures.variants import MEASURES, Shown, folds_figure, heads_figure
from audio_cls.reports.html.pictures import embedded, png
from audio_cls.results.job_folder import StudyJob
from audio_cls.results.study import Study
from audio_cls.wording import SPLIT_NAMES, ranges

MAX_DRAWN = 12  # variants with figures of their own, the best; more would make a page of tens of megabytes
MAX_IN_FOLDS = 60  # variants in the figure of folds
MAX_IN_CURVES = 8
MAX_FAMILIES = 4
Picture = dict[str, Any]


@dataclass(frozen=True)
class Pooled:
    """What the jobs of a variant predicted, one after the other: a clip comes once for each seed (and, where folds
    share their test clips, fold). (N,), (N,) and (N, K)."""

    labels: np.ndarray
    predicted: np.ndarray
    probabilities: np.ndarray
    about: str  # '320 validation clips, folds 0-3, seed 0'


def pool(jobs: Sequence[StudyJob], split: str) -> Pooled:
    """Of the jobs that have predictions for the split; at least one."""
    parts = [job.predictions[split] for job in jobs]
    folds, seeds = sorted({job.fold for job in jobs}), sorted({job.seed for job in jobs})
    labels = np.concatenate([part.labels for part in parts])
    about = f"{len({clip for part in parts for clip in part.clips}):,} {SPLIT_NAMES[split]} clips"
    about += f", fold{'s' * (len(folds) > 1)} {ranges(folds)}, seed{'s' * (len(seeds) > 1)} {ranges(seeds)}"
    return Pooled(
        labels,
        np.concatenate([part.predicted for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
        about,
    )


class Charts:
    """Draws what a study has results for; what has none is None or left out."""

    def __init__(self, study: Study, summary: Summary, styles: Styles) -> None:
        self._study, self._summary, self._styles = study, summary, styles
        self._split = summary.ranking_split or ""
        self._jobs: dict[str, list[StudyJob]] = defaultdict(list)
        for job in study.jobs:
            if job.status == "done":
                self._jobs[job.variant].append(job)
        self._ranked = [row for row in summary.rows if row.ranking and row.kind == "variant"]
        self._pooled = {row.variant: pool(self._jobs[row.variant], self._split) for row in self._ranked[:MAX_DRAWN]}

    @property
    def not_drawn(self) -> int:
        """How many ranked variants have no figures of their own."""
        return max(0, len(self._ranked) - MAX_DRAWN)

    def folds(self) -> Picture | None:
        if not self._ranked:
            return None
        shown = {row.variant: self._shown(row, "accuracy") for row in self._ranked[:MAX_IN_FOLDS]}
        return self._picture("Accuracy of each fold by variant", folds_figure, shown, self._styles, self._clips)

    def heads(self) -> list[Picture]:
        """A figure for each family of variants that differ in their number of heads alone."""
        families: dict[str, list[VariantRow]] = defaultdict(list)
        for row in self._ranked:
            if row.heads is not None:
                families[self._family(row)].append(row)
        pictures = []
        for rows in families.values():
            heads = {row.variant: row.heads for row in rows if row.heads is not None}
            if len(set(heads.values())) < max(2, len(rows)):  # the same number twice: not heads alone
                continue
            shown = {
                row.variant: {
                    key: self._shown(row, key) for key, _ in MEASURES if getattr(row.ranking, key).mean is not None
                }
                for row in rows
            }
            title = f"{', '.join(sorted(heads, key=heads.__getitem__))}: {self._clips}"
            title = title if len(title) < 90 else f"{len(heads)} variants: {self._clips}"
            alt = "Accuracy, F1 and AUROC over the number of heads"
            pictures.append(self._picture(alt, heads_figure, shown, heads, self._styles, title))
        return pictures[:MAX_FAMILIES]

    def confusions(self) -> Iterator[Picture]:
        for name, pooled in self._pooled.items():
            counts = np.zeros((len(self._summary.classes),) * 2, dtype=np.int64)
            np.add.at(counts, (pooled.labels, pooled.predicted), 1)
            accuracy = float((pooled.labels == pooled.predicted).mean())
            title = f"{name}: {pooled.about}, accuracy {accuracy:.1%}"
            yield self._picture(f"Confusion matrix of {name}", confusion_figure, counts, self._summary.classes, title)

    def rocs(self) -> Iterator[Picture]:
        for name, pooled in self._pooled.items():
            arguments = (pooled.probabilities, pooled.labels, self._summary.classes, f"{name}: {pooled.about}")
            yield self._picture(f"ROC curves of {name}", roc_figure, *arguments)

    def calibrations(self) -> Iterator[Picture]:
        for row in self._ranked[:MAX_DRAWN]:
            pooled = self._pooled[row.variant]
            bins = reliability(pooled.probabilities, pooled.labels)
            title = f"{row.variant}: {pooled.about}"
            alt = f"Reliability diagram of {row.variant}"
            colour = self._styles[row.variant].colour
            yield self._picture(alt, calibration_figure, bins, self._calibration_error(row), colour, title)

    def curves(self) -> tuple[Picture | None, int]:
        """Training curves of the best variants, and of how many others there are none."""
        histories = {row.variant: self._histories(row.variant) for row in self._summary.rows if row.num_jobs}
        histories = {name: jobs for name, jobs in histories.items() if jobs}
        if not histories:
            return None, 0
        drawn = dict(list(histories.items())[:MAX_IN_CURVES])
        alt = "Loss and accuracy by epoch"
        picture = self._picture(alt, study_learning_figure, drawn, self._styles, len(self._summary.classes))
        return picture, len(histories) - len(drawn)

    @property
    def _clips(self) -> str:
        return f"{SPLIT_NAMES[self._split]} clips"

    def _picture(self, alt: str, draw: Any, *arguments: Any) -> Picture:
        with figure_style():
            figure: Figure = draw(*arguments)
        return embedded(png(figure, cut=True), alt)

    def _shown(self, row: VariantRow, measure: str) -> Shown:
        spread = getattr(row.ranking, measure)
        scores = {(job.fold, job.seed): job.metrics[self._split] for job in self._jobs[row.variant]}
        points = {place: each[measure] for place, each in scores.items() if each[measure] is not None}
        return Shown(spread.mean, spread.interval, points)

    def _calibration_error(self, row: VariantRow) -> float:
        """That of the summary; where it has none, there being one fold only, what would stand in it."""
        if row.calibration:
            return row.calibration.error
        return calibration_error([job.predictions[self._split] for job in self._jobs[row.variant]])

    def _family(self, row: VariantRow) -> str:
        """The same for variants whose configurations differ in heads alone, as far as the folders say."""
        keys = self._study.configuration(self._jobs[row.variant][0])
        if keys is None:
            return row.variant.replace(f"_h{row.heads}", "")
        return str(sorted((key, str(value)) for key, value in keys.items() if key != "model.num_heads"))

    def _histories(self, variant: str) -> list[History]:
        return [rows for job in self._jobs[variant] if (rows := self._study.history(job))]
