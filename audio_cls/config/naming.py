"""Names of studies and variants, which are the names of their folders. Nothing is named by a clock."""

import re
from collections.abc import Mapping, Sequence, Set
from typing import Any

from audio_cls.config.auto import filled
from audio_cls.config.compose import compose_job
from audio_cls.config.schema import EXECUTION_KEYS, Config, ConfigError, TransformerConfig, flatten, result_keys

# What names a variant by itself, or does not change what is trained: no suffix for these.
_UNNAMED = EXECUTION_KEYS | {"protocol", "fold", "seed", "model.num_heads"}
_GROUPS_IN_SUFFIX = ("augment", "trainer")
_MAX_SUFFIX_LENGTH = 120


def study_name(dataset: str, protocol: str) -> str:
    """The folder of jobs that are compared, unless the user names it."""
    word = re.sub(r"[^\w.+-]+", "_", dataset).lstrip(".")[:60] or "data"
    return f"{word}-{protocol}"


def variant_name(
    config: Config,
    overrides: Sequence[str],
    choices: dict[str, str],
    automatic: Sequence[str] = (),
    settings: Mapping[str, Any] | None = None,
) -> str:
    """The preset or the model, the heads, and what else was changed: 'transformer_h4_augment-none_lr-0.0003'.

    `choices` are the options of the groups that the overrides were composed to, `automatic` the keys that were `auto`
    and `settings` what such keys stand for on these data. Raises ConfigError if it gets too long.
    """
    model = config.model
    without_heads = config.num_heads is None or (isinstance(model, TransformerConfig) and not model.num_layers)
    heads = "" if without_heads else f"_h{config.num_heads}"
    name = (choices.get("experiment") or choices["model"]) + heads
    return name + _suffix(config, overrides, choices, _UNNAMED | set(automatic), settings or {})


def _suffix(
    config: Config, overrides: Sequence[str], choices: dict[str, str], unnamed: Set[str], settings: Mapping[str, Any]
) -> str:
    named = [line for line in overrides if line.partition("=")[0] in ("model", "experiment")]
    _, usual = compose_job(named)
    groups = [group for group in _GROUPS_IN_SUFFIX if choices.get(group) != usual.get(group)]
    base = [*named, *(f"{group}={choices[group]}" for group in groups)]
    before = flatten(filled(compose_job(base)[0], settings))
    parts = [f"{group}-{choices[group]}" for group in groups]
    for key, value in result_keys(config.model_dump()).items():
        of_data = key.startswith("data.") and key != "data.balance"
        if key not in unnamed and not of_data and before.get(key, value) != value:
            block, _, leaf = key.rpartition(".")
            text = f"{value:g}" if isinstance(value, float) else str(value).lower()
            parts.append(f"{block if leaf == 'name' else leaf}-" + re.sub(r"[^\w.+-]", "", text))  # 'optimizer-adam'
    suffix = "".join(f"_{part}" for part in parts)
    if len(suffix) > _MAX_SUFFIX_LENGTH:
        raise ConfigError(f"{len(parts)} changed keys make too long a name; name this configuration: variant=NAME")
    return suffix
