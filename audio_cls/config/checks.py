"""Checks a composed configuration: the schema's types and ranges, then what must not be combined.

Hydra refuses keys that do not exist; this module refuses values that cannot work, before anything heavy is imported.
Each mistake is one line: the value, the rule, and what to change.
"""

import re
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from audio_cls.config.schema import (
    MAX_D_MODEL,
    CNNConfig,
    Config,
    ConfigError,
    OtherModel,
    Section,
    TransformerConfig,
    WandbConfig,
    shown,
)
from audio_cls.models.sizes import (
    BAND_GROUPS,
    CNN_CHANNELS,
    POOLING,
    WAVEFORM_TOKEN_SAMPLES,
    count_empty_bands,
    fitting_heads,
    frame_token_widths,
    heads_fit,
    modulation_rates,
    pooling_fits,
)
from audio_cls.targets import arguments_for
from audio_cls.wording import did_you_mean, one_line

NO_HEADS = (
    "heads belongs to model=transformer, and this model has none; run two commands into one study:"
    " `python train.py model=cnn -m` and `python train.py model=transformer heads=1,2,4 -m`"
)

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


def is_own_logger(logger: dict[str, Any] | None) -> bool:
    """Whether this project makes the logger of a `logger` block; else it is one of Lightning or of somebody else."""
    return str((logger or {}).get("_target_")).startswith("audio_cls.")


def _validate(section: type[S], values: Any, prefix: str = "") -> S:
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise ConfigError(prefix + _first_problem(error)) from None


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    location = [str(part) for part in first["loc"] if part not in ("cnn", "transformer", "other")]
    key = ".".join(location)
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
    samples = config.input.crop_samples
    rate = config.input.sample_rate
    crop = f"input.crop_seconds={config.input.crop_seconds} at input.sample_rate={rate} is {samples} samples"
    fitting_crop = f"try input.crop_seconds={max(1, samples // POOLING) * POOLING / rate:.9g}"
    model = config.model
    if isinstance(model, OtherModel):
        _check_other_model(model, rate, samples)
        return
    if isinstance(model, CNNConfig):
        if not pooling_fits(samples):
            rule = f"the CNN pools by {POOLING}, so it needs a multiple of {POOLING}"
            raise ConfigError(f"{crop}; {rule}: {fitting_crop}")
        return
    if not heads_fit(model.num_heads, model.d_model):
        raise ConfigError(
            f"heads={model.num_heads} does not divide model.d_model={model.d_model};"
            f" use heads={'|'.join(map(str, fitting_heads(model.d_model)))} or another model.d_model"
        )
    if (model.stem == "spectrogram") != (model.front_end != "waveform"):
        fitting_stem = "waveform, channels or frames" if model.front_end == "waveform" else "spectrogram"
        raise ConfigError(
            f"model.stem={model.stem} does not fit model.front_end={model.front_end}; use model.stem={fitting_stem}"
        )
    if model.stem in ("channels", "frames") and not pooling_fits(samples):
        rule = f"model.stem={model.stem} pools by {POOLING}, so it needs a multiple of {POOLING}"
        raise ConfigError(f"{crop}; {rule}: {fitting_crop}")
    if model.stem == "channels" and model.d_model * POOLING != samples:
        raise ConfigError(
            f"model.stem=channels needs model.d_model = crop samples / {POOLING}; {crop}, so model.d_model="
            f"{samples // POOLING}"
        )
    if model.stem == "frames":
        _check_frames(model.d_model, samples, crop)
    if model.stem == "waveform" and samples < WAVEFORM_TOKEN_SAMPLES:
        raise ConfigError(f"{crop}; model.stem=waveform needs {WAVEFORM_TOKEN_SAMPLES} or more: use a longer crop")
    if model.front_end != "waveform":
        if model.hop_length > model.n_fft:
            raise ConfigError(
                f"model.hop_length={model.hop_length} skips samples: it must not exceed model.n_fft={model.n_fft}"
            )
        if model.n_fft > samples:
            raise ConfigError(
                f"model.n_fft={model.n_fft} is longer than the crop; {crop}: use a smaller model.n_fft or a longer crop"
            )
        _check_mel_bands(rate, model)
        if model.front_end == "log_mel_texture":
            _check_modulations(rate, config.input.crop_seconds, model)
            _check_segments(config, model)
    if model.num_segments > 1 and model.front_end != "log_mel_texture":
        raise ConfigError(
            f"model.num_segments={model.num_segments} needs model.front_end=log_mel_texture, not {model.front_end};"
            " set model.num_segments=1"
        )
    if model.num_layers == 0 and model.pool == "cls":
        raise ConfigError(
            "model.num_layers=0 leaves the CLS token blind to the sound;"
            " use model.pool=mean, or model.num_layers=1 or more"
        )


def _check_other_model(model: OtherModel, sample_rate: int, num_samples: int) -> None:
    """Refuses what is no network, and keys that its constructor does not take. Imports its module, and torch."""
    from audio_cls.models.build import network_class

    keys = {key: value for key, value in model.model_dump().items() if key not in ("name", "_target_")}
    sizes = {"num_classes": 2, "sample_rate": sample_rate, "num_samples": num_samples}
    try:
        arguments_for(network_class(model.model_dump()["_target_"]), keys, sizes)
    except ValueError as error:
        raise ConfigError(f"model={model.name}: {one_line(error)}") from None


def _check_frames(d_model: int, samples: int, crop: str) -> None:
    """Refuses tokens that are no whole time steps, or that do not fill the crop, as the stem does."""
    fitting = [width for width in frame_token_widths(samples) if width <= MAX_D_MODEL]
    if d_model in fitting:
        return
    num_steps = samples // POOLING
    rule = f"model.stem=frames needs whole tokens; {crop}, so {num_steps} time steps of {CNN_CHANNELS} channels"
    if d_model % CNN_CHANNELS:
        rule = f"model.stem=frames joins the {CNN_CHANNELS} channels of whole time steps"
    nearest = sorted(sorted(fitting, key=lambda width: abs(width - d_model))[:3])
    raise ConfigError(f"model.d_model={d_model}: {rule}; use model.d_model={'|'.join(map(str, nearest))}")


def _check_mel_bands(sample_rate: int, model: TransformerConfig) -> None:
    """Refuses mel bands without any frequency in them, as the front end does once torch is imported."""
    if count_empty_bands(sample_rate, model.num_mels, model.n_fft):
        fewer = range(model.num_mels, 0, -1)
        most = next((num for num in fewer if not count_empty_bands(sample_rate, num, model.n_fft)), 1)
        raise ConfigError(
            f"model.num_mels={model.num_mels} leaves mel bands empty at model.n_fft={model.n_fft} and"
            f" input.sample_rate={sample_rate}; use model.num_mels={most} or less, or a larger model.n_fft"
        )


def _check_modulations(sample_rate: int, crop_seconds: float, model: TransformerConfig) -> None:
    """Refuses what the modulations cannot be computed of, as the front end does once torch is imported."""
    if model.num_mels % BAND_GROUPS:
        fitting = round(model.num_mels / BAND_GROUPS) * BAND_GROUPS
        raise ConfigError(
            f"model.num_mels={model.num_mels} does not fit model.front_end=log_mel_texture, which needs a multiple of"
            f" {BAND_GROUPS}; use model.num_mels={fitting} or model.front_end=log_mel"
        )
    if not modulation_rates(sample_rate / model.hop_length, crop_seconds):
        raise ConfigError(
            f"model.hop_length={model.hop_length} at input.sample_rate={sample_rate} is too long to show any"
            f" modulation in input.crop_seconds={crop_seconds:g}; use a shorter model.hop_length, longer crops or"
            " model.front_end=log_mel"
        )


def _check_segments(config: Config, model: TransformerConfig) -> None:
    """Refuses segments of a crop that are too short to show any modulation."""
    rate, seconds = config.input.sample_rate, config.input.crop_seconds
    fewer = range(model.num_segments, 0, -1)
    most = next(count for count in fewer if modulation_rates(rate / model.hop_length, seconds / count))
    if most < model.num_segments:
        raise ConfigError(
            f"model.num_segments={model.num_segments} leaves segments of {seconds / model.num_segments:.3g} s, too"
            f" short to show any modulation; use model.num_segments={most} or less, or longer crops"
        )


def _check_augment(config: Config) -> None:
    on_waveform = not isinstance(config.model, TransformerConfig) or config.model.front_end == "waveform"
    if on_waveform and config.augment.spectrogram_masks:
        raise ConfigError(
            f"augment.spectrogram_masks={config.augment.spectrogram_masks} needs a spectrogram,"
            " and this model reads the waveform; set augment.spectrogram_masks=0"
        )
    if config.augment.domain == "power":
        if on_waveform:
            raise ConfigError(
                "augment.domain=power needs a spectrogram, and this model reads the waveform;"
                " set augment.domain=waveform"
            )
        if not config.augment.circular:
            raise ConfigError(
                "augment.domain=power repeats clips circularly; set augment.circular=true or augment.domain=waveform"
            )
    if config.augment.gain_db and not on_waveform:
        raise ConfigError(
            f"augment.gain_db={config.augment.gain_db:g} has no effect on this model, whose spectrogram is normalised;"
            " set augment.gain_db=0"
        )


def _check_training(config: Config) -> None:
    trainer = config.trainer
    for key, chosen in (
        ("trainer.early_stopping", trainer.early_stopping > 0),
        ("trainer.weights", trainer.weights == "best"),
    ):
        if chosen and config.protocol != "holdout":
            shown = trainer.early_stopping if key.endswith("stopping") else trainer.weights
            off = "0" if key.endswith("stopping") else "last"
            raise ConfigError(
                f"{key}={shown} needs validation clips, and protocol={config.protocol} has none"
                f" (choosing by the test fold would flatter); set {key}={off} or protocol=holdout"
            )
    if (trainer.early_stopping or trainer.weights == "best") and trainer.validate_every > trainer.max_epochs:
        raise ConfigError(
            f"trainer.validate_every={trainer.validate_every} leaves no validation in trainer.max_epochs="
            f"{trainer.max_epochs} to choose by; set trainer.validate_every={trainer.max_epochs} or less"
        )
    if config.augment.mix and trainer.batch_size < 2:
        raise ConfigError(
            f"trainer.batch_size={trainer.batch_size} leaves nothing to mix with; use 2 or more, or augment.mix=false"
        )
    if config.protocol == "all" and config.fold:
        raise ConfigError(
            f"fold={config.fold} does not exist with protocol=all, which trains on every clip; use fold=0"
        )
