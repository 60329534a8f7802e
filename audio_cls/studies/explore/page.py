"""The page: what the survey found, in words, tables, pictures and sounds, in one file."""

import base64
import csv
import os
import shutil
import tempfile
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from pathlib import Path
from typing import Any

import jinja2
from matplotlib.figure import Figure
from PIL import Image

from audio_cls.data.cache import progress_bar
from audio_cls.data.splits import published_folds
from audio_cls.studies.explore import pictures
from audio_cls.studies.explore.examples import (
    EXCERPT_SECONDS,
    FEW_CLASSES,
    MAX_CLASSES,
    choose_examples,
    cut_excerpt,
    sound_uri,
)
from audio_cls.studies.explore.findings import SEVERITIES, Finding
from audio_cls.studies.explore.fingerprint import HOP_SECONDS, MAX_DIFFERENCE, NUM_BITS, Match, num_neighbours
from audio_cls.studies.explore.leakage import check_leaky_manifest
from audio_cls.studies.explore.survey import Survey

GENERATOR = "audio-cls explore"
FILES = ("index.html", "clips.csv", "figures")  # what is written, and replaced the next time
MAX_SHAPES = 15
MAX_MATCHES = 40
HEARD_MATCHES = 6
EXTREMES = 5
COLUMNS = (
    *("clip", "class", "source", "fold", "problem", "frames", "sample_rate", "channels", "seconds", "rms_dbfs"),
    *("peak", "clipped", "digital_silence", "leading_silence_seconds", "trailing_silence_seconds", "offset"),
)
SECTIONS = (
    ("findings", "Findings"), ("examples", "Examples"), ("classes", "Classes"), ("shape", "Length and rate"),
    ("level", "Level and silence"), ("sources", "Recordings and folds"), ("duplicates", "Duplicates"),
    ("leakage", "Leakage"),
)  # fmt: skip
CREDITS = {
    "esc10": "ESC-10 (K. J. Piczak, ACM Multimedia 2015) is CC BY; its clips are from Freesound, by the authors that "
    "its list of attributions names.",
    "esc50": "ESC-50 (K. J. Piczak, ACM Multimedia 2015) is CC BY-NC; its clips are from Freesound, by the authors "
    "that its list of attributions names.",
}


def write_page(survey: Survey, findings: list[Finding], folder: Path) -> Path:
    """Writes index.html, clips.csv and figures/ into the folder, over those of an earlier run; returns the page."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".explore-", dir=folder.parent))
    try:
        (temporary / "figures").mkdir()
        content = _render(_context(survey, findings, _Album(temporary / "figures")))
        (temporary / "index.html").write_text(content, encoding="utf-8")
        _write_table(survey, temporary / "clips.csv")
        folder.mkdir(exist_ok=True)
        for name in FILES:
            if (folder / name).is_dir():
                shutil.rmtree(folder / name)
            os.replace(temporary / name, folder / name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder / "index.html"


class _Album:
    """Pictures, each written to a file and embedded into the page."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name: str, figure: Figure | None, alt: str) -> dict[str, Any] | None:
        if figure is None:
            return None
        content = pictures.png(figure)
        (self.folder / f"{name}.png").write_bytes(content)
        width, height = Image.open(BytesIO(content)).size
        uri = f"data:image/png;base64,{base64.b64encode(content).decode()}"
        return {"uri": uri, "width": width, "height": height, "alt": alt}


def _render(context: dict[str, Any]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("page.html.jinja").render(context)


def _context(survey: Survey, findings: list[Finding], album: _Album) -> dict[str, Any]:
    clip_set = survey.clip_set
    return {
        "generator": GENERATOR,
        "version": _version(),
        "name": clip_set.name,
        "num_clips": len(clip_set),
        "num_classes": len(clip_set.classes),
        "sections": SECTIONS,
        "facts": _facts(survey),
        "findings": [
            {
                "level": SEVERITIES.index(finding.severity),
                "severity": finding.severity,
                "title": finding.title,
                "advice": finding.advice,
                "clips": finding.clips,
            }
            for finding in findings
        ],
        "examples_text": _examples_text(survey),
        "examples": _examples(survey, album),
        "examples_beside": len(clip_set.classes) > FEW_CLASSES,
        "pictures": _pictures(survey, album),
        "has_sources": survey.has_sources,
        "sample_text": _sample_text(survey),
        "credit": CREDITS.get(clip_set.name, ""),
        "num_bits": NUM_BITS,
        "max_difference": f"{MAX_DIFFERENCE:.0%}",
        **_shape(survey),
        "any_silence": any(each.silent for each in survey.good.values()),
        "level_tables": _level_tables(survey),
        **_sources(survey),
        **_duplicates(survey),
        **_leakage(survey),
    }


def _facts(survey: Survey) -> list[dict[str, str]]:
    clip_set, good = survey.clip_set, survey.good
    counts = Counter(clip.label for clip in clip_set.clips)
    seconds = sum(each.seconds for each in good.values())
    (channels, frames, _), members = survey.shapes[0]
    rates = Counter(each.sample_rate for each in good.values())
    few, many = min(counts.values()), max(counts.values())
    unusable = f"{len(survey.bad)} cannot be used" if survey.bad else "all can be read"
    facts = [
        ("clips", f"{len(clip_set):,}", unusable),
        ("classes", f"{len(clip_set.classes)}", f"{few} clips each" if few == many else f"{few} to {many} clips each"),
        ("sound in all", _duration(seconds), ""),
        ("commonest shape", f"[{channels}, {frames}]", f"{len(members):,} of {len(good):,} clips"),
        ("rate", _rate(rates.most_common(1)[0][0]), "all clips" if len(rates) == 1 else f"and {len(rates) - 1} more"),
    ]
    if survey.has_sources:
        facts.append(("recordings", f"{len(survey.clips_of_source):,}", "that clips were cut from"))
    else:
        facts.append(("recordings", "not known", "which clips belong together"))
    if survey.has_folds:
        facts.append(("published folds", f"{len({clip.fold for clip in clip_set.clips})}", ""))
    return [{"term": term, "value": value, "more": more} for term, value, more in facts]


def _examples_text(survey: Survey) -> str:
    text = (
        "Typical is the clip whose mean spectrum is nearest to that of its class, unusual the one farthest from it: "
        "listen whether its label is right. Each picture shows the waveform, and below it the log-mel spectrogram, "
        "80 dB from black to bright."
    )
    if any(each.seconds > EXCERPT_SECONDS for each in survey.good.values()):
        text += f" Of longer clips, the loudest {EXCERPT_SECONDS:g} s."
    if len(survey.clip_set.classes) > MAX_CLASSES:
        text += f" The first {MAX_CLASSES} of {len(survey.clip_set.classes)} classes."
    return text


def _examples(survey: Survey, album: _Album) -> list[dict[str, Any]]:
    chosen = choose_examples(survey)
    groups = []
    with progress_bar() as bar:
        task = bar.add_task("drawing examples", total=len(chosen))
        for label, clips in chosen.items():
            name, examples = survey.clip_set.classes[label], []
            for number, (index, role) in enumerate(clips, 1):
                excerpt = cut_excerpt(survey, index, role)
                alt = f"Waveform and spectrogram of {survey.clip(index).name}, {name}"
                figure = pictures.example_picture(excerpt, survey.highest)
                part = ""
                if excerpt.clip_seconds > EXCERPT_SECONDS:
                    end = excerpt.start_seconds + EXCERPT_SECONDS
                    part = f"{excerpt.start_seconds:.1f} to {end:.1f} s of {excerpt.clip_seconds:.1f} s"
                examples.append(
                    {
                        "name": survey.clip(index).name,
                        "role": role,
                        "part": part,
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


def _shape(survey: Survey) -> dict[str, Any]:
    (channels, frames, rate), members = survey.shapes[0]
    good = survey.good
    text = (
        f"The commonest shape is [{channels}, {frames}] at {_rate(rate)}, {frames / rate:.3f} s: "
        f"{len(members):,} of {len(good):,} clips."
    )
    sharp = round(round(frames / rate, 1) * rate)
    if sharp != frames and abs(sharp - frames) < 0.01 * frames:
        having = sum(each.shape == (channels, sharp, rate) for each in good.values())
        text += (
            f" {sharp / rate:g} s sharp would be [{channels}, {sharp}], which {having or 'none'} "
            f"{'has' if having == 1 else 'have'}; "
            f"the commonest is {abs(frames - sharp)} samples {'longer' if frames > sharp else 'shorter'}."
        )
    rows, others = [], []
    for shape, group in survey.shapes:
        off = "" if shape == survey.shapes[0][0] else _difference(shape, survey.shapes[0][0])
        rows.append(
            {"shape": f"[{shape[0]}, {shape[1]}]", "rate": _rate(shape[2]), "clips": len(group), "off": off or "–"}
        )
        if off:
            others += [(survey.clip(index).name, f"[{shape[0]}, {shape[1]}], {off}") for index in group]
    return {
        "shape_text": text,
        "shapes": rows[:MAX_SHAPES],
        "num_more_shapes": max(0, len(rows) - MAX_SHAPES),
        "other_shapes": others,
    }


def _difference(shape: tuple[int, int, int], usual: tuple[int, int, int]) -> str:
    """Of two shapes, which are not the same, in words."""
    parts = []
    if shape[0] != usual[0]:
        parts.append(f"{shape[0]} channel{'s' * (shape[0] > 1)}")
    if shape[2] != usual[2]:
        parts.append(f"at {_rate(shape[2])}")
    elif shape[1] != usual[1]:
        parts.append(f"{shape[1] - usual[1]:+,} samples".replace("-", "−"))
    seconds = shape[1] / shape[2] - usual[1] / usual[2]
    if abs(seconds) >= 5e-4:
        parts.append(f"{seconds:+.3f} s".replace("-", "−"))
    return ", ".join(parts)


def _level_tables(survey: Survey) -> list[dict[str, Any]]:
    good = survey.good
    sounding = [index for index in good if good[index].silent < 1]
    by_level = sorted(sounding, key=lambda index: good[index].rms_db)
    tables = []

    def table(title: str, heads: tuple[str, ...], indices: list[int], cells: Any) -> None:
        rows = [(survey.clip(index).name, *cells(good[index])) for index in indices[:EXTREMES]]
        if rows:
            tables.append({"title": title, "heads": heads, "rows": rows})

    def level(each: Any) -> tuple[str, str]:
        return _decibels(each.rms_db), f"{each.peak:.3f}"

    table("Softest", ("RMS dBFS", "peak"), by_level, level)
    table("Loudest", ("RMS dBFS", "peak"), by_level[::-1], level)
    table(
        "Longest digital silence", ("of the time", "before", "after"),
        sorted((index for index in good if good[index].silent > 0), key=lambda index: -good[index].silent),
        lambda each: (f"{each.silent:.0%}", f"{each.leading_seconds:.2f} s", f"{each.trailing_seconds:.2f} s"),
    )  # fmt: skip
    table(
        "Most samples at full scale", ("of the samples", "peak"),
        sorted((index for index in good if good[index].clipped > 0), key=lambda index: -good[index].clipped),
        lambda each: (f"{each.clipped:.3%}", f"{each.peak:.3f}"),
    )  # fmt: skip
    return tables


def _sources(survey: Survey) -> dict[str, Any]:
    clip_set, rows = survey.clip_set, []
    unknown = sum(clip.source is None for clip in clip_set.clips)
    if not survey.has_sources:
        text = (
            "Which clips were cut from the same recording is not known, so it cannot be excluded that a recording is "
            "on both sides of a split. A CSV manifest with the columns file, label and source says it."
        )
    else:
        several = [indices for indices in survey.clips_of_source.values() if len(indices) > 1]
        text = (
            f"The {len(clip_set) - unknown:,} clips come from {len(survey.clips_of_source):,} recordings; "
            f"{sum(map(len, several)):,} of them share theirs with another clip."
        )
        if unknown:
            text += f" Of {unknown:,} clips the recording is not known."
        largest = sorted(survey.clips_of_source.items(), key=lambda item: (-len(item[1]), item[0]))
        rows = [_source_row(survey, source, indices) for source, indices in largest[:8] if len(indices) > 2]
    if not survey.has_folds:
        text += " There are no published folds: train.py makes its own, and keeps recordings whole where it knows them."
    return {"sources_text": text, "largest_sources": rows}


def _source_row(survey: Survey, source: str, indices: list[int]) -> dict[str, Any]:
    labels = sorted({survey.clip(index).label for index in indices})
    folds = sorted({survey.clip(index).fold for index in indices} - {None})
    return {
        "source": source,
        "clips": len(indices),
        "classes": ", ".join(survey.clip_set.classes[label] for label in labels),
        "folds": ", ".join(map(str, folds)) or "–",
    }


def _duplicates(survey: Survey) -> dict[str, Any]:
    identical = [[survey.clip(index).name for index in group] for group in survey.identical]
    grouped = [set(group) for group in survey.identical]
    near = [match for match in survey.matches if not any({match.first, match.second} <= group for group in grouped)]
    copies = sum(map(len, identical))
    found = [f"{copies} clips are identical, sample for sample, to another" if copies else ""]
    found.append(f"{len(near)} pairs are nearly the same" if len(near) != 1 else "1 pair is nearly the same")
    num_compared = sum(each.fingerprint is not None for each in survey.good.values())
    compared = ""
    if num_compared > 1 and num_neighbours(num_compared) < num_compared - 1:
        compared = (
            f" Each of the {num_compared:,} clips was compared with the {num_neighbours(num_compared):,} that are "
            "nearest to it in mean spectrum, not with all."
        )
    rows = []
    for place, match in enumerate(near[:MAX_MATCHES]):
        sides = [_side(survey, index, heard=place < HEARD_MATCHES) for index in (match.first, match.second)]
        if match.offset_seconds < 0:  # so that the row reads from the clip in which the sound begins later
            sides.reverse()
        rows.append(
            {
                "sides": sides,
                "text": f"{match.overlap_seconds:.1f} s of the same sound, {_offset(match)}; {match.difference:.0%} of "
                "the bits differ.",
            }
        )
    nothing = "No two clips hold the same sound, as far as can be told." if not identical and not near else ""
    return {
        "identical": identical[:MAX_MATCHES],
        "matches": rows,
        "num_more_matches": max(0, len(near) - MAX_MATCHES),
        "duplicates_text": nothing
        or f"{'; '.join(filter(None, found))}. Nearly the same means re-encoded, louder or "
        "softer, shifted in time, or cut from the same place of a recording.",
        "compared_text": compared + _sample_text(survey),
    }


def _offset(match: Match) -> str:
    if abs(match.offset_seconds) < HOP_SECONDS / 2:
        return "at the same place"
    return f"{abs(match.offset_seconds):.2f} s later in the first"


def _side(survey: Survey, index: int, heard: bool) -> dict[str, str | None]:
    clip = survey.clip(index)
    about = [survey.clip_set.classes[clip.label]]
    about += [f"recording {clip.source}"] if clip.source is not None else []
    about += [f"fold {clip.fold}"] if clip.fold is not None else []
    sound = sound_uri(cut_excerpt(survey, index, "")) if heard else None
    return {"name": clip.name, "about": ", ".join(about), "sound": sound}


def _leakage(survey: Survey) -> dict[str, Any]:
    leak = survey.leak
    if leak is None:
        reason = (
            "no class has enough clips for so many folds"
            if survey.has_sources
            else "which clips were cut from the same recording is not known"
        )
        return {"leak": None, "no_leak_text": f"It cannot be counted: {reason}."}
    counts, total = leak.over_shuffles, len(survey.clip_set)
    text = (
        f"If {leak.num_folds} folds were made by shuffling the clips of each class, without looking at the recordings, "
        f"{leak.expected:.1f} of {total:,} clips ({leak.expected / total:.0%}) would be expected to have their "
        f"recording on both sides; over {len(counts)} shuffles {counts.min()} to {counts.max()}, {counts.mean():.1f} "
        "on average."
    )
    if leak.published is not None:
        text += f" With the published folds it is {leak.published}, as far as recordings are named."
    commands = None if check_leaky_manifest(survey.clip_set) else _measure_commands(survey)
    return {"leak": {"text": text, "num_shuffles": len(counts), "commands": commands}, "no_leak_text": ""}


def _measure_commands(survey: Survey) -> str:
    clip_set = survey.clip_set
    kind = clip_set.name if clip_set.name in CREDITS else "folder"
    honest = f"python train.py data={kind} data.root=PATH protocol=crossval study=honest -m"
    if survey.has_folds:
        present = sorted({clip.fold for clip in clip_set.clips} - {None})
        if len(present) < (published_folds(clip_set) or 0):
            folds = ",".join(str(fold - 1) for fold in present)
            honest = honest.replace(" -m", f" fold={folds} data.allow_missing=true -m")
    return (
        f"audio-cls explore --data {kind} --root PATH --leaky-manifest leaky.csv\n"
        "python train.py data=folder data.root=leaky.csv protocol=crossval study=leaky -m\n"
        f"{honest}"
    )


def _sample_text(survey: Survey) -> str:
    if len(survey.sample) == len(survey.clip_set):
        return ""
    return (
        f" Spectra and fingerprints are of a random sample of {len(survey.sample):,} of the {len(survey.clip_set):,} "
        "clips, spread evenly over the classes; everything else is of all."
    )


def _write_table(survey: Survey, path: Path) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for index, clip in enumerate(survey.clip_set.clips):
            row = [clip.name, survey.clip_set.classes[clip.label], clip.source, clip.fold, survey.bad.get(index)]
            if index in survey.good:
                each = survey.good[index]
                row += [each.frames, each.sample_rate, each.channels, f"{each.seconds:.6f}", f"{each.rms_db:.2f}"]
                row += [f"{each.peak:.6f}", f"{each.clipped:.6f}", f"{each.silent:.4f}"]
                row += [f"{each.leading_seconds:.2f}", f"{each.trailing_seconds:.2f}", f"{each.offset:.6f}"]
            writer.writerow(row)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _rate(rate: int) -> str:
    return f"{rate / 1000:g} kHz"


def _decibels(level: float) -> str:
    return f"{level:.1f}".replace("-", "−")


def _version() -> str:
    try:
        return version("audio_cls")
    except PackageNotFoundError:
        return ""
