"""The schema of a job's configuration: types, ranges, and what must not be combined.

The values live in conf/; here stand only the rules. Hydra refuses keys that do not exist, this module refuses values that
cannot work, both before anything heavy is imported.
"""

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_TIME_SCALE = 4.0


class ConfigError(ValueError):
    """A mistake of the user: one line that says what is wrong and what to change. Exit status 2."""


class Section(BaseModel):
    """A block of the configuration: no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=())


class DataConfig(Section):
    kind: Literal["auto", "esc10", "esc50", "folder", "synthetic"]
    name: Annotated[str, Field(pattern=r"^[\w.+-]+$")] | None
    root: str | None = None
    allow_missing: bool = False
    num_folds: int = Field(default=4, ge=2, le=100)
    split_seed: int = Field(default=0, ge=0, lt=2**32)
    clips_per_class: int = Field(default=40, ge=20, le=100_000, multiple_of=20)
    synthesis_seed: int = Field(default=0, ge=0, lt=2**32)


class InputConfig(Section):
    sample_rate: int = Field(ge=4_000, le=384_000)
    crop_seconds: float = Field(ge=0.05, le=600)
    eval_crops: int = Field(ge=1, le=1_000)
    normalize: bool

    @property
    def crop_samples(self) -> int:
        return round(self.sample_rate * self.crop_seconds)


class CNNConfig(Section):
    name: Literal["cnn"]


class TransformerConfig(Section):
    name: Literal["transformer"]
    front_end: Literal["log_mel", "waveform"]
    num_mels: int = Field(ge=8, le=512)
    n_fft: int = Field(ge=32, le=65_536)
    hop_length: int = Field(ge=1, le=65_536)
    stem: Literal["spectrogram", "waveform", "channels"]
    stem_width: int = Field(ge=1, le=1_024)
    num_stem_layers: int = Field(ge=3, le=12)
    num_heads: int = Field(ge=1, le=64)
    d_model: int = Field(ge=2, le=8_192)
    num_layers: int = Field(ge=0, le=48)
    d_feedforward: int = Field(ge=1, le=32_768)
    dropout: float = Field(ge=0, lt=1)
    norm: Literal["pre", "post"]
    activation: Literal["gelu", "relu"]
    positions: Literal["sinusoidal", "learned", "none"]
    pool: Literal["cls", "mean"]


class AugmentConfig(Section):
    random_crop: bool
    gain_db: float = Field(ge=0, le=60)
    time_scale: float = Field(ge=1, le=MAX_TIME_SCALE)
    mix: bool
    spectrogram_masks: int = Field(ge=0, le=16)
    mask_fraction: float = Field(ge=0, lt=1)


class OptimizerConfig(Section):
    name: Literal["adam", "adamw"]
    lr: float = Field(gt=0, le=10)
    weight_decay: float = Field(ge=0, le=10)
    schedule: Literal["constant", "cosine"]
    warmup_fraction: float = Field(ge=0, lt=1)


class TrainerConfig(Section):
    max_epochs: int = Field(ge=1, le=1_000_000)
    batch_size: int = Field(ge=1, le=65_536)
    crops_per_clip: int = Field(ge=1, le=10_000)
    loss_on: Literal["logits", "probabilities"]
    label_smoothing: float = Field(ge=0, lt=1)
    gradient_clip: float = Field(ge=0)
    ema_decay: float = Field(ge=0, lt=1)
    weights: Literal["last", "best"]
    early_stopping: int = Field(ge=0)
    accelerator: Literal["auto", "cpu", "gpu"]
    precision: Literal["32-true", "bf16-mixed", "16-mixed"]
    num_threads: Annotated[int, Field(ge=1, le=1_024)] | None


class WandbConfig(Section):
    """The logger block of conf/logger/wandb.yaml; loggers of other libraries check their own."""

    target: Literal["audio_cls.studies.tracking.make_wandb_logger"] = Field(alias="_target_")
    project: str = Field(min_length=1)
    entity: str | None
    mode: Literal["auto", "online", "offline"]


class Config(Section):
    """One job, checked. `heads` is None for the CNN."""

    protocol: Literal["holdout", "crossval", "all"]
    fold: int = Field(ge=0)
    seed: int = Field(ge=0, lt=2**32)
    study: Annotated[str, Field(pattern=r"^[\w.+-]+$")] | None
    variant: Annotated[str, Field(pattern=r"^[\w.+=,-]+$")] | None
    output_dir: str = Field(min_length=1)
    jobs: int = Field(ge=1, le=256)
    heads: int | None = None
    data: DataConfig
    input: InputConfig
    model: CNNConfig | TransformerConfig = Field(discriminator="name")
    augment: AugmentConfig
    optimizer: OptimizerConfig
    trainer: TrainerConfig
    logger: dict[str, Any] | None


S = TypeVar("S", bound=Section)

# Where a job runs, not what it computes: these keys neither name a variant nor make two results differ.
EXECUTION_KEYS = frozenset(
    {"study", "variant", "output_dir", "jobs", "data.root", "data.name", "trainer.num_threads", "trainer.accelerator"}
)


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one: {'optimizer.lr': 0.001, ...}."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def result_keys(values: dict[str, Any]) -> dict[str, Any]:
    """The flat keys of a dumped configuration that determine a job's result, without logger and places on disk."""
    flat = flatten({key: value for key, value in values.items() if key not in ("logger", "preset")})
    return {key: value for key, value in flat.items() if key not in EXECUTION_KEYS}


def check_config(values: dict[str, Any]) -> Config:
    """Returns the checked configuration. Raises ConfigError with one line for the first thing that is wrong."""
    config = _validate(Config, values)
    if str((config.logger or {}).get("_target_")).startswith("audio_cls."):
        _validate(WandbConfig, config.logger, prefix="logger.")
    _check_model(config)
    _check_augment(config)
    _check_training(config)
    return config


def _validate(section: type[S], values: Any, prefix: str = "") -> S:
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise ConfigError(prefix + _first_problem(error)) from None


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    location = [str(part) for part in first["loc"] if part not in ("cnn", "transformer")]
    key = ".".join(location)
    value = first["input"]
    if first["type"] == "extra_forbidden":
        return f"{key} is not a key of this configuration; remove it"
    if first["type"] == "union_tag_invalid":
        return f"model.name={value.get('name')!r} is not a model; choose model=cnn or model=transformer"
    if first["type"] == "model_type":
        return f"{key}={value} cannot be used: {key} is a block of keys; set one of them, as in {key}.KEY=VALUE"
    shown = "null" if value is None else value
    message = first["msg"].replace("Input should be", "it must be")
    for plain, words in _PLAIN_WORDS:
        message = re.sub(plain, words, message)
    return f"{key}={shown} cannot be used: {message}"


_PLAIN_WORDS = (
    (r"a valid (?=[aeiou])", "an "),
    (r"a valid ", "a "),
    (r"String should match pattern.*", "it must be one word of letters, digits and . _ + -"),
    (r"String should have at least 1 character", "it must not be empty"),
)


def _check_model(config: Config) -> None:
    samples = config.input.crop_samples
    crop = f"input.crop_seconds={config.input.crop_seconds} at input.sample_rate={config.input.sample_rate} is {samples} samples"
    model = config.model
    if isinstance(model, CNNConfig):
        if samples % 8:
            raise ConfigError(
                f"{crop}; the CNN pools by 8, so it needs a multiple of 8: try {samples // 8 * 8 / config.input.sample_rate:g}"
            )
        return
    if model.d_model % model.num_heads:
        fitting = [str(heads) for heads in range(1, min(model.d_model, 16) + 1) if model.d_model % heads == 0]
        raise ConfigError(
            f"heads={model.num_heads} does not divide model.d_model={model.d_model}; use heads={'|'.join(fitting)} or another model.d_model"
        )
    if (model.stem == "spectrogram") != (model.front_end == "log_mel"):
        fitting_stem = "spectrogram" if model.front_end == "log_mel" else "waveform or channels"
        raise ConfigError(
            f"model.stem={model.stem} does not fit model.front_end={model.front_end}; use model.stem={fitting_stem}"
        )
    if model.stem == "channels" and model.d_model * 8 != samples:
        raise ConfigError(
            f"model.stem=channels needs model.d_model = crop samples / 8; {crop}, so model.d_model={samples // 8}"
        )
    if model.front_end == "log_mel":
        if model.hop_length > model.n_fft:
            raise ConfigError(
                f"model.hop_length={model.hop_length} skips samples: it must not exceed model.n_fft={model.n_fft}"
            )
        if model.n_fft > samples:
            raise ConfigError(
                f"model.n_fft={model.n_fft} is longer than the crop; {crop}: use a smaller model.n_fft or a longer crop"
            )
        if model.num_mels > model.n_fft // 4:
            raise ConfigError(
                f"model.num_mels={model.num_mels} leaves mel bands empty at model.n_fft={model.n_fft}; use at most {model.n_fft // 4}"
            )
    if model.num_layers == 0 and model.pool == "cls":
        raise ConfigError(
            "model.num_layers=0 leaves the CLS token blind to the sound; use model.pool=mean or model.num_layers=1 or more"
        )


def _check_augment(config: Config) -> None:
    on_waveform = isinstance(config.model, CNNConfig) or config.model.front_end == "waveform"
    if on_waveform and config.augment.spectrogram_masks:
        raise ConfigError(
            f"augment.spectrogram_masks={config.augment.spectrogram_masks} needs a spectrogram, and this model reads the waveform;"
            " set augment.spectrogram_masks=0"
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
                f"{key}={shown} needs validation clips, and protocol={config.protocol} has none (choosing by the test fold would flatter);"
                f" set {key}={off} or protocol=holdout"
            )
    if config.augment.mix and trainer.batch_size < 2:
        raise ConfigError(
            f"trainer.batch_size={trainer.batch_size} leaves nothing to mix with; use 2 or more, or augment.mix=false"
        )
    if trainer.loss_on == "probabilities" and trainer.label_smoothing:
        raise ConfigError("trainer.label_smoothing works on logits; set it to 0 or trainer.loss_on=logits")
    if config.protocol == "all" and config.fold:
        raise ConfigError(
            f"fold={config.fold} does not exist with protocol=all, which trains on every clip; use fold=0"
        )
