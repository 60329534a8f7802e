"""The texts and tables of the page's sections, made from the survey."""

from typing import Any

from audio_cls.reports.dataset.examples import excerpt_of
from audio_cls.reports.dataset.fingerprint import HOP_SECONDS, Match, num_neighbours
from audio_cls.reports.dataset.measure import Measures
from audio_cls.reports.dataset.survey import Survey
from audio_cls.reports.html.page import sound_uri
from audio_cls.reports.tables import NONE, Cell, Table, make_table

MAX_SHAPES = 15
MAX_MATCHES = 40
PLAYED_MATCHES = 6
EXTREMES = 5
CREDITS = {
    "esc10": "ESC-10 (K. J. Piczak, ACM Multimedia 2015) is CC BY; its clips are from Freesound, by the authors that "
    "its list of attributions names.",
    "esc50": "ESC-50 (K. J. Piczak, ACM Multimedia 2015) is CC BY-NC; its clips are from Freesound, by the authors "
    "that its list of attributions names.",
}


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
    rows: list[list[str | Cell]] = []
    others = []
    for shape, group in survey.shapes:
        off = "" if shape == survey.shapes[0][0] else _difference(shape, survey.shapes[0][0])
        rows.append([f"[{shape[0]}, {shape[1]}]", _number(kilohertz(shape[2])), _number(len(group)), _number(off)])
        if off:
            others += [(survey.clip(index).name, f"[{shape[0]}, {shape[1]}], {off}") for index in group]
    return {
        "shape_text": text,
        "shapes": make_table(
            ["[channels, samples]", "rate", "clips", "off by"], rows[:MAX_SHAPES], "Shapes, commonest first"
        ),
        "num_more_shapes": max(0, len(rows) - MAX_SHAPES),
        "other_shapes": others,
    }


def _difference(shape: tuple[int, int, int], usual: tuple[int, int, int]) -> str:
    """Of two shapes, which are not the same, in words."""
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

    def level(each: Measures) -> list[str]:
        return [_decibels(each.rms_db), f"{each.peak:.3f}"]

    def silence(each: Measures) -> list[str]:
        return [f"{each.silent:.0%}", f"{each.leading_seconds:.2f} s", f"{each.trailing_seconds:.2f} s"]

    def clipping(each: Measures) -> list[str]:
        return [f"{each.clipped:.3%}", f"{each.peak:.3f}"]

    kinds = (
        ("Softest", ("RMS dBFS", "peak"), by_level, level),
        ("Loudest", ("RMS dBFS", "peak"), by_level[::-1], level),
        ("Longest digital silence", ("of the time", "before", "after"), by_silence, silence),
        ("Most samples at full scale", ("of the samples", "peak"), by_clipping, clipping),
    )
    return [
        make_table(
            ["clip", *heads],
            [[_clip(survey, index), *map(_number, cells(good[index]))] for index in indices[:EXTREMES]],
            caption,
        )
        for caption, heads, indices, cells in kinds
        if indices
    ]


def sources(survey: Survey) -> dict[str, Any]:
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
        text += " There are no published folds: training makes its own, and keeps recordings whole where it knows them."
    heads = ["recording", "clips", "class", "fold"]
    table = make_table(heads, rows, "Recordings with most clips") if rows else None
    return {"sources_text": text, "largest_sources": table}


def _source_row(survey: Survey, source: str, indices: list[int]) -> list[str | Cell]:
    labels = sorted({survey.clip(index).label for index in indices})
    folds = survey.folds(indices)
    classes = ", ".join(survey.clip_set.classes[label] for label in labels)
    return [Cell(source, code=True), _number(len(indices)), classes, ", ".join(map(str, folds)) or NONE]


def duplicates(survey: Survey) -> dict[str, Any]:
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
        sides = [_side(survey, index, played=place < PLAYED_MATCHES) for index in (match.first, match.second)]
        if match.offset_seconds < 0:  # so that the row reads from the clip in which the sound begins later
            sides.reverse()
        rows.append(
            {
                "sides": sides,
                "text": f"{match.overlap_seconds:.1f} s of the same sound, {_offset(match)}; {match.difference:.0%} of "
                "the bits differ.",
            }
        )
    nothing = "No two clips with the same sound were found." if not identical and not near else ""
    return {
        "identical": identical[:MAX_MATCHES],
        "matches": rows,
        "num_more_matches": max(0, len(near) - MAX_MATCHES),
        "duplicates_text": nothing
        or f"{'; '.join(filter(None, found))}. Nearly the same means re-encoded, louder or "
        "softer, shifted in time, or cut from the same place of a recording.",
        "compared_text": compared + sample_text(survey),
    }


def _offset(match: Match) -> str:
    if abs(match.offset_seconds) < HOP_SECONDS / 2:
        return "at the same place"
    return f"{abs(match.offset_seconds):.2f} s later in the first"


def _side(survey: Survey, index: int, played: bool) -> dict[str, str | None]:
    clip = survey.clip(index)
    about = [survey.clip_set.classes[clip.label]]
    about += [f"recording {clip.source}"] if clip.source is not None else []
    about += [f"fold {clip.fold}"] if clip.fold is not None else []
    sound = sound_uri(excerpt_of(survey, index)) if played else None
    return {"name": clip.name, "about": ", ".join(about), "sound": sound}


def leakage(survey: Survey) -> dict[str, Any]:
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
    return {"leak": {"text": text, "num_shuffles": len(counts)}, "no_leak_text": ""}


def sample_text(survey: Survey) -> str:
    if len(survey.sample) == len(survey.clip_set):
        return ""
    return (
        f" Spectra and fingerprints are of a random sample of {len(survey.sample):,} of the {len(survey.clip_set):,} "
        "clips, spread evenly over the classes; everything else is of all."
    )


def kilohertz(rate: int) -> str:
    return f"{rate / 1000:g} kHz"


def _decibels(level: float) -> str:
    return f"{level:.1f}".replace("-", "−")


def _number(value: object) -> Cell:
    return Cell(str(value) or NONE, number=True)


def _clip(survey: Survey, index: int) -> Cell:
    return Cell(survey.clip(index).name, code=True)
