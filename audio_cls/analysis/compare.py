"""Compares the variants of a study: means over folds, how sure they are, and which variant is better."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations, product

import numpy as np

from audio_cls.analysis.bootstrap import mean_of_present, weighted_f1_per_class
from audio_cls.analysis.calibration import recalibrate
from audio_cls.analysis.ensemble import OVER_SEEDS, Ensemble, build_ensemble, for_each_seed
from audio_cls.analysis.errors import find_errors
from audio_cls.analysis.guessing import guess
from audio_cls.analysis.sign_flips import NUM_FLIPS
from audio_cls.analysis.statistics import (
    METRICS,
    SIGNIFICANCE,
    PairedTest,
    holm,
    mean_and_sd,
    metric_interval,
    num_sources,
    paired_test,
)
from audio_cls.analysis.summary import Comparison, Scores, Spread, Summary, VariantRow
from audio_cls.analysis.verdict import headline, notes, verdict
from audio_cls.data.balance import is_unequal
from audio_cls.results.job_folder import RANKING_SPLIT, UNFINISHED, StudyJob
from audio_cls.results.predictions import Predictions, by_seed
from audio_cls.results.study import Study

MOST_VARIANTS_FOR_ALL_PAIRS = 6


def summarize(study: Study, ensembles: Sequence[str] = ()) -> Summary:
    """Everything a study says. Jobs that are not done are named and count for nothing else.

    `ensembles` asks for rows beside the variants: 'A,B' averages these variants, 'A' the seeds of A. Raises StudyError
    for one that cannot be built.
    """
    ranking = RANKING_SPLIT.get(study.protocol or "")
    jobs: dict[str, list[StudyJob]] = defaultdict(list)
    for job in study.jobs:
        jobs[job.variant] += [job] if job.status == "done" else []
    rows = [variant_row(variant, done, ranking) for variant, done in jobs.items()]
    trained = [row.variant for row in sorted(rows, key=_rank)]
    for ensemble in _build_ensembles(study, ensembles):
        jobs[ensemble.name] = list(ensemble.jobs)
        row = variant_row(ensemble.name, ensemble.jobs, ranking)
        rows.append(replace(row, kind="ensemble", members=list(ensemble.members), seeds=list(ensemble.seeds)))
    rows.sort(key=_rank)
    comparisons = _compare(rows, jobs, ranking) if ranking else []
    missing = _missing(study)
    return Summary(
        study=study.name,
        headline=headline(study, missing),
        verdict=verdict(study, rows, comparisons),
        dataset=study.dataset,
        protocol=study.protocol,
        split_digest=study.split_digest,
        ranking_split=ranking,
        classes=list(study.classes),
        num_folds=study.num_folds,
        rows=rows,
        comparisons=comparisons,
        guessing=guess(study.jobs, ranking, study.classes),
        errors=find_errors({variant: _predictions(jobs[variant], ranking) for variant in trained}, study.classes),
        notes=notes(study, rows, comparisons),
        num_done=sum(job.status == "done" for job in study.jobs),
        missing=missing,
        **{status: [job.name for job in study.jobs if job.status == status] for status in UNFINISHED},
    )


def variant_row(variant: str, jobs: Sequence[StudyJob], ranking: str | None) -> VariantRow:
    """What finished jobs of one variant reached, on the split `ranking` among others."""
    seconds = [job.metrics["train_seconds"] for job in jobs if job.metrics.get("train_seconds") is not None]
    first = jobs[0].metrics if jobs else {}
    return VariantRow(
        variant=variant,
        kind="variant",
        members=[],
        model=first.get("model"),
        heads=first.get("heads"),
        ranking=_scores(jobs, ranking),
        test=_scores(jobs, "test") if ranking == "val" else None,
        train_accuracy=_figure(jobs, "train", "accuracy")[0],
        f1_per_class=_f1_per_class(jobs, ranking),
        calibration=recalibrate(_predictions(jobs, ranking)),
        folds=sorted({job.fold for job in jobs}),
        seeds=sorted({job.seed for job in jobs}),
        num_jobs=len(jobs),
        num_parameters=first.get("num_parameters"),
        epochs=sorted({job.metrics["epochs"] for job in jobs if job.metrics.get("epochs") is not None}),
        train_seconds=sum(seconds) / len(seconds) if seconds else None,
        train_seconds_total=sum(seconds) if seconds else None,
    )


def _build_ensembles(study: Study, requests: Sequence[str]) -> Iterable[Ensemble]:
    """Each once, in whatever order its members were named."""
    built: dict[frozenset[str], Ensemble] = {}
    for request in requests:
        ensemble = build_ensemble(study, request)
        built.setdefault(frozenset(ensemble.members), ensemble)
    return built.values()


def _figure(jobs: Sequence[StudyJob], split: str | None, key: str) -> tuple[float | None, float | None]:
    scored = {(job.fold, job.seed): job.metrics[split][key] for job in jobs if split and job.metrics.get(split)}
    return mean_and_sd(scored)


def _scores(jobs: Sequence[StudyJob], split: str | None) -> Scores | None:
    predictions = _predictions(jobs, split)
    if not predictions:
        return None
    spreads = {}
    for key in ("accuracy", "f1_macro", "auroc_macro"):
        mean, sd = _figure(jobs, split, key)
        spreads[key] = Spread(mean, sd, metric_interval(predictions, key) if mean is not None else None)
    balanced = _balanced_accuracy(predictions)
    return Scores(**spreads, balanced_accuracy=balanced, num_sources=num_sources(predictions))


def _balanced_accuracy(predictions: Sequence[Predictions]) -> Spread | None:
    """None where no class is much larger than another. From the predictions, as older results do not have it."""
    labels = {clip: label for job in predictions for clip, label in zip(job.clips, job.labels.tolist(), strict=True)}
    if not is_unequal(np.unique([*labels.values()], return_counts=True)[1]):
        return None
    key = "balanced_accuracy"
    figures = {job.job: float(METRICS[key](job, np.ones((1, len(job.labels))))[0]) for job in predictions}
    return Spread(*mean_and_sd(figures), metric_interval(predictions, key))


def _predictions(jobs: Sequence[StudyJob], split: str | None) -> list[Predictions]:
    return [job.predictions[split] for job in jobs if split in job.predictions]


def _f1_per_class(jobs: Sequence[StudyJob], split: str | None) -> list[float | None] | None:
    """F1 of each class over the clips of all folds, averaged over seeds; None for a class that never occurs."""
    seeds = []
    for folds in by_seed(_predictions(jobs, split)).values():
        labels, predicted = (np.concatenate([getattr(f, name) for f in folds]) for name in ("labels", "predicted"))
        once = np.ones((1, len(labels)))
        seeds.append(weighted_f1_per_class(labels, predicted, len(jobs[0].metrics["classes"]), once)[0])
    if not seeds:
        return None
    return [None if np.isnan(f1) else f1 for f1 in mean_of_present(np.stack(seeds), axis=0).tolist()]


def _rank(row: VariantRow) -> tuple:
    """Best first. A variant that lacks folds comes after those that have more: other folds are other clips."""
    accuracy = row.ranking.accuracy.mean if row.ranking else None
    return -len(row.folds), -(accuracy or 0), row.variant


def _compare(rows: Sequence[VariantRow], jobs: dict[str, list[StudyJob]], split: str) -> list[Comparison]:
    """All pairs of rows, or each row against the best where there are many variants (ensembles do not count as such).

    Corrected by Holm for all pairs either way: which row is the best was found on the same clips.
    """
    ranked = [row for row in rows if row.ranking]
    pairs = list(combinations([row.variant for row in ranked], 2))
    num_pairs = len(pairs)
    if sum(row.kind == "variant" for row in ranked) > MOST_VARIANTS_FOR_ALL_PAIRS:
        pairs = pairs[: len(ranked) - 1]  # those of the best come first
    num_flips = max(NUM_FLIPS, round(2 * num_pairs / SIGNIFICANCE))  # the least p-value they can give is to pass
    found = {pair: _test_pair(*pair, jobs, split, num_flips) for pair in pairs}
    tests = {pair: test for pair, test in found.items() if isinstance(test, PairedTest)}
    compared = _corrected(tests, num_pairs - (len(found) - len(tests)))
    return [compared.get(pair) or Comparison(*pair, problem=str(problem)) for pair, problem in found.items()]


def _test_pair(
    first: str, second: str, jobs: dict[str, list[StudyJob]], split: str, num_flips: int
) -> PairedTest | ValueError:
    """The test, or what forbids it."""
    ours, theirs = _predictions(jobs[first], split), _predictions(jobs[second], split)
    try:
        return paired_test(for_each_seed(ours, theirs), for_each_seed(theirs, ours), num_flips=num_flips)
    except ValueError as error:
        return error


def _corrected(tests: dict[tuple[str, str], PairedTest], num_tests: int) -> dict[tuple[str, str], Comparison]:
    """The tests, Holm's correction for `num_tests` of them, and intervals that agree with it.

    Holm's correction goes on while p-values are significant, and ends with the rest at the level of SIGNIFICANCE by the
    number of the rest. An interval of that level excludes 0 exactly where the difference is significant after the
    correction; one of a fixed 95% would exclude it beside differences that are not.
    """
    p_values = [test.p_value for test in tests.values()]
    p_holm = holm(p_values, num_tests)
    level = SIGNIFICANCE / max(1, num_tests - sum(p <= SIGNIFICANCE for p in p_holm))
    compared = {}
    for place, (pair, test) in enumerate(tests.items()):
        least = [*p_values[:place], test.flips.least_p_value, *p_values[place + 1 :]]
        compared[pair] = Comparison(
            *pair,
            difference=test.difference,
            interval=test.interval(level),
            confidence=1 - level,
            p_value=test.p_value,
            p_holm=p_holm[place],
            least_p_holm=holm(least, num_tests)[place],
            significant=p_holm[place] <= SIGNIFICANCE,
            num_clips=test.num_clips,
            num_sources=test.num_sources,
            num_differing=test.num_differing,
            folds=test.folds,
            seeds=tuple(seed for seed in test.seeds if seed != OVER_SEEDS),
            reduced=test.reduced,
        )
    return compared


def _missing(study: Study) -> list[str]:
    """Jobs without a folder that recorded commands planned, or that other variants have. A variant with just the folds
    and seeds that some of the commands asked for is whole."""
    places: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for job in study.jobs:
        places[job.variant].add((job.fold, job.seed))
    everywhere = set().union(*places.values())
    planned = study.planned()
    wanted = everywhere.union(product(*map(set, zip(*everywhere, strict=True))), *planned)
    missing = []
    for variant, there in sorted(places.items()):
        if there != set().union(*(asked for asked in planned if asked <= there)):
            missing += [f"{variant}/fold{fold}-seed{seed}" for fold, seed in sorted(wanted - there)]
    return missing
