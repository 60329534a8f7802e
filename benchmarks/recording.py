"""How fast long recordings are heard, and in how much memory."""

import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from benchmarks import data
from benchmarks.machine import resident_mib
from benchmarks.processes import isolated
from benchmarks.section import Numbers, Options, Target, figures, table

TITLE = "Long recordings"
LIMIT_SECONDS = 900
MODELS = {"transformer": ["model=transformer"], "quick": ["experiment=quick"], "best": ["experiment=best"]}
MINUTES = (10, 60)
RATE = 48_000  # Hz, stereo
LEAST_SPEED = 100  # times real time
MOST_MEMORY = 500  # MiB beyond the libraries


def measure(options: Options) -> Numbers:
    minutes = (0.5, 1) if options.quick else MINUTES
    names = list(MODELS)[: 1 if options.quick else None]
    with tempfile.TemporaryDirectory() as folder:
        paths = {length: str(write_recording(Path(folder) / f"{length}.wav", length)) for length in minutes}
        return {
            name: {
                str(length): isolated(hear, name, path, limit_seconds=LIMIT_SECONDS / 4, here=options.quick)
                for length, path in paths.items()
            }
            for name in names
        }


def write_recording(path: Path, minutes: float) -> Path:
    """Synthetic clips one after the other, in stereo."""
    from audio_cls.data import synthetic
    from audio_cls.data.decode import resample

    clips = [synthetic.synthesize(clip) for clip in synthetic.synthetic_clips(clips_per_class=2).clips[:12]]
    piece = resample(np.concatenate(clips), synthetic.SAMPLE_RATE, RATE)
    left = round(minutes * 60 * RATE)
    with soundfile.SoundFile(path, "w", RATE, 2, "PCM_16") as file:
        while left > 0:
            part = piece[:left]
            file.write(np.stack([part, 0.8 * part], axis=1))
            left -= len(part)
    return path


def hear(name: str, path: str) -> Numbers:
    """Seconds, windows, and MiB before and after, of one recording heard by an untrained network, on one core."""
    from audio_cls.data import synthetic
    from audio_cls.experiment.build import make_module
    from audio_cls.serving.classifier import LoadedClassifier
    from audio_cls.serving.predict import predict_sounds

    with tempfile.TemporaryDirectory() as folder:
        job = data.make_jobs(["data=synthetic", *MODELS[name]], Path(folder))[0]
    classes = tuple(synthetic.CLASSES)
    module, settings = make_module(job, classes).eval(), job.config.input
    classifier = LoadedClassifier(
        module.clip_classifier, classes, settings.sample_rate, settings.crop_samples, settings.eval_crops, Path(name)
    )
    before = resident_mib()
    started = time.perf_counter()
    (prediction,) = predict_sounds(classifier, [Path(path)])
    seconds = time.perf_counter() - started
    assert prediction.windows is not None and prediction.duration_seconds is not None
    return {
        "seconds": seconds,
        "speed": prediction.duration_seconds / seconds,
        "windows": len(prediction.windows),
        "crop_seconds": settings.crop_samples / settings.sample_rate,
        "before": before["highest"],
        "after": resident_mib()["highest"],
    }


def targets(numbers: Numbers) -> list[Target]:
    found = []
    for name, lengths in numbers.items():
        last = list(lengths.values())[-1]
        speed, memory = last["speed"], last["after"] - last["before"]
        wanted = f"{name}: a recording in stereo at 48 kHz, {LEAST_SPEED} times real time on one core"
        found.append(Target(wanted, f"{speed:.0f} times", speed >= LEAST_SPEED))
        wanted = f"{name}: memory beyond the libraries, less than {MOST_MEMORY} MiB"
        found.append(Target(wanted, f"{memory:.0f} MiB", memory < MOST_MEMORY))
    return found


def describe(numbers: Numbers) -> str:
    rows = [
        [
            name, f"{float(minutes):g}", f"{size['crop_seconds']:g} s", f"{size['windows']:,}",
            f"{figures(size['seconds'])} s", f"{size['speed']:.0f}", f"{size['before']:.0f}",
            f"{size['after'] - size['before']:.0f}",
        ]
        for name, lengths in numbers.items()
        for minutes, size in lengths.items()
    ]  # fmt: skip
    heads = ["model", "minutes", "window", "windows", "time", "times real time", "MiB before", "MiB more"]
    return "\n\n".join(
        [
            "One core and one thread; wav files in stereo at 48 kHz, of 16 bits, from disk to the probabilities of"
            " windows of one crop, one every half crop. Memory is the highest of the process: before, with the"
            " libraries and the network loaded; and what hearing the recording takes more.",
            table(heads, rows),
        ]
    )
