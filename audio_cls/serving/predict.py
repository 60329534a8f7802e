"""What a trained classifier says to new sound files."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from audio_cls.data.decode import BadAudio, read_audio, resample
from audio_cls.data.folders import sound_files
from audio_cls.files import cell_of, csv_encoding
from audio_cls.serving.load import LoadedClassifier
from audio_cls.terminal import printable
from audio_cls.wording import UserError, shorten

SHOWN = 3  # classes on a line
LEAST_SHOWN = 0.005  # as it would be shown as 0%


class NoSounds(UserError):
    """A path that is neither a file nor a folder with sounds, in one line."""


@dataclass(frozen=True)
class Prediction:
    """Probabilities (K,) of a file, or why there are none."""

    path: Path
    probabilities: np.ndarray | None
    problem: str | None = None
    notes: tuple[str, ...] = ()  # what was assumed about the file


def find_sounds(paths: Iterable[str]) -> list[Path]:
    """The files, and those at any depth in the folders, each once, in their order. Raises NoSounds for other paths."""
    found: dict[Path, None] = {}
    for name in paths:
        path = Path(name).expanduser()
        if not path.exists():
            raise NoSounds(f"{path} does not exist; give sound files, or folders of them")
        files = [path] if not path.is_dir() else sound_files(path)
        if not files:
            raise NoSounds(f"{path} holds no sound files")
        found |= dict.fromkeys(files)
    return list(found)


def predict_files(classifier: LoadedClassifier, paths: Iterable[Path]) -> Iterator[Prediction]:
    """One prediction for each file, made when it is asked for. A file that cannot be used does not stop the others."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # a clip is too little work to share: threads would spend the time waiting for each other
    try:
        for path in paths:
            try:
                recording = read_audio(path)
            except BadAudio as error:
                yield Prediction(path, None, str(error))
            else:
                waveform = resample(recording.waveform, recording.sample_rate, classifier.sample_rate)
                yield Prediction(path, classifier.probabilities(waveform).numpy(), notes=recording.notes)
    finally:
        torch.set_num_threads(before)


def in_words(prediction: Prediction, classes: tuple[str, ...]) -> str:
    """'bark.wav: Dog bark 93%, Rooster 5%': the most probable classes, best first."""
    assert prediction.probabilities is not None
    order = prediction.probabilities.argsort()[::-1]
    shown = [order[0], *(index for index in order[1:SHOWN] if prediction.probabilities[index] >= LEAST_SHOWN)]
    said = ", ".join(f"{classes[index]} {prediction.probabilities[index]:.0%}" for index in shown)
    return printable(f"{prediction.path}: {said}")


def assumptions(noted: Iterable[Prediction]) -> list[str]:
    """A line for each kind of note: '3 files: the header was never closed (a.wav, b.wav, c.wav)'."""
    kinds: dict[str, list[str]] = {}
    for prediction in noted:
        for note in prediction.notes:
            kinds.setdefault(note.partition(":")[0], []).append(str(prediction.path))
    return [
        f"{len(names)} {'file' if len(names) == 1 else 'files'}: {kind} ({shorten(names, SHOWN)})"
        for kind, names in kinds.items()
    ]


class PredictionTable:
    """A CSV file that grows by a row a file: file, predicted, probability, and the probability of each class, p_NAME.

    Rows are on disk when `add` returns, so that an interruption loses none. `paths`: the files that may be added.
    """

    def __init__(self, path: Path, classes: tuple[str, ...], paths: Iterable[Path] = ()) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._classes = classes
        encoding = csv_encoding("".join([*classes, *map(str, paths)]))
        self._file = path.open("w", 1, encoding, errors="backslashreplace", newline="")  # a line at a time
        self._writer = csv.writer(self._file)
        self._writer.writerow(["file", "predicted", "probability", *(f"p_{name}" for name in classes)])

    def __enter__(self) -> "PredictionTable":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, prediction: Prediction) -> None:
        """Appends the row of a file that could be used."""
        assert prediction.probabilities is not None
        best = int(prediction.probabilities.argmax())
        values = [f"{value:.6g}" for value in (prediction.probabilities[best], *prediction.probabilities)]
        self._writer.writerow([cell_of(prediction.path), cell_of(self._classes[best]), *values])
