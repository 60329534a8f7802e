"""How each variant of a study is trained again: its command and its whole configuration."""

from collections.abc import Sequence
from dataclasses import dataclass

from audio_cls.reports.commands import training_command
from audio_cls.results import job_files
from audio_cls.results.study import Study


@dataclass(frozen=True)
class Recipe:
    """`command` is empty where it cannot be told, and `problem` says why."""

    variant: str
    command: str
    problem: str
    config: str  # config.yaml of its first job


def recipes(study: Study, order: Sequence[str]) -> list[Recipe]:
    """Of every variant, in the order of these names."""
    return [_recipe(study, variant) for variant in order]


def recorded_commands(study: Study) -> list[str]:
    """The command lines that made the study, as commands.txt has them."""
    try:
        return (study.path / job_files.COMMANDS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _recipe(study: Study, variant: str) -> Recipe:
    jobs = [job for job in study.jobs if job.variant == variant]
    folder = study.path / min(jobs, key=lambda job: job.status != "done").name
    try:
        config = (folder / job_files.CONFIG).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return Recipe(variant, "", f"{folder.name} has no readable {job_files.CONFIG}", "")
    try:
        command = training_command(folder, study.name, variant, sorted({job.seed for job in jobs}))
    except (OSError, ValueError) as error:
        return Recipe(variant, "", str(error), config)
    return Recipe(variant, command, "", config)
