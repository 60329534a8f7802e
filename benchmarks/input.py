"""How fast clips reach the model, and how long training waits for them."""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import soundfile
import torch
import torchaudio
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from audio_cls.config.job import clips
from audio_cls.data.clips import Clip, ClipSet
from audio_cls.training.allocator import keep_freed_memory
from benchmarks import data
from benchmarks.bare import BareTraining
from benchmarks.section import Numbers, Options, Target, figures, table
from benchmarks.timing import Ratio, interleaved, median, ratio

TITLE = "Input"
LIMIT_SECONDS = 180
SAMPLE_RATE = 16_000
BATCH_SIZE = 32
WORKERS = (0, 2)
TARGET_RATIO = 50
TARGET_WAITING = 0.02


class FileDataset(Dataset):
    """What most tutorials write: every access decodes the file, resamples it and cuts a random second."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self.clips = clips
        self.resamplers: dict[int, Callable[[Tensor], Tensor]] = {}

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        waveform, rate = soundfile.read(self.clips[index].path, dtype="float32", always_2d=True)
        if rate not in self.resamplers:  # kept: its filter is not computed again for each file
            self.resamplers[rate] = torchaudio.transforms.Resample(rate, SAMPLE_RATE)
        waveform = self.resamplers[rate](torch.from_numpy(waveform.T).mean(0, keepdim=True))  # (1, T)
        start = int(torch.randint(max(1, waveform.shape[-1] - SAMPLE_RATE), ()))
        crop = torch.zeros(1, SAMPLE_RATE)
        crop[:, : waveform.shape[-1] - start] = waveform[:, start : start + SAMPLE_RATE]
        return crop, self.clips[index].label


def measure(options: Options) -> Numbers:
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        numbers = _throughput(Path(folder), options.quick)
        numbers["waiting"] = _waiting(Path(folder), options.quick)
    return numbers


def _throughput(folder: Path, quick: bool) -> Numbers:
    source = data.arguments(folder, quick=quick)
    if "data=synthetic" in source:  # has no files to be decoded
        source = ["data=folder", f"data.root={data.write_clips(folder / 'clips', clips_per_class=20)}"]
    job = data.make_jobs(source, folder / "outputs")[0]
    clip_set, batches = clips(job), BareTraining(job).batches
    # A part of the clips for the slow way, so that a pass takes seconds; all were read once before the clock starts.
    part = clip_set.clips[:: max(1, len(clip_set) // (4 if quick else 160))]
    ways: dict[str, Callable[[], int]] = {"store": lambda: sum(len(batch["label"]) for batch in batches)}
    for workers in WORKERS:
        loader = DataLoader(
            FileDataset(part), BATCH_SIZE, shuffle=True, num_workers=workers, persistent_workers=workers > 0
        )
        ways[f"{workers} workers"] = lambda loader=loader: sum(len(labels) for _, labels in loader)
    counts = {name: way() for name, way in ways.items()}
    seconds = interleaved(ways, seconds=0 if quick else 30, min_rounds=1 if quick else 3, max_rounds=10)
    per_clip = {name: [value / counts[name] for value in values] for name, values in seconds.items()}
    return {"files": _description(clip_set), "seconds_per_clip": per_clip}


def _description(clip_set: ClipSet) -> str:
    info = soundfile.info(clip_set.clips[0].path)
    return f"{clip_set.name}: {len(clip_set)} {info.format} files of {info.duration:.0f} s at {info.samplerate:,} Hz"


def _waiting(folder: Path, quick: bool) -> Numbers:
    """Seconds of a few epochs of the default transformer, and how many of them pass before a batch is there."""
    training = BareTraining(data.make_jobs(data.arguments(folder, quick=quick), folder / "outputs")[0])
    training.step(next(iter(training.batches)))
    waited, num_steps = 0.0, 0
    started = time.perf_counter()
    for epoch in range(1 if quick else 4):
        training.current_epoch = epoch
        asked = time.perf_counter()
        for batch in training.batches:
            waited += time.perf_counter() - asked
            training.step(batch)
            num_steps += 1
            asked = time.perf_counter()
    return {"seconds": time.perf_counter() - started, "waited": waited, "steps": num_steps}


def targets(numbers: Numbers) -> list[Target]:
    slowest = _ratio(numbers, "0 workers")
    fastest = _ratio(numbers, "2 workers")
    waiting = numbers["waiting"]["waited"] / numbers["waiting"]["seconds"]
    return [
        Target(
            f"clips a second: at least {TARGET_RATIO} times those of decoding at each access",
            f"{figures(slowest.median)} times (2 workers: {figures(fastest.median)})",
            min(slowest.median, fastest.median) >= TARGET_RATIO,
        ),
        Target(
            f"waiting for data: less than {TARGET_WAITING:.0%} of training",
            f"{waiting:.2%}",
            waiting < TARGET_WAITING,
        ),
    ]


def describe(numbers: Numbers) -> str:
    names = {
        "store": "audio_cls: crops cut from the store",
        "0 workers": "decode and resample at each access, no workers",
        "2 workers": "the same, 2 worker processes",
    }
    rows = []
    for name, title in names.items():
        per_clip = numbers["seconds_per_clip"][name]
        times = "1" if name == "store" else str(_ratio(numbers, name))
        rows.append([title, figures(1 / median(per_clip)), times])
    waiting = numbers["waiting"]
    return "\n\n".join(
        [
            f"One-second crops at 16 kHz in batches of {BATCH_SIZE}, from {numbers['files']}. The files are in the"
            " system's cache, and workers are started before the timing. The store has been built, which takes one"
            " pass of decoding, once for all jobs.",
            table(["way", "clips a second", "store is faster by"], rows),
            f"The default transformer waited {1000 * waiting['waited'] / waiting['steps']:.2f} ms for the data of a"
            f" step that took {1000 * waiting['seconds'] / waiting['steps']:.1f} ms, over {waiting['steps']} steps.",
        ]
    )


def _ratio(numbers: Numbers, name: str) -> Ratio:
    return ratio(numbers["seconds_per_clip"][name], numbers["seconds_per_clip"]["store"])
