"""What a trained model says of labelled clips: how often it is right, how sure it is, and where it goes wrong.

Axis letters: N clips, K classes.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from audio_cls.analysis.calibration import Bin, expected_calibration_error, reliability
from audio_cls.analysis.statistics import metric_interval, num_sources
from audio_cls.analysis.summary import Interval
from audio_cls.results.predictions import Predictions


@dataclass(frozen=True)
class EvaluatedClip:
    """A clip and what was predicted. `probabilities` (K,) are None where it could not be used: `problem` says why."""

    file: str
    label: str  # its name, which may be none of the model's classes
    source: str | None
    probabilities: np.ndarray | None = None
    flags: tuple[str, ...] = ()
    trained_on: bool = False  # whether the model was trained on the same samples
    problem: str | None = None
    duration_seconds: float | None = None
    notes: tuple[str, ...] = ()  # what was assumed about the file


@dataclass(frozen=True)
class ClassFigures:
    """Of one class; None where it has no clips, or was never predicted."""

    label: str
    num_clips: int
    recall: float | None
    precision: float | None
    f1: float | None
    auroc: float | None


@dataclass(frozen=True)
class Figures:
    """What clips of the model's classes scored, as `training.metrics` computes it. Of `confusion` rows are labels.

    `accuracy_interval` (95%) is over `num_sources` recordings where any are known, else over clips; None where they
    are too few. `flags` counts the clips by flag; `accuracy_unflagged` is that of the `num_unflagged` without any.
    """

    num_clips: int
    num_sources: int | None
    accuracy: float
    accuracy_interval: Interval | None
    balanced_accuracy: float
    f1_macro: float
    auroc_macro: float | None
    calibration_error: float
    confidence: float  # the mean of the largest probability
    flags: dict[str, int]
    num_unflagged: int
    accuracy_unflagged: float | None
    classes: list[ClassFigures]
    confusion: list[list[int]]


class Evaluation:
    """What was predicted for clips with labels, by a model with these classes.

    `known` are the usable clips of the model's classes, `new` those of them that it was not trained on, `unknown`
    usable clips with other labels, and `broken` those that could not be used.
    """

    def __init__(self, classes: Sequence[str], clips: Iterable[EvaluatedClip]) -> None:
        self.classes = tuple(classes)
        self.clips = tuple(clips)
        self._place = {name: index for index, name in enumerate(self.classes)}
        usable = [clip for clip in self.clips if clip.probabilities is not None]
        self.broken = [clip for clip in self.clips if clip.probabilities is None]
        self.known = [clip for clip in usable if clip.label in self._place]
        self.unknown = [clip for clip in usable if clip.label not in self._place]
        self.new = [clip for clip in self.known if not clip.trained_on]

    @property
    def num_trained_on(self) -> int:
        return len(self.known) - len(self.new)

    @property
    def judged(self) -> list[EvaluatedClip]:
        """The clips that say most: the new ones, or all where there are no others."""
        return self.new or self.known

    def predicted(self, clip: EvaluatedClip) -> tuple[str, float]:
        """The most probable class of a usable clip, and its probability."""
        assert clip.probabilities is not None
        best = int(clip.probabilities.argmax())
        return self.classes[best], float(clip.probabilities[best])

    def wrong(self, clips: Iterable[EvaluatedClip]) -> list[EvaluatedClip]:
        """The clips that are predicted as another class, the most confident first."""
        found = [(clip, *self.predicted(clip)) for clip in clips]
        wrong = [(clip, sure) for clip, name, sure in found if name != clip.label]
        return [clip for clip, _ in sorted(wrong, key=lambda each: (-each[1], each[0].file))]

    def taken_for(self, clips: Iterable[EvaluatedClip]) -> dict[str, int]:
        """How often each class was predicted, the commonest first."""
        return dict(Counter(self.predicted(clip)[0] for clip in clips).most_common())

    def arrays(self, clips: Sequence[EvaluatedClip]) -> tuple[np.ndarray, np.ndarray]:
        """Labels (N,) and probabilities (N, K) of clips of the model's classes."""
        labels = np.array([self._place[clip.label] for clip in clips], dtype=np.int64)
        return labels, np.array([clip.probabilities for clip in clips])

    def bins(self, clips: Sequence[EvaluatedClip]) -> list[Bin]:
        labels, probabilities = self.arrays(clips)
        return reliability(probabilities, labels)

    def figures(self, clips: Sequence[EvaluatedClip]) -> Figures:
        """Of clips of the model's classes; at least one."""
        from audio_cls.training.metrics import score  # torch and torchmetrics take seconds to import

        labels, probabilities = self.arrays(clips)
        scores = score(probabilities, labels)
        predicted = probabilities.argmax(axis=1)
        names, sources = tuple(clip.file for clip in clips), tuple(clip.source or "" for clip in clips)
        job = Predictions(0, 0, "", names, sources, labels, predicted, probabilities)
        unflagged = (labels == predicted)[[not clip.flags for clip in clips]]
        return Figures(
            num_clips=len(clips),
            num_sources=num_sources([job]) if any(sources) else None,
            accuracy=scores.accuracy,
            accuracy_interval=metric_interval([job], "accuracy"),
            balanced_accuracy=scores.balanced_accuracy,
            f1_macro=scores.f1_macro,
            auroc_macro=scores.auroc_macro,
            calibration_error=expected_calibration_error(probabilities, labels),
            confidence=float(probabilities.max(axis=1).mean()),
            flags=count_flags(clips),
            num_unflagged=len(unflagged),
            accuracy_unflagged=float(unflagged.mean()) if len(unflagged) else None,
            classes=_class_figures(self.classes, scores.confusion, scores.f1_per_class, scores.auroc_per_class),
            confusion=scores.confusion,
        )

    def clip_values(self, clip: EvaluatedClip) -> dict[str, Any]:
        """A clip as plain values."""
        values = {"file": clip.file, "label": clip.label, "known": clip.label in self._place, "source": clip.source}
        values["duration_seconds"] = clip.duration_seconds
        if clip.probabilities is not None:
            name, sure = self.predicted(clip)
            values |= {"predicted": name, "correct": name == clip.label, "probability": sure}
            values |= {"probabilities": dict(zip(self.classes, clip.probabilities.tolist(), strict=True))}
        return values | {"flags": list(clip.flags), "trained_on": clip.trained_on, "error": clip.problem}

    def values(self) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        return {
            "classes": list(self.classes),
            "num_clips": len(self.clips),
            "num_trained_on": self.num_trained_on,
            "num_unusable": len(self.broken),
            "figures": asdict(self.figures(self.known)),
            "figures_not_trained_on": asdict(self.figures(self.new)) if self.num_trained_on and self.new else None,
            "unknown_labels": {
                label: {"num_clips": len(clips), "flags": count_flags(clips), "predicted": self.taken_for(clips)}
                for label, clips in self.by_unknown_label().items()
            },
            "clips": [self.clip_values(clip) for clip in self.clips],
        }

    def by_unknown_label(self) -> dict[str, list[EvaluatedClip]]:
        """The usable clips of each label that is no class of the model."""
        labels = sorted({clip.label for clip in self.unknown})
        return {label: [clip for clip in self.unknown if clip.label == label] for label in labels}


def count_flags(clips: Iterable[EvaluatedClip]) -> dict[str, int]:
    """How many clips have each flag."""
    return dict(sorted(Counter(flag for clip in clips for flag in clip.flags).items()))


def _class_figures(
    classes: Sequence[str],
    confusion: list[list[int]],
    f1: list[float | None],
    auroc: list[float | None],
) -> list[ClassFigures]:
    counts = np.array(confusion)
    found = []
    for index, name in enumerate(classes):
        num_clips, num_predicted = int(counts[index].sum()), int(counts[:, index].sum())
        hits = int(counts[index, index])
        recall, precision = (hits / total if total else None for total in (num_clips, num_predicted))
        found.append(ClassFigures(name, num_clips, recall, precision, f1[index], auroc[index]))
    return found
