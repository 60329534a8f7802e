"""Where downloaded and decoded data are kept, and the bar shown while that happens."""

import os
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

CACHE_VARIABLE = "AUDIO_CLS_CACHE"


def default_cache_dir() -> Path:
    """The folder that the environment variable AUDIO_CLS_CACHE names, or else the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    import pooch  # 0.3 s

    return Path(pooch.os_cache("audio_cls"))


def progress_bar(wanted: bool = True) -> Progress:
    """A bar on stderr; silent where that is not a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not (wanted and sys.stderr.isatty()),
    )
