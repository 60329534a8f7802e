"""The texts and tables of the page's sections, made from the survey."""

from typing import Any

from audio_cls.data.fingerprint import HOP_SECONDS, num_neighbours
from audio_cls.reports.dataset.examples import excerpt_of
from audio_cls.reports.dataset.grouping import grouped
from audio_cls.reports.dataset.measure import Measures
from audio_cls.reports.dataset.survey import Survey
from audio_cls.reports.html.page import sound_uri
from audio_cls.reports.tables import NONE, Cell, Columns, Table, make_table, number_cell

MAX_SHAPES = 15
MAX_SOURCES = 8
MAX_MATCHES = 40
PLAYED_MATCHES = 6
EXTREMES = 5


def shape(survey: Survey) -> dict[str, Any]:
    (channels, frames, rate), members = survey.shapes[0]
    good = survey.good
    text = (
        f"The commonest shape is [{channels}, {frames}] at {kilohertz(rate)}, {frames / rate:.3f} s: "
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
        size = f"[{shape[0]}, {shape[1]}]"
        rows.append([Cell(size), number_cell(kilohertz(shape[2])), number_cell(len(group)), number_cell(off)])
        others += [(survey.clip(index).name, f"{size}, {off}") for index in group if off]
    heads = ["[channels, samples]", "rate", "clips", "off by"]
    source_of = {clip.name: clip.source for clip in survey.clip_set.clips}
    return {
        "shape_text": text,
        "shapes": make_table(heads, rows[:MAX_SHAPES], "Shapes, commonest first"),
        "num_more_shapes": max(0, len(rows) - MAX_SHAPES),
        # Where no shape is usual, every clip is another.
        "other_shapes": grouped(others, source_of) if len(members) >= len(good) / 2 else [],
    }


def _difference(shape: tuple[int, int, int], usual: tuple[int, int, int]) -> str:
    """What differs between two shapes, as text."""
    parts = []
    if shape[0] != usual[0]:
        parts.append(f"{shape[0]} channel{'s' * (shape[0] > 1)}")
    if shape[2] != usual[2]:
        parts.append(f"at {kilohertz(shape[2])}")
    elif shape[1] != usual[1]:
        parts.append(f"{shape[1] - usual[1]:+,} samples".replace("-", "−"))
    seconds = shape[1] / shape[2] - usual[1] / usual[2]
    if abs(seconds) >= 5e-4:
        parts.append(f"{seconds:+.3f} s".replace("-", "−"))
    return ", ".join(parts)


def level_tables(survey: Survey) -> list[Table]:
    """The clips with the extremes of each kind; a table that would be empty is left out."""
    good = survey.good
    by_level = sorted((index for index in good if good[index].silent < 1), key=lambda index: good[index].rms_db)
    by_silence = sorted((index for index in good if good[index].silent), key=lambda index: -good[index].silent)
    by_clipping = sorted((index for index in good if good[index].clipped), key=lambda index: -good[index].clipped)

    level: Columns[Measures] = {
        "RMS dBFS": lambda each: number_cell(f"{each.rms_db:.1f}".replace("-", "−")),
        "peak": lambda each: number_cell(f"{each.peak:.3f}"),
    }
    silence: Columns[Measures] = {
        "of the time": lambda each: number_cell(f"{each.silent:.0%}"),
        "before": lambda each: number_cell(f"{each.leading_seconds:.2f} s"),
        "after": lambda each: number_cell(f"{each.trailing_seconds:.2f} s"),
    }
    clipping = {"of the samples": lambda each: number_cell(f"{each.clipped:.3%}"), "peak": level["peak"]}
    kinds = (
        ("Softest", level, by_level),
        ("Loudest", level, by_level[::-1]),
        ("Longest digital silence", silence, by_silence),
        ("Most samples at full scale", clipping, by_clipping),
    )
    return [
        make_table(
            ["clip", *columns],
            [
                [Cell(survey.clip(index).name, code=True), *(cell(good[index]) for cell in columns.values())]
                for index in indices[:EXTREMES]
            ],
            caption,
        )
        for caption, columns, indices in kinds
        if indices
    ]


def largest_sources(survey: Survey) -> Table | None:
    """The recordings with most clips, more than two each; None without any."""
    largest = sorted(survey.clips_of_source.items(), key=lambda item: (-len(item[1]), item[0]))[:MAX_SOURCES]
    rows = []
    for source, indices in largest:
        if len(indices) > 2:
            names = [
                survey.clip_set.classes[label] for label in sorted({survey.clip(index).label for index in indices})
            ]
            folds = ", ".join(map(str, survey.folds(indices))) or NONE
            rows.append([Cell(source, code=True), number_cell(len(indices)), Cell(", ".join(names)), Cell(folds)])
    return make_table(["recording", "clips", "class", "fold"], rows, "Recordings with most clips") if rows else None


def duplicates(survey: Survey) -> dict[str, Any]:
    identical = [[survey.clip(index).name for index in group] for group in survey.identical]
    grouped = [set(group) for group in survey.identical]
    near = [match for match in survey.matches if not any({match.first, match.second} <= group for group in grouped)]
    rows = []
    for place, match in enumerate(near[:MAX_MATCHES]):
        sides = [_side(survey, index, played=place < PLAYED_MATCHES) for index in (match.first, match.second)]
        if match.offset_seconds < 0:  # so that the row reads from the clip in which the sound begins later
            sides.reverse()
        rows.append((match, sides))
    return {
        "identical": identical[:MAX_MATCHES],
        "num_identical": sum(map(len, identical)),
        "matches": rows,
        "num_matches": len(near),
        "hop_seconds": HOP_SECONDS,
        "num_compared": (compared := sum(each.fingerprint is not None for each in survey.good.values())),
        "num_neighbours": num_neighbours(compared),
    }


def _side(survey: Survey, index: int, played: bool) -> dict[str, str | None]:
    clip = survey.clip(index)
    about = [survey.clip_set.classes[clip.label]]
    about += [f"recording {clip.source}"] if clip.source is not None else []
    about += [f"fold {clip.fold}"] if clip.fold is not None else []
    sound = sound_uri(excerpt_of(survey, index)) if played else None
    return {"name": clip.name, "about": ", ".join(about), "sound": sound}


def kilohertz(rate: int) -> str:
    return f"{rate / 1000:g} kHz"
