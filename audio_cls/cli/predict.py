"""Prints the most probable classes of each file. Exit status 1 if a file could not be used."""

import argparse
from contextlib import nullcontext
from pathlib import Path

from audio_cls.cli.arguments import add_output_dir, check_suffix, find_job
from audio_cls.files import check_replaceable
from audio_cls.terminal import answer, open_terminal, printable, say

MARK = "file,predicted,probability,p_"  # how the table begins
HELP = "predict the classes of sound files with a trained model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB", help="a job's folder, as STUDY/VARIANT/fold0-seed0")
    parser.add_argument("sounds", metavar="SOUND", nargs="+", help="a sound file, or a folder of them at any depth")
    parser.add_argument("--out", type=Path, metavar="FILE.csv", help="also write the probabilities of all classes")
    add_output_dir(parser)


def run(options: argparse.Namespace) -> int:
    check_suffix(options.out, ".csv", "the table is CSV")
    if options.out:
        check_replaceable(options.out, MARK)
    from audio_cls.data.formats import for_want_of_decoder, remedy
    from audio_cls.serving.load import load_classifier
    from audio_cls.serving.predict import PredictionTable, assumptions, find_sounds, in_words, predict_files

    paths = find_sounds(options.sounds)
    classifier = load_classifier(find_job(options.job, options.output_dir))
    if unusable := for_want_of_decoder(paths):
        say(printable(f"audio-cls predict: {remedy(unusable)}"))
    readable, noted = [path for path in paths if path not in set(unusable)], []
    if options.out:
        open_terminal(lasting=True)  # the table becomes whole, whoever reads along
    with PredictionTable(options.out, classifier.classes, paths) if options.out else nullcontext() as table:
        for prediction in predict_files(classifier, readable):
            if prediction.problem is not None:
                say(printable(f"audio-cls predict: {prediction.path}: {prediction.problem}"))
                unusable.append(prediction.path)
                continue
            if table is not None:
                table.add(prediction)
            if prediction.notes:
                noted.append(prediction)
            answer(in_words(prediction, classifier.classes))
    for line in assumptions(noted):
        say(printable(f"audio-cls predict: {line}"))
    return 1 if unusable else 0
