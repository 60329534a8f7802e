"""Runs one job: from a checked configuration to the files of its folder. What was computed before is not repeated."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from filelock import FileLock, Timeout
from lightning.pytorch.loggers import Logger
from torch.utils.flop_counter import FlopCounterMode

from audio_cls.config.job import Job, JobBusy, clips, num_folds
from audio_cls.config.schema import BaselineConfig, Config, OtherModel
from audio_cls.data.balance import class_weights
from audio_cls.data.clips import ClipSet, DataError
from audio_cls.data.profile import PROFILE, TrainingProfile, write_profile
from audio_cls.experiment import signals
from audio_cls.experiment.build import (
    check_device,
    cpu_settings,
    make_datamodule,
    make_loggers,
    make_module,
    make_trainer,
    quiet_lightning,
)
from audio_cls.experiment.compatibility import split_digest
from audio_cls.experiment.evaluate import evaluate, write_results
from audio_cls.experiment.profile import compare_held_out, training_profile
from audio_cls.experiment.sound import content_digest, notes
from audio_cls.files import write_json
from audio_cls.models.build import check_network
from audio_cls.results import job_files
from audio_cls.terminal import say
from audio_cls.tracking import wandb_logger
from audio_cls.training.allocator import keep_freed_memory
from audio_cls.training.baseline import fit_baseline
from audio_cls.training.datamodule import ClipDataModule
from audio_cls.training.history import read_history
from audio_cls.training.modules import ClassifierModule
from audio_cls.wording import clips_and_sources, one_line

MakeLoggers = Callable[[Job], list[Logger]]


def run_job(job: Job, make_loggers: MakeLoggers = make_loggers) -> dict[str, Any]:
    """Trains, evaluates and writes the job's folder; returns its metrics.

    `make_loggers` is called once the data are known to be good. Raises what goes wrong, DataError for clips that cannot
    be used, TrainingDiverged, JobBusy: after writing it down, unless training could not start; then the folder is as it
    was before.
    """
    job.folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(job.folder / job_files.LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise JobBusy(f"{job.folder} is being trained by another process") from None
    try:
        with cpu_settings(job):
            return _run(job, make_loggers)
    finally:
        if not (job.folder / job_files.METRICS).exists():
            (job.folder / job_files.LOCK).unlink(missing_ok=True)
            job_files.remove_empty(job.folder, job.folder.parent)
        lock.release()


def _run(job: Job, make_loggers: MakeLoggers) -> dict[str, Any]:
    clip_set, folds = clips(job), num_folds(job)
    config = job.config
    record = {**_identity(job, clip_set), "num_folds": folds}
    loggers: list[Logger] = []
    started = False
    try:
        check_device(config)
        quiet_lightning()
        keep_freed_memory()
        pl.seed_everything(config.seed, verbose=False)
        module = make_module(job, clip_set.classes)
        if isinstance(config.model, OtherModel):
            check_network(module.network, len(clip_set.classes), config.input.crop_samples)
        record |= _heard(job)
        datamodule = make_datamodule(job, folds)
        if config.data.balance == "weights":
            training_labels = datamodule.labels[datamodule.split.train]
            module.class_weights = torch.from_numpy(class_weights(training_labels, len(clip_set.classes)))
        datamodule.prepare_data()
        record |= _sizes(module, datamodule)
        _announce(job, folds, record, clip_set, datamodule, module)
        started = True  # from here on the folder holds files: loggers write there
        job_files.write_config(job)
        write_json(job.folder / job_files.METRICS, record)
        loggers = make_loggers(job)
        wandb_logger.log_start(loggers, record)
        _train(job, module, datamodule, loggers)
        # Also the last: a run that was interrupted after its last epoch has loaded the weights that were not averaged.
        chosen = job_files.BEST_CHECKPOINT if config.trainer.weights == "best" else job_files.LAST_CHECKPOINT
        checkpoint = torch.load(job.folder / chosen, weights_only=True, map_location="cpu")
        module.load_state_dict(checkpoint["state_dict"])
        evaluated = evaluate(module, datamodule)
        record |= _progress(job) | {"status": "done"}
        record |= {name: asdict(result.scores) if result else None for name, result in evaluated.items()}
        write_profile(job.folder / PROFILE, _profile(config, datamodule))
        write_results(job, record, clip_set, datamodule.store.digests, evaluated)
        wandb_logger.log_result(loggers, record, evaluated, datamodule.load_clip, job.folder / chosen)
        return record
    except BaseException as error:
        if started and not job_files.is_done(job):  # else it was interrupted while its loggers took the result
            interrupted = signals.interrupted() or isinstance(error, (KeyboardInterrupt, SystemExit))
            message = "interrupted" if interrupted else one_line(error)
            record |= _progress(job) | {"status": "interrupted" if interrupted else "failed", "error": message}
            write_json(job.folder / job_files.METRICS, record)
        signals.check()  # libraries put other exceptions in the place of a signal's, or one without its status
        raise
    finally:
        wandb_logger.finish(loggers, record)


def _train(job: Job, module: ClassifierModule, datamodule: ClipDataModule, loggers: list[Logger]) -> None:
    """Leaves a history and the last checkpoint behind, from which an interrupted training goes on."""
    last = job.folder / job_files.LAST_CHECKPOINT
    if isinstance(job.config.model, BaselineConfig):
        history, regularization = job.folder / job_files.HISTORY, job.config.model.regularization
        fit_baseline(module, datamodule, regularization, history, last)
        return
    trainer = make_trainer(job, loggers, has_val=datamodule.split.val is not None)
    trainer.fit(module, datamodule, ckpt_path=last if last.exists() else None, weights_only=True)


def _identity(job: Job, clip_set: ClipSet) -> dict[str, Any]:
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
        **dict.fromkeys(("split_digest", "content_digest")),  # known once the clips are read
        "clips_without_source": any(clip.source is None for clip in clip_set.clips),
        "commit": job_files.code_commit(),
        **dict.fromkeys(("num_parameters", "num_train", "num_val", "num_test")),  # known once the model is built
        "epochs": 0,
        "train_seconds": 0.0,
        "status": "running",
        **dict.fromkeys(("error", "train", "val", "test")),
    }


def _heard(job: Job) -> dict[str, Any]:
    """What the result is computed from. Raises DataError if clips cannot be used or were changed after the plan."""
    digest = content_digest(job)
    if job.content_digest not in (None, digest):
        raise DataError(f"the clips of {job.dataset} were changed while the command ran: give it again")
    return {"split_digest": split_digest(job), "content_digest": digest, "notes": list(notes(job))}


def _progress(job: Job) -> dict[str, int | float]:
    """Epochs and seconds of training so far, those before it was resumed included."""
    history = read_history(job.folder / job_files.HISTORY)
    return {"epochs": len(history), "train_seconds": round(sum(row["epoch_seconds"] or 0 for row in history), 3)}


def _profile(config: Config, datamodule: ClipDataModule) -> TrainingProfile:
    split, store = datamodule.split, datamodule.store
    held_out = np.concatenate([part for part in (split.val, split.test, split.train[:0]) if part is not None])
    profile = training_profile(datamodule.clip_set, store, split.train, config.input.crop_samples)
    return compare_held_out(profile, store, held_out, config.input.crop_samples, config.input.eval_crops)


def _sizes(module: ClassifierModule, datamodule: ClipDataModule) -> dict[str, int]:
    split = datamodule.split
    parts = {"num_train": split.train, "num_val": split.val, "num_test": split.test}
    sizes = {name: 0 if part is None else len(part) for name, part in parts.items()}
    return {"num_parameters": sum(parameter.numel() for parameter in module.network.parameters()), **sizes}


def _announce(
    job: Job,
    folds: int,
    record: dict[str, Any],
    clip_set: ClipSet,
    datamodule: ClipDataModule,
    module: ClassifierModule,
) -> None:
    """Says once what is trained, on what, and how large it is."""
    crop = torch.zeros(1, 1, job.config.input.crop_samples)
    module.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module.network(crop)
    module.train()
    threads = torch.get_num_threads()
    held_out = [f"{record[f'num_{part}']} {part}" for part in ("val", "test") if record[f"num_{part}"]]
    say(
        f"{job.variant}, fold {job.config.fold} of {folds}, seed {job.config.seed}"
        f" | {record['dataset']}, {job.config.protocol}:"
        f" {', '.join([str(record['num_train']) + ' training', *held_out])} clips"
        f" | {record['num_parameters']:,} parameters, {counter.get_total_flops() / 1e6:,.1f} MFLOP a crop"
        f" | {threads} thread{'s' * (threads != 1)}"
    )
    parts = {"trains": datamodule.split.train, "validates": datamodule.split.val, "tests": datamodule.split.test}
    listed = {
        verb: [clip_set.clips[place].source for place in part] for verb, part in parts.items() if part is not None
    }
    if any(source for sources in listed.values() for source in sources):  # else the line above says it all
        say("; ".join(f"{verb} on {clips_and_sources(sources)}" for verb, sources in listed.items()))
    for note in datamodule.split.notes:
        say(f"note: {note}")
