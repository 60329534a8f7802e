"""What `audio-cls export` does: the model of a study or a job, as a folder with its card."""

import re
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from audio_cls.analysis.compare import summarize
from audio_cls.analysis.verdict import DEVELOPMENT
from audio_cls.files import read_csv
from audio_cls.reports.commands import training_arguments
from audio_cls.reports.export.card import About, model_card, without_places
from audio_cls.reports.export.figures import HeldOut, held_out
from audio_cls.reports.export.final import choose, final_job, stored_configuration
from audio_cls.reports.export.flags import count_unlike
from audio_cls.results import job_files
from audio_cls.results.job_folder import JOB_FOLDER, StudyJob, read_job
from audio_cls.results.study import load_study
from audio_cls.serving.export import Write, check_exportable, check_target, write_exported
from audio_cls.serving.load import load_classifier
from audio_cls.terminal import say
from audio_cls.wording import SPLIT_NAMES, UserError

EXPORTED = Path("exported")  # where models go without --out


@dataclass(frozen=True)
class Wishes:
    """How it is exported: where to, None for the usual place; under which licence; what else."""

    out: Path | None
    licence: str
    onnx: Write | None = None
    page: Write | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][\w.+-]{0,59}|", self.licence):
            raise UserError(f"--license {self.licence}: give an identifier, as cc-by-4.0, mit or apache-2.0")


def export_study(path: Path, variant: str | None, root: str | None, wishes: Wishes) -> Path:
    """Exports the study's best variant, or the one that is named, trained on all clips; returns the folder."""
    study = load_study(path)
    summary = summarize(study)
    choice = choose(study, summary, variant)
    out = wishes.out or EXPORTED / f"{study.name}-{choice.variant}"
    check_target(out)
    check_exportable(stored_configuration(path / choice.jobs[0].name), choice.variant)
    found = held_out(choice.jobs)
    assert found is not None and found.row.ranking is not None
    verdict = "" if variant is not None else summary.verdict
    accuracy = f"{100 * (found.row.ranking.accuracy.mean or 0):.1f}% on the {SPLIT_NAMES[found.split]} folds"
    num_variants = sum(row.kind == "variant" and row.ranking is not None for row in summary.rows)
    say(
        f"{choice.variant}: {accuracy}"
        + (f", the best of {num_variants} variants. {verdict}" if num_variants > 1 and verdict else "")
    )
    if found.split == "val":
        say(DEVELOPMENT)
    folder = final_job(study, choice, root)
    about = _about(folder, read_job(folder), found, out, wishes, study.name, choice.variant, verdict)
    return _write(out, replace(about, unlike=count_unlike(path / job.name for job in choice.jobs)), wishes)


def export_job(folder: Path, wishes: Wishes) -> Path:
    """Exports the network of one job, calibrated on its own held-out clips where it has some; returns the folder."""
    folder = Path(folder)
    if not JOB_FOLDER.fullmatch(folder.resolve().name):
        raise UserError(f"{folder} is not called like a job, as fold0-seed0; give the folder that training wrote")
    job = read_job(folder.resolve())
    if job.status != "done":
        raise UserError(f"{folder} is {job.status} ({job.reason}): train the job to its end first")
    study = folder.resolve().parent.parent.name
    out = wishes.out or EXPORTED / f"{study}-{job.variant}-{folder.resolve().name}"
    check_target(out)
    check_exportable(stored_configuration(folder), job.variant)
    found = held_out([job])
    if found is None:
        say(
            f"{job.name} was trained on all clips: none was held out, so its probabilities are not calibrated and no"
            " accuracy is known. audio-cls export STUDY takes both from the study that chose it"
        )
    about = _about(folder, job, found, out, wishes, "", "", "")
    return _write(out, replace(about, unlike=count_unlike([folder])), wishes)


def _about(
    folder: Path,
    job: StudyJob,
    found: HeldOut | None,
    out: Path,
    wishes: Wishes,
    study: str,
    variant: str,
    verdict: str,
) -> About:
    classifier = load_classifier(folder)
    if found is not None:
        classifier = replace(classifier, temperature=found.temperature, unsure_below=found.unsure_below)
    configuration = stored_configuration(folder)
    return About(
        name=out.resolve().name,
        classifier=classifier,
        metrics=job.metrics,
        kind=str(configuration["data"].get("kind")),
        num_sources=_num_sources(folder),
        arguments=_command(folder, configuration),
        study=study,
        variant=variant,
        verdict=verdict,
        held_out=found,
        licence=wishes.licence,
    )


def _write(out: Path, about: About, wishes: Wishes) -> Path:
    write_exported(out, about.classifier, model_card(about), onnx=wishes.onnx, page=wishes.page)
    return out


def _command(folder: Path, configuration: dict[str, Any]) -> str:
    """What trains the job again, without places on this machine."""
    try:
        words = training_arguments(folder)
    except (OSError, ValueError):
        return "not known: its configuration is of another version of audio_cls"
    fold = [f"fold={configuration['fold']}"] if configuration.get("fold") else []
    words = [word for word in words if not word.startswith(("output_dir=", "data.name="))]
    root = [] if any(word.startswith("data.root=") for word in words) else ["data.root=PATH"]
    return shlex.join(
        ["audio-cls", "train", *without_places(words), *fold, *(root if _has_files(configuration) else [])]
    )


def _has_files(configuration: dict[str, Any]) -> bool:
    return configuration["data"].get("kind") != "synthetic"


def _num_sources(folder: Path) -> int | None:
    """Recordings that the training clips come from; None where one is not known."""
    try:
        _, rows = read_csv(folder / job_files.SPLIT)
        sources = [row["source"] for row in rows if row["split"] == "train"]
    except (OSError, ValueError, KeyError):
        return None
    return len(set(sources)) if sources and all(sources) else None


def size_of(folder: Path) -> int:
    """Bytes of all files in it."""
    return sum(path.stat().st_size for path in folder.iterdir())
