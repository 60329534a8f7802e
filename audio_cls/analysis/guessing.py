"""What guessing reaches: the least that any accuracy is to be read against."""

from collections.abc import Iterable

import numpy as np

from audio_cls.analysis.summary import Guessing
from audio_cls.results.job_folder import StudyJob


def guess(jobs: Iterable[StudyJob], split: str | None, classes: tuple[str, ...]) -> Guessing | None:
    """How often the commonest class of a fold's training clips is right on its clips of `split`; the mean over folds.

    Where several classes are the commonest, any of them may be guessed. None where no finished job says what it was
    trained on.
    """
    accuracies: dict[int, float] = {}
    guessed: set[int] = set()
    for job in jobs:
        confusion = (job.metrics.get("train") or {}).get("confusion")  # rows are labels
        if job.status == "done" and confusion and split in job.predictions and job.fold not in accuracies:
            counts = np.array(confusion).sum(axis=1)
            commonest = np.flatnonzero(counts == counts.max())
            accuracies[job.fold] = float(np.isin(job.predictions[split].labels, commonest).mean() / len(commonest))
            guessed |= set(commonest.tolist()) if len(commonest) < len(classes) else set()
    if not accuracies:
        return None
    return Guessing(float(np.mean(list(accuracies.values()))), [classes[label] for label in sorted(guessed)])
