"""The README.md of an exported model: a model card, with the front matter that model hubs read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import yaml

from audio_cls import __version__
from audio_cls.analysis.bootstrap import CONFIDENCE
from audio_cls.analysis.verdict import DEVELOPMENT
from audio_cls.reports.export.figures import HeldOut
from audio_cls.reports.export.flags import flag_lines
from audio_cls.serving.classifier import LoadedClassifier
from audio_cls.serving.export import preparation
from audio_cls.terminal import printable
from audio_cls.wording import SPLIT_NAMES, duration, ranges, wrap_markdown

MOST_COLUMNS = 12  # of a confusion matrix; above, its largest counts are listed
MOST_CONFUSIONS = 20
LICENCES = {
    "esc10": "ESC-10 by K. J. Piczak (ACM Multimedia 2015), CC BY: its author is to be named",
    "esc50": "ESC-50 by K. J. Piczak (ACM Multimedia 2015), CC BY-NC: its author is to be named, no commercial use",
    "synthetic": "synthesised by audio_cls",
}
_SPECIAL = frozenset("\\`*_{}[]<>#|&~$!")
_MODELS = {"transformer": "transformer encoder", "cnn": "1-D CNN", "baseline": "logistic regression on log-mel bands"}


@dataclass(frozen=True)
class About:
    """What a card tells of.

    Args:
        name: of the exported model.
        classifier: as it is exported.
        metrics: of the job whose weights these are.
        kind: of its data, the `data.kind` of its configuration.
        num_sources: recordings that its training clips come from; None where that is not known.
        arguments: the command line that trains it, without places on this machine.
        study, variant, verdict: where it was chosen; empty for a job by itself.
        held_out: what the same configuration scored; None where no clip was held out.
        licence: an identifier, or empty.
        unlike: held-out clips that were compared with training clips, and how many of them are unlike.
    """

    name: str
    classifier: LoadedClassifier
    metrics: dict[str, Any]
    kind: str
    num_sources: int | None
    arguments: str
    study: str
    variant: str
    verdict: str
    held_out: HeldOut | None
    licence: str
    unlike: tuple[int, int] = (0, 0)

    @property
    def on_all_clips(self) -> bool:
        return self.metrics["protocol"] == "all"


def model_card(about: About) -> str:
    sections = {
        "": _introduction(about),
        "Use": _use(about),
        "Data": _data(about),
        "Results": _results(about),
        "Intended use and limits": _limits(about),
        "Flags": flag_lines(about.classifier, about.unlike),
        "Training": _training(about),
        "Licence": _licence(about),
    }
    parts = [f"# {plain(about.name)}"]
    for title, paragraphs in sections.items():
        parts += [f"## {title}"] if title else []
        parts += paragraphs
    return f"{front_matter(about)}\n{wrap_markdown(chr(10).join(f'{part}{chr(10)}' for part in parts))}"


def front_matter(about: About) -> str:
    """Metadata in the form of the Hugging Face hub; other hubs read it, too."""
    values: dict[str, Any] = {
        "license": about.licence.lower() or "unknown",
        "library_name": "audio_cls",
        "pipeline_tag": "audio-classification",
        "tags": ["audio-classification", "audio", "sound", "audio_cls", str(about.metrics["model"])],
        "datasets": [printable(about.metrics["dataset"])],
        "metrics": ["accuracy", "f1", "roc_auc"],
    }
    if about.held_out:
        values["model-index"] = [{"name": printable(about.name), "results": [_result(about, about.held_out)]}]
    return f"---\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True)}---\n"


def _result(about: About, held_out: HeldOut) -> dict[str, Any]:
    scores, dataset = held_out.row.ranking, printable(about.metrics["dataset"])
    assert scores is not None
    figures = {
        ("accuracy", "Accuracy"): scores.accuracy.mean,
        ("f1", "Macro F1"): scores.f1_macro.mean,
        ("roc_auc", "Macro AUROC"): scores.auroc_macro.mean,
    }
    return {
        "task": {"type": "audio-classification", "name": "Audio Classification"},
        "dataset": {"type": dataset, "name": dataset, "split": f"{SPLIT_NAMES[held_out.split]} folds"},
        "metrics": [
            {"type": kind, "name": name, "value": round(value, 4)}
            for (kind, name), value in figures.items()
            if value is not None
        ],
    }


def _introduction(about: About) -> list[str]:
    classifier = about.classifier
    classes = ", ".join(plain(name) for name in classifier.classes[:50])
    more = f" and {len(classifier.classes) - 50} more" if len(classifier.classes) > 50 else ""
    kind = _MODELS.get(str(about.metrics["model"]), str(about.metrics["model"]))
    return [
        f"Tells which of {len(classifier.classes)} classes of sound is heard: {classes}{more}.",
        f"A {kind} with {about.metrics['num_parameters']:,} parameters, trained from scratch with audio_cls on"
        f" {plain(about.metrics['dataset'])}. It hears {classifier.crop_samples / classifier.sample_rate:.3g} s at"
        f" once, at {classifier.sample_rate:,} Hz.",
    ]


def _use(about: About) -> list[str]:
    return [
        "On the command line; FOLDER is the folder of this file:",
        _code("audio-cls predict FOLDER sound.wav", "audio-cls serve FOLDER"),
        "In Python:",
        _code(
            "import audio_cls", 'model = audio_cls.load("FOLDER")', 'print(model.predict("sound.wav").probabilities)'
        ),
        "It needs no training libraries. SOURCE is a checkout or a wheel of audio_cls:",
        _code("pip install torch torchaudio numpy soundfile safetensors rich", "pip install --no-deps SOURCE"),
        f"How a sound is heard: {plain(preparation(about.classifier))}.",
        "The files are checked against `SHA256SUMS` when the folder is loaded, and no code in it is run. This file is"
        " not among them: edit it as you like.",
    ]


def _data(about: About) -> list[str]:
    metrics = about.metrics
    sources = "of unknown sources" if not about.num_sources else f"from {about.num_sources:,} source recordings"
    licence = LICENCES.get(about.kind) or f"licence: {plain(about.licence) or 'not stated'}"
    counts = np.array((metrics.get("train") or {}).get("confusion") or []).sum(axis=-1).tolist()
    lines = [f"{plain(metrics['dataset'])}: trained on {metrics['num_train']:,} clips {sources}. {licence}."]
    profile = about.classifier.profile
    if profile:
        lines.append(f"The training clips have {profile.shortest_seconds:.3g} to {profile.longest_seconds:.3g} s.")
    if about.held_out is None and counts:
        lines.append(_table(["Class", "Training clips"], zip(metrics["classes"], counts, strict=True)))
    return lines


def _results(about: About) -> list[str]:
    found = about.held_out
    if found is None:
        return [
            "No clip was held out, so nothing is known of how often this model is right on new sounds, and its"
            " probabilities are not calibrated. `audio-cls export STUDY` exports the model of a study with both."
        ]
    row, scores = found.row, found.row.ranking
    assert scores is not None
    folds = f"fold{'s' * (len(row.folds) > 1)} {ranges(row.folds)} of {found.num_folds}"
    seeds = f"seed{'s' * (len(row.seeds) > 1)} {ranges(row.seeds)}"
    whose = (
        "This model was trained on all clips, so that none is left to try it on. The figures are those of the same"
        f" configuration trained on part of the clips, on the {SPLIT_NAMES[found.split]} clips that it had not heard:"
        f" {folds}, {seeds}, {found.num_clips:,} clips in all."
        if about.on_all_clips
        else f"Figures of this model on the {found.num_clips:,} {SPLIT_NAMES[found.split]} clips that it was not"
        f" trained on: {folds}, {seeds}."
    )
    over = f"Intervals ({CONFIDENCE:.0%}) are over {scores.num_sources:,} source recordings."
    rows = [
        ["Accuracy", _percent(scores.accuracy.mean), _interval(scores.accuracy.interval)],
        ["Macro F1", _percent(scores.f1_macro.mean), _interval(scores.f1_macro.interval)],
        ["Macro AUROC", _percent(scores.auroc_macro.mean), _interval(scores.auroc_macro.interval)],
    ]
    if row.test:
        rows.append(
            ["Accuracy on the test set", _percent(row.test.accuracy.mean), _interval(row.test.accuracy.interval)]
        )
    rows.append(["Accuracy on training clips", _percent(row.train_accuracy), ""])
    parts = [whose]
    parts += [DEVELOPMENT + " They also served to choose, so they are usually a little too high."] * (
        found.split == "val"
    )
    parts += [
        _table(["In percent", "Mean", "Interval"], rows),
        over if scores.accuracy.interval else _no_interval(scores),
    ]
    parts += [f"In the study {plain(about.study)}: {plain(about.verdict)}"] if about.verdict else []
    parts += ["### By class", _class_table(found), "### Confusion", *_confusion(found)]
    return [*parts, "### Calibration and doubt", *_calibration(found)]


def _no_interval(scores: Any) -> str:
    return f"{scores.num_sources} sources are too few for an interval."


def _class_table(found: HeldOut) -> str:
    rows = (
        [each.name, each.num_clips, _percent(each.precision), _percent(each.recall), _percent(each.f1)]
        for each in found.classes
    )
    return _table(["Class", "Held-out clips", "Precision", "Recall", "F1"], rows)


def _confusion(found: HeldOut) -> list[str]:
    names, counts = [each.name for each in found.classes], found.confusion
    if len(names) <= MOST_COLUMNS:
        rows = ([name, *counts[place].tolist()] for place, name in enumerate(names))
        return ["Rows are labels, columns what was predicted.", _table(["Label", *names], rows)]
    off = counts - np.diag(np.diag(counts))
    places = [divmod(int(index), len(names)) for index in np.argsort(-off, axis=None, kind="stable")[:MOST_CONFUSIONS]]
    wrong = [[names[a], names[b], int(off[a, b])] for a, b in places if off[a, b]]
    if not wrong:
        return ["Every held-out clip was classified right."]
    return ["The most frequent ones.", _table(["Label", "Predicted", "Predictions"], wrong)]


def _calibration(found: HeldOut) -> list[str]:
    fitted = f"A temperature of {found.temperature:.3g}, fitted on the held-out clips, is applied to the probabilities."
    if found.row.calibration:
        fitted += (
            " The expected calibration error of held-out clips is"
            f" {100 * found.row.calibration.error:.1f}% without, and {100 * found.row.calibration.error_after:.1f}%"
            " with one that is fitted on other folds."
        )
    else:
        fitted += f" Without it the expected calibration error is {100 * found.error:.1f}%; there is one fold, so that"
        fitted += " what it is with it cannot be told."
    if not found.unsure_below:
        return [fitted, "Too few held-out clips were right to tell from which probability on an answer is sure."]
    doubt = f"An answer with a top probability under {found.unsure_below:.1%} is flagged `unsure`."
    if found.unsure and found.unsure.right is not None:
        doubt += f" With threshold and temperature from other folds, {found.unsure.right:.1%} of right answers are"
        if found.unsure.wrong is not None:
            doubt += f" flagged, and {found.unsure.wrong:.1%} of the {found.unsure.num_wrong:,} wrong ones."
        else:
            doubt += " flagged; none was wrong."
    return [fitted, doubt]


def _limits(about: About) -> list[str]:
    limits = [
        "It knows the classes above and no others: to any other sound it still gives their probabilities. The flags"
        " `silent`, `unlike training data` and `unsure` catch part of such sounds, not all.",
        "One class a sound: overlapping sounds share the probability.",
        "Figures hold for recordings like those of the data. Other microphones, rooms and places lower them, it is not"
        " known by how much: try it on labelled sounds of your own, `audio-cls evaluate FOLDER SOUNDS`.",
        "Not for decisions where an error may harm somebody.",
    ]
    if about.held_out is None:
        limits.insert(0, "Its accuracy is not known, and its probabilities are not calibrated.")
    return [
        "For sounds of these classes, in files and recordings, where a wrong answer can be borne.",
        "\n".join(f"- {limit}" for limit in limits),
    ]


def _training(about: About) -> list[str]:
    metrics = about.metrics
    rows = [
        [
            "Trained on",
            "all clips" if about.on_all_clips else f"fold {metrics['fold']}, protocol {metrics['protocol']}",
        ],
        ["Seed", metrics["seed"]],
        ["Epochs", metrics["epochs"]],
        ["Parameters", f"{metrics['num_parameters']:,}"],
        ["Time", duration(metrics["train_seconds"])],
        ["Accuracy on its training clips, in percent", _percent((metrics.get("train") or {}).get("accuracy"))],
        ["audio_cls commit of the training", metrics.get("commit") or "not known"],
        ["Exported with", f"audio_cls {__version__}, torch {torch.__version__}"],
    ]
    return ["Train it again; PATH is the folder of the clips:", _code(about.arguments), _table(["", ""], rows)]


def _licence(about: About) -> list[str]:
    own = f"This model: {plain(about.licence)}." if about.licence else "This model: not stated."
    data = LICENCES.get(about.kind)
    return [f"{own} {f'Its data: {data}.' if data else 'See Data for its data.'}"]


def plain(text: str) -> str:
    """Text of a user's that Markdown shows as it is, in one line."""
    return "".join(f"\\{letter}" if letter in _SPECIAL else letter for letter in " ".join(printable(text).split()))


def without_places(words: Iterable[str]) -> list[str]:
    """The words of a command line with PATH in the place of folders of this machine."""
    kept: list[str] = []
    for word in words:
        key, equals, value = word.rpartition("=")
        value = value.strip("'\"")
        private = value.startswith(("/", "~", "..")) or "\\" in value
        kept.append(f"{key}{equals}PATH" if private or key == "data.root" else word)
    return kept


def _code(*lines: str) -> str:
    return "\n".join(f"    {printable(line)}" for line in lines)


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [[plain(head) for head in heads], ["---"] * len(heads)]
    lines += [[plain(str(cell)) for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _interval(ends: tuple[float, float] | None) -> str:
    return "-" if ends is None else "{:.1f} to {:.1f}".format(*(100 * end for end in ends))
