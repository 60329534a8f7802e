"""What `python train.py --help` prints: the groups and keys of conf/ with the comments that stand beside them."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import yaml

_HEAD = """\
python train.py [GROUP=OPTION ...] [KEY=VALUE ...] [-m]

Trains one classifier on one fold; with -m one for each of the values KEY=A,B,C, on every fold unless fold= is given.

  python train.py                                      the default transformer on fold 0
  python train.py model=transformer heads=1,2,4 -m     every fold of three variants, compared
  python train.py data=folder data.root=my_sounds -m   your own recordings: one folder for each class
  python train.py model=cnn --help                     the keys of another option
  python train.py model=cnn --cfg job                  the configuration of a job, without training
"""
_INDENT, _WIDTH = 34, 118


def text(config_dir: Path, arguments: Sequence[str]) -> str:
    """The help; `arguments` may choose options of groups, whose keys are shown then."""
    config = (config_dir / "config.yaml").read_text(encoding="utf-8")
    chosen = _chosen(config_dir, yaml.safe_load(config)["defaults"], arguments)
    keys = [config.partition("\n\n")[2].partition("\nhydra:")[0].strip()]
    for group, option in chosen.items():
        if option is not None:
            keys.append(_block(group, (config_dir / group / f"{option}.yaml").read_text(encoding="utf-8")))
    groups = [_describe_group(config_dir / group, option) for group, option in chosen.items()]
    return "\n".join([_HEAD, "GROUPS (* is chosen)", *groups, "KEYS\n", "\n\n".join(keys)])


def _chosen(config_dir: Path, defaults: Sequence, arguments: Sequence[str]) -> dict[str, str | None]:
    """The option of each group: what the arguments say, else the default."""
    chosen = {}
    for entry in defaults:
        if isinstance(entry, dict) and not next(iter(entry)).startswith("override "):
            chosen |= entry
    for argument in arguments:
        group, _, option = argument.partition("=")
        if group in chosen and (config_dir / group / f"{option}.yaml").is_file():
            chosen[group] = option
    return chosen


def _describe_group(folder: Path, chosen: str | None) -> str:
    lines = []
    for path in sorted(folder.glob("*.yaml")):
        label = f"{'*' if path.stem == chosen else ' '} {folder.name}={path.stem}"
        comment = textwrap.wrap(_comment(path), _WIDTH - _INDENT) or [""]
        lines += [f"{label:{_INDENT}}{comment[0]}".rstrip(), *(" " * _INDENT + line for line in comment[1:])]
    return "\n".join(lines) + "\n"


def _comment(path: Path) -> str:
    """The comment at the start of a file."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            lines.append(line[1:].strip())
    return " ".join(lines)


def _block(group: str, content: str) -> str:
    """The keys of an option, as they stand in the composed configuration."""
    lines = [line for line in content.splitlines() if not line.startswith("#")]
    if content.startswith("# @package _global_"):
        return "\n".join(lines).strip()
    return "\n".join([f"{group}:", *(f"  {line}" for line in lines)])
