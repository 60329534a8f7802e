"""What a study says in sentences: its first line, its verdict, and what has to be known beside the figures."""

import math
from collections.abc import Sequence

from audio_cls.analysis.bootstrap import CONFIDENCE
from audio_cls.analysis.statistics import MIN_SOURCES, SIGNIFICANCE
from audio_cls.analysis.summary import Comparison, VariantRow, known
from audio_cls.results.job_folder import UNFINISHED, StudyJob
from audio_cls.results.study import Study
from audio_cls.wording import listed, one_word, p_value, ranges, shorten

DEVELOPMENT = "Figures on validation folds are development figures."
CHOSEN_ON_TEST = (
    "The test folds rank here, so a variant chosen by them is not confirmed by them:"
    " protocol=holdout ranks on validation folds and keeps a test set."
)
UNEQUAL = (
    "Classes differ much in size, and accuracy is above all that on the large ones. Balanced is the balanced accuracy,"
    " the mean of the accuracies on each class. Variants are ranked by accuracy."
)
NO_TEST = "No test column: published fold 1 was not among the clips."
_MOST_NAMES = 12
_MOST_OTHERS = 5


def headline(study: Study, missing: Sequence[str]) -> str:
    """The first line: what failed, is damaged, interrupted, running or missing, or that all is there."""
    if not study.jobs:
        return f"Nothing to compare: {study.name} holds no job."
    total = len(study.jobs) + len(missing)
    done = sum(job.status == "done" for job in study.jobs)
    if done == total:
        variants = len({job.variant for job in study.jobs})
        first = f"All {total} jobs are done ({_count(variants, 'variant')})." if total > 1 else "The only job is done."
        return " ".join([first, *_chosen_folds(study)])
    parts = []
    for status in UNFINISHED:
        names = [_with_reason(job) for job in study.jobs if job.status == status]
        parts += [f"{status.capitalize()}: {shorten(names, _MOST_NAMES)}."] if names else []
    parts += [f"Missing: {shorten(missing, _MOST_NAMES)}."] if missing else []
    return f"{done} of {total} jobs are done. {' '.join(parts)}"


def _chosen_folds(study: Study) -> list[str]:
    """'Folds 0, 1 of 4 were trained.' where the others were not asked for."""
    folds = sorted({job.fold for job in study.jobs})
    if len(folds) >= (study.num_folds or 0):
        return []
    were = f"s {ranges(folds)} of {study.num_folds} were" if len(folds) > 1 else f" {folds[0]} of {study.num_folds} was"
    return [f"Fold{were} trained."]


def _with_reason(job: StudyJob) -> str:
    reason = " ".join((job.reason or "").split())
    return f"{job.name} ({reason})" if reason and reason != job.status else job.name


def verdict(study: Study, rows: Sequence[VariantRow], comparisons: Sequence[Comparison]) -> str:
    """First whether a difference between the best two variants was shown, then what the best one is better than."""
    if not any(row.num_jobs for row in rows):
        return "No job has finished, so there is nothing to compare."
    if study.protocol == "all":
        return "With protocol=all no clip is held out, so nothing is ranked."
    ranked = [row for row in rows if row.ranking]
    best = ranked[0]
    if len(ranked) == 1:
        accuracy = f"{100 * known(known(best.ranking).accuracy.mean):.1f}%"
        return f"{best.variant} reaches {accuracy} accuracy; there is no other variant to compare it with."
    closest, *others = [comparison for comparison in comparisons if comparison.first == best.variant]
    if closest.problem:
        return f"{closest.first} and {closest.second} cannot be compared: {closest.problem}."
    sentences = []
    if not closest.significant:
        sentences.append(_no_difference(closest, *ranked[:2]))
        sentences += [_not_possible(closest)] if not could_be_shown(closest) else []
    elif known(closest.difference) < 0:
        sentences.append(_better(closest.second, [closest.first], [closest]))
    better = [each for each in (closest, *others) if each.significant and known(each.difference) > 0]
    if better:
        sentences.append(_better(best.variant, [each.second for each in better], better))
    ahead = [each.second for each in others if each.difference and each.difference < 0]
    if ahead:
        sentences.append(f"Ahead of {best.variant} on the folds and seeds that both have: {', '.join(ahead)}.")
    sentences += [CHOSEN_ON_TEST] if study.protocol == "crossval" else []
    return " ".join(sentences)


def _no_difference(closest: Comparison, first: VariantRow, second: VariantRow) -> str:
    names = f"{one_word(closest.first)} against {one_word(closest.second)}"
    p = f"{p_value(known(closest.p_holm))} after Holm's correction"
    if closest.reduced:  # the means of the rows are of more folds or seeds than were compared
        points = 100 * known(closest.difference)
        return f"No difference shown on {_where(closest)}, which both have: {points:+.1f} points ({names}, {p})."
    means = " against ".join(f"{100 * known(known(row.ranking).accuracy.mean):.1f}" for row in (first, second))
    return f"No difference shown: {means} ({names}, {p})."


def could_be_shown(comparison: Comparison) -> bool:
    """Whether the sources that differ are enough for a significant difference, had they all favoured one variant."""
    return known(comparison.least_p_holm) <= SIGNIFICANCE


def _not_possible(comparison: Comparison) -> str:
    number = comparison.num_differing
    return (
        f"With {_count(number, 'source')} that differ{'s' * (number == 1)} no difference could be shown"
        f" ({p_value(known(comparison.least_p_holm), name='smallest possible p')})."
    )


def _better(variant: str, others: Sequence[str], comparisons: Sequence[Comparison]) -> str:
    """'A is better than B and C by 2.5 to 10.0 points of accuracy (p ≤ 0.012).'"""
    points = sorted(100 * abs(known(comparison.difference)) for comparison in comparisons)
    span = f"{points[0]:.1f}" if len(points) == 1 else f"{points[0]:.1f} to {points[-1]:.1f}"
    where = f" on {_where(comparisons[0])}, which both have" if len(points) == 1 and comparisons[0].reduced else ""
    greatest = max(known(comparison.p_holm) for comparison in comparisons)
    p = p_value(greatest) if len(points) == 1 else p_value(math.ceil(1000 * greatest) / 1000).replace("=", "≤")
    named = listed(others, _MOST_OTHERS)
    return f"{variant} is better than {named} by {span} points of accuracy{where} ({p})."


def notes(study: Study, rows: Sequence[VariantRow], comparisons: Sequence[Comparison]) -> list[str]:
    """What a reader has to know beside the figures."""
    done = [job for job in study.jobs if job.status == "done"]
    found = []
    if study.protocol == "all" and done:
        found.append("protocol=all trains on every clip: there is no held-out figure, and nothing is ranked.")
    if study.protocol == "holdout" and done and not any(job.metrics.get("test") for job in done):
        found.append(NO_TEST)
    most = max((len(row.folds) for row in rows), default=0)
    fewer = [row.variant for row in rows if row.ranking and len(row.folds) < most]
    if fewer:
        found.append(f"Ranked below the variants with {_count(most, 'fold')}, for having fewer: {', '.join(fewer)}.")
    num_ranked = sum(row.ranking is not None for row in rows)
    num_pairs = num_ranked * (num_ranked - 1) // 2
    if len(comparisons) < num_pairs:
        found.append(
            "Each variant is compared with the best alone; as the same clips show which that is, p is corrected for all"
            f" {num_pairs} pairs."
        )
    reduced = [f"{one_word(c.first)} and {one_word(c.second)} ({_where(c)})" for c in comparisons if c.reduced]
    if reduced:
        found.append(f"Compared only on the folds and seeds that both have: {shorten(reduced, _MOST_NAMES)}.")
    if any("" in predictions.sources for job in done for predictions in job.predictions.values()):
        found.append(
            "Some clips have no known source recording: leakage between folds cannot be excluded, "
            "and each such clip counts as a recording of its own, which flatters intervals and p-values."
        )
    for row in rows:
        for key in ("num_parameters", "epochs"):
            values = sorted({job.metrics[key] for job in done if job.variant == row.variant and key in job.metrics})
            if len(values) > 1:
                found.append(f"The jobs of {row.variant} differ in {key} ({', '.join(map(str, values))}).")
    found += [UNEQUAL] if any(row.ranking and row.ranking.balanced_accuracy for row in rows) else []
    found += _about_intervals(rows, comparisons)
    single = [row.variant for row in rows if row.ranking and not row.calibration]
    if single:
        found.append(
            f"No calibration of {shorten(single, _MOST_NAMES)}: a temperature is fitted on the other folds of a seed,"
            " and no seed has more than one fold."
        )
    ensembles = [row.variant for row in rows if row.kind == "ensemble"]
    if ensembles:
        found.append(
            f"{', '.join(ensembles)}: the mean of the members' probabilities for a clip; parameters and time are the"
            " members' sums. An ensemble that was chosen for these figures is flattered by them."
        )
    if done and len({job.seed for job in done}) == 1 and study.protocol != "all":
        found.append("One seed: how much training again would change the figures is not part of the intervals.")
    return found


def _about_intervals(rows: Sequence[VariantRow], comparisons: Sequence[Comparison]) -> list[str]:
    """Where sources are too few for an interval or a test, and at which level intervals of differences are."""
    numbers = {
        "Ranked": {row.ranking.num_sources for row in rows if row.ranking},
        "Test": {row.test.num_sources for row in rows if row.test},
        "Compared": {comparison.num_sources for comparison in comparisons if not comparison.problem},
    }
    few = {name: sorted(count for count in counts if count < MIN_SOURCES) for name, counts in numbers.items()}
    found = [
        f"{name} clips come from {listed(counts)} {'source' if counts == [1] else 'sources'}, too few for an interval;"
        f" {MIN_SOURCES} are needed."
        for name, counts in few.items()
        if counts and not (name == "Compared" and counts == few["Ranked"])
    ]
    if hopeless := [c for c in comparisons if not c.problem and not could_be_shown(c)]:
        named = [f"{one_word(c.first)} and {one_word(c.second)} ({c.num_differing})" for c in hopeless]
        found.append(
            "So few sources differ that no difference could be shown, as the smallest possible p is above"
            f" {SIGNIFICANCE}: {shorten(named, _MOST_OTHERS)}."
        )
    level = max((known(c.confidence) for c in comparisons if c.interval), default=CONFIDENCE)
    if level > CONFIDENCE:
        found.append(
            f"Intervals of differences are at {100 * level:.4g}%, the level at which Holm's correction ended,"
            " so that they agree with the tests."
        )
    return found


def _where(comparison: Comparison) -> str:
    """The folds and seeds; without seeds where both sides were averaged over theirs."""
    numbers = {"fold": comparison.folds, "seed": comparison.seeds}
    return ", ".join(f"{word}{'s' * (len(found) > 1)} {ranges(found)}" for word, found in numbers.items() if found)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
