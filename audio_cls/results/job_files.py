"""A job's files on disk: their names, and what is read and written without torch.

Our own files are the source of truth; W&B and other loggers are views of them.
"""

import hashlib
import json
import shlex
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock

from audio_cls.config.job import Job
from audio_cls.config.location import train_command
from audio_cls.config.schema import EXECUTION_KEYS, ConfigError, DataConfig, differing_keys, result_keys
from audio_cls.data.clips import ClipSet
from audio_cls.files import check_replaceable, write_text
from audio_cls.wording import shorten

METRICS, CONFIG = "metrics.json", "config.yaml"
PREDICTIONS, HISTORY, SPLIT = "predictions.csv", "history.csv", "split.csv"
COMMANDS, SUMMARY, SUMMARY_TEXT = "commands.txt", "summary.json", "summary.md"  # of a study
# A result that was stored before one of these keys existed was made with its default.
_DEFAULTS = {
    key: field.default
    for name, field in DataConfig.model_fields.items()
    if not field.is_required() and (key := f"data.{name}") not in EXECUTION_KEYS
}
LOCK = ".lock"  # held while a job is trained, or while a study's commands are written
ERROR_TRACE = "error.txt"
_HYDRA_SWEEP = "multirun.yaml"
LAST_CHECKPOINT = "checkpoints/last.ckpt"
BEST_CHECKPOINT = "checkpoints/best.ckpt"


def read_metrics(folder: Path) -> dict[str, Any] | None:
    """A job's metrics.json; None where there is none or it cannot be read."""
    try:
        values = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
        return None
    return values if isinstance(values, dict) else None


@cache
def split_digest(clip_set: ClipSet, protocol: str, num_folds: int, split_seed: int) -> str:
    """Equal for jobs whose results may be compared: same clips, labels and sources, protocol and split; any fold."""
    published = any(clip.fold is not None for clip in clip_set.clips)
    content = [clip_set.name, list(clip_set.classes), protocol, num_folds, None if published else split_seed]
    content += [[clip.name, clip.label, clip.source, clip.fold] for clip in clip_set.clips]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def code_commit() -> str | None:
    """The commit of the code that runs, with '+' where files were changed since; None outside its own git checkout."""
    here = Path(__file__).resolve()

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        return subprocess.run(
            command, cwd=here.parent, capture_output=True, text=True, timeout=5, check=True
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", here.name)  # an environment may stand in the repository of another project
        return git("describe", "--always", "--abbrev=10", "--dirty=+", "--match", "") or None
    except (OSError, subprocess.SubprocessError):
        return None


def record_command(folder: Path, arguments: Sequence[str]) -> None:
    """Adds a command line to the study's commands.txt, unless it stands there: the study can be trained again so."""
    path = folder / COMMANDS
    command = shlex.join([*train_command().split(), *arguments])
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / LOCK):  # sweeps that begin at once must not lose each other's line
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        if command not in lines:
            write_text(path, "".join(f"{line}\n" for line in [*lines, command]))


def check_study(folder: Path) -> None:
    """Raises UserError where a file of the user's stands in the place of the study's summary."""
    moved = "move it away, or choose another study=NAME"
    check_replaceable(folder / SUMMARY, '"headline": ', moved)
    try:
        name = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))["study"]  # before the folder was renamed
    except (OSError, ValueError, KeyError):
        name = folder.name
    check_replaceable(folder / SUMMARY_TEXT, f"\n# {name}", moved)


def forget_command(folder: Path, arguments: Sequence[str]) -> None:
    """Takes back what `record_command` added, of jobs that could not start; removes a study that holds nothing else."""
    path = folder / COMMANDS
    command = shlex.join([*train_command().split(), *arguments])
    with FileLock(folder / LOCK):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line != command]
        write_text(path, "".join(f"{line}\n" for line in lines))
    if not lines and {entry.name for entry in folder.iterdir()} <= {COMMANDS, LOCK, _HYDRA_SWEEP}:
        for name in (COMMANDS, LOCK, _HYDRA_SWEEP):
            (folder / name).unlink(missing_ok=True)
        remove_empty(folder)


def remove_empty(*folders: Path) -> None:
    """Removes these folders, the inner first, as far as they are empty."""
    with suppress(OSError):
        for folder in folders:
            folder.rmdir()


def write_config(job: Job) -> None:
    """The resolved configuration; also what tells a later run that the folder belongs to it."""
    own = {} if job.config_dir is None else {"config_dir": job.config_dir}
    content = {"preset": job.preset, **own, **job.config.model_dump()}
    write_text(job.folder / CONFIG, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def check_folder(job: Job) -> None:
    """Raises ConfigError if the job's folder holds files of the user's, or a result of another configuration: it names
    the keys that differ."""
    path = job.folder / CONFIG
    if not path.exists():
        if others := sorted(path.name for path in job.folder.glob("*") if path.name not in (LOCK, ERROR_TRACE)):
            raise ConfigError(
                f"{job.folder} holds {shorten(others, 3)}, but no job: nothing of yours is replaced. Move the folder"
                " away, or choose another study=NAME or variant=NAME"
            )
        return
    try:
        stored = yaml.safe_load(path.read_text(encoding="utf-8"))
        before = _DEFAULTS | result_keys(stored)
    except (yaml.YAMLError, AttributeError, TypeError, UnicodeDecodeError):
        raise ConfigError(f"{path} cannot be read; move {job.folder} away, or choose another variant=NAME") from None
    now = result_keys(job.config.model_dump())
    differing = [f"{key} ({before.get(key)} there, {now.get(key)} now)" for key in differing_keys(before, now)]
    if differing:
        raise ConfigError(
            f"{job.folder} holds a result of another configuration: {'; '.join(differing)}."
            " Choose another study=NAME or variant=NAME"
        )


def is_done(job: Job) -> bool:
    """Whether the job's result is there already, of whatever number of epochs its configuration asked for."""
    metrics = read_metrics(job.folder)
    return metrics is not None and metrics.get("status") == "done" and (job.folder / PREDICTIONS).exists()
