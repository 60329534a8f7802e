"""Tries a trained model on labelled sounds: accuracy with its interval, F1, AUROC, calibration, each class, the
confusions, flags, and the clips that it gets wrong. Says first how many of the sounds it was trained on. Labels that
the model does not know count in no figure. Exit status 1 if a file could not be used."""

import argparse
from pathlib import Path

from audio_cls.cli.arguments import add_output_dir, check_suffix, find_job
from audio_cls.files import check_replaceable

HELP = "try a trained model on labelled sounds: how often it is right, and where it goes wrong"
STDOUT = Path("-")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="an exported folder, or a job's, as STUDY/VARIANT/fold0-seed0")
    parser.add_argument(
        "data", metavar="DATA", type=Path,
        help="a folder with one folder for each class, or a CSV file with the columns file, label and perhaps source",
    )  # fmt: skip
    parser.add_argument(
        "--json", type=Path, metavar="FILE.json", nargs="?", const=STDOUT,
        help="also write all of it, with the probabilities of every clip; without a file, print it instead",
    )  # fmt: skip
    parser.add_argument(
        "--page", type=Path, metavar="FILE.html", help="also write a page, with the wrong clips to listen to"
    )
    add_output_dir(parser)


def run(options: argparse.Namespace) -> int:
    if options.json and options.json != STDOUT:
        check_suffix(options.json, ".json", "it is JSON", option="--json")
        check_replaceable(options.json, '"written_by": "audio-cls evaluate"', "choose another --json")
    if options.page:
        check_suffix(options.page, ".html", "the page is HTML", option="--page")
        check_replaceable(options.page, 'content="audio-cls evaluate"', "choose another --page")
    from audio_cls.reports.evaluation.command import evaluate

    return evaluate(find_job(options.model, options.output_dir), options.data, options.json, options.page)
