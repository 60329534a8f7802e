"""Prints the most probable classes of each file. Exit status 1 if a file could not be used."""

import argparse
import csv
from contextlib import nullcontext
from pathlib import Path

from audio_cls.cli.arguments import add_output_dir, check_suffix, find_job
from audio_cls.files import check_replaceable, read_csv
from audio_cls.terminal import answer, open_terminal, printable, say
from audio_cls.wording import UserError

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
        _check_table(options.out)
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


def _check_table(path: Path) -> None:
    """Raises UserError unless the path is new, or holds an earlier table to which nobody has added anything."""
    check_replaceable(path, MARK)
    if not path.exists() or not path.stat().st_size:
        return
    try:
        columns, rows = read_csv(path)
    except (csv.Error, UnicodeDecodeError):
        columns, rows = [], []
    classes = columns[3:]
    named = [*MARK.split(",")[:3], *(name for name in classes if name.startswith("p_"))]
    if columns != named or any(None in (*row, *row.values()) for row in rows):
        raise UserError(f"{path} was changed since this command wrote it, so it is not replaced; choose another --out")
