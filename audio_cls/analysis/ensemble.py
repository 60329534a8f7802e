"""Ensembles: the clip probabilities of several variants, or of a variant's seeds, averaged fold by fold.

An ensemble is a list of jobs that nobody trained, so that everything that is said of a variant can be said of it.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from audio_cls.analysis.statistics import METRICS
from audio_cls.results.job_folder import RANKING_SPLIT, StudyJob
from audio_cls.results.predictions import Predictions, in_order_of
from audio_cls.results.study import Study, StudyError
from audio_cls.wording import ranges

OVER_SEEDS = -1  # the seed of predictions that were averaged over seeds


@dataclass(frozen=True)
class Ensemble:
    """Several variants, or one whose seeds are averaged; a job for each fold (and seed) that all members have."""

    members: tuple[str, ...]
    seeds: tuple[int, ...]  # of the members' jobs
    jobs: tuple[StudyJob, ...]

    @property
    def name(self) -> str:
        return self.jobs[0].variant


def build_ensemble(study: Study, request: str) -> Ensemble:
    """The ensemble of the variants 'A,B', or of the seeds of the variant 'A'. Raises StudyError, naming the request."""
    members = [name.strip() for name in request.split(",")]
    try:
        _check_members(study, members)
        done = [job for job in study.jobs if job.status == "done" and job.variant in members]
        return _of_seeds(members[0], done) if len(members) == 1 else _of_variants(members, done)
    except ValueError as error:
        raise StudyError(f"--ensemble {request}: {error}") from None


def for_each_seed(predictions: Sequence[Predictions], others: Sequence[Predictions]) -> list[Predictions]:
    """Pairs what was averaged over seeds with every seed of the others: repeats it for each; the rest stays."""
    repeated = []
    for ours in predictions:
        theirs = [other.seed for other in others if other.fold == ours.fold] if ours.seed == OVER_SEEDS else []
        repeated += [replace(ours, seed=seed) for seed in theirs] or [ours]
    return repeated


def _of_variants(members: list[str], done: Sequence[StudyJob]) -> Ensemble:
    jobs = {(job.variant, job.fold, job.seed): job for job in done}
    places = {(job.fold, job.seed) for job in done}
    shared = sorted(place for place in places if all((member, *place) in jobs for member in members))
    if not shared:
        raise ValueError("no fold and seed is finished by all of them; train them with the same fold= and seed=")
    groups = [[jobs[member, *place] for member in members] for place in shared]
    averaged = tuple(_average(group, " + ".join(members), group[0].seed) for group in groups)
    return Ensemble(tuple(members), tuple(sorted({seed for _, seed in shared})), averaged)


def _of_seeds(member: str, done: Sequence[StudyJob]) -> Ensemble:
    """The seeds that every fold of the variant has, averaged within the fold."""
    folds: dict[int, dict[int, StudyJob]] = defaultdict(dict)
    for job in done:
        folds[job.fold][job.seed] = job
    seeds = sorted(set.intersection(*map(set, folds.values()))) if folds else []
    if len(seeds) < 2:
        raise ValueError(
            f"the finished folds of {member} have {len(seeds) or 'no'} seed{'s' * (len(seeds) != 1)} in common, and"
            " averaging needs two; train more (seed=0,1,2) or name a second variant"
        )
    name = f"{member} over seeds {ranges(seeds)}"
    averaged = tuple(_average([folds[fold][seed] for seed in seeds], name, OVER_SEEDS) for fold in sorted(folds))
    return Ensemble((member,), tuple(seeds), averaged)


def _check_members(study: Study, members: list[str]) -> None:
    for member in members:
        study.check_variant(member)
    if RANKING_SPLIT.get(study.protocol or "") is None:
        raise ValueError(f"no clip is held out to predict (protocol={study.protocol})")
    twice = [member for member in members if members.count(member) > 1]
    if twice:
        raise ValueError(f"{twice[0]} stands twice; name each member once (a single name averages its seeds)")


def _average(members: Sequence[StudyJob], name: str, seed: int) -> StudyJob:
    """A job that predicts the mean of the members' probabilities, with the sum of their parameters and times."""
    first = members[0]
    splits = [split for split in first.predictions if all(split in member.predictions for member in members)]
    predictions = {split: _mean([member.predictions[split] for member in members], seed) for split in splits}
    metrics: dict[str, Any] = {"classes": first.metrics["classes"]}
    for key in ("num_parameters", "train_seconds"):
        values = [member.metrics.get(key) for member in members]
        metrics[key] = None if None in values else sum(values)
    metrics |= {split: _figures(averaged) for split, averaged in predictions.items()}
    return StudyJob(name, first.fold, seed, "done", None, metrics, predictions)


def _mean(members: Sequence[Predictions], seed: int) -> Predictions:
    first = members[0]
    probabilities = np.mean([in_order_of(first, member).probabilities for member in members], axis=0)
    return replace(first, seed=seed, predicted=probabilities.argmax(axis=1), probabilities=probabilities)


def _figures(predictions: Predictions) -> dict[str, float | None]:
    """What training reports of a job, as one resample in which every clip counts once."""
    once = np.ones((1, len(predictions.labels)))
    figures = {key: float(metric(predictions, once)[0]) for key, metric in METRICS.items()}
    return {key: None if math.isnan(value) else value for key, value in figures.items()}
