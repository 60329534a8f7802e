"""From the data block of a configuration to the list of clips; `auto` to what is there on this machine."""

import os
from dataclasses import replace
from pathlib import Path

from audio_cls.config.schema import ConfigError, DataConfig
from audio_cls.data.clips import ClipSet, DataError
from audio_cls.data.sources import looks_like_esc10, read_any_folder, read_esc10, read_esc50
from audio_cls.data.synthetic import synthetic_clips

# Kinds whose folds are published; the others are split by us.
PUBLISHED_FOLDS = {"esc10": 5, "esc50": 5, "synthetic": 5}
SHOWN_PROBLEMS = 3


def load_clips(data: DataConfig) -> ClipSet:
    """Lists the clips. Decodes nothing.

    Raises ConfigError where the path does not hold what the configuration says, DataError where ESC-10 cannot be
    downloaded.
    """
    root = data.root
    if data.kind == "esc10" and root is None:
        root = str(_own_esc10())
    if root is None and data.kind != "synthetic":
        raise ConfigError(
            f"data={data.kind} needs to know where the clips are:"
            " data.root=PATH, or AUDIO_CLS_DATA=PATH in the environment"
        )
    try:
        clip_set = _read(data, Path(root or "").absolute())
    except DataError as error:
        # The list of clips is what the configuration points to, so a bad one is a mistake in the configuration.
        raise ConfigError(_in_one_line(error)) from None
    except OSError as error:
        raise ConfigError(
            f"{error.filename or root} cannot be read ({error.strerror});"
            " data.root must be a folder or a CSV file that you may read"
        ) from None
    return replace(clip_set, name=data.name or clip_set.name)


def _read(data: DataConfig, root: Path) -> ClipSet:
    if data.kind == "synthetic":
        return synthetic_clips(clips_per_class=data.clips_per_class, seed=data.synthesis_seed)
    return {"esc10": read_esc10, "esc50": read_esc50, "folder": read_any_folder}[data.kind](root)


def _in_one_line(error: DataError) -> str:
    lines = str(error).splitlines()
    more = f"; and {len(lines) - SHOWN_PROBLEMS} more like this" if len(lines) > SHOWN_PROBLEMS else ""
    return "; ".join(line.strip() for line in lines[:SHOWN_PROBLEMS]) + more


def resolve_auto(root: str | None) -> tuple[str, str | None]:
    """Returns the data set that data=auto stands for, and what to tell the user where that is a surprise."""
    if root is not None:
        if not Path(root).exists():
            source = "AUDIO_CLS_DATA" if os.environ.get("AUDIO_CLS_DATA") == root else "data.root"
            raise ConfigError(f"{source}={root} does not exist; give the folder with the clips")
        return ("esc10", None) if looks_like_esc10(Path(root).absolute()) else ("folder", None)
    try:
        _own_esc10()
    except DataError as error:
        reason = " ".join(str(error).split())
        return (
            "synthetic",
            f"ESC-10 is not here and could not be downloaded ({reason}). TRAINING ON THE SYNTHETIC SET INSTEAD.",
        )
    return "esc10", None


def _own_esc10() -> Path:
    """The project's own copy of ESC-10 in the user's cache folder, downloaded on first use."""
    from audio_cls.data.download import default_esc10_root, download_esc10  # takes a while to import, and seldom runs

    root = default_esc10_root()
    return root if root.is_dir() else download_esc10(root)
