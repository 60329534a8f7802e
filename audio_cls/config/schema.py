"""The schema of a job's configuration: its keys, their types and their ranges. The values live in conf/."""

import os
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator

from audio_cls.models.settings import MAX_D_MODEL, Activation, FrontEnd, Norm, Pool, Positions, Stem
from audio_cls.wording import UserError

MAX_TIME_SCALE = 4.0
DATA_KINDS = ("auto", "esc10", "esc50", "folder", "synthetic")  # ours
OUR_MODELS = ("baseline", "cnn", "transformer")


class ConfigError(UserError):
    """A mistake in the configuration."""


class Section(BaseModel):
    """A block of the configuration: no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=(), allow_inf_nan=False)


# Hydra reads study=2024 as a number; where text is wanted, its digits are meant.
Text = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]
Place = Annotated[Text, Field(min_length=1), AfterValidator(os.path.expanduser)]
# A folder's name: not hidden, not a way out of the folder above, within what file systems take.
Name = Annotated[Text, Field(pattern=r"^[\w+-][\w.+-]*$", max_length=100)]
VariantName = Annotated[Text, Field(pattern=r"^[\w+=,-][\w.+=,-]*$", max_length=200)]
TEXT_KEYS = frozenset(
    {"data.root", "data.name", "data.source", "study", "variant", "output_dir", "logger.project", "logger.entity"}
)


class OpenSection(Section):
    """A block that may name code of somebody else by `_target_`, whose arguments are keys beside those known here."""

    model_config = ConfigDict(extra="allow")

    @property
    def target(self) -> str:
        """Empty without `_target_`, or where it is no text."""
        target = (self.model_extra or {}).get("_target_")
        return target if isinstance(target, str) else ""

    @property
    def arguments(self) -> dict[str, Any]:
        return {key: value for key, value in (self.model_extra or {}).items() if key != "_target_"}


class DataConfig(OpenSection):
    """A data set: one of ours by its `kind`, or another one."""

    kind: Name
    name: Name | None
    root: Place | None = None
    source: Annotated[Text, Field(min_length=1)] | None = None
    allow_missing: bool = False
    num_folds: int = Field(default=4, ge=2, le=100)
    balance: Literal["none", "weights", "sampling"] = "none"
    split_seed: int = Field(default=0, ge=0, lt=2**32)
    clips_per_class: int = Field(default=40, ge=20, le=100_000, multiple_of=20)
    synthesis_seed: int = Field(default=0, ge=0, lt=2**32)

    @model_validator(mode="after")
    def _belongs_to_kind(self) -> Self:
        if self.kind in DATA_KINDS:
            for key in self.model_extra or {}:
                raise ValueError(f"data.{key} is not a key of data={self.kind}; remove it")
        elif not self.target:
            raise ValueError(
                f"data.kind={self.kind} is none of {', '.join(DATA_KINDS)}; choose one of these, or name a function as"
                " data._target_=package.module.function"
            )
        return self


class InputConfig(Section):
    sample_rate: int = Field(ge=4_000, le=384_000)
    crop_seconds: float = Field(ge=0.05, le=600)
    eval_crops: int = Field(ge=1, le=1_000)
    normalize: bool
    silence_db: float = Field(ge=0, le=200)

    @property
    def crop_samples(self) -> int:
        return round(self.sample_rate * self.crop_seconds)


class CNNConfig(Section):
    name: Literal["cnn"]


class BaselineConfig(Section):
    name: Literal["baseline"]
    num_mels: int = Field(ge=8, le=512)
    n_fft: int = Field(ge=32, le=65_536)
    hop_length: int = Field(ge=1, le=65_536)
    regularization: float = Field(gt=0, le=1e9)


class OtherModel(OpenSection):
    """A model of somebody else: `_target_` names its class."""

    name: Name

    @model_validator(mode="after")
    def _has_target(self) -> Self:
        if self.name in OUR_MODELS:
            raise ValueError(f"model.name={self.name} is the name of a model of ours; give yours another name")
        if not self.target:
            raise ValueError(
                f"model.name={self.name} is not a model; choose model=cnn or model=transformer, or name a class as"
                " model._target_=package.module.Class"
            )
        return self


class TransformerConfig(Section):
    name: Literal["transformer"]
    front_end: FrontEnd
    num_mels: int = Field(ge=8, le=512)
    n_fft: int = Field(ge=32, le=65_536)
    hop_length: int = Field(ge=1, le=65_536)
    stem: Stem
    stem_width: int = Field(ge=1, le=1_024)
    num_stem_layers: int = Field(ge=3, le=12)
    num_segments: int = Field(ge=1, le=64)
    num_heads: int = Field(ge=1, le=64)
    d_model: int = Field(ge=2, le=MAX_D_MODEL)
    num_layers: int = Field(ge=0, le=48)
    d_feedforward: int = Field(ge=1, le=32_768)
    dropout: float = Field(ge=0, lt=1)
    norm: Norm
    activation: Activation
    positions: Positions
    pool: Pool


class AugmentConfig(Section):
    domain: Literal["waveform", "power"]
    random_crop: bool
    circular: bool
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
    gradient_clip: float = Field(ge=0)
    ema_decay: float = Field(ge=0, lt=1)
    weights: Literal["last", "best"]
    early_stopping: int = Field(ge=0)
    validate_every: int = Field(ge=1)
    accelerator: Literal["auto", "cpu", "gpu"]
    precision: Literal["32-true", "bf16-mixed", "16-mixed"]
    num_threads: Annotated[int, Field(ge=1, le=1_024)] | None


class WandbConfig(Section):
    """The logger block of conf/logger/wandb.yaml; loggers of other libraries check their own."""

    target: Literal["audio_cls.tracking.wandb_logger.make_wandb_logger"] = Field(alias="_target_")
    project: Text = Field(min_length=1)
    entity: Text | None
    mode: Literal["auto", "online", "offline"]
    log_checkpoint: bool = False


def _kind_of_model(model: Any) -> str:
    """Which section a `model` block is: one with `_target_` is never one of ours."""
    if isinstance(model, dict):
        name = None if "_target_" in model else model.get("name")
    else:
        name = getattr(model, "name", None)
    return name if name in OUR_MODELS else "other"


class Config(Section):
    """One job, checked."""

    protocol: Literal["holdout", "crossval", "all"]
    fold: int = Field(ge=0)
    seed: int = Field(ge=0, lt=2**32)
    study: Name | None
    variant: VariantName | None
    output_dir: Place
    jobs: Annotated[int, Field(ge=1, le=256)] | None
    data: DataConfig
    input: InputConfig
    model: Annotated[
        Annotated[BaselineConfig, Tag("baseline")]
        | Annotated[CNNConfig, Tag("cnn")]
        | Annotated[TransformerConfig, Tag("transformer")]
        | Annotated[OtherModel, Tag("other")],
        Discriminator(_kind_of_model),
    ]
    augment: AugmentConfig
    optimizer: OptimizerConfig
    trainer: TrainerConfig
    logger: dict[str, Any] | None

    @property
    def num_heads(self) -> int | None:
        """Attention heads; None for a model without this key."""
        return self.model.model_dump().get("num_heads")


# Where a job runs, not what it computes: these keys neither name a variant nor make two results differ.
EXECUTION_KEYS = frozenset(
    {"study", "variant", "output_dir", "jobs", "data.root", "data.name", "trainer.num_threads", "trainer.accelerator"}
)


def shown(value: Any) -> str:
    """A value as it is written on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested dictionaries as one: {'optimizer.lr': 0.001, ...}."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def result_keys(values: dict[str, Any]) -> dict[str, Any]:
    """The flat keys of a dumped configuration that determine a job's result, without logger and places on disk."""
    flat = flatten({key: value for key, value in values.items() if key not in ("logger", "preset", "config_dir")})
    return {key: value for key, value in flat.items() if key not in EXECUTION_KEYS}


def differing_keys(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The flat keys, in their order of the alphabet, whose values differ or that one side lacks."""
    return [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
