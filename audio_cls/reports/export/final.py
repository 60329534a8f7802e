"""The final model of a study: which variant, and its job on all clips, which is trained where it is not there."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

import audio_cls
from audio_cls.analysis.summary import Summary, VariantRow
from audio_cls.config.schema import ConfigError, differing_keys, result_keys
from audio_cls.reports.commands import training_arguments
from audio_cls.results import job_files
from audio_cls.results.job_folder import StudyJob, read_job
from audio_cls.results.study import Study, StudyError
from audio_cls.terminal import say
from audio_cls.wording import UserError, did_you_mean, one_line

# What protocol=all has none of: an epoch cannot be chosen without held-out clips.
_WITHOUT_CHOICE: dict[str, str | int] = {"trainer.weights": "last", "trainer.early_stopping": 0}
_OWN = {"protocol", "fold", "trainer.max_epochs", *_WITHOUT_CHOICE}


class NotTrained(RuntimeError):
    """The final model could not be trained; one line."""


@dataclass(frozen=True)
class Choice:
    """The variant to export, and its finished jobs."""

    row: VariantRow
    jobs: tuple[StudyJob, ...]

    @property
    def variant(self) -> str:
        return self.row.variant


def choose(study: Study, summary: Summary, variant: str | None) -> Choice:
    """The best variant of the study by its ranking split, those with all folds first; or the one that is named.

    Raises StudyError where nothing is ranked, or the named one has no result.
    """
    if study.protocol == "all":
        jobs = sorted(job.name for job in study.jobs)
        raise StudyError(
            f"{study.path} was trained with protocol=all, so nothing is ranked; name one of its jobs: "
            f"{study.path / jobs[0]}"
        )
    ranked = {row.variant: row for row in summary.rows if row.ranking and row.kind == "variant"}
    if not ranked:
        raise StudyError(f"{study.path} has no finished job with held-out clips, by which to choose: train one first")
    if variant is not None and variant not in ranked:
        study.check_variant(variant)
        hint = did_you_mean(variant, ranked) or f"finished are {', '.join(ranked)}"
        raise StudyError(f"no job of {variant!r} is finished; {hint}")
    row = ranked[variant] if variant is not None else next(iter(ranked.values()))
    return Choice(row, tuple(job for job in study.jobs if job.variant == row.variant and job.status == "done"))


def final_job(study: Study, choice: Choice, root: str | None) -> Path:
    """The folder of the variant's job on all clips, STUDY-all/VARIANT/fold0-seedN; trains it unless it is done.

    `root`: where the clips are now. Raises ConfigError for a job of another configuration in its place, UserError where
    the clips are gone, and NotTrained.
    """
    first = min(choice.jobs, key=lambda job: (job.seed, job.fold))
    source = study.path / first.name
    name = f"{study.name}-all"
    folder = study.path.resolve().parent / name / choice.variant / f"fold0-seed{first.seed}"
    stored = stored_configuration(source)
    if (job_files.read_metrics(folder) or {}).get("status") != "done":
        arguments = final_arguments(source, stored, choice, root)
        _train([*arguments, f"output_dir={folder.parents[2]}", f"study={name}"], folder)
    _check_same(folder, stored, choice)
    return folder


def final_arguments(source: Path, stored: dict[str, Any], choice: Choice, root: str | None) -> list[str]:
    """The overrides that train the configuration of a job's folder on all clips, but for study and output folder."""
    try:
        given = training_arguments(source)
    except (OSError, ValueError) as error:
        raise UserError(f"how to train {choice.variant} is not known: {one_line(error)}") from None
    keys = stored["trainer"]
    ours: dict[str, str | int] = {"protocol": "all", "variant": choice.variant, "logger": "none"}
    ours |= {key: off for key, off in _WITHOUT_CHOICE.items() if keys.get(key.partition(".")[2]) != off}
    if keys.get("early_stopping"):
        ours["trainer.max_epochs"] = max(1, round(mean(job.metrics["epochs"] for job in choice.jobs)))
    ours |= {"data.root": _quoted(root)} if root else {}
    dropped = {*ours, "output_dir"}
    place = stored["data"].get("root")
    if not root and place and not Path(place).exists():
        raise UserError(f"the clips are not in {place} any more; say where they are: --root PATH")
    return [*(word for word in given if word.partition("=")[0] not in dropped), *(f"{k}={v}" for k, v in ours.items())]


def _quoted(path: str) -> str:
    from audio_cls.config.compose import quoted

    return quoted(str(Path(path).expanduser().resolve()))


def _train(arguments: Sequence[str], folder: Path) -> None:
    """Trains in a process of its own, whose output is shown; an earlier training that was interrupted goes on."""
    say(f"training on all clips: {folder}")
    package = str(Path(audio_cls.__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    # -P: nothing in the working folder takes the place of a library.
    command = [sys.executable, "-P", "-m", "audio_cls.cli.main", "train", *arguments]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}, stdout=2) as process:
        before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            status = process.wait()
        except KeyboardInterrupt:  # of the terminal, which the training has got as well: it keeps what it has done
            process.wait()
            raise
        finally:
            signal.signal(signal.SIGTERM, before)
    if status in (-signal.SIGINT, 130):
        raise KeyboardInterrupt
    if status in (-signal.SIGTERM, 143):
        raise SystemExit(143)
    if status:
        raise NotTrained("the final model was not trained, for the reason above; export again to go on")


def _check_same(folder: Path, stored: dict[str, Any], choice: Choice) -> None:
    """Raises UserError unless the job on all clips has the variant's configuration, and its clips."""
    now, before = result_keys(stored_configuration(folder)), result_keys(stored)
    if differing := [key for key in differing_keys(before, now) if key not in _OWN]:
        raise ConfigError(
            f"{folder} holds a job of another configuration than {choice.variant}: {', '.join(differing)}; move it away"
        )
    job = read_job(folder)
    if job.status != "done":
        raise UserError(f"{folder} is {job.status} ({job.reason}); move it away, and export again")
    clips = job.metrics.get("content_digest")
    if any(other.metrics.get("content_digest") not in (None, clips) for other in choice.jobs):
        raise UserError(
            f"{folder} was trained on other clips than the study, whose figures would not belong to it; train the study"
            " again, or move that job away"
        )


def stored_configuration(folder: Path) -> dict[str, Any]:
    """The values of a job's config.yaml. Raises UserError where it cannot be read."""
    path = folder / job_files.CONFIG
    try:
        stored = yaml.safe_load(path.read_text(encoding="utf-8"))
        _ = stored["trainer"].keys(), stored["data"].keys()
    except (OSError, yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} cannot be read ({one_line(error)}); train the job again") from None
    return stored
