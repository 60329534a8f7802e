"""The page of a data set: findings, tables, pictures and sounds in one file."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from audio_cls.data.clips import ClipSet
from audio_cls.data.excerpts import EXCERPT_SECONDS
from audio_cls.data.fingerprint import MAX_DIFFERENCE, NUM_BITS
from audio_cls.figures.clip import clip_figure
from audio_cls.files import replacing_folder, write_csv, write_text
from audio_cls.reports.dataset import pictures, sections
from audio_cls.reports.dataset.examples import FEW_CLASSES, MAX_CLASSES, choose_examples, excerpt_of
from audio_cls.reports.dataset.finding import SEVERITIES, Finding
from audio_cls.reports.dataset.grouping import grouped
from audio_cls.reports.dataset.survey import Survey
from audio_cls.reports.dataset.training import Training
from audio_cls.reports.html.page import render, sound_uri
from audio_cls.reports.html.pictures import embedded, png
from audio_cls.terminal import progress_bar
from audio_cls.wording import duration

TEMPLATE = Path(__file__).with_name("page.html.jinja")
GENERATOR = "audio-cls explore"
COLUMNS = (
    *("clip", "class", "source", "fold", "problem", "frames", "sample_rate", "channels", "seconds", "rms_dbfs"),
    *(
        "peak",
        "clipped",
        "digital_silence",
        "leading_silence_seconds",
        "trailing_silence_seconds",
        "offset",
        "findings",
    ),
)
SECTIONS = (
    ("findings", "Findings"), ("examples", "Examples"), ("classes", "Classes"), ("shape", "Length and rate"),
    ("level", "Level and silence"), ("sources", "Recordings and folds"), ("duplicates", "Duplicates"),
    ("leakage", "Leakage"), ("training", "Training"),
)  # fmt: skip


def write_page(survey: Survey, findings: list[Finding], training: Training, folder: Path) -> Path:
    """Writes index.html, clips.csv and figures/ into the folder, over those of an earlier run; returns the page."""
    page = folder / "index.html"
    with replacing_folder(folder / "figures") as figures:
        content = render(TEMPLATE, _context(survey, findings, training, _Album(figures)))
    write_text(page, content)
    write_csv(folder / "clips.csv", COLUMNS, _rows(survey, findings))
    return page


def data_id(clip_set: ClipSet) -> str:
    """What tells the data from others of the same name: a digest, as a page is handed on without paths."""
    place = "" if clip_set.root is None else str(clip_set.root.resolve())
    return hashlib.sha256(f"{clip_set.name} {place}".encode(errors="surrogateescape")).hexdigest()[:16]


class _Album:
    """Pictures, each written to a file and embedded into the page."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name: str, figure: Figure | None, alt: str) -> dict[str, Any] | None:
        if figure is None:
            return None
        content = png(figure, by=GENERATOR)
        (self.folder / f"{name}.png").write_bytes(content)
        return embedded(content, alt)


def _context(survey: Survey, findings: list[Finding], training: Training, album: _Album) -> dict[str, Any]:
    clip_set = survey.clip_set
    source_of = {clip.name: clip.source for clip in clip_set.clips}
    return {
        "generator": GENERATOR,
        "data_id": data_id(clip_set),
        "survey": survey,
        "name": clip_set.name,
        "num_clips": len(clip_set),
        "num_classes": len(clip_set.classes),
        "sections": SECTIONS,
        "facts": _facts(survey),
        "severities": SEVERITIES,
        "training": training,
        "findings": [(finding, grouped(finding.clips, source_of)) for finding in findings],
        "excerpt_seconds": EXCERPT_SECONDS,
        "any_excerpts": any(each.seconds > EXCERPT_SECONDS for each in survey.good.values()),
        "max_classes": MAX_CLASSES,
        "examples": _examples(survey, album),
        "examples_beside": len(clip_set.classes) > FEW_CLASSES,
        "pictures": _pictures(survey, album),
        "num_bits": NUM_BITS,
        "max_difference": MAX_DIFFERENCE,
        **sections.shape(survey),
        "any_silence": any(each.silent for each in survey.good.values()),
        "level_tables": sections.level_tables(survey),
        "num_with_source": sum(map(len, survey.clips_of_source.values())),
        "num_sharing": sum(len(clips) for clips in survey.clips_of_source.values() if len(clips) > 1),
        "largest_sources": sections.largest_sources(survey),
        **sections.duplicates(survey),
    }


def _facts(survey: Survey) -> list[tuple[str, str, str]]:
    clip_set, good = survey.clip_set, survey.good
    counts = Counter(clip.label for clip in clip_set.clips)
    seconds = sum(each.seconds for each in good.values())
    (channels, frames, _), members = survey.shapes[0]
    rates = Counter(each.sample_rate for each in good.values())
    usual = rates.most_common(1)[0][0]
    few, many = min(counts.values()), max(counts.values())
    unusable = f"{len(survey.bad)} cannot be used" if survey.bad else "all can be read"
    facts = [
        ("clips", f"{len(clip_set):,}", unusable),
        ("classes", f"{len(clip_set.classes)}", f"{few} clips each" if few == many else f"{few} to {many} clips each"),
        ("sound in all", duration(seconds), ""),
        ("commonest shape", f"[{channels}, {frames}]", f"{len(members):,} of {len(good):,} clips"),
        ("rate", f"{usual / 1000:g} kHz", "all clips" if len(rates) == 1 else f"and {len(rates) - 1} more"),
        ("recordings", f"{len(survey.clips_of_source):,}", "that clips were cut from")
        if survey.has_sources
        else ("recordings", "not known", "which clips belong together"),
    ]
    if survey.has_folds:
        folds = [clip_set.fold_name(fold) for fold in survey.folds(range(len(clip_set)))]
        facts.append(
            ("roles", ", ".join(folds), "") if clip_set.has_roles else ("published folds", f"{len(folds)}", "")
        )
    return facts


def _examples(survey: Survey, album: _Album) -> list[dict[str, Any]]:
    chosen = choose_examples(survey)
    groups = []
    with progress_bar() as bar:
        task = bar.add_task("drawing examples", total=len(chosen))
        for label, clips in chosen.items():
            name, examples = survey.clip_set.classes[label], []
            for number, (index, role) in enumerate(clips, 1):
                excerpt = excerpt_of(survey, index)
                alt = f"Waveform and spectrogram of {survey.clip(index).name}, {name}"
                figure = clip_figure(excerpt.waveform, excerpt.sample_rate, excerpt.start_seconds, survey.highest)
                examples.append(
                    {
                        "name": survey.clip(index).name,
                        "role": role,
                        "part": excerpt.part,
                        "picture": album.add(f"example-{label + 1:03d}-{number}", figure, alt),
                        "sound": sound_uri(excerpt),
                    }
                )
            groups.append({"name": name, "about": _class_text(survey, label), "examples": examples})
            bar.advance(task)
    return groups


def _class_text(survey: Survey, label: int) -> str:
    members = [index for index, clip in enumerate(survey.clip_set.clips) if clip.label == label]
    text = f"{len(members):,} clips"
    if survey.has_sources:
        text += f" from {len({survey.clip(index).source or index for index in members}):,} recordings"
    unusable = sum(index in survey.bad for index in members)
    return f"{text}; {unusable} cannot be used" if unusable else text


def _pictures(survey: Survey, album: _Album) -> dict[str, Any]:
    drawn = {
        "classes": (pictures.classes_picture, "Bars: number of clips of each class"),
        "spectra": (pictures.spectra_picture, "Heat map: mean spectrum of each class over frequency"),
        "durations": (pictures.durations_picture, "Histogram: duration of the clips"),
        "levels": (pictures.levels_picture, "Dots: RMS level of every clip, by class"),
        "silence": (pictures.silence_picture, "Bars: share of digital silence, by class"),
        "folds": (pictures.folds_picture, "Table: clips of each class in each published fold"),
        "sources": (pictures.sources_picture, "Bars: number of recordings by the clips cut from them"),
        "leakage": (pictures.leakage_picture, "Histogram: leaked clips over plain shuffles"),
    }
    return {name: album.add(name, draw(survey), alt) for name, (draw, alt) in drawn.items()}


def _rows(survey: Survey, findings: list[Finding]) -> Iterator[list[Any]]:
    """What clips.csv says of each clip, in COLUMNS."""
    titles: dict[str, list[str]] = defaultdict(list)
    for finding in findings:
        for name, _ in finding.clips:
            titles[name].append(finding.title)
    for index, clip in enumerate(survey.clip_set.clips):
        row: list[Any] = [clip.name, survey.clip_set.classes[clip.label], clip.source, clip.fold, survey.bad.get(index)]
        if index in survey.good:
            each = survey.good[index]
            row += [each.frames, each.sample_rate, each.channels, f"{each.seconds:.6f}", round(float(each.rms_db), 2)]
            row += [f"{each.peak:.6f}", f"{each.clipped:.6f}", f"{each.silent:.4f}"]
            row += [f"{each.leading_seconds:.2f}", f"{each.trailing_seconds:.2f}", round(float(each.offset), 6)]
        row += [None] * (len(COLUMNS) - 1 - len(row))
        yield [*row, "; ".join(titles[clip.name]) or None]
