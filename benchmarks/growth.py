"""What becomes of time and memory when there are more clips."""

import os
import shutil
import tempfile
import time
from pathlib import Path
from unittest import mock

from benchmarks import data
from benchmarks.machine import resident_mib
from benchmarks.processes import isolated
from benchmarks.section import BenchmarkError, Numbers, Options, Target, figures, milliseconds, table

TITLE = "Growth"
LIMIT_SECONDS = 1500
SIZES = (400, 4_000, 40_000)
TOLERANCE = 0.1
BYTES_PER_CLIP = 100_000  # the wav file and its part of the store
SMALL_MODEL = ["model.d_model=32", "model.num_layers=1", "model.d_feedforward=64", "model.stem_width=8"]


def measure(options: Options) -> Numbers:
    sizes = (40, 80) if options.quick else SIZES
    threads = 1 if options.quick else os.cpu_count() or 1
    return {
        "sizes": [
            {"clips": size, **isolated(grow, size, threads, limit_seconds=60 + size / 40, here=options.quick)}
            for size in sizes
        ]
    }


def grow(num_clips: int, threads: int) -> Numbers:
    """Lists, splits, decodes and trains on so many one-second wav files; seconds, and MiB of this process."""
    from audio_cls.config.job import clips
    from audio_cls.data.waveform_store import open_store
    from audio_cls.experiment.run_job import run_job
    from audio_cls.training.history import read_history
    from benchmarks.bare import BareTraining

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if shutil.disk_usage(folder).free < 2 * BYTES_PER_CLIP * num_clips:
            raise BenchmarkError(f"{num_clips:,} clips need {2 * BYTES_PER_CLIP * num_clips / 1e9:.1f} GB in {folder}")
        root = data.write_tones(folder / "tones", num_clips, num_classes=10)
        with mock.patch.dict(os.environ, AUDIO_CLS_CACHE=str(folder / "cache")):
            started = time.perf_counter()
            overrides = ["data=folder", f"data.root={root}", *SMALL_MODEL, "variant=grown"]
            overrides += [
                f"trainer.num_threads={threads}",
                "trainer.max_epochs=2",
                "trainer.crops_per_clip=1",
                "input.eval_crops=1",
            ]
            job = data.make_jobs(overrides, folder / "outputs")[0]
            clip_set = clips(job)
            listed = time.perf_counter()
            store = open_store(clip_set, data.SAMPLE_RATE, cache_dir=folder / "cache", progress=False)
            built = time.perf_counter()
            batches = BareTraining(job).batches
            prepared = time.perf_counter()
            num_crops = sum(len(batch["label"]) for batch in batches)
            read = time.perf_counter()
            del store, batches
            run_job(job, lambda _: [])
            trained = time.perf_counter()
            history = read_history(job.folder / "history.csv")
    return {
        "list_seconds": listed - started,
        "build_seconds": built - listed,
        "prepare_seconds": prepared - built,
        "crop_seconds": (read - prepared) / num_crops,
        "epoch_seconds": history[-1]["epoch_seconds"],
        "job_seconds": trained - read,
        "memory": resident_mib(),
    }


def targets(numbers: Numbers) -> list[Target]:
    first, last = numbers["sizes"][0], numbers["sizes"][-1]
    span = f"from {first['clips']:,} to {last['clips']:,} clips"
    found = []
    for key, what in (("build_seconds", "building the store"), ("epoch_seconds", "an epoch")):
        growth = _per_clip(last, key) / _per_clip(first, key)
        wanted = f"{what}: time for each clip no more than {TOLERANCE:.0%} higher {span}"
        found.append(Target(wanted, f"{growth:.2f} times", growth <= 1 + TOLERANCE))
    growth = _memory(last) / _memory(first)
    wanted = f"memory of the training process: no more than {TOLERANCE:.0%} higher {span}"
    found.append(Target(wanted, f"{growth:.2f} times", growth <= 1 + TOLERANCE))
    return found


def describe(numbers: Numbers) -> str:
    keys = ("list_seconds", "build_seconds", "prepare_seconds", "epoch_seconds")
    times = [
        [
            f"{size['clips']:,}",
            *(f"{figures(size[key])} s ({milliseconds(_per_clip(size, key))})" for key in keys),
            milliseconds(size["crop_seconds"]),
        ]
        for size in numbers["sizes"]
    ]
    kinds = ("resident", "anonymous", "files", "highest")
    memory = [
        [f"{size['clips']:,}", *(f"{size['memory'][kind]:,.0f}" for kind in kinds if kind in size["memory"])]
        for size in numbers["sizes"]
    ]
    shown = [kind for kind in kinds if kind in numbers["sizes"][-1]["memory"]]
    return "\n\n".join(
        [
            "One-second wav files at 16 kHz in ten class folders and a small transformer, each number of clips in a"
            " process of its own. Seconds, and in brackets milliseconds for each clip. `prepare` is what a job does"
            " before its first epoch; an epoch is training and validation.",
            table(["clips", "list and split", "build the store", "prepare", "epoch", "read a crop"], times),
            "Memory of the process after the job, in MiB. `files` is the code of the libraries: the store is read,"
            " not mapped into memory.",
            table(["clips", *shown], memory),
        ]
    )


def _per_clip(size: Numbers, key: str) -> float:
    return size[key] / size["clips"]


def _memory(size: Numbers) -> float:
    return size["memory"].get("resident", size["memory"]["highest"])
