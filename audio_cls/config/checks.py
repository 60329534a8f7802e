"""Checks a composed configuration: the schema's types and ranges, then what must not be combined.

Hydra refuses keys that do not exist; this module refuses values that cannot work, before anything heavy is imported.
Each mistake is one line: the value, the rule, and what to change.
"""

import re
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from audio_cls.config.schema import (
    OUR_MODELS,
    BaselineConfig,
    CNNConfig,
    Config,
    ConfigError,
    DataConfig,
    OtherModel,
    Section,
    TransformerConfig,
    WandbConfig,
    shown,
)
from audio_cls.models.settings import TransformerSettings, check_pooling, check_spectrogram
from audio_cls.targets import arguments_for
from audio_cls.wording import did_you_mean, one_line

S = TypeVar("S", bound=Section)


def check_config(values: dict[str, Any]) -> Config:
    """Returns the checked configuration. Raises ConfigError with one line for the first thing that is wrong."""
    config = _validate(Config, values)
    if is_own_logger(config.logger):
        _validate(WandbConfig, config.logger, prefix="logger.")
    _check_model(config)
    _check_augment(config)
    _check_training(config)
    return config


def check_data(values: dict[str, Any]) -> DataConfig:
    """The checked `data` block alone. Raises ConfigError like `check_config`."""
    return _validate(DataConfig, values, prefix="data.")


def is_own_logger(logger: dict[str, Any] | None) -> bool:
    """Whether this project makes the logger of a `logger` block; else it is one of Lightning or of somebody else."""
    return str((logger or {}).get("_target_")).startswith("audio_cls.")


def _validate(section: type[S], values: Any, prefix: str = "") -> S:
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_first_problem(error, prefix)) from None


def _first_problem(error: ValidationError, prefix: str) -> str:
    first = error.errors()[0]
    location = [str(part) for part in first["loc"] if part not in (*OUR_MODELS, "other")]
    key = prefix + ".".join(location)
    if key == "model.num_heads":
        key = "heads"  # as it is set on the command line
    value = first["input"]
    if first["type"] == "extra_forbidden":
        return f"{key} is not a key of this configuration; remove it"
    if first["type"] == "missing":
        return f"{key} is missing; give it a value"
    if first["type"] == "value_error":  # the schema's own words
        return str(first["ctx"]["error"])
    if first["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return f"{key}={shown(value)} cannot be used: {key} is a block of keys; set one of them, as in {key}.KEY=VALUE"
    if value == "":
        return f"{key}= has no value; give it one, or leave it out"
    return f"{key}={shown(value)} cannot be used: {_rule(key, first)}"


def _rule(key: str, error: ErrorDetails) -> str:
    value, kind, context = error["input"], error["type"], error.get("ctx", {})
    rule = (
        _RULES[kind].format(key=key, **context)
        if kind in _RULES
        else error["msg"].replace("Input should be", "it must be")
    )
    if kind == "int_type" and isinstance(value, float) and value.is_integer():
        return f"{rule}: write {value:.0f}"
    if kind in ("int_type", "float_type") and isinstance(value, str) and re.fullmatch(r"[\d.e+-]+", value):
        return f"{rule}: write it without the quotes"
    if kind == "literal_error" and isinstance(value, str):
        hint = did_you_mean(value.lower(), re.findall(r"'([^']+)'", context["expected"]))
        return f"{rule}; {hint}" if hint else rule
    return rule


_RULES = {
    "int_type": "it must be an integer",
    "float_type": "it must be a number",
    "bool_type": "it must be true or false",
    "string_type": "it must be text; quote it within quotes, as in \"{key}='1.5'\"",
    "finite_number": "it must be a finite number",
    "greater_than": "it must be greater than {gt:g}",
    "greater_than_equal": "it must be at least {ge:g}",
    "less_than": "it must be less than {lt:g}",
    "less_than_equal": "it must be at most {le:g}",
    "string_pattern_mismatch": "it must be one word of letters, digits and . _ + - that does not begin with a dot",
    "string_too_short": "it must not be empty",
    "string_too_long": "it must have at most {max_length} characters",
}


def _check_model(config: Config) -> None:
    model = config.model
    sizes = {"sample_rate": config.input.sample_rate, "num_samples": config.input.crop_samples}
    try:
        if isinstance(model, TransformerConfig):
            TransformerSettings(**{"num_classes": 2, **sizes, **model.model_dump(exclude={"name"})})
        elif isinstance(model, BaselineConfig):
            check_spectrogram(model.num_mels, model.n_fft, model.hop_length, **sizes)
        elif isinstance(model, CNNConfig):
            check_pooling("the CNN", sizes["num_samples"], sizes["sample_rate"])
        else:
            from audio_cls.models.build import network_class  # brings torch, which its module needs anyway

            arguments_for(network_class(model.target), model.arguments, {"num_classes": 2, **sizes})
    except ValueError as error:
        where = f"model={model.name}: " if isinstance(model, OtherModel) else ""
        raise ConfigError(f"{where}{one_line(error)}") from None


def _reads_waveform(model: BaselineConfig | CNNConfig | TransformerConfig | OtherModel) -> bool:
    """Whether no spectrogram stands between the waveform and the network."""
    if isinstance(model, OtherModel):
        from audio_cls.models.build import network_class

        return not hasattr(network_class(model.target), "extract")
    return isinstance(model, CNNConfig) or (isinstance(model, TransformerConfig) and model.front_end == "waveform")


def _check_augment(config: Config) -> None:
    on_waveform = _reads_waveform(config.model)
    if on_waveform and config.augment.spectrogram_masks:
        raise ConfigError(
            f"augment.spectrogram_masks={config.augment.spectrogram_masks} needs a spectrogram,"
            " and this model reads the waveform; set augment.spectrogram_masks=0"
        )
    if config.augment.domain == "power":
        if on_waveform or isinstance(config.model, OtherModel):
            raise ConfigError(
                "augment.domain=power needs a spectrogram of ours, and this model has none; set augment.domain=waveform"
            )
        if not config.augment.circular:
            raise ConfigError(
                "augment.domain=power repeats clips circularly; set augment.circular=true or augment.domain=waveform"
            )
    if config.augment.gain_db and isinstance(config.model, TransformerConfig) and not on_waveform:
        raise ConfigError(
            f"augment.gain_db={config.augment.gain_db:g} has no effect on this model, whose spectrogram is normalised;"
            " set augment.gain_db=0"
        )


def _check_training(config: Config) -> None:
    trainer = config.trainer
    for key, value, off in (("early_stopping", trainer.early_stopping, 0), ("weights", trainer.weights, "last")):
        if value != off and config.protocol != "holdout":
            raise ConfigError(
                f"trainer.{key}={value} needs validation clips, and protocol={config.protocol} has none (a choice"
                f" by the test fold would make its scores too good); set trainer.{key}={off} or protocol=holdout"
            )
    if (trainer.early_stopping or trainer.weights == "best") and trainer.validate_every > trainer.max_epochs:
        raise ConfigError(
            f"trainer.validate_every={trainer.validate_every} leaves no validation in trainer.max_epochs="
            f"{trainer.max_epochs} to choose by; set trainer.validate_every={trainer.max_epochs} or less"
        )
    if config.data.balance == "sampling" and isinstance(config.model, BaselineConfig):
        raise ConfigError(
            "data.balance=sampling has no effect on model=baseline, which draws no clips; use data.balance=weights"
        )
    if config.augment.mix and trainer.batch_size < 2:
        raise ConfigError(
            f"trainer.batch_size={trainer.batch_size} leaves nothing to mix with; use 2 or more, or augment.mix=false"
        )
    if config.protocol == "all" and config.fold:
        raise ConfigError(
            f"fold={config.fold} does not exist with protocol=all, which trains on every clip; use fold=0"
        )
