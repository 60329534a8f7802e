"""The tables of a study. They are shown on the terminal, in Markdown and on pages."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from audio_cls.analysis.summary import (
    Comparison,
    MisclassifiedClip,
    Scores,
    SourceAccuracy,
    Spread,
    Summary,
    VariantRow,
    known,
)
from audio_cls.analysis.verdict import could_be_shown
from audio_cls.results.job_folder import StudyJob, fold_and_seed
from audio_cls.wording import clips_and_sources, duration, p_value, ranges, shorten

NONE = "-"  # where there is no value
LOW_FIRST = frozenset(
    {"Seed", "Epochs", "Parameters", "Time", "p", "p (Holm)"}
)  # columns whose lowest value is the best
Colours = Mapping[str, str]  # of variants in figures
T = TypeVar("T")
Columns = Mapping[str, Callable[[T], "str | Cell"]]  # by heading, what a column shows of an item


@dataclass(frozen=True)
class Cell:
    """What a table shows in one place."""

    text: str
    more: str = ""  # what is to be known about the text: an interval
    value: float | None = None  # what a page sorts by, where it is not the text
    number: bool = False  # stands to the right
    colour: str = ""  # of a variant in figures
    bad: bool = False
    code: bool = False
    low_first: bool = False  # of a heading: the lowest value of its column is the best

    @property
    def whole(self) -> str:
        return f"{self.text} {self.more}".strip()


@dataclass(frozen=True)
class Table:
    """Rows of as many cells as there are headings. A heading stands to the right where its column has numbers."""

    heads: tuple[Cell, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""

    def texts(self) -> list[list[str]]:
        """Headings and rows as plain text."""
        return [[cell.whole for cell in line] for line in (self.heads, *self.rows)]

    def only(self, columns: Iterable[str]) -> "Table":
        """With the named columns alone, in their own order."""
        wanted = set(columns)
        places = [place for place, head in enumerate(self.heads) if head.text in wanted]
        heads, *rows = (tuple(line[place] for place in places) for line in (self.heads, *self.rows))
        return replace(self, heads=heads, rows=tuple(rows))


def make_table(heads: Sequence[str | Cell], rows: Iterable[Sequence[str | Cell]], caption: str = "") -> Table:
    """A plain text stands for a cell that holds nothing else."""
    lines = [tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in line) for line in (heads, *rows)]
    numbers = [any(line[place].number for line in lines) for place in range(len(heads))]
    first = tuple(
        replace(head, number=number, low_first=head.text in LOW_FIRST)
        for head, number in zip(lines[0], numbers, strict=True)
    )
    return Table(first, tuple(lines[1:]), caption)


def column_table(columns: Columns[T], items: Iterable[T], caption: str = "") -> Table:
    """A row for each item."""
    return make_table([*columns], [[cell(item) for cell in columns.values()] for item in items], caption)


# Accuracy on training clips, and what the variant was trained on and took.
RUN_COLUMNS: Columns[VariantRow] = {
    "Train": lambda row: percent_cell(row.train_accuracy),
    "Folds": lambda row: number_cell(ranges(row.folds), len(row.folds)),
    "Seeds": lambda row: number_cell(ranges(row.seeds), len(row.seeds)),
    "Epochs": lambda row: number_cell(ranges(row.epochs), max(row.epochs, default=None)),
    "Parameters": lambda row: number_cell(row.num_parameters and f"{row.num_parameters:,}", row.num_parameters),
    "Time": lambda row: number_cell(
        None if row.train_seconds is None else duration(row.train_seconds), row.train_seconds
    ),
}


def variant_table(summary: Summary, colours: Colours | None = None) -> Table:
    """A row for each variant, the best first."""
    columns: dict[str, Callable[[VariantRow], str | Cell]] = {"Variant": lambda row: variant_cell(row.variant, colours)}
    if summary.ranking_split:
        usual = usual_sources(row.ranking for row in summary.rows)
        columns["Accuracy"] = lambda row: scores_cell(row.ranking, usual)
        if any(row.ranking and row.ranking.balanced_accuracy for row in summary.rows):
            columns["Balanced"] = lambda row: spread_cell(row.ranking.balanced_accuracy if row.ranking else None)
        columns["F1"] = lambda row: spread_cell(row.ranking.f1_macro if row.ranking else None)
        columns["AUROC"] = lambda row: spread_cell(row.ranking.auroc_macro if row.ranking else None)
    if any(row.test for row in summary.rows):
        usual_test = usual_sources(row.test for row in summary.rows)
        columns["Test"] = lambda row: scores_cell(row.test, usual_test)
    return column_table({**columns, **RUN_COLUMNS}, summary.rows, "Variants, best first")


def comparison_table(comparisons: Sequence[Comparison], colours: Colours | None = None) -> Table:
    heads = ["Variant", "Against", "Points", "p", "p (Holm)", "Significant", "Clips", "Sources"]
    return make_table(heads, [_comparison_cells(each, colours) for each in comparisons], "Differences of accuracy")


def _comparison_cells(comparison: Comparison, colours: Colours | None) -> list[Cell]:
    names = [variant_cell(comparison.first, colours), variant_cell(comparison.second, colours)]
    if comparison.problem:
        return [*names, Cell(f"not compared: {comparison.problem}"), *[number_cell()] * 5]
    interval = comparison.interval and "[{:+.1f}, {:+.1f}]".format(*(100 * end for end in comparison.interval))
    points = number_cell(f"{100 * known(comparison.difference):+.1f}", comparison.difference)
    return [
        *names,
        replace(points, more=interval or ""),
        *(number_cell(p_value(known(p), name=""), p) for p in (comparison.p_value, comparison.p_holm)),
        Cell("yes" if comparison.significant else "no" if could_be_shown(comparison) else "not possible"),
        *(number_cell(number, number) for number in (comparison.num_clips, comparison.num_sources)),
    ]


def class_table(summary: Summary, colours: Colours | None = None) -> Table:
    """A row for each class, a column for each variant."""
    shown = {row.variant: row.f1_per_class for row in summary.rows if row.f1_per_class}
    return make_table(
        ["Class", *(variant_cell(variant, colours) for variant in shown)],
        ([name, *(percent_cell(f1[label]) for f1 in shown.values())] for label, name in enumerate(summary.classes)),
        "F1 of each class, folds pooled",
    )


def job_table(jobs: Sequence[StudyJob], missing: Sequence[str], split: str | None, colours: Colours) -> Table:
    """A row for each variant and seed, a column for each fold: the accuracy on `split`, or the status of the job."""
    by_place: dict[tuple[str, int, int], StudyJob | None] = {(job.variant, job.seed, job.fold): job for job in jobs}
    for name in missing:
        variant, _, folder = name.rpartition("/")
        fold, seed = fold_and_seed(folder)
        by_place[variant, seed, fold] = None
    folds = sorted({fold for _, _, fold in by_place})
    rows = []
    for variant, seed in sorted({(variant, seed) for variant, seed, _ in by_place}):
        places = [(variant, seed, fold) for fold in folds]
        cells = [_job_cell(by_place[place], split) if place in by_place else number_cell() for place in places]
        values = [cell.value for cell in cells if cell.value is not None]
        mean = percent_cell(sum(values) / len(values) if values else None)
        rows.append([variant_cell(variant, colours), number_cell(seed, seed), *cells, mean])
    heads = ["Variant", "Seed", *(f"Fold {fold}" for fold in folds), "Mean"]
    return make_table(heads, rows, "Accuracy of every job")


def _job_cell(job: StudyJob | None, split: str | None) -> Cell:
    if job is not None and job.status == "done" and split:
        return percent_cell(job.metrics[split]["accuracy"])
    status = "missing" if job is None else job.status
    return replace(number_cell(status), bad=status != "done")


def clip_table(clips: Sequence[MisclassifiedClip]) -> Table:
    """The clips that are most often misclassified."""
    columns: Columns[MisclassifiedClip] = {
        "Clip": lambda each: Cell(each.clip, code=True),
        "Label": lambda each: each.label,
        "Predicted as": lambda each: counts(each.predicted_as),
        "Wrong": lambda each: number_cell(
            f"{each.num_wrong} of {each.num_predictions}", each.num_wrong / each.num_predictions
        ),
        "Probability of the label": lambda each: number_cell(f"{each.probability:.0%}", each.probability),
    }
    return column_table(columns, clips, "Misclassified clips")


def source_table(sources: Sequence[SourceAccuracy]) -> Table:
    """The least accurate sources first."""
    columns: Columns[SourceAccuracy] = {
        "Source": lambda each: Cell(each.source, code=True),
        "Labels": lambda each: shorten(each.labels, 5),
        "Clips": lambda each: number_cell(each.num_clips, each.num_clips),
        "Accuracy": lambda each: percent_cell(each.accuracy),
    }
    return column_table(columns, sources, "Accuracy by source, worst first")


def part_table(jobs: Sequence[StudyJob]) -> Table:
    """Who validates and tests in each fold; the other clips train."""
    folds = {job.fold: job for job in jobs if job.predictions}
    verbs = {"val": "Validates on", "test": "Tests on"}
    verbs = {split: verb for split, verb in verbs.items() if any(split in job.predictions for job in folds.values())}
    rows: list[list[str | Cell]] = [
        [
            number_cell(fold, fold),
            Cell(f"the others ({job.metrics.get('num_train')} clips)"),
            *(
                clips_and_sources(job.predictions[split].sources) if split in job.predictions else NONE
                for split in verbs
            ),
        ]
        for fold, job in sorted(folds.items())
    ]
    return make_table(["Fold", "Trains on", *verbs.values()], rows, "Who trains, validates and tests")


def counts(numbers: dict[str, int]) -> str:
    """'Rain 3, Sea waves'."""
    return ", ".join(f"{name} {count}" if count > 1 else name for name, count in numbers.items())


def variant_cell(name: str, colours: Colours | None = None) -> Cell:
    return Cell(name, colour=colours.get(name, "") if colours else "")


def number_cell(text: object = None, value: float | None = None) -> Cell:
    """A number at the right; `value`: what its column is sorted by. No text stands for no value."""
    return Cell(NONE if text in (None, "") else str(text), value=value, number=True)


def percent_cell(value: float | None) -> Cell:
    return number_cell(f"{100 * value:.1f}" if value is not None else "", value)


def spread_cell(spread: Spread | None) -> Cell:
    """86.2, and beside it ± 3.1 [82.5, 90.0], in percent."""
    if spread is None:
        return number_cell()
    more = [f"± {100 * spread.sd:.1f}"] if spread.sd is not None else []
    more += ["[{:.1f}, {:.1f}]".format(*(100 * end for end in spread.interval))] if spread.interval else []
    return replace(percent_cell(spread.mean), more=" ".join(more))


def scores_cell(scores: Scores | None, usual: int | None) -> Cell:
    """The accuracy; the number of sources of its interval stands beside it where it is not the `usual` one."""
    cell = spread_cell(scores.accuracy if scores else None)
    if scores is None or not scores.accuracy.interval or scores.num_sources == usual:
        return cell
    return replace(cell, more=f"{cell.more} ({scores.num_sources} sources)")


def usual_sources(scores: Iterable[Scores | None]) -> int | None:
    """The number of sources of most of the intervals; None without any."""
    counts = Counter(each.num_sources for each in scores if each and each.accuracy.interval)
    return max(counts, key=lambda number: (counts[number], number), default=None)


def interval_line(rows: Sequence[VariantRow]) -> str:
    """What the intervals beside the figures of variants are; empty where there are none."""
    ranking, test = usual_sources(row.ranking for row in rows), usual_sources(row.test for row in rows)
    if ranking is None and test is None:
        return ""
    number = f"{ranking or test:,} source recordings"
    if test not in (ranking, None) and ranking is not None:
        number += f", those of Test over {test:,}"
    others = any(
        each and each.accuracy.interval and each.num_sources != usual
        for row in rows
        for each, usual in ((row.ranking, ranking), (row.test, test))
    )
    return f"95% intervals [ ] are over {number}{', if no other number is given' * others}."


def guessing_line(summary: Summary) -> str:
    """What guessing reaches on the clips that rank; empty where nothing was held out."""
    found, num_classes = summary.guessing, len(summary.classes)
    if found is None:
        return ""
    accuracy = f"{100 * found.accuracy:.1f}%"
    if not found.classes:
        return f"Guessing one of the {num_classes} classes, equally common in training, is right on {accuracy}."
    names = f"{' or '.join(found.classes[:3])}{' ...' * (len(found.classes) > 3)}"
    names += ", by the fold" * (len(found.classes) > 1)
    return (
        f"Always guessing the commonest class of the training clips ({names})"
        f" is right on {accuracy} of these clips, guessing at random on {100 / num_classes:.1f}%."
    )
