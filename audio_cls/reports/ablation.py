"""Variants that differ by one change each: what every change brought, read from a study."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio_cls.analysis.compare import variant_row
from audio_cls.analysis.statistics import mean_and_sd
from audio_cls.analysis.summary import VariantRow
from audio_cls.analysis.verdict import DEVELOPMENT
from audio_cls.config.schema import differing_keys, shown
from audio_cls.reports.tables import RUN_COLUMNS, Table, make_table, number_cell, percent_cell, run_cells, spread_cell
from audio_cls.results.job_folder import RANKING_SPLIT, StudyJob
from audio_cls.results.study import Study, StudyError, load_study
from audio_cls.wording import SPLIT_NAMES, ranges, shorten

_METHOD = (
    "Accuracies are in percent, means over folds with seeds averaged first; ± is the standard deviation over folds, [ ]"
    " a 95% interval over source recordings. Train is the accuracy on training clips once training was over; the last"
    " epoch's loss and accuracy are of its crops, as they were learnt from. Time is that of one job."
)


@dataclass(frozen=True)
class Step:
    """A variant; `changes` is None where there is nothing to hold it against. The last epoch's are means over folds."""

    row: VariantRow
    changes: tuple[str, ...] | None
    last_loss: float | None  # on training crops, as is the accuracy
    last_accuracy: float | None
    loss_on: str | None

    @property
    def changed(self) -> str:
        return "-" if self.changes is None else "; ".join(self.changes) or "nothing"


@dataclass(frozen=True)
class Route:
    """The variants in the order asked for, each held against the one before it, or all of them `against` one."""

    study: Study
    steps: tuple[Step, ...]
    against: str | None

    @property
    def title(self) -> str:
        return f"{self.study.name}: " + (f"each change to {self.against}" if self.against else "one change at a time")

    @property
    def clips(self) -> str:
        return f"{SPLIT_NAMES[RANKING_SPLIT[self.study.protocol]]} clips"

    @property
    def notes(self) -> list[str]:
        notes = [DEVELOPMENT] if self.study.protocol == "holdout" else []
        on_probabilities = [step.row.variant for step in self.steps if step.loss_on == "probabilities"]
        if 0 < len(on_probabilities) < len(self.steps):
            # Softmax of a one-hot vector, the best that cross-entropy on probabilities can be given.
            floor = math.log(1 + (len(self.study.classes) - 1) / math.e)
            notes.append(
                f"The losses of {shorten(on_probabilities, 3)} cannot be held against the others: with"
                f" trainer.loss_on=probabilities a perfect model has a loss of {floor:.3f}, on logits one near 0."
            )
        if len({(tuple(step.row.folds), tuple(step.row.seeds)) for step in self.steps}) > 1:
            notes.append("The variants do not all have the same folds and seeds: a part of the differences is theirs.")
        return [*notes, _METHOD]


def read_route(path: Path, order: Sequence[str], against: str | None = None) -> Route:
    """Reads the named variants of a study; `against` comes first where the order does not name it.

    Raises StudyError for names that cannot be a route through this study and for configurations that cannot be told.
    """
    study = load_study(path)
    if not study.jobs:
        raise StudyError(f"{path} holds no job yet: run train.py first")
    if RANKING_SPLIT.get(study.protocol or "") is None:
        raise StudyError(f"{path} holds out no clips (protocol={study.protocol}): there is nothing to measure steps by")
    names = list(order) if against is None or against in order else [against, *order]
    for name in names:
        study.check_variant(name)
        if names.count(name) > 1:
            raise StudyError(f"--order names {name} twice; name each variant once")
    if len(names) < 2:
        raise StudyError(f"--order names {names[0]} alone; a step takes two variants, as in --order A,B")
    jobs = {name: [job for job in study.jobs if (job.variant, job.status) == (name, "done")] for name in names}
    configurations = {name: _configuration(study, name, jobs[name]) for name in names}
    steps = []
    for place, name in enumerate(names):
        before = against or (names[place - 1] if place else name)
        changes = None if before == name else _changes(configurations[before], configurations[name])
        row = variant_row(name, jobs[name], RANKING_SPLIT[study.protocol])
        last = [_last(study, jobs[name], key) for key in ("train_loss", "train_accuracy")]
        steps.append(Step(row, changes, *last, configurations[name].get("trainer.loss_on")))
    return Route(study, tuple(steps), against)


def route_table(route: Route) -> Table:
    """A row for each step, without what changed: a terminal has no room for that."""
    header = ["Variant", route.clips.capitalize(), *RUN_COLUMNS, "Epochs", "Last loss", "Last accuracy"]
    return header, [_cells(step) for step in route.steps]


def _configuration(study: Study, name: str, jobs: Sequence[StudyJob]) -> dict[str, Any]:
    """What all finished jobs of the variant were configured to, but for fold and seed."""
    if not jobs:
        raise StudyError(f"{name} has no finished job in {study.path}; train it first, or leave it out of --order")
    configurations = [study.configuration(job) for job in jobs]
    first = configurations[0]
    for job, configuration in zip(jobs, configurations, strict=True):
        if configuration is None:
            raise StudyError(f"{study.path / job.name} has no readable config.yaml, so what changed cannot be told")
        if differing := differing_keys(first, configuration):
            raise StudyError(
                f"{name} is not one variant: {differing[0]} is {shown(first.get(differing[0]))} in {jobs[0].name} and"
                f" {shown(configuration.get(differing[0]))} in {job.name}"
            )
    return first


def _changes(before: dict[str, Any], now: dict[str, Any]) -> tuple[str, ...]:
    """'model.norm: post → pre' for each key that differs. Keys that belong to another model alone are left out."""
    keys = differing_keys(before, now)
    others = [key for key in keys if not key.startswith("model.")]
    keys = ["model.name", *others] if "model.name" in keys else keys
    return tuple(f"{key}: {shown(before.get(key))} → {shown(now.get(key))}" for key in keys)


def _last(study: Study, jobs: Sequence[StudyJob], key: str) -> float | None:
    """A column of the last epoch; the mean over folds."""
    histories = {(job.fold, job.seed): study.history(job) for job in jobs}
    return mean_and_sd({place: rows[-1].get(key) for place, rows in histories.items() if rows})[0]


def _cells(step: Step) -> list[str]:
    return [
        step.row.variant,
        with_spread(step.row.ranking.accuracy),
        *run_cells(step.row),
        ranges(step.row.epochs) or "-",
        "-" if step.last_loss is None else f"{step.last_loss:.3f}",
        "-" if step.last_accuracy is None else f"{100 * step.last_accuracy:.1f}",
    ]
