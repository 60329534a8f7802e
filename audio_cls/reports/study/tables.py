"""The tables of the report: cells with what is shown and what they are sorted by."""

from collections.abc import Sequence
from typing import Any

from audio_cls.analysis.summary import Comparison, Spread, Summary, VariantRow
from audio_cls.figures.style import Styles
from audio_cls.reports.study.mistakes import Mistake
from audio_cls.reports.tables import mean_only, with_spread
from audio_cls.results.job_folder import JOB_FOLDER, StudyJob
from audio_cls.wording import duration, p_value, ranges

Cell = dict[str, Any]
Table = dict[str, Any]  # caption, heads (cells) and rows (lists of cells)


def variant_table(summary: Summary, styles: Styles) -> Table:
    with_test = any(row.test for row in summary.rows)
    heads = ["Variant"]
    heads += ["Accuracy", "F1", "AUROC"] if summary.ranking_split else []
    heads += ["Test"] if with_test else []
    heads += ["Train", "Folds", "Seeds", "Epochs", "Parameters", "Time of a job"]
    rows = [_variant_cells(summary, row, styles, with_test) for row in summary.rows]
    return _table("Variants, best first", heads, rows)


def comparison_table(comparisons: Sequence[Comparison], styles: Styles) -> Table:
    rows = []
    for each in comparisons:
        names = [_name(each.first, styles), _name(each.second, styles)]
        if each.problem:
            rows.append([*names, _text(f"not compared: {each.problem}"), *(_number("–", None) for _ in range(4))])
            continue
        interval = each.interval and f" [{100 * each.interval[0]:+.1f}, {100 * each.interval[1]:+.1f}]"
        rows.append(
            [
                *names,
                _number(f"{100 * each.difference:+.1f}{interval or ''}".replace("-", "−"), each.difference),
                _number(p_value(each.p_value, name=""), each.p_value),
                _number(p_value(each.p_holm, name=""), each.p_holm),
                _text("yes" if each.enough_evidence else "no"),
                _number(f"{each.num_clips:,} / {each.num_sources:,}", each.num_clips),
            ]
        )
    heads = ["Variant", "against", "Points", "p", "p (Holm)", "Enough evidence", "Clips / recordings"]
    return _table("Differences of accuracy", heads, rows)


def fold_table(jobs: Sequence[StudyJob], missing: Sequence[str], split: str | None, styles: Styles) -> Table:
    """A row for each variant and seed, a column for each fold: its accuracy on `split`, or what became of the job."""
    by_place: dict[tuple[str, int, int], StudyJob | None] = {(job.variant, job.seed, job.fold): job for job in jobs}
    for name in missing:
        variant, _, folder = name.rpartition("/")
        fold, seed = map(int, JOB_FOLDER.fullmatch(folder).groups())
        by_place[variant, seed, fold] = None
    folds = range(max((fold for _, _, fold in by_place), default=-1) + 1)
    rows = []
    for variant, seed in sorted({(variant, seed) for variant, seed, _ in by_place}):
        cells = []
        for fold in folds:
            if (variant, seed, fold) not in by_place:
                cells.append(_number("–", None))
                continue
            job = by_place[variant, seed, fold]
            if job is None or job.status != "done" or not split:
                status = "missing" if job is None else job.status
                cells.append(_number(status, None, bad=status != "done"))
            else:
                accuracy = job.metrics[split]["accuracy"]
                cells.append(_number(f"{100 * accuracy:.1f}", accuracy))
        values = [cell["value"] for cell in cells if cell["value"] is not None]
        mean = sum(values) / len(values) if values else None
        mean_cell = _number("–" if mean is None else f"{100 * mean:.1f}", mean)
        rows.append([_name(variant, styles), _number(str(seed), seed), *cells, mean_cell])
    return _table("Accuracy of every job", ["Variant", "seed", *(f"fold {fold}" for fold in folds), "mean"], rows)


def class_table(summary: Summary, styles: Styles) -> Table:
    shown = [row for row in summary.rows if row.f1_per_class]
    rows = [
        [_text(name), *(_share(row.f1_per_class[label]) for row in shown)] for label, name in enumerate(summary.classes)
    ]
    table = _table("F1 of each class, folds pooled", ["Class", *(row.variant for row in shown)], rows)
    table["heads"][1:] = [{**_name(row.variant, styles), "number": True} for row in shown]
    return table


def mistake_table(mistakes: Sequence[Mistake], classes: Sequence[str]) -> Table:
    rows = [
        [
            {**_text(each.clip), "code": True},
            _text(classes[each.label]),
            _text(heard(each, classes)),
            _number(f"{each.num_wrong} of {each.num_jobs}", each.share),
            _number(f"{each.probability:.0%}", each.probability),
        ]
        for each in mistakes
    ]
    heads = ["Clip", "is", "was heard as", "wrong", "probability of what it is"]
    return _table("Clips most often wrong", heads, rows)


def heard(mistake: Mistake, classes: Sequence[str]) -> str:
    """'Rain (3), Sea waves (1)'."""
    return ", ".join(f"{classes[label]} ({count})" for label, count in mistake.heard)


def _variant_cells(summary: Summary, row: VariantRow, styles: Styles, with_test: bool) -> list[Cell]:
    cells = [_name(row.variant, styles)]
    if summary.ranking_split:
        spreads = [getattr(row.ranking, key, None) for key in ("accuracy", "f1_macro", "auroc_macro")]
        cells += [_spread(spread) for spread in spreads]
    cells += [_spread(row.test.accuracy if row.test else None)] if with_test else []
    return [
        *cells,
        _share(row.train_accuracy),
        _number(ranges(row.folds) or "–", len(row.folds)),
        _number(ranges(row.seeds) or "–", len(row.seeds)),
        _number(", ".join(map(str, row.epochs)) or "–", max(row.epochs, default=None)),
        _number("–" if row.num_parameters is None else f"{row.num_parameters:,}", row.num_parameters),
        _number("–" if row.train_seconds is None else duration(row.train_seconds), row.train_seconds),
    ]


def _spread(spread: Spread | None) -> Cell:
    """The mean first, in figures that line up, and what is to be known about it below."""
    if spread is None or spread.mean is None:
        return _number("–", None)
    more = with_spread(spread).removeprefix(mean_only(spread)).strip()
    return {**_number(mean_only(spread), spread.mean), "more": more}


def _share(value: float | None) -> Cell:
    return _number("–" if value is None else f"{100 * value:.1f}", value)


def _table(caption: str, heads: Sequence[str], rows: list[list[Cell]]) -> Table:
    """A heading stands over numbers if its column has any."""
    columns = [any(row[place]["number"] for row in rows) for place in range(len(heads))]
    cells = [{**_text(head), "number": number} for head, number in zip(heads, columns, strict=True)]
    return {"caption": caption, "heads": cells, "rows": rows}


def _name(variant: str, styles: Styles) -> Cell:
    return {**_text(variant), "colour": styles[variant].colour if variant in styles else ""}


def _text(text: str) -> Cell:
    return {"text": text, "more": "", "value": None, "number": False, "colour": "", "bad": False, "code": False}


def _number(text: str, value: float | None, bad: bool = False) -> Cell:
    return {**_text(text), "value": value, "number": True, "bad": bad}
