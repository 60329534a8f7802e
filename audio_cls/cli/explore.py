"""Writes a page about a data set: findings (unreadable files, duplicates, silence, leakage ...), examples to look at
and listen to, durations, levels, spectra, recordings and folds. Exit status 1 where training would stop on the data."""

import argparse
from pathlib import Path

from audio_cls.cli.arguments import check_suffix

HELP = "look and listen before training: a page with findings, pictures and sounds of a data set"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        help="folder of the clips, or a CSV file that lists them (default: AUDIO_CLS_DATA)",
    )
    parser.add_argument(
        "--data", default="auto", metavar="NAME",
        help="what kind of data: auto, esc10, esc50, folder, synthetic or an option of your own, as in training with"
        " data=NAME (default: auto)",
    )  # fmt: skip
    parser.add_argument(
        "--source", metavar="PATTERN",
        help="the recording of a clip by its path, as in training with data.source=PATTERN: '*_{source}_*', "
        "or parent",
    )  # fmt: skip
    parser.add_argument(
        "--write-manifest",
        type=Path,
        metavar="FILE.csv",
        help="also write what was understood as a CSV file to correct",
    )
    parser.add_argument("--config-dir", type=Path, metavar="DIR", help="folder of options of your own, as in training")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the page (default: outputs/explore/NAME)")


def run(options: argparse.Namespace) -> int:
    check_suffix(options.write_manifest, ".csv", "the manifest is CSV", option="--write-manifest")
    from audio_cls.reports.dataset.command import explore

    more = {"source": options.source, "manifest": options.write_manifest}
    return explore(options.data, options.path, options.out, options.config_dir, **more)
