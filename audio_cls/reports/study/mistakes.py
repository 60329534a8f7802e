"""The clips that a study's models most often got wrong, and what they heard instead."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audio_cls.results.job_folder import StudyJob


@dataclass(frozen=True)
class Mistake:
    """A held-out clip and the jobs that predicted it, `num_wrong` of them wrongly."""

    clip: str
    label: int
    num_wrong: int
    num_jobs: int
    heard: tuple[tuple[int, int], ...]  # wrong classes and how often, the most frequent first
    probability: float  # of the right class, on average

    @property
    def share(self) -> float:
        return self.num_wrong / self.num_jobs


def find_mistakes(jobs: Sequence[StudyJob], split: str) -> list[Mistake]:
    """Every clip of the split that some job got wrong: the most often wrong first, then the least probable."""
    labels: dict[str, int] = {}
    predicted: dict[str, list[int]] = defaultdict(list)
    probabilities: dict[str, list[float]] = defaultdict(list)
    for job in jobs:
        found = job.predictions.get(split)
        if found is None:
            continue
        of_label = found.probabilities[np.arange(len(found.labels)), found.labels]
        rows = zip(found.clips, found.labels.tolist(), found.predicted.tolist(), of_label.tolist(), strict=True)
        for clip, label, guess, probability in rows:
            labels[clip] = label
            predicted[clip].append(guess)
            probabilities[clip].append(probability)
    mistakes = []
    for clip, guesses in predicted.items():
        heard = Counter(guess for guess in guesses if guess != labels[clip])
        if heard:
            mean = float(np.mean(probabilities[clip]))
            mistakes.append(Mistake(clip, labels[clip], heard.total(), len(guesses), tuple(heard.most_common()), mean))
    return sorted(mistakes, key=lambda mistake: (-mistake.share, mistake.probability, mistake.clip))
