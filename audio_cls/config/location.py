"""Where the YAML files of the configuration are, and what to type to train with them or to go on afterwards."""

import shlex
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


def export_command(study: Path) -> str:
    """What takes the best variant of a study away: its name, and the output folder where that is not the usual one."""
    study = study if study.name else study.resolve()
    place = [] if study.parent == Path("outputs") else ["--output-dir", str(study.parent)]
    return shlex.join(["audio-cls", "export", study.name, *place])
