"""Writes a CSV manifest with plain shuffled folds, which ignore which clips share a recording.

Training on it, and on the data set itself, measures what such a leak is worth (docs/experiments.md, section 6):

    python docs/leaky_folds.py PATH leaky.csv --data esc10
    python train.py data=folder data.root=leaky.csv protocol=crossval study=leaky -m
"""

import argparse
from pathlib import Path

import numpy as np

from audio_cls.config.dataset import load_clips
from audio_cls.config.schema import DataConfig
from audio_cls.data.clips import ClipSet
from audio_cls.files import write_csv
from audio_cls.reports.dataset.leakage import num_leaked, num_plain_folds, plain_folds


def write_leaky_folds(clip_set: ClipSet, path: Path) -> int:
    """Writes the columns file, label and fold, without sources; returns how many clips leak."""
    labels = np.array([clip.label for clip in clip_set.clips])
    folds = plain_folds(labels, num_plain_folds(clip_set), seed=0)
    files = [clip.path.absolute() for clip in clip_set.clips]
    folder = path.absolute().parent
    files = [file.relative_to(folder) if file.is_relative_to(folder) else file for file in files]
    names = [clip_set.classes[label] for label in labels]
    rows = zip((file.as_posix() for file in files), names, (folds + 1).tolist(), strict=True)
    write_csv(path, ["file", "label", "fold"], rows)
    return num_leaked(folds, [clip.source for clip in clip_set.clips])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", metavar="PATH", help="folder of the clips, or a manifest with their sources")
    parser.add_argument("manifest", metavar="FILE.csv", type=Path)
    parser.add_argument("--data", default="folder", help="as in training with data=NAME (default: folder)")
    options = parser.parse_args()
    if options.manifest.exists():
        parser.error(f"{options.manifest} exists; name a new file")
    clip_set = load_clips(DataConfig(kind=options.data, name=None, root=options.root))
    if all(clip.source is None for clip in clip_set.clips):
        parser.error("the sources of the clips are not known, so training splits them by such a shuffle already")
    leaked = write_leaky_folds(clip_set, options.manifest)
    print(f"{options.manifest}: {leaked} of {len(clip_set)} clips leak")


if __name__ == "__main__":
    main()
