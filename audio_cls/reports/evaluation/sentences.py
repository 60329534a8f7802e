"""What an evaluation says in sentences, on the terminal and on its page."""

from audio_cls.analysis.evaluation import Evaluation, Figures
from audio_cls.analysis.statistics import MIN_SOURCES
from audio_cls.reports.tables import counts
from audio_cls.wording import shorten

SHOWN = 5  # names in a sentence


def clips(number: int) -> str:
    return f"{number:,} clip{'s' * (number != 1)}"


def headline(evaluation: Evaluation) -> str:
    """'92.5% of 40 clips are right.'"""
    judged, among = evaluation.judged, ""
    right = len(judged) - len(evaluation.wrong(judged))
    if evaluation.num_trained_on:
        among = " that it was not trained on" if evaluation.new else ", all of which it was trained on,"
    are = "is" if len(judged) == 1 else "are"
    return f"{right / len(judged):.1%} of {clips(len(judged))}{among} {are} right."


def trained_on(evaluation: Evaluation) -> str:
    """The first thing to know about the figures; empty where no clip was in training."""
    number, total = evaluation.num_trained_on, len(evaluation.known)
    if not number:
        return ""
    said = f"THE MODEL WAS TRAINED ON {number:,} OF THESE {clips(total).upper()}, sample for sample: "
    if number_new := len(evaluation.new):
        others = "the other one" if number_new == 1 else f"the {number_new:,} others"
        return f"{said}what it says of those shows memory. All that follows is on {others}."
    return f"{said}these figures show memory, and nothing of how it does on new sounds."


def about_figures(figures: Figures) -> list[str]:
    """What the interval is over, and what the flags say."""
    over = clips(figures.num_clips)
    if figures.num_sources is not None:
        over = f"{figures.num_sources:,} source recording{'s' * (figures.num_sources != 1)}"
    if figures.accuracy_interval is None:
        lines = [f"No interval for {over}: {MIN_SOURCES} are needed."]
    elif figures.num_sources is None:
        lines = [
            f"The 95% interval [ ] is over {over}, as sources are not known: too narrow where several clips are of one"
            " recording. A CSV file with a column source says which are."
        ]
    else:
        lines = [f"The 95% interval [ ] is over {over}."]
    if only_predicted := [each.label for each in figures.classes if each.f1 is not None and not each.num_clips]:
        lines.append(f"F1 counts {shorten(only_predicted, SHOWN)} as 0: predicted, but without clips here.")
    if not figures.flags:
        return [*lines, "No clip is flagged."]
    flagged = f"{clips(figures.num_clips - figures.num_unflagged)} flagged ({counts(figures.flags)})"
    if figures.accuracy_unflagged is not None:
        flagged += f"; of the {figures.num_unflagged:,} without a flag, {figures.accuracy_unflagged:.1%} are right"
    return [*lines, f"{flagged}."]


def unknown(evaluation: Evaluation) -> str:
    """About clips whose label is no class of the model; empty without any."""
    labels = evaluation.by_unknown_label()
    if not labels:
        return ""
    number, flagged = len(evaluation.unknown), sum(bool(clip.flags) for clip in evaluation.unknown)
    named = shorten([f"{label} {len(found)}" for label, found in labels.items()], SHOWN)
    have, count = ("has a label", "counts") if number == 1 else ("have labels", "count")
    return (
        f"{clips(number)} {have} that the model does not know ({named}) and {count} in no figure;"
        f" {flagged:,} of {number:,} flagged. A label that is one of its classes under another name has to be renamed."
    )
