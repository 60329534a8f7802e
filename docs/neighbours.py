"""How often the training clip that is nearest to a held-out clip, by the cosine of embeddings, has its label.

    python docs/neighbours.py CLIPS JOB...

CLIPS is the folder of the data set that the jobs (outputs/STUDY/VARIANT/fold0-seed0) were trained on.
"""

import argparse
from pathlib import Path

import numpy as np

import audio_cls
from audio_cls.files import read_csv


def count_neighbours(clips: Path, job: Path) -> tuple[int, int, int]:
    """Of the held-out clips of a job: whose neighbour has their label, which the network names right, and all."""
    _, rows = read_csv(job / "predictions.csv")
    embeddings = audio_cls.load(job).embed([clips / row["clip"] for row in rows])
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    labels, predicted = (np.array([int(row[key]) for row in rows]) for key in ("label", "predicted"))
    train = np.array([row["split"] == "train" for row in rows])
    nearest = (embeddings[~train] @ embeddings[train].T).argmax(1)
    right = labels[train][nearest] == labels[~train]
    return int(right.sum()), int((labels == predicted)[~train].sum()), len(right)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", metavar="CLIPS", type=Path)
    parser.add_argument("jobs", metavar="JOB", type=Path, nargs="+")
    options = parser.parse_args()
    counts = {str(job): count_neighbours(options.clips, job) for job in options.jobs}
    if len(counts) > 1:
        counts["together"] = tuple(map(sum, zip(*counts.values(), strict=True)))
    for name, (neighbours, network, num_clips) in counts.items():
        print(f"{name}: nearest {neighbours / num_clips:.2%}, network {network / num_clips:.2%} of {num_clips} clips")


if __name__ == "__main__":
    main()
