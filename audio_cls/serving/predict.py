"""What a trained classifier says of sounds: of clips as in evaluation, of long recordings window by window.

Axis letters: B windows, C crops of a window, T samples of a crop, K classes.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from audio_cls.data.content import content_of
from audio_cls.data.crops import EVALUATION_SAMPLES, crop_starts
from audio_cls.data.decode import BadAudio, Mix, Recording, notes_of, open_sound, resample
from audio_cls.data.folders import sound_files
from audio_cls.serving.classifier import LoadedClassifier
from audio_cls.serving.flags import SILENT, flags_of
from audio_cls.serving.prediction import Prediction, Window
from audio_cls.serving.stream import mono_blocks, resampled, windows
from audio_cls.wording import UserError

CLIP_CROPS = 3  # what is longer than so many crops has windows
ROUNDING = 1.02
Advance = Callable[[int, int | None], None]
Watch = Callable[[float, float, np.ndarray], None]


class NoSounds(UserError):
    """A path that is neither a file nor a folder with sounds, in one line."""


@dataclass(frozen=True)
class Hearing:
    """How long recordings are heard.

    Args:
        window: seconds of a window; None: one crop. A longer one is judged by its evenly spaced crops, as a clip is.
        hop: seconds from one window to the next; None: half a window.
        min_confidence: windows whose top probability is lower are left out.
        windows: whether windows of clips are wanted too, where they are long enough to have some.

    Raises UserError for values that make no windows.
    """

    window: float | None = None
    hop: float | None = None
    min_confidence: float = 0.0
    windows: bool = True

    def __post_init__(self) -> None:
        for name, value in (("window", self.window), ("hop", self.hop)):
            if value is not None and not 0 < value < float("inf"):
                raise UserError(f"--{name} {value:g}: give seconds above 0")
        if self.window and self.hop and self.hop > self.window:
            raise UserError(
                f"--hop {self.hop:g} is longer than --window {self.window:g}, which would leave gaps; use at most"
                f" {self.window:g}"
            )
        if not 0 <= self.min_confidence <= 1:
            raise UserError(f"--min-confidence {self.min_confidence:g}: use a probability from 0 to 1")

    def sizes(self, classifier: LoadedClassifier) -> tuple[int, int]:
        """Samples of a window and of a hop, at the classifier's rate. Raises UserError."""
        rate = classifier.sample_rate
        size = max(1, round(self.window * rate)) if self.window else classifier.crop_samples
        hop = max(1, round(self.hop * rate)) if self.hop else max(1, size // 2)
        if hop > size:
            raise UserError(
                f"--hop {self.hop:g} is longer than a window of {size / rate:g} s, which would leave gaps; use a"
                " shorter --hop, or a longer --window"
            )
        return size, hop

    def described(self, classifier: LoadedClassifier) -> str:
        """'windows of 1 s, one every 0.5 s'."""
        size, hop = (samples / classifier.sample_rate for samples in self.sizes(classifier))
        return f"windows of {size:.4g} s, one every {hop:.4g} s"


def find_sounds(paths: Iterable[str]) -> list[Path]:
    """The files, those at any depth in the folders, and those that patterns name, each once, in their order.

    Raises NoSounds for other paths.
    """
    found: dict[Path, None] = {}
    for name in paths:
        path = Path(name).expanduser()
        if not path.exists() and any(letter in name for letter in "*?["):
            files = _matching(path)
        elif not path.exists():
            raise NoSounds(f"{path} does not exist; give sound files, or folders of them")
        else:
            files = [path] if not path.is_dir() else sound_files(path)
        if not files:
            raise NoSounds(f"{path} holds no sound files")
        if others := [file for file in files if file.is_fifo() or file.is_char_device() or file.is_socket()]:
            raise NoSounds(f"{others[0]} is a pipe, a device or the like; give files, or - for standard input")
        found |= dict.fromkeys(files)
    return list(found)


def _matching(pattern: Path) -> list[Path]:
    """Files that a pattern names, and the sounds in the folders that it names. Raises NoSounds where there is none."""
    parts = pattern.parts
    fixed = next(place for place, part in enumerate(parts) if any(letter in part for letter in "*?["))
    named = sorted(Path(*parts[:fixed]).glob(str(Path(*parts[fixed:]))))
    if not named:
        raise NoSounds(f"no file matches {pattern}; give sound files, or folders of them")
    return [file for path in named for file in ([path] if not path.is_dir() else sound_files(path))]


def predict_sounds(
    classifier: LoadedClassifier,
    paths: Iterable[Path],
    hearing: Hearing | None = None,
    advance: Advance = lambda read, total: None,
    watch: Watch | None = None,
) -> Iterator[Prediction]:
    """One prediction for each file, made when it is asked for. A file that cannot be used does not stop the others.

    While a long file is read, `advance` is told the frames read since it was told last, and how many there are if that
    is known; `watch` is shown start and end in seconds and the waveform (samples,) of each window.
    """
    hearing = hearing or Hearing()
    hearing.sizes(classifier)
    for path in paths:
        with one_thread():
            try:
                heard = hear_file(classifier, path, hearing, advance, watch)
                prediction = (
                    heard
                    if isinstance(heard, Prediction)
                    else predict_clip(classifier, heard, str(path), hearing, watch)
                )
            except BadAudio as error:
                prediction = Prediction(str(path), None, None, problem=str(error))
        yield prediction


def hear_samples(
    classifier: LoadedClassifier, recording: Recording, name: str, hearing: Hearing
) -> Recording | Prediction:
    """Sound in memory: as it is if it is a clip, to be judged by `predict_clip`, or else what its windows say."""
    if recording.frames <= clip_seconds(classifier) * recording.sample_rate:
        return recording
    return predict_by_windows(classifier, recording, name, hearing)


def predict_by_windows(classifier: LoadedClassifier, recording: Recording, name: str, hearing: Hearing) -> Prediction:
    """Of sound in memory, of any length."""
    heard = _predict_windows(classifier, [recording.waveform], recording.sample_rate, hearing)
    return _of_windows(name, recording.frames / recording.sample_rate, heard, hearing, recording.notes)


def clip_seconds(classifier: LoadedClassifier) -> float:
    """How long a clip may be: three crops, or as long as the longest training clip.

    Where that is not known, as long as the crops of an evaluation cover. Encoders add some samples: 2% are let pass.
    """
    crop = classifier.crop_samples / classifier.sample_rate
    longest = classifier.eval_crops * crop if classifier.profile is None else classifier.profile.longest_seconds
    return ROUNDING * max(CLIP_CROPS * crop, longest)


@contextmanager
def one_thread() -> Iterator[None]:
    """A clip is too little work to share: threads would spend the time waiting for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def hear_file(
    classifier: LoadedClassifier,
    path: Path,
    hearing: Hearing,
    advance: Advance = lambda read, total: None,
    watch: Watch | None = None,
) -> Recording | Prediction:
    """The same of a file, of which no more than a clip is held in memory. Raises BadAudio."""
    mix = Mix()
    with open_sound(path) as sound, closing(sound.blocks()) as blocks:
        limit = clip_seconds(classifier) * sound.sample_rate
        for block in blocks:
            mix.add(block)
            if mix.frames > limit:
                break
        else:
            if not mix.frames:
                raise BadAudio("empty: there are no samples in it")
            recording = mix.recording(sound.sample_rate, mix.frames)
            notes = notes_of(sound, recording.frames / recording.sample_rate)
            return replace(recording, notes=notes)
        read = [0]

        def told(frames: int) -> None:
            read[0] += frames
            advance(frames, sound.frames)

        heads = (head[:, None] for head in mix.blocks)
        mono = mono_blocks(chain(heads, blocks), sound.sample_rate, told)
        heard = _predict_windows(classifier, mono, sound.sample_rate, hearing, watch)
        seconds = read[0] / sound.sample_rate
        return _of_windows(str(path), seconds, heard, hearing, notes_of(sound, seconds))


def predict_clip(
    classifier: LoadedClassifier, recording: Recording, name: str, hearing: Hearing, watch: Watch | None = None
) -> Prediction:
    """As in evaluation; with windows if it is longer than three crops."""
    waveform = resample(recording.waveform, recording.sample_rate, classifier.sample_rate)
    probabilities = classifier.probabilities(waveform).numpy()
    return describe_clip(classifier, recording, waveform, probabilities, name, hearing, watch)


def describe_clip(
    classifier: LoadedClassifier,
    recording: Recording,
    waveform: np.ndarray,
    probabilities: np.ndarray,
    name: str,
    hearing: Hearing,
    watch: Watch | None = None,
) -> Prediction:
    """A clip whose probabilities are known, with its flags, and with windows if it is long enough.

    `waveform` is the recording at the rate of the classifier.
    """
    seconds = recording.frames / recording.sample_rate
    flags, reasons = flags_of(classifier, waveform, probabilities)
    said = [*recording.notes, *reasons]
    if classifier.trained_on and content_of(recording).digest[:16] in classifier.trained_on:
        said.append("the model was trained on this file: its answer says nothing about other sounds")
    heard = None
    size = hearing.sizes(classifier)[0]
    if hearing.windows and len(waveform) > max(CLIP_CROPS * classifier.crop_samples, size):
        heard = tuple(_predict_windows(classifier, [waveform], classifier.sample_rate, hearing, watch))
        heard = tuple(window for window in heard if window.confidence >= hearing.min_confidence)
    return Prediction(name, seconds, probabilities, heard, flags=flags, notes=tuple(said))


def _of_windows(name: str, seconds: float, heard: list[Window], hearing: Hearing, notes: tuple[str, ...]) -> Prediction:
    """The mean over the windows that are not silent; of a recording that is silent throughout, over all."""
    if heard[-1].end_seconds > seconds:  # a sound that is shorter than a window, or by less than a sample longer
        heard[-1] = replace(heard[-1], end_seconds=seconds)
    sounding = [window for window in heard if SILENT not in window.flags]
    probabilities = np.mean([window.probabilities for window in sounding or heard], axis=0)
    flags = () if sounding else (SILENT,)
    kept = tuple(window for window in heard if window.confidence >= hearing.min_confidence)
    return Prediction(name, seconds, probabilities, kept, is_recording=True, flags=flags, notes=notes)


@torch.no_grad()
def _predict_windows(
    classifier: LoadedClassifier,
    blocks: Iterable[np.ndarray],
    sample_rate: int,
    hearing: Hearing,
    watch: Watch | None = None,
) -> list[Window]:
    """Of mono blocks at `sample_rate`."""
    rate, crop = classifier.sample_rate, classifier.crop_samples
    size, hop = hearing.sizes(classifier)
    num_crops = classifier.eval_crops if size > crop else 1
    batch = max(1, EVALUATION_SAMPLES // (max(size, crop) * num_crops))
    first = crop_starts(np.array([size]), crop, num_crops)[0]  # of the crops in a window
    found: list[Window] = []
    for starts, waveforms in windows(resampled(blocks, sample_rate, rate), size, hop, batch):
        padded = np.pad(waveforms, ((0, 0), (0, max(0, crop - size))))
        crops = np.stack([padded[:, start : start + crop] for start in first], axis=1)  # (B, C, T)
        probabilities = classifier.clip_probabilities(torch.from_numpy(crops).unsqueeze(2)).numpy()
        for start, waveform, values in zip(starts, waveforms, probabilities, strict=True):
            flags, _ = flags_of(classifier, waveform, values)
            window = Window(int(start) / rate, int(start + size) / rate, values, flags)
            if watch is not None:
                watch(window.start_seconds, window.end_seconds, waveform)
            found.append(window)
    return found
