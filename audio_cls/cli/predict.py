"""Says what is heard in sound files. A clip is one line with its most probable classes. A recording that is longer than
three crops, and than the clips that the model was trained on, is heard in windows, and its events are listed.

The probabilities of an exported model are calibrated, those of a job are as its evaluation gave them. Exit status 1 if
a file could not be used."""

import argparse
import csv
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from audio_cls.cli.arguments import add_output_dir, check_suffix, find_job
from audio_cls.files import check_replaceable, read_csv
from audio_cls.terminal import open_terminal, printable, progress_bar, say
from audio_cls.wording import UserError

if TYPE_CHECKING:
    import numpy as np

    from audio_cls.cli.outputs import Output
    from audio_cls.serving.classifier import LoadedClassifier
    from audio_cls.serving.predict import Hearing

CSV_MARK = "file,start_seconds,end_seconds,predicted,probability,flags,p_"  # how the table begins
PRINTED = "-"  # where an option names no file: standard output
STDIN = "-"
HELP = "say what is heard in sound files, with a trained model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="an exported folder, or a job's as STUDY/VARIANT/fold0-seed0")
    parser.add_argument(
        "sounds", metavar="SOUND", nargs="+",
        help="a sound file, a folder of them at any depth, a pattern as '*.wav', or - for standard input",
    )  # fmt: skip
    parser.add_argument("--window", type=float, metavar="SECONDS", help="of a recording (default: one crop)")
    parser.add_argument("--hop", type=float, metavar="SECONDS", help="from window to window (default: half a window)")
    parser.add_argument(
        "--min-confidence", type=float, default=0.0, metavar="P", help="leave out less certain windows (0 to 1)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object for each file")
    for names, metavar, text in (
        (("--csv", "--out"), "FILE.csv", "all probabilities, a row for each clip or window"),
        (("--audacity",), "FILE.txt", "events as a label track of Audacity; for several sounds, a folder"),
        (("--raven",), "FILE.txt", "events as a selection table of Raven"),
    ):
        text = f"{text} (without a name: printed)"
        parser.add_argument(*names, nargs="?", const=PRINTED, metavar=metavar, help=text)
    parser.add_argument(
        "--plot", nargs="?", const=PRINTED, metavar="FILE.png",
        help="spectrogram and classes over time; for several sounds, a folder (without a name: NAME.png here)",
    )  # fmt: skip
    add_output_dir(parser)


def run(options: argparse.Namespace) -> int:
    if options.csv not in (None, PRINTED):
        _check_table(Path(options.csv))
    from audio_cls.data.formats import for_want_of_decoder, remedy
    from audio_cls.serving.load import load_classifier
    from audio_cls.serving.predict import Hearing, find_sounds, predict_sounds
    from audio_cls.serving.prediction import Prediction
    from audio_cls.serving.tables import assumptions

    if options.sounds.count(STDIN) > 1:
        raise UserError("- is standard input, which holds one sound; name it once")
    with_windows = options.json or options.plot is not None
    hearing = Hearing(options.window, options.hop, options.min_confidence, windows=with_windows)
    with ExitStack() as stack:
        paths: list[Path] = []
        names: dict[Path, str] = {}
        for sound in options.sounds:
            found = [stack.enter_context(_standard_input())] if sound == STDIN else find_sounds([sound])
            paths += [path for path in found if path not in names]
            names |= {path: STDIN if sound == STDIN else str(path) for path in found}
        classifier = load_classifier(find_job(options.model, options.output_dir))
        hearing.sizes(classifier)
        if classifier.profile is None:
            say(
                "audio-cls predict: no sound is flagged as unlike the training clips: the model was trained before jobs"
                " described them; train it again for that"
            )
        outputs = _outputs(options, classifier, hearing, names)
        if any(output.place for output in outputs):
            open_terminal(lasting=True)  # files become whole, whoever reads along
        unusable = for_want_of_decoder(paths)
        if unusable:
            say(printable(f"audio-cls predict: {remedy(unusable)}"))
            for path, output in product(unusable, outputs):
                output.add(path, Prediction(names[path], None, None, problem=remedy([path])))
        readable, noted = [path for path in paths if path not in set(unusable)], []
        bar = stack.enter_context(progress_bar())
        task = bar.add_task("sounds", total=len(readable))

        def advance(read: int, total: int | None) -> None:
            bar.advance(task, min(1.0, read / total) if total else 0)

        def watch(start: float, end: float, waveform: "np.ndarray") -> None:
            for output in outputs:
                output.watch(start, end, waveform)

        predictions = predict_sounds(classifier, readable, hearing, advance, watch)
        for place, (path, prediction) in enumerate(zip(readable, predictions, strict=True), start=1):
            bar.update(task, completed=place)
            prediction = replace(prediction, file=names[path])
            if prediction.problem is not None:
                say(printable(f"audio-cls predict: {prediction.file}: {prediction.problem}"))
                unusable.append(path)
            noted.append(prediction)
            for output in outputs:
                output.add(path, prediction)
    for line in assumptions(noted):
        say(printable(f"audio-cls predict: {line}"))
    for output in outputs:
        if output.place is not None and len(unusable) < len(paths):
            say(printable(f"written to {output.place}"))
    return 1 if unusable else 0


def _outputs(
    options: argparse.Namespace, classifier: "LoadedClassifier", hearing: "Hearing", names: "dict[Path, str]"
) -> "list[Output]":
    """What the options ask for. Raises UserError where something of the user's would be replaced."""
    from audio_cls.cli import outputs

    chosen = {name: getattr(options, name) for name in ("csv", "audacity", "raven")}
    printed = [*(["json"] if options.json else []), *(name for name, place in chosen.items() if place == PRINTED)]
    if len(printed) > 1:
        raise UserError(f"--{printed[0]} and --{printed[1]} cannot both be printed; give one of them a file")
    classes, paths, rate = classifier.classes, list(names), classifier.sample_rate
    place = {name: None if value == PRINTED else Path(value) for name, value in chosen.items() if value is not None}
    found: list[Output] = []
    if options.json:
        found.append(outputs.JsonLines(classes))
    elif not printed:
        found.append(outputs.Lines(classes, hearing.described(classifier)))
    if options.plot is not None:
        plot = None if options.plot == PRINTED else Path(options.plot)
        found.append(outputs.Pictures(classes, plot, paths, rate))
    if "audacity" in place:
        found.append(outputs.Tracks(classes, place["audacity"], paths))
    if "raven" in place:
        found.append(outputs.Selections(classes, place["raven"], rate / 2))
    if "csv" in place:
        found.append(outputs.Table(classes, place["csv"], list(names.values())))
    return found


@contextmanager
def _standard_input() -> Iterator[Path]:
    """What comes on standard input, in a file of its own as long as the block lasts. Raises UserError without any."""
    if sys.stdin is None or sys.stdin.isatty():
        raise UserError("- is standard input, and nothing comes from there; pipe a sound into the command")
    descriptor, name = tempfile.mkstemp(prefix="audio_cls-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _check_table(path: Path) -> None:
    """Raises UserError unless the path is new, or holds an earlier table to which nobody has added anything."""
    check_suffix(path, ".csv", "the table is CSV", option="--csv")
    check_replaceable(path, CSV_MARK, "choose another --csv")
    if not path.exists() or not path.stat().st_size:
        return
    try:
        columns, rows = read_csv(path)
    except (csv.Error, UnicodeDecodeError):
        columns, rows = [], []
    fixed = CSV_MARK.split(",")[:-1]
    named = [*fixed, *(name for name in columns[len(fixed) :] if name.startswith("p_"))]
    if columns != named or any(None in (*row, *row.values()) for row in rows):
        raise UserError(f"{path} was changed since this command wrote it, so it is not replaced; choose another --csv")
