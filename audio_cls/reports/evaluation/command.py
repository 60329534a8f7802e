"""What `audio-cls evaluate` does: reads the labelled sounds, has the model classify them, and says how it did."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from audio_cls import __version__
from audio_cls.analysis.evaluation import EvaluatedClip, Evaluation, Figures
from audio_cls.data.clips import Clip, DataError
from audio_cls.data.content import content_of
from audio_cls.data.decode import BadAudio, read_audio
from audio_cls.files import write_json, write_text
from audio_cls.reports.console import print_parts
from audio_cls.reports.evaluation import sentences, tables
from audio_cls.reports.evaluation.labelled import Labelled, read_labelled
from audio_cls.reports.tables import Table
from audio_cls.serving.job import DIGITS
from audio_cls.serving.load import LoadedClassifier, load_classifier
from audio_cls.serving.predict import Hearing, clip_seconds, one_thread, predict_clip
from audio_cls.serving.prediction import Prediction
from audio_cls.serving.tables import assumptions
from audio_cls.terminal import answer, printable, progress_bar, say
from audio_cls.wording import one_line

COMMAND = "audio-cls evaluate"
STDOUT = Path("-")
MOST_WRONG = 20  # clips on the terminal


def evaluate(model: Path, data: Path, json_file: Path | None, page: Path | None) -> int:
    """Prints how the model does on the labelled sounds, writes what is asked for; returns the exit status.

    `json_file`: '-' prints the JSON in place of the tables.
    """
    classifier = load_classifier(model)
    labelled = read_labelled(data, classifier.classes)
    for note in labelled.notes:
        say(f"note: {note}")
    evaluation = Evaluation(classifier.classes, _listen(classifier, labelled))
    heard = _about_hearing(classifier, evaluation)
    for note in heard:
        say(printable(f"note: {note}"))
    labelled = replace(labelled, notes=(*labelled.notes, *heard))
    for clip in evaluation.broken:
        say(printable(f"{COMMAND}: {clip.file}: {clip.problem}"))
    if not evaluation.known:
        raise DataError(f"{data} holds no clip of the model's classes that can be used")
    values = {
        "written_by": COMMAND,
        "version": __version__,
        "model": classifier.name,
        "data": labelled.name,
        "notes": list(labelled.notes),
        **evaluation.values(),
    }
    scored = _scored(evaluation)
    if json_file == STDOUT:
        answer(json.dumps(values, allow_nan=False, ensure_ascii=False))
    else:
        print_parts(_parts(classifier.name, labelled.name, evaluation, scored), "what --json and --page write")
    if json_file and json_file != STDOUT:
        write_json(json_file, values)
        say(f"every clip: {json_file}")
    if page:
        from audio_cls.reports.evaluation.page import page_of  # matplotlib takes a second to import

        write_text(page, page_of(classifier.name, labelled, evaluation, scored))
        say(f"page: {page}")
    return 1 if evaluation.broken else 0


def _scored(evaluation: Evaluation) -> dict[str, Figures]:
    """Figures by the clips that they are of, those that count most first."""
    if not (evaluation.num_trained_on and evaluation.new):
        return {"all clips": evaluation.figures(evaluation.known)}
    return {
        "clips not in training": evaluation.figures(evaluation.new),
        "all clips": evaluation.figures(evaluation.known),
    }


def _listen(classifier: LoadedClassifier, labelled: Labelled) -> Iterator[EvaluatedClip]:
    """Each clip with what the model says of it: the probabilities that evaluation in training gives it."""
    clips = list(zip(labelled.clips, labelled.labels, strict=True))
    with one_thread(), progress_bar() as bar:
        for clip, label in bar.track(clips, description="listening"):
            yield _hear(classifier, clip, label)


def _hear(classifier: LoadedClassifier, clip: Clip, label: str) -> EvaluatedClip:
    found = EvaluatedClip(clip.name, label, clip.source)
    try:
        recording = read_audio(clip.path)
    except (BadAudio, OSError) as error:
        return replace(found, problem=one_line(error))
    prediction = predict_clip(classifier, recording, clip.name, Hearing(windows=False))
    return replace(
        found,
        probabilities=prediction.probabilities,
        flags=prediction.flags,
        trained_on=content_of(recording).digest[:DIGITS] in classifier.trained_on,
        duration_seconds=prediction.duration_seconds,
        notes=recording.notes,
    )


def _about_hearing(classifier: LoadedClassifier, evaluation: Evaluation) -> list[str]:
    """What was assumed of files, and where this is not what `predict` says of them."""
    heard = [Prediction(clip.file, clip.duration_seconds, None, notes=clip.notes) for clip in evaluation.clips]
    notes = assumptions(heard)
    limit = clip_seconds(classifier)
    if long := [each.file for each in heard if each.duration_seconds and each.duration_seconds > limit + 0.001]:
        sounds, are = ("sound", "is") if len(long) == 1 else ("sounds", "are")
        notes.append(
            f"{len(long)} {sounds} longer than {limit:.3g} s {are} judged by evenly spaced crops, as in training;"
            f" predict hears them window by window (first: {long[0]})"
        )
    if classifier.profile is None and not classifier.unsure_below:
        notes.append(
            "this model was trained before sounds were compared with those of training: only silence is flagged"
        )
    return notes


def _parts(model: str, data: str, evaluation: Evaluation, scored: dict[str, Figures]) -> list[Table | tuple[str, str]]:
    """What is printed: texts with their styles, and tables."""
    figures, wrong = next(iter(scored.values())), evaluation.wrong(evaluation.judged)
    loud, unknown = sentences.trained_on(evaluation), sentences.unknown(evaluation)
    parts: list[Table | tuple[str, str]] = [(loud, "bold red")] if loud else []
    parts += [(f"{model} on {data}: {sentences.headline(evaluation)}", "bold"), tables.score_table(scored)]
    parts += [(line, "dim") for line in sentences.about_figures(figures)]
    parts += [tables.class_table(figures), tables.confusion_table(figures)]
    parts += [(unknown, "bold"), tables.unknown_table(evaluation)] if unknown else []
    parts += [tables.wrong_table(evaluation, wrong[:MOST_WRONG])] if wrong else []
    if len(wrong) > MOST_WRONG:
        parts.append((f"The {MOST_WRONG} most confident of {len(wrong)} wrong clips; --json FILE has all.", "dim"))
    return parts
