"""`audio-cls explore`: checks what was asked for, listens, writes the page, and says what was found."""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from audio_cls.config.dataset import load_clips, resolve_auto
from audio_cls.config.schema import ConfigError, DataConfig
from audio_cls.data.clips import ClipSet

LEAKY_HEADER = "file,label,fold"
MANY_FINDINGS = 12


@dataclass(frozen=True)
class Request:
    kind: str
    root: str | None
    out: Path | None
    leaky_manifest: Path | None


def explore(request: Request) -> int:
    """Returns 0, or 1 where train.py would stop on these data.

    Raises ConfigError for a mistake, with nothing written, and DataError where no clip can be used or ESC-10 cannot be
    downloaded.
    """
    clip_set, from_manifest = _load(request)
    out = request.out or Path("outputs") / "explore" / clip_set.name
    _check_folder(out, clip_set, from_manifest)
    if request.leaky_manifest is not None:
        _check_manifest(request.leaky_manifest, clip_set, from_manifest)

    # matplotlib and scipy take a second to import
    from audio_cls.reports.dataset import findings, leakage, page
    from audio_cls.reports.dataset.finding import ERROR
    from audio_cls.reports.dataset.survey import survey

    surveyed = survey(clip_set)
    found = findings.find(surveyed)
    written = page.write_page(surveyed, found, out)
    print(f"{clip_set.name}: {len(clip_set):,} clips of {len(clip_set.classes)} classes")
    for each in found[:MANY_FINDINGS]:
        print(f"{each.severity}: {each.title}")
        if each.severity == ERROR:
            print("".join(f"  {name}: {said}\n" for name, said in each.clips[:5]), end="")
    if len(found) > MANY_FINDINGS:
        print(f"and {len(found) - MANY_FINDINGS} more findings on the page")
    print(f"page: {written}")
    if request.leaky_manifest is not None:
        leaked = leakage.write_leaky_manifest(clip_set, request.leaky_manifest)
        print(
            f"leaky manifest: {request.leaky_manifest}, {leaked} of {len(clip_set)} clips leak; measure it with\n"
            f"  python train.py data=folder data.root={request.leaky_manifest} protocol=crossval study=leaky -m"
        )
    return 1 if any(each.severity == ERROR for each in found) else 0


def _load(request: Request) -> tuple[ClipSet, bool]:
    """The clips, and whether a CSV manifest lists them."""
    if request.root == "":
        raise ConfigError("PATH is empty; give the folder with the clips, or a CSV file")
    if request.kind == "synthetic" and request.root is not None:
        raise ConfigError("--data synthetic needs no PATH; leave one of them out")
    root = request.root or os.environ.get("AUDIO_CLS_DATA") or None
    root = os.path.expanduser(root) if root else None
    kind, notice = request.kind, None
    try:
        if kind == "auto":
            kind, notice = resolve_auto(root)
        clip_set = load_clips(DataConfig(kind=kind, name=None, root=None if kind == "synthetic" else root))
    except ConfigError as error:
        raise ConfigError(_in_options(str(error))) from None
    if notice:
        print(f"\n*** {notice.replace('TRAINING ON', 'EXPLORING')} ***\n", file=sys.stderr)
    return clip_set, root is not None and Path(root).is_file()


def _in_options(message: str) -> str:
    """With the options of this command in place of the keys of training."""
    message = message.replace("data.root=", "").replace("data.root", "PATH")
    return re.sub(r"\bdata=", "--data ", message)


def _check_folder(out: Path, clip_set: ClipSet, from_manifest: bool) -> None:
    existing = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not existing.is_dir():
        raise ConfigError(f"the page cannot go to {out}, as {existing} is a file; choose another --out")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError(f"the page cannot go to {out}, as {existing} is read-only; choose another --out")
    if existing == out and any(out.iterdir()) and not _is_ours(out / "index.html"):
        raise ConfigError(f"{out} holds other files; choose a new or empty folder with --out")
    if _is_among_data(out, clip_set, from_manifest):
        raise ConfigError(f"{out} lies among the clips, where nothing is written; choose another --out")


def _check_manifest(path: Path, clip_set: ClipSet, from_manifest: bool) -> None:
    from audio_cls.reports.dataset.leakage import check_leaky_manifest

    option = f"--leaky-manifest {path}"
    if path.suffix.lower() != ".csv":
        raise ConfigError(f"{option} must end in .csv")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"{option}: {path.parent} is not a folder; make it, or choose another")
    if not os.access(path.absolute().parent, os.W_OK | os.X_OK):
        raise ConfigError(f"{option}: {path.parent} is read-only; choose another folder")
    if path.is_dir() or (path.exists() and not _has_leaky_header(path)):
        raise ConfigError(f"{option} exists and is not a leaky manifest; choose another name")
    if _is_among_data(path, clip_set, from_manifest):
        raise ConfigError(f"{option} lies among the clips, where nothing is written; choose another folder")
    reason = check_leaky_manifest(clip_set)
    if reason is not None:
        raise ConfigError(f"--leaky-manifest: {reason}")


def _is_ours(page: Path) -> bool:
    from audio_cls.reports.dataset.page import GENERATOR

    return page.is_file() and f'content="{GENERATOR}"'.encode() in page.read_bytes()[:1000]


def _has_leaky_header(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.readline(200).strip() == LEAKY_HEADER.encode()


def _is_among_data(path: Path, clip_set: ClipSet, from_manifest: bool) -> bool:
    """Whether the path lies in the data root; of a manifest, whose root may be the working folder, in a folder below
    the root that holds clips."""
    if clip_set.root is None:
        return False
    path, root = path.resolve(), clip_set.root.resolve()
    folders = {clip.path.parent.resolve() for clip in clip_set.clips} - {root} if from_manifest else {root}
    return any(path.is_relative_to(folder) for folder in folders)
