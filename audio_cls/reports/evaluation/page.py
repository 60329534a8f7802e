"""The page of an evaluation: one file with everything in it."""

from pathlib import Path
from typing import Any

import numpy as np

from audio_cls.analysis.evaluation import EvaluatedClip, Evaluation, Figures
from audio_cls.data.decode import BadAudio, read_audio
from audio_cls.data.excerpts import cut_excerpt
from audio_cls.figures.calibration import calibration_figure
from audio_cls.figures.classes import confusion_figure, f1_figure
from audio_cls.figures.clip import clip_figure
from audio_cls.figures.curves import roc_figure
from audio_cls.figures.style import COLOURS, figure_style
from audio_cls.reports.evaluation import sentences, tables
from audio_cls.reports.evaluation.labelled import Labelled
from audio_cls.reports.html.page import render, sound_uri
from audio_cls.reports.html.pictures import embedded, png

GENERATOR = "audio-cls evaluate"
TEMPLATE = Path(__file__).with_name("page.html.jinja")
MAX_LISTED = 100  # wrong clips
MAX_PLAYED = 12
HIGHEST = 11_025.0  # Hz, of spectrograms: half the rate at which the sounds are played
SECTIONS = (("scores", "Scores"), ("classes", "Classes"), ("calibration", "Calibration"), ("wrong", "Wrong clips"))


def page_of(model: str, labelled: Labelled, evaluation: Evaluation, scored: dict[str, Figures]) -> str:
    """The page as text. `scored`: figures by the clips that they are of, those that count most first."""
    figures, judged = next(iter(scored.values())), evaluation.judged
    wrong = evaluation.wrong(judged)
    return render(
        TEMPLATE,
        {
            "generator": GENERATOR,
            "sections": SECTIONS,
            "model": model,
            "data": labelled.name,
            "headline": sentences.headline(evaluation),
            "trained_on": sentences.trained_on(evaluation),
            "facts": _facts(evaluation, figures),
            "score_table": tables.score_table(scored),
            "about_figures": sentences.about_figures(figures),
            "notes": labelled.notes,
            "broken": [(clip.file, clip.problem) for clip in evaluation.broken],
            "unknown": sentences.unknown(evaluation),
            "unknown_table": tables.unknown_table(evaluation),
            "class_table": tables.class_table(figures),
            "pictures": _pictures(evaluation, figures, f"{sentences.clips(len(judged))} of {labelled.name}"),
            "num_wrong": len(wrong),
            "num_judged": len(judged),
            "wrong_table": tables.wrong_table(evaluation, wrong[:MAX_LISTED]),
            "wrong_clips": [_played(clip, labelled, evaluation) for clip in wrong[:MAX_PLAYED]],
        },
        sortable=True,
    )


def _facts(evaluation: Evaluation, figures: Figures) -> list[tuple[str, str, str]]:
    unflagged = figures.accuracy_unflagged
    facts = [
        ("clips", f"{figures.num_clips:,}", "not in training" if evaluation.num_trained_on and evaluation.new else ""),
        ("accuracy", f"{figures.accuracy:.1%}", _interval(figures)),
        ("macro F1", f"{figures.f1_macro:.3f}", ""),
        ("macro AUROC", "-" if figures.auroc_macro is None else f"{figures.auroc_macro:.3f}", ""),
        ("calibration error", f"{figures.calibration_error:.1%}", f"mean confidence {figures.confidence:.1%}"),
        (
            "flagged",
            f"{figures.num_clips - figures.num_unflagged:,}",
            "" if unflagged is None or not figures.flags else f"{unflagged:.1%} of the others right",
        ),
    ]
    if evaluation.unknown:
        facts.append(("unknown labels", f"{len(evaluation.unknown):,}", "clips, in no figure"))
    return facts


def _interval(figures: Figures) -> str:
    return "[{:.1%}, {:.1%}]".format(*figures.accuracy_interval) if figures.accuracy_interval else ""


def _pictures(evaluation: Evaluation, figures: Figures, about: str) -> dict[str, Any]:
    labels, probabilities = evaluation.arrays(evaluation.judged)
    classes, counts = evaluation.classes, [each.num_clips for each in figures.classes]
    f1 = [each.f1 for each in figures.classes]
    title = f"{about}, accuracy {figures.accuracy:.1%}"
    with figure_style():
        drawn = {
            "confusion": ("Confusion matrix", confusion_figure(np.array(figures.confusion), classes, title)),
            "f1": ("F1 score of each class", f1_figure(f1, figures.f1_macro, counts, classes, about)),
            "roc": ("ROC curves", roc_figure(probabilities, labels, classes, about)),
            "calibration": (
                "Reliability diagram",
                calibration_figure(evaluation.bins(evaluation.judged), figures.calibration_error, COLOURS[0], about),
            ),
        }
    return {name: embedded(png(figure, cut=True), alt) for name, (alt, figure) in drawn.items()}


def _played(clip: EvaluatedClip, labelled: Labelled, evaluation: Evaluation) -> dict[str, Any]:
    """What the template shows of a wrong clip, with its sound."""
    predicted, sure = evaluation.predicted(clip)
    shown: dict[str, Any] = {"clip": clip, "predicted": predicted, "sure": sure}
    shown |= dict.fromkeys(("part", "picture", "sound", "problem"))
    try:
        recording = read_audio(labelled.path_of(clip.file))
    except (BadAudio, OSError) as error:  # it could be read a moment ago
        return shown | {"problem": error}
    rate = recording.sample_rate
    excerpt = cut_excerpt(recording.waveform, rate)
    with figure_style():
        figure = clip_figure(excerpt.waveform, rate, excerpt.start_seconds, min(HIGHEST, rate / 2))
    picture = embedded(png(figure), f"Waveform and spectrogram of {clip.file}")
    return shown | {"part": excerpt.part, "picture": picture, "sound": sound_uri(excerpt)}
