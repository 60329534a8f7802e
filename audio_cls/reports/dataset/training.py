"""What to type to train on a data set that was explored: a command to copy, and why its settings are what they are."""

import shlex
from pathlib import Path

from audio_cls.config.auto import KINDS_AS_USUAL
from audio_cls.config.compose import quoted
from audio_cls.config.recommend import misfits, recommend
from audio_cls.data.headers import make_headers
from audio_cls.reports.dataset.survey import Survey

BEST = ("best", 44_100, 5.0)  # a preset with a rate in Hz and crops in seconds of its own


def training_lines(survey: Survey, kind: str, root: str | None, source: str | None) -> list[str]:
    """The command first, then a reason for each setting, and which preset does not fit."""
    command = ["audio-cls", "train", f"data={kind}"]
    command += [
        f"data.{key}={quoted(value) if ',' in value else value}"
        for key, value in (("root", root), ("source", source))
        if value
    ]
    if kind in KINDS_AS_USUAL:
        return [f"train: {shlex.join([*command, '-m'])}"]
    headers = make_headers((each.seconds, each.sample_rate) for each in survey.good.values())
    settings = recommend(survey.clip_set, headers)
    lines = [f"train: {shlex.join([*command, *map(str, settings), '-m'])}"]
    lines += [f"  {setting}: {setting.reason}" for setting in settings]
    name, rate, seconds = BEST
    problems = misfits(headers, rate, seconds) if headers else []
    lines += [f"  experiment={name} does not fit: {'; '.join(problems)}"] if problems else []
    return [*lines, "  (taken by themselves where the command does not give them)"]


def default_folder(name: str, marker: str) -> Path:
    """outputs/explore/NAME, or NAME-2 and so on where that holds the page of other data. `marker`: what pages of the
    same data contain."""
    number, folder = 1, Path("outputs") / "explore" / name
    while folder.exists() and not (folder.is_dir() and (not any(folder.iterdir()) or _holds(folder, marker))):
        number += 1
        folder = folder.with_name(f"{name}-{number}")
    return folder


def _holds(folder: Path, marker: str) -> bool:
    page = folder / "index.html"
    return page.is_file() and marker.encode() in page.read_bytes()[:2_000]
