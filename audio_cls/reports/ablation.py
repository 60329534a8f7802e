"""An ablation: variants of a study that differ by one change each, and what every change brought."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio_cls.analysis.compare import variant_row
from audio_cls.analysis.statistics import mean_and_sd
from audio_cls.analysis.summary import Spread, VariantRow
from audio_cls.analysis.verdict import DEVELOPMENT
from audio_cls.config.schema import differing_keys, shown
from audio_cls.reports import tables
from audio_cls.results.job_folder import RANKING_SPLIT, StudyJob
from audio_cls.results.study import Study, StudyError, load_study
from audio_cls.wording import SPLIT_NAMES, shorten

_METHOD = (
    "Accuracies are in percent, means over folds with seeds averaged first; ± is the standard deviation over folds."
    " Train is the accuracy on training clips once training was over; the last"
    " epoch's loss and accuracy are of its training crops. Time is that of one job."
)


@dataclass(frozen=True)
class Change:
    """A variant and what was changed for it, which is None for the first. The last epoch's are means over folds."""

    row: VariantRow
    changed_keys: tuple[str, ...] | None
    last_loss: float | None  # on training crops, as is the accuracy
    last_accuracy: float | None
    loss_on: str | None

    @property
    def accuracy(self) -> Spread | None:
        return self.row.ranking.accuracy if self.row.ranking else None

    @property
    def changed(self) -> str:
        return tables.NONE if self.changed_keys is None else "; ".join(self.changed_keys) or "nothing"


@dataclass(frozen=True)
class Ablation:
    """The variants in the order asked for, each compared with the one before it, or all of them with `against`."""

    study: Study
    split: str  # the one that ranks
    changes: tuple[Change, ...]
    against: str | None

    @property
    def title(self) -> str:
        return f"{self.study.name}: " + (f"each change to {self.against}" if self.against else "one change at a time")

    @property
    def clips(self) -> str:
        return f"{SPLIT_NAMES[self.split]} clips"

    @property
    def notes(self) -> list[str]:
        notes = [DEVELOPMENT] if self.study.protocol == "holdout" else []
        on_probabilities = [change.row.variant for change in self.changes if change.loss_on == "probabilities"]
        if 0 < len(on_probabilities) < len(self.changes):
            # Softmax of a one-hot vector, the best that cross-entropy on probabilities can be given.
            floor = math.log(1 + (len(self.study.classes) - 1) / math.e)
            notes.append(
                f"The losses of {shorten(on_probabilities, 3)} cannot be compared with the others: with"
                f" trainer.loss_on=probabilities a perfect model has a loss of {floor:.3f}, on logits one near 0."
            )
        if len({(tuple(change.row.folds), tuple(change.row.seeds)) for change in self.changes}) > 1:
            notes.append("Folds and seeds differ between the variants, which explains a part of the differences.")
        return [*notes, " ".join([_METHOD, tables.interval_line([change.row for change in self.changes])]).strip()]


def read_ablation(path: Path, order: Sequence[str], against: str | None = None) -> Ablation:
    """Reads the named variants of a study; `against` comes first where the order does not name it.

    Raises StudyError for names that the study does not have or that stand twice, and for configurations that cannot be
    read.
    """
    study = load_study(path)
    if not study.jobs:
        raise StudyError(f"{path} holds no job yet: train a model first")
    split = RANKING_SPLIT.get(study.protocol or "")
    if split is None:
        raise StudyError(f"{path} holds out no clips (protocol={study.protocol}): there is nothing to compare")
    names = list(order) if against is None or against in order else [against, *order]
    for name in names:
        study.check_variant(name)
        if names.count(name) > 1:
            raise StudyError(f"--order names {name} twice; name each variant once")
    if len(names) < 2:
        raise StudyError(f"--order names {names[0]} alone; name at least two variants, as in --order A,B")
    jobs = {name: [job for job in study.jobs if (job.variant, job.status) == (name, "done")] for name in names}
    configurations = {name: _configuration(study, name, jobs[name]) for name in names}
    changes = []
    for place, name in enumerate(names):
        before = against or (names[place - 1] if place else name)
        keys = None if before == name else _changed_keys(configurations[before], configurations[name])
        loss, accuracy = (_last(study, jobs[name], key) for key in ("train_loss", "train_accuracy"))
        row = variant_row(name, jobs[name], split)
        changes.append(Change(row, keys, loss, accuracy, configurations[name].get("trainer.loss_on")))
    return Ablation(study, split, tuple(changes), against)


def ablation_table(ablation: Ablation, with_changes: bool = True) -> tables.Table:
    """A row for each variant; a terminal has no room for what changed."""
    heads = ["Variant", "Changed", ablation.clips.capitalize(), *tables.RUN_COLUMNS, "Last loss", "Last accuracy"]
    usual = tables.usual_sources(change.row.ranking for change in ablation.changes)
    rows = (
        [
            change.row.variant,
            change.changed,
            tables.scores_cell(change.row.ranking, usual),
            *(cell(change.row) for cell in tables.RUN_COLUMNS.values()),
            tables.number_cell(None if change.last_loss is None else f"{change.last_loss:.3f}", change.last_loss),
            tables.percent_cell(change.last_accuracy),
        ]
        for change in ablation.changes
    )
    table = tables.make_table(heads, rows)
    return table if with_changes else table.only(set(heads) - {"Changed"})


def _configuration(study: Study, name: str, jobs: Sequence[StudyJob]) -> dict[str, Any]:
    """What all finished jobs of the variant were configured to, but for fold and seed."""
    if not jobs:
        raise StudyError(f"{name} has no finished job in {study.path}; train it first, or leave it out of --order")
    first: dict[str, Any] = {}
    for job in jobs:
        configuration = study.configuration(job)
        if configuration is None:
            raise StudyError(f"{study.path / job.name} has no readable config.yaml, so what changed is not known")
        first = first or configuration
        if differing := differing_keys(first, configuration):
            raise StudyError(
                f"the jobs of {name} differ: {differing[0]} is {shown(first.get(differing[0]))} in {jobs[0].name} and"
                f" {shown(configuration.get(differing[0]))} in {job.name}"
            )
    return first


def _changed_keys(before: dict[str, Any], now: dict[str, Any]) -> tuple[str, ...]:
    """'model.norm: post → pre' for each key that differs. Keys that belong to another model alone are left out."""
    keys = differing_keys(before, now)
    others = [key for key in keys if not key.startswith("model.")]
    keys = ["model.name", *others] if "model.name" in keys else keys
    return tuple(f"{key}: {shown(before.get(key))} → {shown(now.get(key))}" for key in keys)


def _last(study: Study, jobs: Sequence[StudyJob], key: str) -> float | None:
    """A column of the last epoch; the mean over folds."""
    histories = {(job.fold, job.seed): study.history(job) for job in jobs}
    return mean_and_sd({place: rows[-1].get(key) for place, rows in histories.items() if rows})[0]
