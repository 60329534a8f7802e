"""From the data block of a configuration to the list of clips; `auto` to what is there on this machine."""

import os
from pathlib import Path

from audio_cls.data.clips import ClipSet, DataError
from audio_cls.data.sources import looks_like_esc10, read_any_folder, read_esc10, read_esc50
from audio_cls.data.synthetic import synthetic_clips
from audio_cls.studies.config import ConfigError, DataConfig

# Kinds whose folds are published; the others are split by us.
PUBLISHED_FOLDS = {"esc10": 5, "esc50": 5, "synthetic": 5}


def load_clips(data: DataConfig) -> ClipSet:
    """Lists the clips. Decodes nothing. Raises DataError where the path does not hold what the configuration says."""
    if data.kind == "synthetic":
        return synthetic_clips(clips_per_class=data.clips_per_class, seed=data.synthesis_seed)
    if data.kind == "esc10":
        return read_esc10(Path(data.root) if data.root else _own_esc10())
    if data.root is None:
        raise ConfigError(
            f"data={data.kind} needs to know where the clips are: data.root=PATH, or AUDIO_CLS_DATA=PATH in the environment"
        )
    return read_esc50(Path(data.root)) if data.kind == "esc50" else read_any_folder(Path(data.root))


def resolve_auto(root: str | None) -> tuple[str, str | None]:
    """Returns the data set that data=auto stands for, and what to tell the user about it (None where it is no surprise)."""
    if root is not None:
        if not Path(root).exists():
            source = "AUDIO_CLS_DATA" if os.environ.get("AUDIO_CLS_DATA") == root else "data.root"
            raise ConfigError(f"{source}={root} does not exist; give the folder with the clips")
        return ("esc10", None) if looks_like_esc10(Path(root)) else ("folder", None)
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
