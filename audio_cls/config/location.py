"""Where the YAML files of the configuration are, and what to type to train with them."""

import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def conf_dir() -> Path:
    """The folder with config.yaml and the groups: the copy in an installed package, else conf/ of the checkout."""
    installed = _PACKAGE / "conf"
    return installed if installed.is_dir() else _PACKAGE.parent / "conf"


def train_command() -> str:
    """'python train.py' where that was typed or the checkout is the working folder, else 'audio-cls train'."""
    script = Path("train.py")
    here = script.is_file() and script.resolve() == _PACKAGE.parent / script
    return "python train.py" if here or Path(sys.argv[0]).name == script.name else "audio-cls train"
