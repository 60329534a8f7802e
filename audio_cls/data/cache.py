"""Where downloaded and decoded data are kept."""

import os
from pathlib import Path

from platformdirs import user_cache_dir

CACHE_VARIABLE = "AUDIO_CLS_CACHE"


def default_cache_dir() -> Path:
    """The folder that the environment variable AUDIO_CLS_CACHE names, or else the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(user_cache_dir("audio_cls"))
