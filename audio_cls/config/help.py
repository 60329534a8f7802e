"""What --help prints about training: the groups and keys of conf/ with the comments that stand beside them."""

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from audio_cls.config.location import train_command

_HEAD = """\
{train} [GROUP=OPTION ...] [KEY=VALUE ...] [-m]

Trains one classifier on one fold; with -m one for each of the values KEY=A,B,C, on every fold unless fold= is given.

  {train}                                      the default transformer on fold 0
  {train} model=transformer heads=1,2,4 -m     every fold of three variants, compared
  {train} data=folder data.root=my_sounds -m   your own recordings: one folder for each class
  {train} model=cnn --help                     the keys of another option
  {train} model=cnn --cfg job                  the configuration of a job, without training
  {train} --config-dir my_conf model=mine      options of your own, as my_conf/model/mine.yaml
"""
_INDENT, _WIDTH = 34, 118


def help_text(config_dir: Path, arguments: Sequence[str], own: Path | None = None) -> str:
    """The help; `arguments` may choose options of groups, whose keys are shown then. `own`: a folder of the user's."""
    config = (config_dir / "config.yaml").read_text(encoding="utf-8")
    defaults = [entry for entry in yaml.safe_load(config)["defaults"] if isinstance(entry, dict)]
    chosen = {group: name for entry in defaults for group, name in entry.items() if not group.startswith("override ")}
    options = {group: _options([config_dir, *([own] if own else [])], group) for group in chosen}
    given = [argument.partition("=") for argument in arguments]
    chosen |= {group: name for group, _, name in given if name in options.get(group, ())}
    keys = [config.partition("\n\n")[2].partition("\nhydra:")[0].strip()]
    keys += [_block(group, options[group][name]) for group, name in chosen.items() if name is not None]
    groups = [_describe_group(group, options[group], name) for group, name in chosen.items()]
    head = _HEAD.format(train=train_command())
    return "\n".join([head, "GROUPS (* is chosen)", *groups, "KEYS\n", "\n\n".join(keys)])


def _options(folders: Sequence[Path], group: str) -> dict[str, Path]:
    """The files of a group by the names of its options; the first folder's where several have one."""
    paths = [path for folder in reversed(folders) for path in folder.glob(f"{group}/*.yaml")]
    return {path.stem: path for path in sorted(paths, key=lambda path: path.stem)}


def _describe_group(group: str, options: Mapping[str, Path], chosen: str | None) -> str:
    lines = []
    for name, path in options.items():
        label = f"{'*' if name == chosen else ' '} {group}={name}"
        comment = textwrap.wrap(_comment(path), _WIDTH - _INDENT) or [""]
        lines += [f"{label:{_INDENT}}{comment[0]}".rstrip(), *(" " * _INDENT + line for line in comment[1:])]
    return "\n".join(lines) + "\n"


def _comment(path: Path) -> str:
    """The comment at the start of a file."""
    lines = itertools.takewhile(lambda line: line.startswith("#"), path.read_text("utf-8", "replace").splitlines())
    return " ".join(line[1:].strip() for line in lines if not line.startswith("# @package"))


def _block(group: str, path: Path) -> str:
    """The keys of an option, as they stand in the composed configuration."""
    content = path.read_text("utf-8", "replace")
    lines = [line for line in content.splitlines() if not line.startswith("#")]
    if content.startswith("# @package _global_"):
        return "\n".join(lines).strip()
    return "\n".join([f"{group}:", *(f"  {line}" for line in lines)])
