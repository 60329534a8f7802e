"""From a job's configuration to what trains it: LightningModule, LightningDataModule, Trainer and CPU settings.

The configuration ends here: everything below takes plain arguments.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
import torch
from hydra.utils import instantiate
from lightning.pytorch.callbacks import Callback, LambdaCallback
from lightning.pytorch.loggers import Logger

from audio_cls.config.checks import is_own_logger
from audio_cls.config.job import Job, clips, num_threads, sound
from audio_cls.config.schema import Config, ConfigError, TransformerConfig
from audio_cls.experiment import signals
from audio_cls.experiment.sound import same_sound
from audio_cls.models.log_mel import LogMel
from audio_cls.results import job_files
from audio_cls.training.augment import input_samples
from audio_cls.training.callbacks import History, StopEarly, TerminalReport
from audio_cls.training.checkpoint import AtomicCheckpointIO, EpochCheckpoint
from audio_cls.training.datamodule import ClipDataModule
from audio_cls.training.modules import ClassifierModule, module_class
from audio_cls.training.optimization import EMA


def make_module(job: Job, classes: tuple[str, ...]) -> ClassifierModule:
    """The LightningModule of a job, from plain values only, so that its checkpoint loads without running any code."""
    config = job.config
    recipe: dict[str, Any] = {
        "normalize": config.input.normalize,
        "silence_db": config.input.silence_db,
        "augment": config.augment.model_dump(),
        "optimizer": config.optimizer.model_dump(),
        "loss_on": config.trainer.loss_on,
        "seed": config.seed,
    }
    model = config.model.model_dump(by_alias=True)
    samples, rate = config.input.crop_samples, config.input.sample_rate
    return module_class(model)(list(classes), samples, rate, model, **recipe)


def make_datamodule(job: Job, folds: int) -> ClipDataModule:
    """Reads the clips that were not read before. Raises DataError naming every one that cannot be used."""
    config = job.config
    identical, similar = same_sound(job)
    crop_samples, time_scale = config.input.crop_samples, config.augment.time_scale
    return ClipDataModule(
        clips(job),
        sound(job).store,
        protocol=config.protocol,
        fold=config.fold,
        num_folds=folds,
        split_seed=config.data.split_seed,
        allow_missing=config.data.allow_missing,
        identical=identical,
        similar=similar,
        crop_samples=crop_samples,
        train_samples=input_samples(crop_samples, time_scale),
        batch_size=config.trainer.batch_size,
        crops_per_clip=config.trainer.crops_per_clip,
        random_crop=config.augment.random_crop,
        circular=config.augment.circular,
        balanced=config.data.balance == "sampling",
        front_end=make_front_end(config) if config.augment.domain == "power" else None,
        time_scale=time_scale,
        eval_crops=config.input.eval_crops,
        seed=config.seed,
    )


def make_front_end(config: Config) -> LogMel:
    """What computes mel power as the network's front end does."""
    model = config.model
    assert isinstance(model, TransformerConfig)  # the checks refuse augment.domain=power for others
    return LogMel(config.input.sample_rate, model.num_mels, model.n_fft, model.hop_length)


def check_device(config: Config) -> None:
    """Raises ConfigError where the graphics processor that is asked for is not there."""
    if config.trainer.accelerator == "gpu" and not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        raise ConfigError("trainer.accelerator=gpu: no GPU can be used here; leave it out, or say cpu")


def make_trainer(job: Job, loggers: list[Logger], *, has_val: bool) -> pl.Trainer:
    settings = job.config.trainer
    folder = job.folder / "checkpoints"
    callbacks: list[Callback] = [EMA(settings.ema_decay)] if settings.ema_decay else []
    label = job.label if (job.config.jobs or 1) > 1 else ""  # tells its lines from those of the jobs beside it
    callbacks += [History(job.folder / job_files.HISTORY), TerminalReport(label)]
    callbacks.append(LambdaCallback(on_train_batch_start=lambda *_: signals.check()))
    if has_val:
        callbacks.append(EpochCheckpoint(folder, "best", "val_loss", every_n_epochs=settings.validate_every))
        callbacks += [StopEarly(settings.early_stopping)] if settings.early_stopping else []
    callbacks.append(EpochCheckpoint(folder, "last"))  # after the others, whose state it saves
    return pl.Trainer(
        accelerator=settings.accelerator,
        devices=1,
        precision=settings.precision,
        max_epochs=settings.max_epochs,
        check_val_every_n_epoch=settings.validate_every,
        gradient_clip_val=settings.gradient_clip or None,
        logger=loggers,
        callbacks=callbacks,
        plugins=[AtomicCheckpointIO()],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=10**9,  # everything is logged once an epoch
        use_distributed_sampler=False,
    )


def make_loggers(job: Job) -> list[Logger]:
    """The Lightning loggers of a job, from its `logger` block; none where that is empty."""
    settings = job.config.logger
    if not settings:
        return []
    # Partial, then called: an argument of instantiate() that is a dataclass would arrive as a dictionary.
    make = instantiate(settings, _partial_=True, _convert_="all")
    return [make(job=job) if is_own_logger(settings) else make(save_dir=str(job.folder))]


@contextmanager
def cpu_settings(job: Job) -> Iterator[None]:
    """Gives the job its share of the cores and quick small numbers, and the process back what it had.

    Numbers below 1e-38, of which a saturated softmax and its gradients are full, take the CPU many times as long
    as others; as zeros they made a step of the original project's transformer four times as fast.
    """
    before = torch.get_num_threads()
    torch.set_flush_denormal(True)  # first: threads that torch starts from now on take it over
    torch.set_num_threads(num_threads(job.config))
    try:
        yield
    finally:
        torch.set_num_threads(before)
        torch.set_flush_denormal(False)


def quiet_lightning() -> None:
    """Silences what Lightning says at every start and a user cannot act on."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
