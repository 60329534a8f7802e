"""The page about a study: `report.html`, one file with everything in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio_cls.analysis.compare import summarize
from audio_cls.analysis.summary import Summary
from audio_cls.analysis.verdict import DEVELOPMENT
from audio_cls.data.decode import BadAudio
from audio_cls.data.excerpts import cut_excerpt
from audio_cls.figures.clip import clip_figure
from audio_cls.figures.style import figure_style, variant_styles
from audio_cls.files import write_text
from audio_cls.reports.html.page import render, sound_uri
from audio_cls.reports.html.pictures import embedded, png
from audio_cls.reports.markdown import METHOD
from audio_cls.reports.study import again, tables
from audio_cls.reports.study.charts import MAX_DRAWN, MAX_IN_CURVES, Charts
from audio_cls.reports.study.listening import Attention, Sounds, find_sounds
from audio_cls.reports.study.mistakes import Mistake, find_mistakes
from audio_cls.results.job_folder import UNFINISHED
from audio_cls.results.study import Study, load_study
from audio_cls.wording import SPLIT_NAMES, duration, ranges

GENERATOR = "audio-cls report"
NAME = "report.html"
TEMPLATE = Path(__file__).with_name("page.html.jinja")
MAX_LISTED = 40  # mistakes
MAX_HEARD = 12
MAX_OPEN_ROWS = 40  # of the table of jobs; longer ones are folded away
HIGHEST = 11_025.0  # Hz, of spectrograms: half the rate at which the sounds are played
SECTIONS = (
    ("variants", "Variants"), ("jobs", "Folds and seeds"), ("heads", "Heads"), ("classes", "Classes"),
    ("calibration", "Calibration"), ("curves", "Training"), ("wrong", "Most often wrong"), ("again", "Run it again"),
)  # fmt: skip


@dataclass(frozen=True)
class Report:
    """The written page, and what it is about."""

    path: Path
    summary: Summary


def write_report(
    study_folder: Path, root: str | None = None, out: Path | None = None, ensembles: Sequence[str] = ()
) -> Report:
    """Writes the page of a study, into its folder unless `out` says otherwise; `root`: where its sounds are.

    `ensembles` have rows in the tables, as summarize has it, and no figures. Raises StudyError for jobs that must not
    be mixed or an ensemble that cannot be built, ConfigError for a `root` without the study's clips.
    """
    study = load_study(study_folder)
    summary = summarize(study, ensembles)
    path = out or study.path / NAME
    write_text(path, render(TEMPLATE, _context(study, summary, root), sortable=True))
    return Report(path, summary)


def _context(study: Study, summary: Summary, root: str | None) -> dict[str, Any]:
    variants = [row.variant for row in summary.rows if row.kind == "variant"]
    styles = variant_styles(variants)
    charts = Charts(study, summary, styles)
    curves, num_more_curves = charts.curves()
    split = summary.ranking_split
    fold_table = tables.fold_table(study.jobs, summary.missing, split, styles)
    return {
        "generator": GENERATOR,
        "sections": SECTIONS,
        "summary": summary,
        "whole": summary.num_done > 0 and not (summary.missing or any(getattr(summary, each) for each in UNFINISHED)),
        "facts": _facts(study, summary),
        "notes": [*([DEVELOPMENT] if split == "val" else []), *summary.notes, *([METHOD] if split else [])],
        "clips": f"{SPLIT_NAMES.get(split, 'held-out')} clips",
        "troubles": [(job.name, job.reason or job.status) for job in study.jobs if job.status != "done"],
        "variant_table": tables.variant_table(summary, styles),
        "comparison_table": tables.comparison_table(summary.comparisons, styles) if summary.comparisons else None,
        "fold_table": fold_table if study.jobs else None,
        "fold_table_open": len(fold_table["rows"]) <= MAX_OPEN_ROWS,
        "class_table": tables.class_table(summary, styles) if any(row.f1_per_class for row in summary.rows) else None,
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
        **_mistakes(study, summary, root),
        "recipes": again.recipes(study, variants),
        "commands": again.recorded_commands(study),
    }


def _facts(study: Study, summary: Summary) -> list[dict[str, str]]:
    done = [job for job in study.jobs if job.status == "done"]
    total = len(study.jobs) + len(summary.missing)
    facts = [("jobs done", f"{summary.num_done} of {total}", "")]
    if summary.dataset:
        facts = [
            ("data", summary.dataset, f"{len(summary.classes)} classes"),
            ("protocol", summary.protocol, ""),
            *facts,
        ]
    variants = [row for row in summary.rows if row.kind == "variant"]
    facts.append(("variants", str(len(variants)), ""))
    if done:
        facts.append(("folds", ranges(sorted({job.fold for job in done})), ""))
        facts.append(("seeds", ranges(sorted({job.seed for job in done})), ""))
        seconds = sum(row.train_seconds_total or 0 for row in variants)
        facts.append(("training in all", duration(seconds), ""))
        commits = sorted({str(job.metrics.get("commit") or "not known") for job in done})
        facts.append(("code", commits[0], f"and {len(commits) - 1} more" if len(commits) > 1 else ""))
    return [{"term": term, "value": value, "more": more} for term, value, more in facts]


def _mistakes(study: Study, summary: Summary, root: str | None) -> dict[str, Any]:
    """The clips most often wrong, the first of them to be heard and seen."""
    split = summary.ranking_split
    done = [job for job in study.jobs if job.status == "done"]
    found = find_mistakes(done, split) if split else []
    names = [mistake.clip for mistake in found[:MAX_HEARD]]
    context: dict[str, Any] = {"num_mistakes": len(found), "mistake_table": None, "wrong_clips": [], "wrong_notes": []}
    if not found:
        return context
    sounds = find_sounds(study, names, root)
    transformers = Attention(study, [row.variant for row in summary.rows])
    notes = [sounds.missing] if sounds.missing else []
    if sounds.clips and not transformers.possible:
        notes.append("No transformer of this study has its checkpoint here, so no attention is shown.")
    return context | {
        "mistake_table": tables.mistake_table(found[:MAX_LISTED], summary.classes),
        "wrong_clips": [
            _wrong_clip(mistake, split, summary.classes, sounds, transformers)
            for mistake in found[:MAX_HEARD]
            if mistake.clip in sounds.clips
        ],
        "wrong_notes": notes,
    }


def _wrong_clip(
    mistake: Mistake, split: str, classes: Sequence[str], sounds: Sounds, transformers: Attention
) -> dict[str, Any]:
    """What the template shows of a clip that is on this machine; `problem` where it cannot be decoded."""
    shown: dict[str, Any] = {
        "name": mistake.clip, "label": classes[mistake.label], "heard": tables.heard(mistake, classes),
        "wrong": f"{mistake.num_wrong} of {mistake.num_jobs}",
        "problem": "", "part": "", "attention": "", "picture": None, "sound": None,
    }  # fmt: skip
    try:
        waveform, rate = sounds.waveform(mistake.clip)
    except (BadAudio, OSError) as error:
        return shown | {"problem": f"It cannot be played: {error}."}
    excerpt = cut_excerpt(waveform, rate)
    attention = transformers.at(mistake.clip, split, waveform, rate)
    rows, edges = (attention.rows, attention.edges) if attention else ((), None)
    with figure_style():
        highest = min(HIGHEST, rate / 2)
        figure = clip_figure(excerpt.waveform, rate, excerpt.start_seconds, highest, rows, edges)
    alt = f"Waveform and spectrogram of {mistake.clip}" + (", and the attention of a transformer" if attention else "")
    about = (
        f"{attention.job.variant}, fold {attention.job.fold}, seed {attention.job.seed}, says {attention.prediction}"
        if attention
        else ""
    )
    picture, sound = embedded(png(figure), alt), sound_uri(excerpt)
    return shown | {"part": excerpt.part, "attention": about, "picture": picture, "sound": sound}
