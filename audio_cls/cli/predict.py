"""Prints the most probable classes of each file. Exit status 1 if a file could not be used."""

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path

from audio_cls.cli.arguments import add_output_dir, check_suffix, find_job

HELP = "predict the classes of sound files with a trained model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", help="a job's folder, as STUDY/VARIANT/fold0-seed0")
    parser.add_argument("sounds", metavar="SOUND", nargs="+", help="a sound file, or a folder of them at any depth")
    parser.add_argument("--out", type=Path, metavar="FILE.csv", help="also write the probabilities of all classes")
    add_output_dir(parser)


def run(options: argparse.Namespace) -> int:
    check_suffix(options.out, ".csv", "the table is CSV")
    from audio_cls.serving.load import load_classifier
    from audio_cls.serving.predict import PredictionTable, find_sounds, in_words, predict_files

    paths = find_sounds(options.sounds)
    classifier = load_classifier(find_job(options.job, options.output_dir))
    unusable = 0
    with PredictionTable(options.out, classifier.classes) if options.out else nullcontext() as table:
        for prediction in predict_files(classifier, paths):
            if prediction.problem is not None:
                print(f"audio-cls predict: {prediction.path}: {prediction.problem}", file=sys.stderr, flush=True)
                unusable += 1
                continue
            print(in_words(prediction, classifier.classes), flush=True)
            if table is not None:
                table.add(prediction)
    return 1 if unusable else 0
