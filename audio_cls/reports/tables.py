"""The tables of a study. They are shown on the terminal, in Markdown and on pages."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from audio_cls.analysis.summary import Comparison, MisclassifiedClip, Spread, Summary, VariantRow, known
from audio_cls.results.job_folder import StudyJob, fold_and_seed
from audio_cls.wording import duration, p_value, ranges

NONE = "-"  # where there is no value
Colours = Mapping[str, str]  # of variants in figures


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
    first = tuple(replace(head, number=number) for head, number in zip(lines[0], numbers, strict=True))
    return Table(first, tuple(lines[1:]), caption)


def variant_table(summary: Summary, colours: Colours | None = None) -> Table:
    """A row for each variant, the best first."""
    scores = [("Accuracy", "accuracy"), ("F1", "f1_macro"), ("AUROC", "auroc_macro")] if summary.ranking_split else []
    with_test = any(row.test for row in summary.rows)
    heads = ["Variant", *(head for head, _ in scores), *(["Test"] if with_test else []), *RUN_COLUMNS]
    rows = [
        [
            variant_cell(row.variant, colours),
            *(spread_cell(getattr(row.ranking, key, None)) for _, key in scores),
            *([spread_cell(row.test.accuracy if row.test else None)] if with_test else []),
            *run_cells(row),
        ]
        for row in summary.rows
    ]
    return make_table(heads, rows, "Variants, best first")


RUN_COLUMNS = ("Train", "Folds", "Seeds", "Epochs", "Parameters", "Time")


def run_cells(row: VariantRow) -> list[Cell]:
    """What stands under RUN_COLUMNS: accuracy on training clips, and what the variant was trained on and took."""
    return [
        percent_cell(row.train_accuracy),
        number_cell(ranges(row.folds), len(row.folds)),
        number_cell(ranges(row.seeds), len(row.seeds)),
        number_cell(ranges(row.epochs), max(row.epochs, default=None)),
        number_cell(f"{row.num_parameters:,}" if row.num_parameters is not None else "", row.num_parameters),
        number_cell(duration(row.train_seconds) if row.train_seconds is not None else "", row.train_seconds),
    ]


def comparison_table(comparisons: Sequence[Comparison], colours: Colours | None = None) -> Table:
    heads = ["Variant", "Against", "Points", "p", "p (Holm)", "Significant", "Clips", "Sources"]
    return make_table(heads, [_comparison_cells(each, colours) for each in comparisons], "Differences of accuracy")


def _comparison_cells(comparison: Comparison, colours: Colours | None) -> list[Cell]:
    names = [variant_cell(comparison.first, colours), variant_cell(comparison.second, colours)]
    if comparison.problem:
        return [*names, Cell(f"not compared: {comparison.problem}"), *[number_cell()] * 5]
    interval = comparison.interval and f"[{100 * comparison.interval[0]:+.1f}, {100 * comparison.interval[1]:+.1f}]"
    points = number_cell(f"{100 * known(comparison.difference):+.1f}", comparison.difference)
    return [
        *names,
        replace(points, more=interval or ""),
        number_cell(p_value(known(comparison.p_value), name=""), comparison.p_value),
        number_cell(p_value(known(comparison.p_holm), name=""), comparison.p_holm),
        Cell("yes" if comparison.significant else "no"),
        number_cell(str(comparison.num_clips), comparison.num_clips),
        number_cell(str(comparison.num_sources), comparison.num_sources),
    ]


def class_table(summary: Summary, colours: Colours | None = None) -> Table:
    """A row for each class, a column for each variant."""
    shown = {row.variant: row.f1_per_class for row in summary.rows if row.f1_per_class}
    heads: list[str | Cell] = ["Class", *(variant_cell(variant, colours) for variant in shown)]
    rows: list[list[str | Cell]] = [
        [name, *(percent_cell(f1[label]) for f1 in shown.values())] for label, name in enumerate(summary.classes)
    ]
    return make_table(heads, rows, "F1 of each class, folds pooled")


def job_table(jobs: Sequence[StudyJob], missing: Sequence[str], split: str | None, colours: Colours) -> Table:
    """A row for each variant and seed, a column for each fold: the accuracy on `split`, or the status of the job."""
    by_place: dict[tuple[str, int, int], StudyJob | None] = {(job.variant, job.seed, job.fold): job for job in jobs}
    for name in missing:
        variant, _, folder = name.rpartition("/")
        fold, seed = fold_and_seed(folder)
        by_place[variant, seed, fold] = None
    folds = range(max((fold for _, _, fold in by_place), default=-1) + 1)
    rows = []
    for variant, seed in sorted({(variant, seed) for variant, seed, _ in by_place}):
        places = [(variant, seed, fold) for fold in folds]
        cells = [_job_cell(by_place[place], split) if place in by_place else number_cell() for place in places]
        values = [cell.value for cell in cells if cell.value is not None]
        mean = percent_cell(sum(values) / len(values) if values else None)
        rows.append([variant_cell(variant, colours), number_cell(str(seed), seed), *cells, mean])
    heads = ["Variant", "Seed", *(f"Fold {fold}" for fold in folds), "Mean"]
    return make_table(heads, rows, "Accuracy of every job")


def _job_cell(job: StudyJob | None, split: str | None) -> Cell:
    if job is not None and job.status == "done" and split:
        return percent_cell(job.metrics[split]["accuracy"])
    status = "missing" if job is None else job.status
    return replace(number_cell(status), bad=status != "done")


def clip_table(clips: Sequence[MisclassifiedClip]) -> Table:
    """The clips that are most often misclassified."""
    rows: list[list[str | Cell]] = [
        [
            Cell(each.clip, code=True),
            each.label,
            counts(each.predicted_as),
            number_cell(f"{each.num_wrong} of {each.num_predictions}", each.num_wrong / each.num_predictions),
            number_cell(f"{each.probability:.0%}", each.probability),
        ]
        for each in clips
    ]
    return make_table(
        ["Clip", "Label", "Predicted as", "Wrong", "Probability of the label"], rows, "Misclassified clips"
    )


def counts(numbers: dict[str, int]) -> str:
    """'Rain 3, Sea waves'."""
    return ", ".join(f"{name} {count}" if count > 1 else name for name, count in numbers.items())


def variant_cell(name: str, colours: Colours | None = None) -> Cell:
    return Cell(name, colour=colours.get(name, "") if colours else "")


def number_cell(text: str = "", value: float | None = None) -> Cell:
    return Cell(text or NONE, value=value, number=True)


def percent_cell(value: float | None) -> Cell:
    return number_cell(f"{100 * value:.1f}" if value is not None else "", value)


def spread_cell(spread: Spread | None) -> Cell:
    """86.2, and beside it ± 3.1 [82.5, 90.0], in percent."""
    if spread is None:
        return number_cell()
    more = [f"± {100 * spread.sd:.1f}"] if spread.sd is not None else []
    more += [f"[{100 * spread.interval[0]:.1f}, {100 * spread.interval[1]:.1f}]"] if spread.interval is not None else []
    return replace(percent_cell(spread.mean), more=" ".join(more))
