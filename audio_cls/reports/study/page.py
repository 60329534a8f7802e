"""The page about a study: `report.html`, one file with everything in it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audio_cls.analysis.compare import summarize
from audio_cls.analysis.errors import misclassified
from audio_cls.analysis.summary import MisclassifiedClip, Summary
from audio_cls.analysis.verdict import DEVELOPMENT
from audio_cls.data.decode import BadAudio
from audio_cls.data.excerpts import cut_excerpt
from audio_cls.figures.clip import clip_figure
from audio_cls.figures.style import figure_style, variant_styles
from audio_cls.files import check_replaceable, write_text
from audio_cls.reports import commands, tables
from audio_cls.reports.html.page import render, sound_uri
from audio_cls.reports.html.pictures import embedded, png
from audio_cls.reports.markdown import METHOD
from audio_cls.reports.study.charts import MAX_DRAWN, MAX_IN_CURVES, Charts
from audio_cls.reports.study.listening import Attention, Sounds, find_sounds
from audio_cls.results.job_folder import UNFINISHED
from audio_cls.results.study import Study, load_study
from audio_cls.wording import SPLIT_NAMES, duration, ranges

GENERATOR = "audio-cls report"
NAME = "report.html"
TEMPLATE = Path(__file__).with_name("page.html.jinja")
MAX_LISTED = 40  # misclassified clips
MAX_PLAYED = 12
MAX_OPEN_ROWS = 40  # of the table of jobs; longer ones are folded away
HIGHEST = 11_025.0  # Hz, of spectrograms: half the rate at which the sounds are played
SECTIONS = (
    ("variants", "Variants"), ("jobs", "Folds and seeds"), ("heads", "Heads"), ("classes", "Classes"),
    ("calibration", "Calibration"), ("curves", "Training"), ("wrong", "Misclassified clips"), ("commands", "Commands"),
)  # fmt: skip


def write_report(
    study_folder: Path, root: str | None = None, out: Path | None = None, ensembles: Sequence[str] = ()
) -> tuple[Path, Summary]:
    """Writes the page of a study, into its folder unless `out` says otherwise; `root`: where its sounds are.

    Returns the page and what it is about.

    `ensembles` have rows in the tables, as summarize has it, and no figures. Raises UserError where the page would
    replace another file, StudyError for jobs that must not be mixed or an ensemble that cannot be built, ConfigError
    for a `root` without the study's clips.
    """
    path = out or study_folder / NAME
    check_replaceable(path, f'content="{GENERATOR}"')
    study = load_study(study_folder)
    summary = summarize(study, ensembles)
    write_text(path, render(TEMPLATE, _context(study, summary, root), sortable=True))
    return path, summary


def _context(study: Study, summary: Summary, root: str | None) -> dict[str, Any]:
    variants = [row.variant for row in summary.rows if row.kind == "variant"]
    styles = variant_styles(variants)
    charts = Charts(study, summary, styles)
    curves, num_more_curves = charts.curves()
    split = summary.ranking_split
    colours = {name: style.colour for name, style in styles.items()}
    sources = summary.errors.sources if summary.errors else []
    job_table = tables.job_table(study.jobs, summary.missing, split, colours)
    return {
        "generator": GENERATOR,
        "sections": SECTIONS,
        "summary": summary,
        "whole": summary.num_done > 0 and not (summary.missing or any(getattr(summary, each) for each in UNFINISHED)),
        "facts": _facts(study, summary),
        "notes": [*([DEVELOPMENT] if split == "val" else []), *summary.notes, *([METHOD] if split else [])],
        "clips": f"{SPLIT_NAMES.get(split or '', 'held-out')} clips",
        "troubles": [(job.name, job.reason or job.status) for job in study.jobs if job.status != "done"],
        "variant_table": tables.variant_table(summary, colours),
        "table_lines": [*filter(None, [tables.interval_line(summary.rows), tables.guessing_line(summary)])],
        "comparison_table": tables.comparison_table(summary.comparisons, colours) if summary.comparisons else None,
        "part_table": tables.part_table([job for job in study.jobs if job.status == "done"]),
        "source_table": tables.source_table(sources[:MAX_LISTED]) if sources else None,
        "num_more_sources": max(0, len(sources) - MAX_LISTED),
        "job_table": job_table if study.jobs else None,
        "job_table_open": len(job_table.rows) <= MAX_OPEN_ROWS,
        "class_table": tables.class_table(summary, colours) if any(row.f1_per_class for row in summary.rows) else None,
        "folds": charts.folds(),
        "heads": charts.heads(),
        "confusions": list(charts.confusions()),
        "rocs": list(charts.rocs()),
        "calibrations": list(charts.calibrations()),
        "num_not_drawn": charts.not_drawn,
        "max_drawn": MAX_DRAWN,
        "curves": curves,
        "num_more_curves": num_more_curves,
        "max_in_curves": MAX_IN_CURVES,
        **_misclassified(study, summary, root),
        "recipes": [commands.recipe(study, variant) for variant in variants],
        "commands": commands.recorded_commands(study),
        "baseline_command": commands.baseline_command(study),
    }


def _facts(study: Study, summary: Summary) -> list[tuple[str, str, str]]:
    done = [job for job in study.jobs if job.status == "done"]
    total = len(study.jobs) + len(summary.missing)
    facts = []
    if summary.dataset:
        facts.append(("data", summary.dataset, f"{len(summary.classes)} classes"))
        facts.append(("protocol", summary.protocol or "", ""))
    facts.append(("jobs done", f"{summary.num_done} of {total}", ""))
    variants = [row for row in summary.rows if row.kind == "variant"]
    facts.append(("variants", str(len(variants)), ""))
    if done:
        facts.append(("folds", ranges(sorted({job.fold for job in done})), ""))
        facts.append(("seeds", ranges(sorted({job.seed for job in done})), ""))
        seconds = sum(row.train_seconds_total or 0 for row in variants)
        facts.append(("training in all", duration(seconds), ""))
        commits = sorted({str(job.metrics.get("commit") or "not known") for job in done})
        facts.append(("code", commits[0], f"and {len(commits) - 1} more" if len(commits) > 1 else ""))
    return facts


def _misclassified(study: Study, summary: Summary, root: str | None) -> dict[str, Any]:
    """The clips that are most often misclassified; the first of them can be played and seen."""
    split = summary.ranking_split or ""
    done = [job for job in study.jobs if job.status == "done"]
    found = misclassified((job.predictions[split] for job in done if split in job.predictions), summary.classes)
    context: dict[str, Any] = {"num_wrong": len(found), "clip_table": None, "wrong_clips": [], "wrong_notes": []}
    if not found:
        return context
    played = found[:MAX_PLAYED]
    sounds = find_sounds(study, [each.clip for each in played], root)
    transformers = Attention(study, [row.variant for row in summary.rows])
    notes = [sounds.missing] if sounds.missing else []
    if sounds.clips and not transformers.possible:
        notes.append("No transformer of this study has its checkpoint here, so no attention is shown.")
    return context | {
        "clip_table": tables.clip_table(found[:MAX_LISTED]),
        "wrong_clips": [_wrong_clip(each, split, sounds, transformers) for each in played if each.clip in sounds.clips],
        "wrong_notes": notes,
    }


def _wrong_clip(clip: MisclassifiedClip, split: str, sounds: Sounds, transformers: Attention) -> dict[str, Any]:
    """What the template shows of a clip that is on this machine; `problem` where it cannot be decoded."""
    shown: dict[str, Any] = {"clip": clip, "predicted": tables.counts(clip.predicted_as)}
    shown |= dict.fromkeys(("problem", "part", "attention", "picture", "sound"))
    try:
        waveform, rate = sounds.waveform(clip.clip)
    except (BadAudio, OSError) as error:
        return shown | {"problem": error}
    excerpt = cut_excerpt(waveform, rate)
    attention = transformers.at(clip.clip, split, waveform, rate)
    rows, edges = (attention.rows, attention.edges) if attention else ((), None)
    with figure_style():
        highest = min(HIGHEST, rate / 2)
        figure = clip_figure(excerpt.waveform, rate, excerpt.start_seconds, highest, rows, edges)
    alt = f"Waveform and spectrogram of {clip.clip}{', and the attention of a transformer' * bool(attention)}"
    picture, sound = embedded(png(figure), alt), sound_uri(excerpt)
    return shown | {"part": excerpt.part, "attention": attention, "picture": picture, "sound": sound}
