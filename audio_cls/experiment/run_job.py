"""Runs one job: from a checked configuration to the files of its folder. What was computed before is not repeated."""

import logging
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from filelock import FileLock, Timeout
from lightning.pytorch.callbacks import Callback, LambdaCallback
from lightning.pytorch.loggers import Logger
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from audio_cls.config.job import Job, clips, num_folds, num_threads
from audio_cls.config.schema import CNNConfig
from audio_cls.data.clips import ClipSet
from audio_cls.experiment import signals
from audio_cls.figures.job import write_figures
from audio_cls.results import job_files
from audio_cls.terminal import say
from audio_cls.tracking import wandb_logger
from audio_cls.training.allocator import keep_freed_memory
from audio_cls.training.callbacks import History, StopEarly, TerminalReport
from audio_cls.training.checkpoint import AtomicCheckpointIO, EpochCheckpoint
from audio_cls.training.datamodule import ClipDataModule
from audio_cls.training.history import read_history
from audio_cls.training.metrics import ClipMetrics, Scores
from audio_cls.training.modules import ClassifierModule, CNNModule, TransformerModule
from audio_cls.training.optimization import EMA

# Evaluating a crop costs a third of training on it, and there is one validation clip to three training clips.
EVALUATION_SHARE = 1 / 9


class JobBusy(RuntimeError):
    """Another process is training this job."""


@dataclass(frozen=True)
class SplitResult:
    """Probabilities (N, K) of the clips of one split, in the order of `clips` (indices), and what they score."""

    clips: np.ndarray
    labels: Tensor
    probabilities: Tensor
    scores: Scores


def run_job(job: Job, make_loggers: Any) -> dict[str, Any]:
    """Trains, evaluates and writes the job's folder; returns its metrics.

    `make_loggers(job)` returns the Lightning loggers, called once the data are known to be good. Raises what goes
    wrong, after writing it down: DataError for clips that cannot be used, TrainingDiverged, JobBusy.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(job.folder / job_files.LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise JobBusy(f"{job.folder} is being trained by another process") from None
    try:
        with arithmetic(job):
            return _run(job, make_loggers)
    finally:
        lock.release()


def _run(job: Job, make_loggers: Any) -> dict[str, Any]:
    clip_set, folds = clips(job), num_folds(job)
    config = job.config
    digest = job_files.split_digest(clip_set, config.protocol, folds, config.data.split_seed)
    record = {**_identity(job, clip_set, digest), "num_folds": folds}
    job_files.write_config(job)
    job_files.write_json(job.folder / job_files.METRICS, {**record, "status": "running"})
    loggers: list[Logger] = []
    try:
        quiet_lightning()
        keep_freed_memory()
        pl.seed_everything(config.seed, verbose=False)
        module = make_module(job, clip_set.classes)
        datamodule = make_datamodule(job, clip_set, folds, module)
        datamodule.prepare_data()  # now: bad files are named before anything else starts
        record |= _sizes(module, datamodule)
        _announce(job, folds, record, datamodule, module)
        if config.trainer.compile:
            module.compile_network()
        loggers = make_loggers(job)
        wandb_logger.log_start(loggers, record)
        trainer = _make_trainer(job, loggers, has_val=datamodule.split.val is not None)
        last = job.folder / job_files.LAST_CHECKPOINT
        trainer.fit(module, datamodule, ckpt_path=last if last.exists() else None, weights_only=True)
        # Also the last: a run that was interrupted after its last epoch has loaded the weights that were not averaged.
        chosen = job_files.BEST_CHECKPOINT if config.trainer.weights == "best" else job_files.LAST_CHECKPOINT
        checkpoint = torch.load(job.folder / chosen, weights_only=True, map_location="cpu")
        module.load_state_dict(checkpoint["state_dict"])
        evaluated = _evaluate(module, datamodule)
        record |= _progress(job) | {"status": "done"}
        record |= {name: asdict(result.scores) if result else None for name, result in evaluated.items()}
        _write_results(job, record, clip_set, evaluated)
        wandb_logger.log_result(loggers, record, evaluated, _hear(datamodule), job.folder / chosen)
        return record
    except BaseException as error:
        if not job_files.is_done(job):  # else it was interrupted while its loggers took the result
            interrupted = signals.came() or isinstance(error, (KeyboardInterrupt, SystemExit))
            message = "interrupted" if interrupted else " ".join(f"{error}".split()) or type(error).__name__
            record |= _progress(job) | {"status": "interrupted" if interrupted else "failed", "error": message}
            job_files.write_json(job.folder / job_files.METRICS, record)
        signals.check()  # libraries put other exceptions in the place of a signal's, or one without its status
        raise
    finally:
        wandb_logger.finish(loggers, record)


def make_module(job: Job, classes: tuple[str, ...]) -> ClassifierModule:
    """The LightningModule of a job, from plain values only, so that its checkpoint loads without running any code."""
    config = job.config
    recipe = {
        "normalize": config.input.normalize,
        "silence_db": config.input.silence_db,
        "augment": config.augment.model_dump(),
        "optimizer": config.optimizer.model_dump(),
        "loss_on": config.trainer.loss_on,
        "label_smoothing": config.trainer.label_smoothing,
        "seed": config.seed,
    }
    model = config.model.model_dump(exclude={"name"})
    samples = config.input.crop_samples
    if isinstance(config.model, CNNConfig):
        return CNNModule(list(classes), samples, model, **recipe)
    return TransformerModule(list(classes), samples, config.input.sample_rate, model, **recipe)


def make_datamodule(job: Job, clip_set: ClipSet, folds: int, module: ClassifierModule) -> ClipDataModule:
    config = job.config
    return ClipDataModule(
        clip_set,
        protocol=config.protocol,
        fold=config.fold,
        num_folds=folds,
        split_seed=config.data.split_seed,
        allow_missing=config.data.allow_missing,
        sample_rate=config.input.sample_rate,
        crop_samples=config.input.crop_samples,
        train_samples=module.augment.time_scale.input_samples,
        batch_size=config.trainer.batch_size,
        crops_per_clip=config.trainer.crops_per_clip,
        random_crop=config.augment.random_crop,
        loop=config.augment.loop,
        front_end=module.network.front_end if config.augment.domain == "power" else None,
        time_scale=config.augment.time_scale,
        eval_crops=config.input.eval_crops,
        seed=config.seed,
    )


def estimate_seconds(job: Job, num_steps: int = 4) -> float:
    """About how long the job trains on this machine, from a few steps on noise."""
    clip_set = clips(job)
    config = job.config
    module = make_module(job, clip_set.classes)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-6)
    keep_freed_memory()
    noise = torch.randn(config.trainer.batch_size, 1, module.augment.time_scale.input_samples)
    sound = {"waveform": noise}
    if config.augment.domain == "power":
        sound = {"power": module.network.front_end.mel_power(noise[..., : config.input.crop_samples])}
    batch = {**sound, "label": torch.zeros(config.trainer.batch_size, dtype=torch.long)}
    seconds = []
    with arithmetic(job):
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


@torch.no_grad()
def predict_clips(module: ClassifierModule, datamodule: ClipDataModule, indices: np.ndarray) -> SplitResult:
    """Probabilities of un-augmented clips, averaged over their crops, and the scores."""
    # In one piece from the start: a small result kept between the large blocks of two batches splits the memory that
    # the next batch needs, so that the process would grow with the number of clips.
    probabilities = torch.empty(len(indices), len(module.classes))
    labels = torch.from_numpy(datamodule.labels[indices])
    scored = 0
    training = module.training
    module.eval()
    for batch in datamodule.evaluation_batches(indices):
        rows = probabilities[scored : scored + len(batch["label"])]
        rows.copy_(module.clip_probabilities(batch["waveform"].to(module.device)))
        scored += len(rows)
    module.train(training)
    metrics = ClipMetrics(len(module.classes))
    metrics.update(probabilities, labels)
    return SplitResult(indices, labels, probabilities, metrics.compute())


def quiet_lightning() -> None:
    """Silences what Lightning says at every start and a user cannot act on."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")


def _make_trainer(job: Job, loggers: list[Logger], *, has_val: bool) -> pl.Trainer:
    settings = job.config.trainer
    folder = job.folder / "checkpoints"
    callbacks: list[Callback] = [EMA(settings.ema_decay)] if settings.ema_decay else []
    callbacks += [History(job.folder / job_files.HISTORY), TerminalReport(_label(job))]
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


def _label(job: Job) -> str:
    """What tells this job's lines on the terminal from those of the jobs beside it; empty for a job alone."""
    if (job.config.jobs or 1) == 1:
        return ""
    return f"{job.variant} fold {job.config.fold} seed {job.config.seed}"


@contextmanager
def arithmetic(job: Job) -> Iterator[None]:
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


def _identity(job: Job, clip_set: ClipSet, digest: str) -> dict[str, Any]:
    config = job.config
    return {
        "study": job.study,
        "variant": job.variant,
        "model": config.model.name,
        "heads": job.heads,
        "dataset": clip_set.name,
        "protocol": config.protocol,
        "fold": config.fold,
        "seed": config.seed,
        "classes": list(clip_set.classes),
        "split_digest": digest,
        "clips_without_source": any(clip.source is None for clip in clip_set.clips),
        "commit": job_files.code_commit(),
        "num_parameters": None,
        "num_train": None,
        "num_val": None,
        "num_test": None,
        "epochs": 0,
        "train_seconds": 0.0,
        "status": "running",
        "error": None,
        "train": None,
        "val": None,
        "test": None,
    }


def _progress(job: Job) -> dict[str, int | float]:
    """How far training came, over all of its resumptions."""
    history = read_history(job.folder / job_files.HISTORY)
    return {"epochs": len(history), "train_seconds": round(sum(row["epoch_seconds"] or 0 for row in history), 3)}


def _sizes(module: ClassifierModule, datamodule: ClipDataModule) -> dict[str, int]:
    split = datamodule.split
    parts = {"num_train": split.train, "num_val": split.val, "num_test": split.test}
    sizes = {name: 0 if part is None else len(part) for name, part in parts.items()}
    return {"num_parameters": sum(parameter.numel() for parameter in module.network.parameters()), **sizes}


def _announce(
    job: Job, folds: int, record: dict[str, Any], datamodule: ClipDataModule, module: ClassifierModule
) -> None:
    """Says once what is trained, on what, and how large it is."""
    crop = torch.zeros(1, 1, job.config.input.crop_samples)
    module.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module.network(crop)
    module.train()
    held_out = [f"{record[f'num_{part}']} {part}" for part in ("val", "test") if record[f"num_{part}"]]
    say(
        f"{job.variant}, fold {job.config.fold} of {folds}, seed {job.config.seed}"
        f" | {record['dataset']}, {job.config.protocol}:"
        f" {', '.join([str(record['num_train']) + ' training', *held_out])} clips"
        f" | {record['num_parameters']:,} parameters, {counter.get_total_flops() / 1e6:,.1f} MFLOP a crop"
        f" | {torch.get_num_threads()} threads"
    )
    for note in datamodule.split.notes:
        say(f"note: {note}")


def _hear(datamodule: ClipDataModule) -> Callable[[int], tuple[str, np.ndarray, int]]:
    """Name, waveform and rate of a clip by its index."""
    return lambda index: (
        datamodule.clip_set.clips[index].name, datamodule.store.waveform(index), datamodule.sample_rate
    )  # fmt: skip


def _evaluate(module: ClassifierModule, datamodule: ClipDataModule) -> dict[str, SplitResult | None]:
    split = datamodule.split
    parts = {"train": split.train, "val": split.val, "test": split.test}
    return {name: None if part is None else predict_clips(module, datamodule, part) for name, part in parts.items()}


def _write_results(
    job: Job, record: dict[str, Any], clip_set: ClipSet, evaluated: dict[str, SplitResult | None]
) -> None:
    """Metrics last: their status says that everything else is there."""
    found = {name: result for name, result in evaluated.items() if result is not None}
    probability_columns = [f"p_{index}" for index in range(len(clip_set.classes))]
    rows = (
        [name, clip_set.clips[clip].name, int(label), int(row.argmax()), *(f"{value:.9g}" for value in row.tolist())]
        for name, result in found.items()
        for clip, label, row in zip(result.clips, result.labels, result.probabilities, strict=True)
    )
    job_files.write_csv(
        job.folder / job_files.PREDICTIONS, ["split", "clip", "label", "predicted", *probability_columns], rows
    )
    sources = (
        [name, clip_set.clips[clip].name, clip_set.clips[clip].source or ""]
        for name, result in found.items()
        for clip in result.clips
    )
    job_files.write_csv(job.folder / job_files.SPLIT, ["split", "clip", "source"], sources)
    shown = next(name for name in ("val", "test", "train") if name in found)
    result = found[shown]
    labels, probabilities = result.labels.numpy(), result.probabilities.numpy()
    history = read_history(job.folder / job_files.HISTORY)
    for problem in write_figures(job.folder, record, shown, labels, probabilities, history):
        say(f"note: {problem}")
    job_files.write_json(job.folder / job_files.METRICS, record)
