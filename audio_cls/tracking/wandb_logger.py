"""Weights & Biases as one of the loggers: one run for each job, a view of the job's own files.

Nothing here may stop, delay or fail training: the server is tried before the jobs start (`wandb_mode`), and later
trouble is a line on the terminal. wandb is imported when a run is made, so that jobs with another logger do without it.
"""

import atexit
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger, WandbLogger

from audio_cls.config.job import Job
from audio_cls.config.schema import result_keys
from audio_cls.terminal import say
from audio_cls.tracking import wandb_media
from audio_cls.tracking.wandb_mode import drop_service, resolve_mode, set_up
from audio_cls.wording import one_line

INIT_SECONDS = 8.0  # until an unreachable server is given up, for this job and all that follow
FINISH_SECONDS = 12.0  # for the last uploads at a job's end; what is left then stays on disk
MAX_TAG_LENGTH = 64  # W&B refuses longer ones
_EXIT_CODES = {"done": 0, "interrupted": 255}  # 255 is what wandb itself uses for Ctrl-C; everything else failed: 1
_SCORES = ("accuracy", "balanced_accuracy", "f1_macro", "auroc_macro")


class JobLogger(WandbLogger):
    """Lightning's logger on a W&B run that `finish` ends, with one row for each epoch.

    Lightning finalizes its loggers when fitting is over; the job is not over then, so `finalize` does nothing.
    """

    def __init__(self, run: Any, project: str, save_dir: Path, *, log_checkpoint: bool = False) -> None:
        super().__init__(experiment=run, project=project, save_dir=save_dir)
        self._folder, self._log_checkpoint = save_dir, log_checkpoint
        self._works = True

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Adds values to the row of their epoch; values without `epoch` get a row of their own."""
        epoch = metrics.get("epoch")
        values = dict(metrics) if epoch is None else {**metrics, "epoch": int(epoch)}
        self._attempt(lambda: self.experiment.log(values, step=None if epoch is None else int(epoch)))

    def log_hyperparams(self, params: Any, *_: Any, **__: Any) -> None:
        """Nothing: the run got the job's whole configuration when it began."""

    def finalize(self, status: str) -> None:
        """Nothing: `finish` ends the run."""

    def log_start(self, record: Mapping[str, Any]) -> None:
        """Adds what is known once the model is built: number of parameters and of clips."""
        sizes = {key: value for key, value in record.items() if key.startswith("num_")}
        self._attempt(lambda: self.experiment.config.update(sizes, allow_val_change=True))

    def log_result(
        self, record: Mapping[str, Any], evaluated: Mapping[str, Any], load_clip: wandb_media.LoadClip, checkpoint: Path
    ) -> None:
        """Adds the final scores to the summary; charts, figures and some of the held-out clips; if asked for, weights.

        `load_clip` returns a clip's name, waveform and rate by its index.
        """
        self._attempt(lambda: self._send_result(record, evaluated, load_clip, checkpoint))

    def finish(self, record: Mapping[str, Any]) -> None:
        """Ends the run as finished, failed or (interrupted) killed, so that the next job gets one of its own."""
        self._attempt(lambda: self.experiment.summary.update(_outcome(record)))
        try:
            self.experiment.finish(exit_code=_EXIT_CODES.get(record["status"], 1))
        except Exception as error:
            os.environ["WANDB_MODE"] = "offline"  # the jobs that follow need not wait for it as well
            folder = Path(self.experiment.dir).parent
            say(f"W&B: not everything was sent ({one_line(error)}); do it later with `wandb sync {folder}`")
            drop_service()

    def _send_result(
        self, record: Mapping[str, Any], evaluated: Mapping[str, Any], load_clip: wandb_media.LoadClip, checkpoint: Path
    ) -> None:
        # Ends the last epoch's row first: it would replace what the summary says of the final model.
        self.experiment.log({}, step=record["epochs"])
        self.experiment.summary.update(summary(record))
        found = {split: evaluated[split] for split in ("val", "test") if evaluated.get(split) is not None}
        media = wandb_media.figures(self._folder)
        for split, result in found.items():
            media |= wandb_media.charts(split, result, record["classes"])
        with tempfile.TemporaryDirectory() as folder:  # until W&B has its copies
            for split, result in list(found.items())[:1]:
                media[f"{split}_clips"] = wandb_media.clip_table(result, record["classes"], load_clip, Path(folder))
            self.experiment.log(media, step=record["epochs"])
        if self._log_checkpoint:
            self.experiment.log_artifact(wandb_media.checkpoint_artifact(record, checkpoint))

    def _attempt(self, action: Callable[[], Any]) -> None:
        """Tries an action. After a failure nothing more is sent, and training goes on."""
        if not self._works:
            return
        try:
            action()
        except Exception as error:
            self._works = False
            say(f"W&B: stopped receiving ({one_line(error)}); training goes on, its results are in the job's folder")


def make_wandb_logger(
    job: Job, *, project: str, entity: str | None, mode: str, log_checkpoint: bool = False
) -> WandbLogger:
    """Starts the job's run. `mode`: auto (online where a key is configured), online, offline; WANDB_MODE overrides it.
    `log_checkpoint`: whether the final weights go to W&B as well.

    Runs are grouped by study and, within it, by variant (the job type), so that the folds of a variant stand together
    and W&B shows their mean and spread. Inside a W&B sweep the run, its project and its entity are the sweep's.
    """
    set_up()
    job.folder.mkdir(parents=True, exist_ok=True)
    try:
        run = _start_as_possible(job, project, entity, resolve_mode(mode)[0])
    except BaseException:  # Ctrl-C or SIGTERM while the run begins: there is nothing yet that `finish` could end
        drop_service(_EXIT_CODES["interrupted"])
        raise
    if not (run.disabled or run.offline):
        say(f"W&B: {run.url}")
    return JobLogger(run, project, job.folder, log_checkpoint=log_checkpoint)


def log_start(loggers: Sequence[Logger], record: Mapping[str, Any]) -> None:
    """Tells the loggers what is about to be trained."""
    for logger in loggers:
        if isinstance(logger, JobLogger):
            logger.log_start(record)


def log_result(
    loggers: Sequence[Logger],
    record: Mapping[str, Any],
    evaluated: Mapping[str, Any],
    load_clip: wandb_media.LoadClip,
    checkpoint: Path,
) -> None:
    """Tells the loggers what the final model scored; loggers of other libraries get the scores as their last row.

    `load_clip` returns a clip's name, waveform and rate by its index, `checkpoint` is that of the final model.
    """
    for logger in loggers:
        if isinstance(logger, JobLogger):
            logger.log_result(record, evaluated, load_clip, checkpoint)
        else:
            with _noted(logger):
                final = {f"final_{name}": value for name, value in _scores(record).items()}
                logger.log_metrics(final, step=record["epochs"])


def finish(loggers: Sequence[Logger], record: Mapping[str, Any]) -> None:
    """Ends what the job logged, by its status. Lightning's own word for it goes to loggers of other libraries."""
    for logger in loggers:
        if isinstance(logger, JobLogger):
            logger.finish(record)
        else:
            with _noted(logger):
                logger.finalize("success" if record["status"] == "done" else "failed")
    if record["status"] == "interrupted" and _in_sweep():
        atexit.register(_die_of_signal)


def run_id(job: Job) -> str:
    """The same for the same folder and configuration: a job that is resumed goes on with its run."""
    content = [str(job.folder.resolve()), result_keys(job.config.model_dump())]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def run_config(job: Job) -> dict[str, Any]:
    """The resolved configuration in plain containers, and what it is called."""
    names = {name: getattr(job, name) for name in ("study", "variant", "heads", "dataset", "preset")}
    return job.config.model_dump(exclude={"logger"}) | names


def summary(record: Mapping[str, Any]) -> dict[str, Any]:
    """Scores of the final model by split, as in metrics.json, and what they cost."""
    cost = {key: record[key] for key in ("epochs", "train_seconds", "num_parameters")}
    return _scores(record) | cost | _outcome(record)


def _start_as_possible(job: Job, project: str, entity: str | None, wanted: str) -> Any:
    """A run of the wanted mode, or else of the next one that works; the jobs that follow begin with that."""
    modes = ("online", "offline", "disabled")
    for mode in modes[modes.index(wanted) : -1]:
        before = _run_folders(job)
        try:
            return _start(job, project, entity, mode)
        except Exception as error:
            os.environ["WANDB_MODE"] = modes[modes.index(mode) + 1]
            say(f"W&B: {mode} runs do not work ({one_line(error)}); this one is {os.environ['WANDB_MODE']}")
            drop_service()  # it would hold on to the id of the run
            for folder in _run_folders(job) - before:  # holds nothing, and would be uploaded as an empty run
                shutil.rmtree(folder, ignore_errors=True)
    return _start(job, project, entity, "disabled")


def _start(job: Job, project: str, entity: str | None, mode: str) -> Any:
    import wandb

    tags = [job.dataset, job.config.protocol, job.config.model.name]
    tags += [] if job.heads is None else [f"heads-{job.heads}"]
    settings = wandb.Settings(
        silent=True,
        console="off",
        symlink=False,
        disable_job_creation=True,
        init_timeout=INIT_SECONDS,
        finish_timeout=FINISH_SECONDS,
        finish_timeout_raises=True,
    )
    place: dict[str, Any] = {"project": project, "entity": entity, "id": run_id(job)}
    # A job that starts anew must not continue a run whose epochs are all there: W&B would drop the repeated steps.
    place |= {"resume": "allow"} if (job.folder / "checkpoints" / "last.ckpt").exists() else {}
    options = {"mode": mode, **({} if _in_sweep() else place)}
    run = wandb.init(
        **options,
        dir=job.folder,
        name=f"{job.variant} fold{job.config.fold} seed{job.config.seed}",
        group=job.study,
        job_type=job.variant,
        tags=[tag[:MAX_TAG_LENGTH] for tag in tags],
        config=run_config(job),
        reinit="finish_previous",
        settings=settings,
    )
    run.define_metric("epoch")
    run.define_metric("*", step_metric="epoch")
    return run


def _scores(record: Mapping[str, Any]) -> dict[str, float]:
    return {
        f"{split}_{name}": record[split][name]
        for split in ("train", "val", "test")
        if record[split]
        for name in _SCORES
        if record[split][name] is not None
    }


def _outcome(record: Mapping[str, Any]) -> dict[str, Any]:
    return {"status": record["status"]} | ({"error": record["error"]} if record.get("error") else {})


@contextmanager
def _noted(logger: Logger) -> Iterator[None]:
    """Makes a line of what a logger of another library does not take: the result is in the job's folder already."""
    try:
        yield
    except Exception as error:
        say(f"note: {type(logger).__name__} did not take the result ({one_line(error)}); the job's folder has it")


def _in_sweep() -> bool:
    """Whether `wandb agent` started this process."""
    return bool(os.environ.get("WANDB_SWEEP_ID"))


def _die_of_signal() -> None:
    """Ends a job that its sweep stopped as a process without signal handlers would end.

    `wandb agent` counts an exit status above 0 as a failure, and gives up the sweep after a few of them.
    """
    sys.stdout.flush()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


def _run_folders(job: Job) -> set[Path]:
    return set((job.folder / "wandb").glob("*run-*"))
