"""From a file to probabilities, on one core."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch

from audio_cls.config.schema import InputConfig
from audio_cls.data import synthetic
from audio_cls.data.crops import evaluation_crops
from audio_cls.data.decode import decode, resample
from audio_cls.experiment.build import make_module
from audio_cls.training.allocator import keep_freed_memory
from audio_cls.training.modules import ClassifierModule
from benchmarks import data
from benchmarks.section import Numbers, Options, Target, figures, milliseconds, table
from benchmarks.timing import interleaved, median

TITLE = "Prediction"
LIMIT_SECONDS = 120
MODELS = {"transformer": ["model=transformer"], "CNN": ["model=cnn"]}
BATCH_SIZES = (1, 64)
CLASSES = tuple(synthetic.CLASSES)


def measure(options: Options) -> Numbers:
    keep_freed_memory()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _measure(Path(folder), options.quick)
    finally:
        torch.set_num_threads(before)


def _measure(folder: Path, quick: bool) -> Numbers:
    path = folder / "clip.ogg"
    waveform = synthetic.synthesize(synthetic.synthetic_clips().clips[0])[: 44_100 if quick else None]
    soundfile.write(path, waveform, synthetic.SAMPLE_RATE, format="OGG", subtype="VORBIS")
    numbers: Numbers = {"clip_seconds": len(waveform) / synthetic.SAMPLE_RATE, "models": {}}
    for name, overrides in MODELS.items():
        job = data.make_jobs(["data=synthetic", *overrides], folder)[0]
        module, settings = make_module(job, CLASSES).eval(), job.config.input
        numbers["models"][name] = {
            str(size): interleaved(
                {
                    "decoding": _repeated(lambda: decode(path, synthetic.SAMPLE_RATE), size),
                    "resampling": _repeated(
                        lambda rate=settings.sample_rate: resample(waveform, synthetic.SAMPLE_RATE, rate), size
                    ),
                    "everything": _prediction(module, path, settings, size),
                },
                seconds=0 if quick else 6,
                min_rounds=1 if quick else 3,
                max_rounds=30,
            )
            for size in ((1, 2) if quick else BATCH_SIZES)
        } | {"crops": settings.eval_crops}
    return numbers


def _repeated(call: Callable[[], object], times: int) -> Callable[[], None]:
    def repeat() -> None:
        for _ in range(times):
            call()

    return repeat


def _prediction(module: ClassifierModule, path: Path, settings: InputConfig, size: int) -> Callable[[], torch.Tensor]:
    """`size` files at once, (size, K): decode, resample, cut evenly spaced crops, average the model's probabilities."""
    num_samples, num_crops = settings.crop_samples, settings.eval_crops

    @torch.inference_mode()
    def predict() -> torch.Tensor:
        waveforms = (decode(path, settings.sample_rate) for _ in range(size))
        crops = np.stack([evaluation_crops(waveform, num_samples, num_crops) for waveform in waveforms])
        return module.clip_classifier.clip_probabilities(torch.from_numpy(crops).unsqueeze(2))

    return predict


def targets(numbers: Numbers) -> list[Target]:
    each = {name: _per_clip(found, "1") for name, found in numbers["models"].items()}
    shown = ", ".join(f"{name} {milliseconds(seconds)}" for name, seconds in each.items())
    return [Target("a five-second clip from file to probabilities on one core", shown, None)]


def describe(numbers: Numbers) -> str:
    rows = []
    for name, found in numbers["models"].items():
        for size in (key for key in found if key != "crops"):
            parts = [median(found[size][part]) / int(size) for part in ("decoding", "resampling")]
            whole = _per_clip(found, size)
            rows.append(
                [
                    name,
                    size,
                    *(milliseconds(part) for part in parts),
                    milliseconds(whole - sum(parts)),
                    milliseconds(whole),
                    f"{numbers['clip_seconds'] / whole:,.0f}",
                ]
            )
    crops = ", ".join(f"{found['crops']} ({name})" for name, found in numbers["models"].items())
    return "\n\n".join(
        [
            f"One core and one thread; a {figures(numbers['clip_seconds'])} s ogg file at 44.1 kHz, whose"
            f" probabilities are averaged over evenly spaced crops of one second: {crops}. Milliseconds are those of"
            " one clip.",
            table(["model", "clips at once", "decode", "resample", "crops and model", "all", "times real time"], rows),
        ]
    )


def _per_clip(found: Numbers, size: str) -> float:
    return median(found[size]["everything"]) / int(size)
