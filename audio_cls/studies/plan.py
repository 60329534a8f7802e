"""From the command line to the jobs it stands for: composed by Hydra, checked, named, before anything heavy is imported.

Nothing here writes to disk, so that a mistake leaves nothing behind.
"""

import difflib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from audio_cls.data.clips import ClipSet, DataError, SplitError
from audio_cls.data.splits import make_split, published_folds
from audio_cls.data.splits import num_folds as count_folds
from audio_cls.studies.config import EXECUTION_KEYS, CNNConfig, Config, ConfigError, check_config, flatten, result_keys
from audio_cls.studies.dataset import PUBLISHED_FOLDS, load_clips, resolve_auto

CONFIG_NAME = "config"
# What names a variant by itself, or does not change what is trained: no suffix for these.
_UNNAMED = {"protocol", "fold", "seed", "heads", "model.num_heads"}
_GROUPS_IN_SUFFIX = ("augment", "trainer")
_MAX_VARIANT_LENGTH = 120


@dataclass(frozen=True)
class Job:
    """One fold of one variant with one seed, and the folder that its result goes to."""

    config: Config
    preset: str | None
    study: str
    variant: str
    dataset: str
    overrides: tuple[str, ...]

    @property
    def folder(self) -> Path:
        return (
            Path(self.config.output_dir) / self.study / self.variant / f"fold{self.config.fold}-seed{self.config.seed}"
        )

    @property
    def heads(self) -> int | None:
        return None if isinstance(self.config.model, CNNConfig) else self.config.model.num_heads


@dataclass(frozen=True)
class Plan:
    """The jobs in the order in which they run, and the arguments with which Hydra composes just these."""

    jobs: tuple[Job, ...]
    multirun: bool
    hydra_arguments: tuple[str, ...]
    notices: tuple[str, ...]


def make_plan(arguments: Sequence[str], multirun: bool) -> Plan:
    """Composes and checks every job that the overrides stand for. Hydra must be initialised with the folder conf/.

    Raises ConfigError for a mistake of the user, DataError for data that are missing or broken.
    """
    overrides = _parse(arguments)
    if not multirun and (sweeping := [override for override in overrides if override.is_sweep_override()]):
        raise ConfigError(f"{sweeping[0].input_line} names several jobs: add -m to train them all, or give one value")
    named = {str(override.key_or_group) for override in overrides}
    if {"experiment", "model"} <= named:
        raise ConfigError(
            "experiment= chooses the model already; leave out model=, or start from the model without a preset"
        )
    overrides, notices = _with_data_resolved(overrides)
    combinations = _combinations([override for override in overrides if override.key_or_group != "fold"])
    counts = {num_folds(describe(combination)) for combination in combinations}
    fold_override = next((override for override in overrides if override.key_or_group == "fold"), None)
    if fold_override is None and multirun:
        if len(counts) > 1:
            raise ConfigError("the jobs of this sweep have different numbers of folds; say which: fold=0,1,2")
        fold_override = _parse([f"fold={','.join(str(fold) for fold in range(counts.pop()))}"])[0]
        overrides = [*overrides, fold_override]
    ordered = [override for override in overrides if override.key_or_group != "fold"]
    ordered += [fold_override] if fold_override is not None else []
    jobs = [describe(combination) for combination in _combinations(ordered)]
    if jobs[0].config.jobs > 1 and not multirun:
        raise ConfigError(f"jobs={jobs[0].config.jobs} runs the jobs of a sweep side by side; add -m, or leave it out")
    for job in jobs:
        check_split_exists(job)
    _check_folders_differ(jobs)
    hydra_arguments = [override.input_line for override in ordered]
    if multirun:
        studies = {job.study for job in jobs}
        folder = Path(jobs[0].config.output_dir) / (studies.pop() if len(studies) == 1 else "")
        hydra_arguments.append(f"hydra.sweep.dir='{folder}'")
        if jobs[0].config.jobs > 1:
            hydra_arguments += ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={jobs[0].config.jobs}"]
        hydra_arguments.append("-m")
    return Plan(tuple(jobs), multirun, tuple(hydra_arguments), tuple(notices))


def describe(overrides: Sequence[str]) -> Job:
    """Composes and checks one job. Raises ConfigError in one line."""
    values, choices = _compose(tuple(overrides))
    config = check_config(values)
    if isinstance(config.model, CNNConfig) and config.heads is not None:
        raise ConfigError(_no_heads())
    preset = choices.get("experiment")
    dataset = config.data.name or Path(config.data.root or "data").resolve().stem
    base = preset or config.model.name
    if not isinstance(config.model, CNNConfig):
        base += f"_h{config.model.num_heads}"
    return Job(
        config=config,
        preset=preset,
        study=config.study or f"{dataset}-{config.protocol}",
        variant=config.variant or base + _suffix(config, overrides, choices),
        dataset=dataset,
        overrides=tuple(overrides),
    )


def clips(job: Job) -> ClipSet:
    """The job's clips, listed once. Raises ConfigError where the configuration points to nothing usable."""
    data = job.config.data
    if data not in _clip_sets:
        try:
            _clip_sets[data] = load_clips(data)
        except DataError as error:
            # The list of clips is what the configuration points to, so a bad one is a mistake in the configuration.
            raise ConfigError(" ".join(str(error).split())) from None
    return _clip_sets[data]


def num_folds(job: Job) -> int:
    """How many folds the job's protocol has on its data."""
    data = job.config.data
    published = PUBLISHED_FOLDS.get(data.kind)
    if published is None:
        published = published_folds(clips(job))
    return count_folds(job.config.protocol, published=published, requested=data.num_folds)


def check_split_exists(job: Job) -> None:
    """Raises ConfigError if the job's fold does not exist or its split cannot be made from the clips at hand."""
    folds = num_folds(job)
    if job.config.fold >= folds:
        raise ConfigError(
            f"fold={job.config.fold} does not exist: protocol={job.config.protocol} on {job.dataset} has the folds 0 to {folds - 1}"
        )
    data = job.config.data
    key = (data, job.config.protocol, job.config.fold)
    if key in _checked_splits:
        return
    try:
        make_split(
            clips(job), job.config.protocol, job.config.fold,
            num_folds=folds, split_seed=data.split_seed, allow_missing=data.allow_missing,
        )  # fmt: skip
    except SplitError as error:
        raise ConfigError(str(error)) from None
    _checked_splits.add(key)


_checked_splits: set[tuple] = set()
_clip_sets: dict[Any, ClipSet] = {}
_composed: dict[tuple[str, ...], tuple[dict, dict]] = {}


def _parse(arguments: Sequence[str]) -> list[Override]:
    overrides = []
    for argument in arguments:
        try:
            override = OverridesParser.create().parse_override(argument)
        except HydraException:
            raise ConfigError(
                f"{argument!r} is not an override; write key=value, as in heads=4 or trainer.max_epochs=10"
            ) from None
        if not isinstance(override.key_or_group, str) or not override.key_or_group:
            raise ConfigError(f"{argument!r} has no key; write key=value, as in heads=4")
        if override.is_delete() and override.key_or_group in ("data", "model", "augment", "trainer"):
            raise ConfigError(f"{argument!r} removes a group that every job needs; choose another option instead")
        overrides.append(override)
    repeated = [
        key for key, same in itertools.groupby(sorted(str(o.key_or_group) for o in overrides)) if len(list(same)) > 1
    ]
    if repeated:
        raise ConfigError(
            f"{repeated[0]} is given more than once; give it one value, or several as {repeated[0]}=A,B with -m"
        )
    return overrides


def _combinations(overrides: Sequence[Override]) -> list[tuple[str, ...]]:
    """The cartesian product that Hydra's basic sweeper makes, in its order."""
    axes = []
    for override in overrides:
        if override.is_sweep_override():
            prefix = "+" if override.is_add() else ""
            axes.append([f"{prefix}{override.get_key_element()}={value}" for value in override.sweep_string_iterator()])
        else:
            axes.append([override.input_line])
    return list(itertools.product(*axes))


def _with_data_resolved(overrides: list[Override]) -> tuple[list[Override], list[str]]:
    """Replaces data=auto by the data set that it stands for on this machine, and says so."""
    chosen = next((override for override in overrides if override.key_or_group == "data"), None)
    if chosen is not None and chosen.value() != "auto":
        return overrides, []
    # The mistakes first: finding the data may take a download.
    for combination in _combinations(overrides):
        describe(combination)
    values, _ = _compose(_combinations([o for o in overrides if str(o.key_or_group).startswith("data")])[0])
    kind, notice = resolve_auto(values["data"]["root"])
    kept = [
        override
        for override in overrides
        if override is not chosen and not (kind == "synthetic" and override.key_or_group.startswith("data."))
    ]
    return [*kept, *_parse([f"data={kind}"])], [notice] if notice else []


def _compose(overrides: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, str]]:
    """The resolved configuration and the chosen options of its groups. Fold and seed are set without composing again."""
    plain = {
        name: int(value)
        for name, _, value in (line.partition("=") for line in overrides)
        if name in ("fold", "seed") and value.isdigit()
    }
    rest = tuple(line for line in overrides if line.partition("=")[0] not in plain)
    if rest not in _composed:
        try:
            composed = compose(CONFIG_NAME, overrides=list(rest), return_hydra_config=True)
            choices = {
                str(group): str(option)
                for group, option in composed.hydra.runtime.choices.items()
                if option is not None
            }
            OmegaConf.set_readonly(composed, False)
            OmegaConf.set_struct(composed, False)
            del composed["hydra"]
            _composed[rest] = (OmegaConf.to_container(composed, resolve=True, throw_on_missing=True), choices)
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            raise ConfigError(_composition_problem(str(error), rest)) from None
    values, choices = _composed[rest]
    return values | plain, choices


def _composition_problem(message: str, overrides: Sequence[str]) -> str:
    key = re.search(r"Could not override '([^']+)'", message)
    if key:
        return _unknown_key(key[1], overrides)
    option = re.search(r"Could not find '([^']+)/([^'/]+)'", message)
    if option:
        available = re.findall(r"^\t(\w+)$", message.partition("Config search path")[0], flags=re.MULTILINE)
        nearest = difflib.get_close_matches(option[2], available, n=1)
        hint = f"did you mean {option[1]}={nearest[0]}? " if nearest else ""
        return f"{option[1]}={option[2]} does not exist; {hint}available: {', '.join(available)}"
    return " ".join(message.split())


def _unknown_key(key: str, overrides: Sequence[str]) -> str:
    if key in ("heads", "model.num_heads"):
        return _no_heads()
    groups = [override.partition("=")[0] for override in overrides]
    choice = [override for override, group in zip(overrides, groups, strict=True) if group == key.split(".")[0]]
    values, choices = _compose(())
    known = [*flatten(values), *choices]
    elsewhere = {
        option
        for option in ("auto", "esc10", "esc50", "folder", "synthetic")
        if key in flatten(_compose((f"data={option}",))[0])
    }
    if key.startswith("data.") and elsewhere:
        return f"{key} is not a key of {choice[0] if choice else 'data=auto'}; it belongs to data={' and data='.join(sorted(elsewhere))}"
    same_leaf = [name for name in known if name.split(".")[-1] == key.split(".")[-1]]
    nearest = same_leaf[:1] or difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    hint = (
        f"did you mean {nearest[0]}?" if nearest else "`python train.py --help` lists the groups, `--cfg job` the keys"
    )
    return f"{key} is not a key of this configuration; {hint}"


def _no_heads() -> str:
    return (
        "heads belongs to model=transformer and means nothing for the CNN; run two commands into one study:"
        " `python train.py model=cnn -m` and `python train.py model=transformer heads=1,2,4 -m`"
    )


def _suffix(config: Config, overrides: Sequence[str], choices: dict[str, str]) -> str:
    """What was changed beside the model, the preset and the heads, readably: '_augment-none_lr-0.0003'."""
    named = [line for line in overrides if line.partition("=")[0] in ("model", "experiment")]
    _, usual = _compose(tuple(named))
    groups = [group for group in _GROUPS_IN_SUFFIX if choices.get(group) != usual.get(group)]
    base = [*named, *(f"{group}={choices[group]}" for group in groups)]
    base += [f"heads={config.model.num_heads}"] if config.heads is not None else []
    before = flatten(_compose(tuple(base))[0])
    after = result_keys(config.model_dump())
    changed = {
        key: value
        for key, value in after.items()
        if key in before
        and before[key] != value
        and key not in _UNNAMED | EXECUTION_KEYS
        and not key.startswith("data.")
    }
    parts = [f"{group}-{choices[group]}" for group in groups]
    parts += [f"{key.split('.')[-1]}-{_short(value)}" for key, value in changed.items()]
    suffix = "".join(f"_{part}" for part in parts)
    if len(suffix) > _MAX_VARIANT_LENGTH:
        raise ConfigError(f"{len(parts)} changed keys make too long a name; name this configuration: variant=NAME")
    return suffix


def _short(value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value).lower()
    return re.sub(r"[^\w.+-]", "", text)


def _check_folders_differ(jobs: Sequence[Job]) -> None:
    seen: dict[Path, Job] = {}
    for job in jobs:
        other = seen.setdefault(job.folder, job)
        if other is not job:
            what = set(job.overrides) ^ set(other.overrides)
            raise ConfigError(
                f"two jobs of this sweep would write to {job.folder} ({', '.join(sorted(what)) or 'the same overrides twice'});"
                " leave out variant= or give each value once"
            )
