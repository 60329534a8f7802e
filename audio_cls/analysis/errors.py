"""Where the variants of a study err: which classes they take for which, and which clips nothing gets right."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from audio_cls.analysis.summary import Confusion, Errors, VariantErrors, WrongClip
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
        num_clips=_num_clips(pooled),
        clips=never_right(pooled, classes),
        variants=[
            VariantErrors(
                variant=name,
                seeds=sorted({job.seed for job in predictions}),
                num_clips=_num_clips(predictions),
                clips=never_right(predictions, classes),
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
            heard_as=classes[heard],
            count=count,
            total=_of_label(together, label),
            by_variant={name: (counts[label, heard], _of_label(counts, label)) for name, counts in pairs.items()},
        )
        for (label, heard), count in sorted(wrong, key=lambda item: (-item[1], item[0]))[:most]
    ]


def never_right(predictions: Iterable[Predictions], classes: Sequence[str]) -> list[WrongClip]:
    """The clips that none of these predictions gets right, in the order of their labels and names."""
    labels: dict[str, int] = {}
    heard: dict[str, Counter[int]] = defaultdict(Counter)
    for job in predictions:
        for clip, label, guess in zip(job.clips, job.labels.tolist(), job.predicted.tolist(), strict=True):
            labels[clip] = label
            heard[clip][guess] += 1
    wrong = sorted((label, clip) for clip, label in labels.items() if not heard[clip][label])
    return [
        WrongClip(clip, classes[label], {classes[guess]: count for guess, count in heard[clip].most_common()})
        for label, clip in wrong
    ]


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
