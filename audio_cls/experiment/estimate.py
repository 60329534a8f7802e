"""How long a job will train on this machine, measured before it begins."""

import statistics
import time

import torch

from audio_cls.config.job import Job, clips, num_folds
from audio_cls.config.schema import BaselineConfig
from audio_cls.experiment.build import cpu_settings, make_front_end, make_module
from audio_cls.training.allocator import keep_freed_memory
from audio_cls.training.augment import input_samples

# Evaluating a crop costs a third of training on it, and there is one validation clip to three training clips.
EVALUATION_SHARE = 1 / 9


def estimate_seconds(job: Job, num_steps: int = 4) -> float:
    """About how long the job trains on this machine, from a few steps on noise."""
    if isinstance(job.config.model, BaselineConfig):
        return _estimate_baseline(job)
    clip_set = clips(job)
    config = job.config
    module = make_module(job, clip_set.classes)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-6)
    keep_freed_memory()
    num_samples = input_samples(config.input.crop_samples, config.augment.time_scale)
    noise = torch.randn(config.trainer.batch_size, 1, num_samples)
    sound = {"waveform": noise}
    if config.augment.domain == "power":
        sound = {"power": make_front_end(config).mel_power(noise[..., : config.input.crop_samples])}
    batch = {**sound, "label": torch.zeros(config.trainer.batch_size, dtype=torch.long)}
    seconds = []
    with cpu_settings(job):
        for step in range(num_steps):
            started = time.perf_counter()
            optimizer.zero_grad()
            module.training_step(batch, step).backward()
            optimizer.step()
            seconds.append(time.perf_counter() - started)
    num_clips = len(clip_set.clips) * max(1, num_folds(job) - 1) / (num_folds(job) + (config.protocol == "holdout"))
    evaluated = EVALUATION_SHARE * config.input.eval_crops / config.trainer.validate_every
    num_crops = config.trainer.max_epochs * num_clips * (config.trainer.crops_per_clip + evaluated)
    return statistics.median(seconds) * num_crops / config.trainer.batch_size


def _estimate_baseline(job: Job) -> float:
    """The time that the statistics of every crop take, a few times over: all clips are evaluated once more."""
    module = make_module(job, clips(job).classes)
    noise = torch.randn(32, 1, job.config.input.crop_samples)
    with cpu_settings(job), torch.no_grad():
        module(noise)  # the first time takes longer
        started = time.perf_counter()
        module(noise)
        seconds = (time.perf_counter() - started) / len(noise)
    return 1 + 2 * seconds * job.config.input.eval_crops * len(clips(job))
