"""What to type to train on a data set that was explored: a command to copy, and why its settings are what they are."""

import shlex
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from audio_cls.config.auto import FFT_SECONDS, HOP_SECONDS, KINDS_AS_USUAL, OF_FRONT_END, front_end_samples
from audio_cls.config.compose import compose_job, configuration, quoted
from audio_cls.config.location import conf_dir
from audio_cls.config.recommend import Setting, misfits, recommend
from audio_cls.data.clips import ROLES, ClipSet
from audio_cls.data.headers import Headers, make_headers
from audio_cls.data.splits import published_folds
from audio_cls.reports.dataset.survey import Survey

BEST = "best"  # the preset whose rate and crops are its own
FEW_SOURCES = 12  # as many folds are not too many
AUTOMATIC = "a command without these settings takes the same by itself"


@dataclass(frozen=True)
class Training:
    """The command, its settings with a reason for each, and what else to know: sentences without a full stop."""

    command: str
    reasons: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """For the terminal."""
        reasons = [f"  {setting}: {reason}" for setting, reason in self.reasons]
        return [f"train: {self.command}", *reasons, *(f"  {remark}" for remark in self.remarks)]


def how_to_train(survey: Survey, kind: str, root: str | None, source: str | None) -> Training:
    """`kind`, `root` and `source` as in data=KIND data.root=ROOT data.source=SOURCE."""
    command = ["audio-cls", "train", f"data={kind}"]
    command += [
        f"data.{key}={quoted(value) if ',' in value else value}"
        for key, value in (("root", root), ("source", source))
        if value
    ]
    if kind in KINDS_AS_USUAL:
        return Training(shlex.join([*command, "-m"]))
    headers = make_headers((each.seconds, each.sample_rate) for each in survey.good.values())
    settings = tuple(setting for setting in recommend(survey.clip_set, headers) if setting.used)
    reasons = [(str(setting), setting.reason) for setting in settings]
    remarks = [AUTOMATIC, *_misfit(headers), *_leave_one_source_out(survey.clip_set)]
    if survey.clip_set.has_roles and all(clip.fold != 1 + ROLES.index("val") for clip in survey.clip_set.clips):
        command.append("protocol=crossval")
        reasons.append(("protocol=crossval", "no clip has the role val, which protocol=holdout needs"))
    line = shlex.join([*command, *map(str, settings), "-m"])
    return Training(line, (*reasons, _front_end(settings)), tuple(remarks))


def _front_end(settings: tuple[Setting, ...]) -> tuple[str, str]:
    """Not in the command, as it follows from the rate, and not every model has one."""
    (rate,) = (setting.value for setting in settings if setting.key == "input.sample_rate")
    samples = zip(OF_FRONT_END, front_end_samples(int(rate)), strict=True)
    window, hop = (f"{1000 * seconds:g} ms" for seconds in (FFT_SECONDS, HOP_SECONDS))
    reason = f"the transformer's windows of {window} every {hop}, short enough to show modulations, at {rate} Hz"
    return " ".join(f"{key}={value}" for key, value in samples), reason


def _misfit(headers: Headers | None) -> list[str]:
    with configuration(conf_dir()):
        preset = compose_job([f"experiment={BEST}"])[0]["input"]
    problems = misfits(headers, preset["sample_rate"], preset["crop_seconds"]) if headers else []
    return [f"the preset experiment={BEST} does not fit: {'; '.join(problems)}"] if problems else []


def _leave_one_source_out(clip_set: ClipSet) -> list[str]:
    """Where the sources are few, all known, and each class has several."""
    sources = defaultdict(set)
    for clip in clip_set.clips:
        sources[clip.label].add(clip.source)
    every = set().union(*sources.values())
    fewest = min(map(len, sources.values()))
    if None in every or published_folds(clip_set) or not 3 <= len(every) <= FEW_SOURCES or fewest < 2:
        return []
    how = f"protocol=crossval data.num_folds={len(every)}"
    return [f"with {how} each of the {len(every)} sources is the test set once (leave-one-source-out)"]


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
