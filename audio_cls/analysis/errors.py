"""The errors of a study's variants: which classes are confused, and which clips are misclassified."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from audio_cls.analysis.summary import Confusion, Errors, MisclassifiedClip, SourceAccuracy, VariantErrors
from audio_cls.results.predictions import Predictions

MOST_CONFUSIONS = 10


def find_errors(variants: Mapping[str, Sequence[Predictions]], classes: Sequence[str]) -> Errors | None:
    """The errors of trained variants on the split that ranks them, by variant; None without any prediction."""
    variants = {name: predictions for name, predictions in variants.items() if predictions}
    if not variants:
        return None
    pooled = [job for predictions in variants.values() for job in predictions]
    return Errors(
        confusions=confusions(variants, classes),
        sources=source_accuracies(pooled, classes),
        num_clips=_num_clips(pooled),
        clips=always_misclassified(pooled, classes),
        variants=[
            VariantErrors(
                variant=name,
                seeds=sorted({job.seed for job in predictions}),
                num_clips=_num_clips(predictions),
                clips=always_misclassified(predictions, classes),
            )
            for name, predictions in variants.items()
        ],
    )


def confusions(
    variants: Mapping[str, Sequence[Predictions]], classes: Sequence[str], most: int = MOST_CONFUSIONS
) -> list[Confusion]:
    """The pairs of a label and another class that occur most among all predictions, and how often in each variant."""
    pairs = {name: _count_pairs(predictions) for name, predictions in variants.items()}
    together = sum(pairs.values(), Counter())
    wrong = [(pair, count) for pair, count in together.items() if pair[0] != pair[1]]
    return [
        Confusion(
            label=classes[label],
            predicted=classes[predicted],
            count=count,
            total=_of_label(together, label),
            by_variant={name: (counts[label, predicted], _of_label(counts, label)) for name, counts in pairs.items()},
        )
        for (label, predicted), count in sorted(wrong, key=lambda item: (-item[1], item[0]))[:most]
    ]


def source_accuracies(predictions: Iterable[Predictions], classes: Sequence[str]) -> list[SourceAccuracy]:
    """Of each known source with several clips, the least accurate first."""
    clips: dict[str, dict[str, int]] = defaultdict(dict)
    correct: dict[str, list[float]] = defaultdict(list)
    for job in predictions:
        for source, clip, label, right in zip(
            job.sources, job.clips, job.labels.tolist(), job.correct.tolist(), strict=True
        ):
            clips[source][clip] = label
            correct[source].append(right)
    found = []
    for source, labels in clips.items():
        if source and len(labels) > 1:
            names = [classes[label] for label in sorted(set(labels.values()))]
            found.append(SourceAccuracy(source, names, len(labels), float(np.mean(correct[source]))))
    return sorted(found, key=lambda each: (each.accuracy, -each.num_clips, each.source))


def misclassified(predictions: Iterable[Predictions], classes: Sequence[str]) -> list[MisclassifiedClip]:
    """Every clip that some prediction gets wrong: the most often wrong first, then the least probable, then by name."""
    labels: dict[str, int] = {}
    predicted: dict[str, Counter[int]] = defaultdict(Counter)
    probabilities: dict[str, list[float]] = defaultdict(list)
    for job in predictions:
        of_label = job.probabilities[np.arange(len(job.labels)), job.labels].tolist()
        rows = zip(job.clips, job.labels.tolist(), job.predicted.tolist(), of_label, strict=True)
        for clip, label, prediction, probability in rows:
            labels[clip] = label
            predicted[clip][prediction] += 1
            probabilities[clip].append(probability)
    found = []
    for clip, label in labels.items():
        counts = predicted[clip]
        if num_wrong := counts.total() - counts[label]:
            wrong = {classes[other]: count for other, count in counts.most_common() if other != label}
            mean = float(np.mean(probabilities[clip]))
            found.append(MisclassifiedClip(clip, classes[label], num_wrong, counts.total(), wrong, mean))
    return sorted(found, key=lambda each: (-each.num_wrong / each.num_predictions, each.probability, each.clip))


def always_misclassified(predictions: Iterable[Predictions], classes: Sequence[str]) -> list[MisclassifiedClip]:
    """The clips that every prediction gets wrong, in the order of their labels and names."""
    wrong = [each for each in misclassified(predictions, classes) if each.num_wrong == each.num_predictions]
    return sorted(wrong, key=lambda each: (classes.index(each.label), each.clip))


def _count_pairs(predictions: Iterable[Predictions]) -> Counter[tuple[int, int]]:
    """How often which class was predicted for a clip of which label."""
    counts: Counter[tuple[int, int]] = Counter()
    for job in predictions:
        counts.update(zip(job.labels.tolist(), job.predicted.tolist(), strict=True))
    return counts


def _of_label(pairs: Counter[tuple[int, int]], label: int) -> int:
    return sum(count for pair, count in pairs.items() if pair[0] == label)


def _num_clips(predictions: Iterable[Predictions]) -> int:
    return len({clip for job in predictions for clip in job.clips})
