"""`audio-cls explore`: checks the arguments, measures the clips, writes the page and prints the findings."""

import os
import re
import sys
from pathlib import Path

from audio_cls.config.auto import filled
from audio_cls.config.checks import check_data
from audio_cls.config.compose import compose_job, configuration
from audio_cls.config.dataset import load_clips, resolve_auto
from audio_cls.config.location import conf_dir
from audio_cls.config.schema import ConfigError
from audio_cls.data.clips import ClipSet, DataError
from audio_cls.data.manifest import write_manifest
from audio_cls.files import check_replaceable, unwritable
from audio_cls.terminal import answer, say

MANY_FINDINGS = 12


def explore(
    kind: str,
    root: str | None,
    out: Path | None,
    config_dir: Path | None = None,
    *,
    source: str | None = None,
    manifest: Path | None = None,
) -> int:
    """`kind`: as in data=KIND; `config_dir`: of options of the user's own; `source`: as in data.source=PATTERN;
    `manifest`: a CSV file to write the clips to. 0, or 1 where training would stop on these.

    Raises ConfigError for a mistake, with nothing written, and DataError where no clip can be used or ESC-10 cannot be
    downloaded.
    """
    clip_set, from_manifest, kind, root = _load(kind, root, config_dir, source)
    out = out or _own_folder(clip_set)
    _check_folder(out, clip_set, from_manifest)
    if manifest is not None:
        _write_manifest(clip_set, manifest)

    # matplotlib and scipy take a second to import
    from audio_cls.reports.dataset import findings, page, training
    from audio_cls.reports.dataset.finding import ERROR
    from audio_cls.reports.dataset.survey import survey

    surveyed = survey(clip_set)
    found = findings.find(surveyed)
    training_advice = training.how_to_train(surveyed, kind, root, source)
    written = page.write_page(surveyed, found, training_advice, out)
    answer(f"{clip_set.name}: {len(clip_set):,} clips of {len(clip_set.classes)} classes")
    for each in found[:MANY_FINDINGS]:
        answer(f"{each.severity}: {each.title}")
        for name, said in each.clips[:5] if each.severity == ERROR else ():
            answer(f"  {name}: {said}")
    if len(found) > MANY_FINDINGS:
        answer(f"and {len(found) - MANY_FINDINGS} more findings on the page")
    answer(f"page: {written}")
    for line in training_advice.lines():
        answer(line)
    return 1 if any(each.severity == ERROR for each in found) else 0


def _own_folder(clip_set: ClipSet) -> Path:
    from audio_cls.reports.dataset.page import data_id
    from audio_cls.reports.dataset.training import default_folder

    return default_folder(clip_set.name, f'content="{data_id(clip_set)}"')


def _write_manifest(clip_set: ClipSet, path: Path) -> None:
    try:
        write_manifest(clip_set, path)
    except FileExistsError:
        raise ConfigError(f"{path} exists already and is not replaced; choose another --write-manifest") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror}); choose another --write-manifest") from None
    answer(f"manifest: {path} (to correct, then to train on by data=folder data.root={path})")


def _load(
    kind: str, root: str | None, config_dir: Path | None, source: str | None
) -> tuple[ClipSet, bool, str, str | None]:
    """The clips, whether a CSV manifest lists them, what kind of data they are, and where."""
    if root == "":
        raise ConfigError("PATH is empty; give the folder with the clips, or a CSV file")
    if kind == "synthetic" and root is not None:
        raise ConfigError("--data synthetic needs no PATH; leave one of them out")
    root = root or os.environ.get("AUDIO_CLS_DATA") or None
    root = os.path.expanduser(root) if root else None
    if config_dir is not None:
        if not config_dir.is_dir():
            raise ConfigError(f"--config-dir {config_dir} is not a folder; give one with files like data/mine.yaml")
        sys.path.append(os.getcwd())  # where the Python files of these options are, as in training
    notice = None
    try:
        if kind == "auto":
            kind, notice = resolve_auto(root)
        with configuration(conf_dir(), config_dir):
            block = filled(compose_job([f"data={kind}"])[0])["data"]
        if source is not None and "source" not in block:
            raise ConfigError(f"--source belongs to data=folder, not to data={kind}; leave it out")
        given = {"root": root, "source": source}
        clip_set = load_clips(check_data(block | {key: value for key, value in given.items() if key in block}))
    except (ConfigError, DataError) as error:
        message = str(error).replace("data.root=", "").replace("data.root", "PATH")  # options of this command
        message = message.replace("data.source=", "--source ")
        raise type(error)(re.sub(r"\bdata=", "--data ", message)) from None
    if notice:
        say(f"\n*** {notice.replace('TRAINING ON', 'EXPLORING')} ***\n")
    return clip_set, root is not None and Path(root).is_file(), kind, root


def _check_folder(out: Path, clip_set: ClipSet, from_manifest: bool) -> None:
    if reason := unwritable(out):
        raise ConfigError(f"the page cannot go to {out}, as {reason}; choose another --out")
    if out.exists() and any(out.iterdir()):
        _check_ours(out)
    if _is_among_data(out, clip_set, from_manifest):
        raise ConfigError(f"{out} lies among the clips, where nothing is written; choose another --out")


def _check_ours(out: Path) -> None:
    """Raises UserError for what an earlier run has not written, where this one would write."""
    from audio_cls.reports.dataset.page import COLUMNS, GENERATOR

    if not (out / "index.html").is_file():
        raise ConfigError(f"{out} holds other files; choose a new or empty folder with --out")
    check_replaceable(out / "index.html", f'content="{GENERATOR}"')
    check_replaceable(out / "clips.csv", ",".join(COLUMNS))
    for picture in (out / "figures").glob("*"):
        check_replaceable(picture, f"Software\0{GENERATOR}")


def _is_among_data(path: Path, clip_set: ClipSet, from_manifest: bool) -> bool:
    """Whether the path lies in the data root; of a manifest, whose root may be the working folder, in a folder below
    the root that holds clips."""
    if clip_set.root is None:
        return False
    path, root = path.resolve(), clip_set.root.resolve()
    folders = {clip.path.parent.resolve() for clip in clip_set.clips} - {root} if from_manifest else {root}
    return any(path.is_relative_to(folder) for folder in folders)
