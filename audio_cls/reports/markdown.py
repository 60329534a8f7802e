"""A summary as Markdown: the content of summary.md."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from audio_cls.analysis.bootstrap import NUM_RESAMPLES
from audio_cls.analysis.calibration import NUM_BINS
from audio_cls.analysis.compare import summarize
from audio_cls.analysis.summary import Errors, MisclassifiedClip, Summary, VariantErrors
from audio_cls.analysis.verdict import DEVELOPMENT
from audio_cls.files import write_json, write_text
from audio_cls.reports.tables import (
    Table,
    class_table,
    comparison_table,
    counts,
    guessing_line,
    interval_line,
    make_table,
    variant_table,
)
from audio_cls.results import job_files
from audio_cls.results.study import load_study
from audio_cls.wording import SPLIT_NAMES, ranges, shorten

MOST_CLIPS = 20  # in a table; summary.json has them all
MOST_NAMES = 5  # of clips in a line
MOST_COLUMNS = 6  # for variants, beside a column for all of them
METHOD = (
    "Accuracy, macro F1 and macro AUROC are in percent, Test and Train are accuracies; the time is that of one job. "
    "They are means over folds, seeds averaged first; ± is the standard deviation over folds. "
    f"[ ] is a 95% interval from {NUM_RESAMPLES:,} resamples of the source recordings, corrected for their bias. "
    "Points are the difference of such means; p is of a paired sign-flip test over source recordings, "
    "on the clips that both variants predicted. A difference is significant where p is at most 0.05 after Holm's "
    "correction for all pairs; [ ] beside the points are the differences that the same test does not reject, so that "
    "0 is outside where, and only where, the difference is significant."
)
_CALIBRATION = (
    "Confidence is the mean of the largest probability, to be compared with the accuracy; ECE is the expected "
    f"calibration error (Guo et al. 2017; {NUM_BINS} bins, folds pooled, seeds averaged), both in percent. With few "
    "clips the ECE of perfect probabilities is above 0, too. A temperature above 1 lowers overconfident probabilities; "
    "that of a fold is fitted on the held-out clips of the variant's other folds of the same seed."
)


def markdown(summary: Summary) -> str:
    """The content of summary.md: the headline first, then the verdict and the tables."""
    parts = [summary.headline, f"# {summary.study}"]
    if summary.ranking_split:
        parts[-1] += f": accuracy on the {SPLIT_NAMES[summary.ranking_split]} folds"
    parts += [DEVELOPMENT] if summary.ranking_split == "val" else []
    parts += [f"**{escape(summary.verdict)}**"]
    about = [f"Data: {summary.dataset}", f"protocol: {summary.protocol}"] if summary.dataset else []
    parts += [", ".join([*about, f"{summary.num_done} finished jobs"]) + "."]
    if summary.rows:
        lines = [interval_line(summary.rows), escape(guessing_line(summary))]
        parts += [markdown_table(variant_table(summary)), *filter(None, lines)]
    if summary.comparisons:
        parts += ["## Differences", markdown_table(comparison_table(summary.comparisons))]
    if any(row.f1_per_class for row in summary.rows):
        parts += ["## F1 of each class, folds pooled", markdown_table(class_table(summary))]
    if any(row.calibration for row in summary.rows):
        parts += ["## Calibration", _calibration_table(summary), _CALIBRATION]
    if summary.errors:
        parts += ["## Misclassified clips", *_error_parts(summary.errors)]
    if summary.notes or summary.ranking_split:
        method = [METHOD] if summary.ranking_split else []
        parts += ["## Notes", "\n".join(f"- {escape(note)}" for note in [*summary.notes, *method])]
    return "\n\n".join(parts) + "\n"


def markdown_table(table: Table) -> str:
    heads, *rows = table.texts()
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(escape(cell) for cell in line) + " |" for line in lines)


def escape(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("\n", " ")


def _calibration_table(summary: Summary) -> str:
    rows = []
    for row in summary.rows:
        if found := row.calibration:
            temperature = f"{found.temperature:.2f}"
            percent = [f"{100 * value:.1f}" for value in (found.confidence, found.error, found.error_after)]
            rows.append([row.variant, *percent[:2], temperature, percent[2]])
    return markdown_table(make_table(["Variant", "Confidence", "ECE", "Temperature", "ECE after"], rows))


def _error_parts(errors: Errors) -> list[str]:
    parts = [_confusion_table(errors)] if errors.confusions else ["Every prediction is correct."]
    several = len(errors.variants) > 1
    if several:
        share = f"{len(errors.clips)} of {errors.num_clips}"
        parts.append(f"Clips that every variant misclassifies with every seed: {share}.")
        parts += [_clip_table(errors.clips)] if errors.clips else []
    known = {wrong.clip for wrong in errors.clips} if several else set()
    parts.append(f"Clips that a variant misclassifies with every seed{', named beside those above' if known else ''}:")
    parts.append("\n".join(_variant_line(variant, known) for variant in errors.variants))
    return parts


def _confusion_table(errors: Errors) -> str:
    names = [variant.variant for variant in errors.variants]
    names = names if 1 < len(names) <= MOST_COLUMNS else []
    rows = []
    for confusion in errors.confusions:
        counted = [(confusion.count, confusion.total), *(confusion.by_variant[name] for name in names)]
        rows.append([confusion.label, confusion.predicted, *(f"{count} of {total}" for count, total in counted)])
    return markdown_table(make_table(["Label", "Predicted as", "Predictions", *names], rows))


def _clip_table(clips: Sequence[MisclassifiedClip]) -> str:
    rows = [[wrong.clip, wrong.label, counts(wrong.predicted_as)] for wrong in clips[:MOST_CLIPS]]
    rest = len(clips) - MOST_CLIPS
    more = f"\n\nand {rest} more, in summary.json." if rest > 0 else ""
    return markdown_table(make_table(["Clip", "Label", "Predicted as"], rows)) + more


def _variant_line(variant: VariantErrors, known: set[str]) -> str:
    others = [f"{wrong.clip} ({', '.join(wrong.predicted_as)})" for wrong in variant.clips if wrong.clip not in known]
    seeds = f"seed{'s' * (len(variant.seeds) > 1)} {ranges(variant.seeds)}"
    share = f"{len(variant.clips)} of {variant.num_clips}"
    named = f"; {shorten(others, MOST_NAMES)}" if others else ""
    return escape(f"- {variant.variant} ({seeds}): {share}{named}")


def write_summary(path: Path | str, ensembles: Sequence[str] = ()) -> Summary:
    """Summarizes a study folder and writes summary.json and summary.md into it, unless there is no job in it at all."""
    job_files.check_study(Path(path))
    study = load_study(path)
    summary = summarize(study, ensembles)
    if study.jobs:
        write_json(study.path / job_files.SUMMARY, asdict(summary))
        write_text(study.path / job_files.SUMMARY_TEXT, markdown(summary))
    return summary
