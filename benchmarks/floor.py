"""How far a training step is from what the machine can do at best."""

import os
import tempfile
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import FlopCounterMode

from audio_cls.training.allocator import keep_freed_memory
from benchmarks import data
from benchmarks.bare import BareTraining
from benchmarks.section import Numbers, Options, Target, figures, milliseconds, table
from benchmarks.timing import interleaved, median

TITLE = "Floor of a training step"
LIMIT_SECONDS = 120
MODELS = {"transformer": ["model=transformer"], "CNN": ["model=cnn"]}
NUM_OPERATIONS_SHOWN = 8


def measure(options: Options) -> Numbers:
    keep_freed_memory()
    threads = [1] if options.quick else sorted({1, os.cpu_count() or 1})
    with tempfile.TemporaryDirectory() as folder:
        source = data.arguments(Path(folder), quick=options.quick)
        steps = {name: _prepare([*source, *model], Path(folder)) for name, model in MODELS.items()}
        numbers: Numbers = {"peaks": {}, "steps": {}}
        for count in threads:
            torch.set_num_threads(count)
            numbers["peaks"][str(count)] = _peaks(options.quick)
        for name, (training, batch) in steps.items():
            numbers["steps"][name] = _operations(training, batch)
            for count in threads:
                torch.set_num_threads(count)
                numbers["steps"][name].setdefault("seconds", {})[str(count)] = _step_seconds(
                    training, batch, options.quick
                )
            numbers["steps"][name]["profile"] = _profile(training, batch, 1 if options.quick else 5)
    return numbers


def _prepare(overrides: list[str], folder: Path) -> tuple[BareTraining, dict[str, Tensor]]:
    training = BareTraining(data.make_jobs(overrides, folder / "outputs")[0])
    return training, next(iter(training.batches))


def _peaks(quick: bool) -> dict[str, float]:
    """Operations a second of a large matrix product and a large convolution, and bytes a second of a large copy."""
    size, channels, megabytes = (64, 8, 1) if quick else (2048, 64, 256)
    matrix = torch.randn(size, size)
    images = torch.randn(16, channels, 64, 64).to(memory_format=torch.channels_last)
    kernel = torch.randn(channels, channels, 3, 3).to(memory_format=torch.channels_last)
    source = torch.zeros(megabytes * 2**18)
    target = torch.zeros_like(source)
    work = {
        "matmul": (lambda: matrix @ matrix, 2 * size**3),
        "convolution": (lambda: F.conv2d(images, kernel, padding=1), 2 * images.numel() * channels * 9),
        "copy": (lambda: target.copy_(source), 2 * 4 * source.numel()),
    }
    budget = 0 if quick else 4
    with torch.no_grad():
        seconds = interleaved({name: call for name, (call, _) in work.items()}, seconds=budget)
    return {name: amount / min(seconds[name]) for name, (_, amount) in work.items()}


class _Traffic(TorchDispatchMode):
    """Counts the bytes of the tensors that operations read and write, as if nothing stayed in a cache."""

    def __init__(self) -> None:
        super().__init__()
        self.num_bytes = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        if not function.is_view:
            tensors = (x for x in tree_iter((arguments, keywords, result)) if isinstance(x, Tensor))
            self.num_bytes += sum(x.numel() * x.element_size() for x in tensors)
        return result


def _operations(training: BareTraining, batch: dict[str, Tensor]) -> Numbers:
    """Arithmetic and memory traffic of one step; a multiplication and an addition are two operations."""
    training.step(batch)
    with FlopCounterMode(display=False) as counter:
        training.step(batch)
    with _Traffic() as traffic:
        training.step(batch)
    by_kind = {"convolution": 0, "matmul": 0}
    for operation, count in counter.get_flop_counts()["Global"].items():
        by_kind["convolution" if "convolution" in str(operation) else "matmul"] += count
    return {**by_kind, "bytes": traffic.num_bytes, "batch_size": len(batch["label"])}


def _step_seconds(training: BareTraining, batch: dict[str, Tensor], quick: bool) -> dict[str, float]:
    """Medians of the three parts of a step and of the whole."""
    rounds = []
    for _ in range(2 if quick else 15):
        started = time.perf_counter()
        loss = training.forward(batch)
        forward = time.perf_counter()
        training.backward(loss)
        backward = time.perf_counter()
        training.update()
        ended = time.perf_counter()
        rounds.append((forward - started, backward - forward, ended - backward, ended - started))
    names = ("forward", "backward", "update", "whole")
    return {name: median(seconds) for name, seconds in zip(names, zip(*rounds, strict=True), strict=True)}


def _profile(training: BareTraining, batch: dict[str, Tensor], num_steps: int) -> list[tuple[str, float]]:
    """The operations that take longest, with their share of the processor time of a step."""
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(num_steps):
            training.step(batch)
    averages = profiler.key_averages()
    total = sum(event.self_cpu_time_total for event in averages) or 1
    longest = sorted(averages, key=lambda event: -event.self_cpu_time_total)[:NUM_OPERATIONS_SHOWN]
    return [(event.key, event.self_cpu_time_total / total) for event in longest]


def targets(numbers: Numbers) -> list[Target]:
    threads = max(numbers["peaks"], key=int)
    shares = [f"{name} {_share(numbers, name, threads):.0%}" for name in numbers["steps"]]
    return [Target("the share of the floor that a training step reaches", ", ".join(shares), None)]


def describe(numbers: Numbers) -> str:
    peaks = table(
        ["threads", "matrix product, GFLOP/s", "convolution, GFLOP/s", "copying memory, GB/s"],
        [[count, *(figures(peak[kind] / 1e9) for kind in peak)] for count, peak in numbers["peaks"].items()],
    )
    work = table(
        ["model", "batch", "convolutions, GFLOP", "matrix products, GFLOP", "memory traffic, MB"],
        [
            [
                name,
                step["batch_size"],
                *(figures(step[kind] / 1e9) for kind in ("convolution", "matmul")),
                figures(step["bytes"] / 1e6),
            ]
            for name, step in numbers["steps"].items()
        ],
    )
    rows = [
        [
            name,
            threads,
            *(milliseconds(seconds[part]) for part in ("forward", "backward", "update", "whole")),
            milliseconds(_floor(numbers, name, threads)),
            f"{_share(numbers, name, threads):.0%}",
            milliseconds(step["bytes"] / numbers["peaks"][threads]["copy"]),
        ]
        for name, step in numbers["steps"].items()
        for threads, seconds in step["seconds"].items()
    ]
    columns = [
        "model",
        "threads",
        "forward",
        "backward",
        "update",
        "step",
        "floor",
        "share of it",
        "memory traffic alone",
    ]
    profiles = [
        f"{name}: " + ", ".join(f"`{operation}` {share:.0%}" for operation, share in step["profile"])
        for name, step in numbers["steps"].items()
    ]
    return "\n\n".join(
        [
            "The highest speeds measured on this machine:",
            peaks,
            "The floating-point operations of one training step (forward and backward of one batch, counted by torch's"
            " `FlopCounterMode`, which does not count the Fourier transform and elementwise operations), and the bytes"
            " that all operations read and write:",
            work,
            "The floor is the time of these operations at the speed of the large convolution and the large matrix"
            " product. The last column is the time of the memory traffic alone, without caches: where it is above the"
            " floor, memory is the limit.",
            table(columns, rows),
            "Where the processor's time goes: " + ". ".join(profiles) + ".",
        ]
    )


def _floor(numbers: Numbers, name: str, threads: str) -> float:
    step, peaks = numbers["steps"][name], numbers["peaks"][threads]
    return sum(step[kind] / peaks[kind] for kind in ("convolution", "matmul"))


def _share(numbers: Numbers, name: str, threads: str) -> float:
    return _floor(numbers, name, threads) / numbers["steps"][name]["seconds"][threads]["whole"]
