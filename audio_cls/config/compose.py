"""From overrides on the command line to composed configurations, and one plain line for what Hydra refuses.

Hydra composes each choice of groups once, as it takes a tenth of a second; single values are set on copies.
"""

import copy
import difflib
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from audio_cls.config.location import train_command
from audio_cls.config.schema import TEXT_KEYS, ConfigError, flatten, shown
from audio_cls.wording import did_you_mean, one_line

CONFIG_NAME = "config"
MAX_JOBS = 10_000

_PLACES = ("hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.job.chdir")
_RESERVED = {
    "hydra.mode": "add -m for a sweep",
    **dict.fromkeys(_PLACES, "output_dir= and study= say where results go"),
    "hydra.launcher.n_jobs": "jobs=N says how many jobs run side by side",
    **dict.fromkeys(("hydra/sweeper", "hydra.sweeper"), "name the values on the command line, as in heads=1,2,4 -m"),
}


@contextmanager
def configuration(folder: Path, own: Path | None = None) -> Iterator[None]:
    """Within it, jobs are composed from the files of `folder`, conf/ or made like it, and of the user's own."""
    with initialize_config_dir(str(folder), version_base="1.3"):
        if own is not None:
            loader = _loader()
            search_path = loader.get_search_path()
            search_path.prepend("command-line", f"file://{own.resolve()}", SearchPathQuery(provider="schema"))
            loader.repository.initialize_sources(search_path)
            _forget()
        try:
            yield
        finally:
            if own is not None:
                _forget()


@cache
def parse(argument: str) -> Override:
    """One override. Raises ConfigError if it is none, or one that makes no sense here."""
    try:
        parser = OverridesParser.create(config_loader=_loader())
        override = parser.parse_overrides([argument])[0]  # unlike parse_override, it lets glob(*) know the groups
    except HydraException:
        key, equals, value = argument.partition("=")
        if not equals or not re.fullmatch(r"[+~]*\w[\w./@-]*", key):
            raise ConfigError(
                f"{argument!r} is not an override; write key=value, as in trainer.max_epochs=10"
            ) from None
        if key in TEXT_KEYS and value[:1] not in ("'", '"'):
            return parse(f"{key}={quoted(value)}")  # a path: what is special to Hydra is meant as it stands
        raise ConfigError(
            f"the value of {argument} cannot be read; close brackets, quote text with special signs: \"{key}='...'\""
        ) from None
    _check_form(override, argument)
    return override


def parse_all(arguments: Sequence[str]) -> list[Override]:
    """The overrides, each key once."""
    overrides = [parse(argument) for argument in arguments]
    keys = [override.key_or_group for override in overrides]
    for key in keys:
        if keys.count(key) > 1:
            raise ConfigError(f"{key} is given more than once; give it one value, or several as {key}=A,B with -m")
    return overrides


def combinations(overrides: Sequence[Override]) -> list[tuple[str, ...]]:
    """The cartesian product that Hydra's basic sweeper makes, in its order."""
    axes = [_values(override) for override in overrides]
    if math.prod(map(len, axes)) > MAX_JOBS:
        raise ConfigError(f"this sweep has {math.prod(map(len, axes)):,} jobs; at most {MAX_JOBS:,} run at once")
    return list(itertools.product(*axes))


def compose_job(overrides: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """The resolved configuration of one job and the chosen options of its groups. Raises ConfigError.

    `heads` is a key of the command line alone: in the configuration it is model.num_heads.
    """
    parsed = [parse(override) for override in overrides]
    base = _base(tuple(line_of(override) for override in parsed if _is_for_hydra(override)))
    config = copy.deepcopy(base.config)
    for override in parsed:
        if not _is_for_hydra(override):
            _set(config, override, base)
    try:
        values: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(
            f"{error.full_key or 'the configuration'} cannot be resolved: {str(error.msg or error).splitlines()[0]}"
        ) from None
    heads, model = values.pop("heads", None), values["model"]
    num_heads = model.get("num_heads") if isinstance(model, dict) else None  # else the schema says what is wrong
    if heads != num_heads and "heads" in base.keys:
        raise ConfigError(f"model.num_heads is set by heads; write heads={shown(num_heads)}")
    return values, base.choices


def takes_heads(overrides: Sequence[str]) -> bool:
    """Whether `heads` sets the number of attention heads of what these groups choose."""
    return "heads" in _base(tuple(overrides)).keys


@cache
def group_options(group: str) -> tuple[str, ...]:
    """The options of a group of conf/; none if there is no such group."""
    return tuple(_loader().get_group_options(group)) if _is_group(group) else ()


def quoted(text: str) -> str:
    """The text as a value of an override, whatever its signs."""
    return "'" + text.replace("'", r"\'") + "'"


def _forget() -> None:
    """What was composed from other folders."""
    for function in (parse, group_options, _base):
        function.cache_clear()


def _check_form(override: Override, argument: str) -> None:
    key = override.key_or_group
    if not key:
        raise ConfigError(f"{argument!r} has no key; write key=value, as in trainer.max_epochs=10")
    if override.is_delete():
        raise ConfigError(f"{argument} removes what every job needs; choose another value instead")
    if override.package is not None:
        raise ConfigError(f"{argument} moves a group to another place; write {key}=OPTION without the @")
    for reserved, remedy in _RESERVED.items():
        if key == reserved or key.startswith(f"{reserved}."):
            raise ConfigError(f"{key} is set by the program itself; {remedy}")
    if override.is_sweep_override():
        if not override.is_discrete_sweep():
            raise ConfigError(
                f"{argument} has endless values; list them, as in {key}=A,B,C, or use range(START,STOP,STEP)"
            )
        return
    value = override.value()
    if _is_group(key):
        options = ", ".join(group_options(key))
        if value in (None, ""):
            raise ConfigError(f"{argument} names no option of the group; leave it out, or choose one of: {options}")
        if not isinstance(value, str):
            raise ConfigError(f"{argument} is not an option of the group; choose one of: {options}")
        if override.is_add() or override.is_force_add():
            raise ConfigError(f"{argument}: {key} is a group; write it without +, as in {key}={value}")


def _values(override: Override) -> list[str]:
    key = override.get_key_element()
    if not override.is_sweep_override():
        return [line_of(override)]
    values = [f"{key}={value}" for value in override.sweep_string_iterator()]
    if not values:
        hint = "glob(*) stands for the options of a group" if "glob" in line_of(override) else "it has no values"
        raise ConfigError(f"{override.input_line} stands for nothing: {hint}; list the values, as in {key}=A,B,C")
    return values


def line_of(override: Override) -> str:
    """The override as it was given."""
    assert override.input_line is not None
    return override.input_line


def _loader() -> ConfigLoaderImpl:
    loader = GlobalHydra.instance().config_loader()
    assert isinstance(loader, ConfigLoaderImpl)
    return loader


def _is_for_hydra(override: Override) -> bool:
    return override.is_hydra_override() or _is_group(override.key_or_group)


def _is_group(key: str) -> bool:
    return _loader().repository.group_exists(key)


@dataclass(frozen=True)
class _Base:
    """What Hydra composes from groups and its own settings: unresolved, without its own block."""

    config: DictConfig
    choices: dict[str, str]
    keys: frozenset[str]  # also of blocks


@cache
def _base(overrides: tuple[str, ...]) -> _Base:
    try:
        config = compose(CONFIG_NAME, overrides=list(overrides), return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(_composition_problem(str(error))) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(_unreadable(error)) from None
    primary = _loader().repository.load_config(CONFIG_NAME)
    assert primary is not None and isinstance(primary.config, DictConfig)
    usual, now = (flatten({"hydra": OmegaConf.to_container(each.hydra)}) for each in (primary.config, config))
    for key in (*_PLACES, "hydra.mode"):
        if now.get(key) != usual.get(key):
            raise ConfigError(f"{key} in a file of your options is set by the program itself; {_RESERVED[key]}")
    choices = {str(group): str(option) for group, option in config.hydra.runtime.choices.items() if option is not None}
    OmegaConf.set_readonly(config, False)
    OmegaConf.set_struct(config, False)
    del config["hydra"]
    OmegaConf.set_struct(config, True)
    values: Any = OmegaConf.to_container(config)
    return _Base(config, choices, frozenset(_keys(values)))


def _keys(tree: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in tree.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{key}.")


def _set(config: DictConfig, override: Override, base: _Base) -> None:
    key = override.key_or_group
    # Loggers of other libraries take more arguments than their option in conf/logger names.
    new = key not in base.keys and key.startswith("logger.") and (override.is_add() or override.is_force_add())
    if key not in base.keys and not new:
        raise ConfigError(_unknown_key(key, base))
    if override.is_add() and not new:
        raise ConfigError(f"{key} is a key already; write it without the +, as in {line_of(override).lstrip('+')}")
    try:
        OmegaConf.update(config, key, override.value(), merge=True, force_add=new)
    except (ConfigAttributeError, ConfigKeyError) as error:  # keys inside {...}
        raise ConfigError(_unknown_key(str(error.full_key or key), base)) from None
    except OmegaConfBaseException as error:
        raise ConfigError(f"{override.input_line} cannot be set: {str(error).splitlines()[0]}") from None


def _composition_problem(message: str) -> str:
    key = re.search(r"Could not override '([^']+)'", message)
    if key and key[1].startswith("hydra"):
        return f"{key[1]} is not a key of Hydra; `{train_command()} --cfg hydra` lists them"
    if key:
        return f"{key[1]} is not a group of this configuration; {_list_of_keys()}"
    option = re.search(r"Could not find '([^']+)/([^'/]+)'", message)
    if option:
        available = re.findall(r"^\t([\w-]+)$", message.partition("Config search path")[0], flags=re.MULTILINE)
        hint = did_you_mean(option[2].lower(), available, prefix=f"{option[1]}=")
        return f"{option[1]}={option[2]} does not exist; {f'{hint} ' * bool(hint)}available: {', '.join(available)}"
    return " ".join(message.split())


def _unreadable(error: yaml.YAMLError | UnicodeDecodeError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"{error.problem_mark.name}, line {error.problem_mark.line + 1}: {error.problem}; correct the file"
    if isinstance(error, UnicodeDecodeError):
        folders = [Path(source.path) for source in _loader().get_sources() if source.scheme() == "file"]
        paths = [path for folder in folders for path in folder.rglob("*.yaml") if error.object in path.read_bytes()]
        return f"{paths[0] if paths else 'a YAML file'} is not UTF-8 text; save it as UTF-8"
    return one_line(error)


def _unknown_key(key: str, base: _Base) -> str:
    if key in ("heads", "model.num_heads"):
        train = train_command()
        return (
            "heads belongs to model=transformer, and this model has none; run two commands into one study:"
            f" `{train} model={base.choices['model']} -m` and `{train} model=transformer heads=1,2,4 -m`"
        )
    group = key.split(".")[0]
    owners = [option for option in group_options(group) if key in _base((f"{group}={option}",)).keys]
    if owners:
        options = " and ".join(f"{group}={option}" for option in owners)
        return f"{key} is not a key of {group}={base.choices.get(group)}; it belongs to {options}"
    blocks = {name.rpartition(".")[0] for name in base.keys}
    groups = [name for name in base.choices if not name.startswith("hydra/")] if "." not in key else []
    nearest = _nearest_key(key, [*sorted(base.keys - blocks), *groups])
    hint = f"did you mean {nearest}?" if nearest else ""
    if not hint and group in blocks:
        hint = f"{group} has {', '.join(sorted(name for name in base.keys if name.startswith(f'{group}.')))}"
    return f"{key} is not a key of this configuration; {hint or _list_of_keys()}"


def _list_of_keys() -> str:
    return f"`{train_command()} --help` lists the groups and keys"


def _nearest_key(key: str, known: Sequence[str]) -> str | None:
    """The same name elsewhere first, then a similar key, then a key with a similar name."""
    leaf = key.split(".")[-1]
    leaves = {name.split(".")[-1]: name for name in reversed(known)}
    if leaf in leaves:
        return leaves[leaf]
    similar = difflib.get_close_matches(key, known, n=1, cutoff=0.75)
    by_leaf = [leaves[name] for name in difflib.get_close_matches(leaf, leaves, n=1, cutoff=0.6)]
    return next(iter(similar or by_leaf), None)
