"""From which top probability on an answer is called sure: found on held-out clips. Neither torch nor scipy is needed.

Axis letters: N clips, K classes.
"""

import csv
from pathlib import Path

import numpy as np

from audio_cls.files import read_csv

UNSURE_SHARE = 0.05  # of right answers that may be called unsure


def confidence_threshold(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The top probability below which an answer is unsure: at most 5% of right answers to new clips lie below it.

    Of the n held-out clips that are answered right it is the k-th lowest top probability, k = floor(0.05 (n + 1)): one
    more clip of that kind is equally likely to fall between any two of them, so that it lies below with a chance of at
    most 5% (split conformal prediction, V. Vovk et al. 2005). It is not tuned to catch wrong answers, of which a good
    model has too few to tune anything on. 0, which calls nothing unsure, with fewer than 19 right answers.

    Probabilities (N, K) are those that are shown later: after the temperature. Labels (N,).
    """
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        raise ValueError(f"probabilities {probabilities.shape} and labels {labels.shape} must be (N, K) and (N,)")
    right = probabilities.argmax(axis=1) == labels
    tops = np.sort(probabilities.max(axis=1)[right])
    rank = int(UNSURE_SHARE * (len(tops) + 1) + 1e-9)  # 0.05 * 20 may fall below 1
    return float(tops[rank - 1]) if rank else 0.0


def job_threshold(path: Path) -> float:
    """Of a job's predictions.csv, from its validation and test clips; 0 where there are none, or none can be read."""
    try:
        _, rows = read_csv(path)
        held_out = [row for row in rows if row["split"] in ("val", "test")]
        if not held_out:
            return 0.0
        columns = [name for name in held_out[0] if name.startswith("p_")]
        probabilities = np.array([[float(row[name]) for name in columns] for row in held_out])
        return confidence_threshold(probabilities, np.array([int(row["label"]) for row in held_out]))
    except (OSError, KeyError, TypeError, ValueError, csv.Error):  # also what is no UTF-8
        return 0.0
