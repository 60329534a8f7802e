"""The config.json and labels.json of an exported model: every value checked, without pydantic."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NoReturn, get_args

from audio_cls.data.profile import TrainingProfile
from audio_cls.models.settings import MAX_D_MODEL, TransformerSettings
from audio_cls.serving.classifier import LoadError

FORMAT, FORMAT_VERSION = "audio_cls model", 1
MAX_CLASSES = 100_000
_MAX_FRAMES = 2**21  # of a crop's spectrogram
_MAX_SAMPLES = 2**30  # of all crops of a clip
# The most that config/schema.py takes; the least are checked where a network is built.
_MOST = {
    "num_mels": 512,
    "n_fft": 65_536,
    "hop_length": 65_536,
    "stem_width": 1_024,
    "num_stem_layers": 12,
    "num_segments": 64,
    "num_heads": 64,
    "d_model": MAX_D_MODEL,
    "num_layers": 48,
    "d_feedforward": 32_768,
}
_MAY_BE_ZERO = ("num_layers", "dropout")
_SIZES = ("num_classes", "sample_rate", "num_samples")  # of data and crop
# What the `model` block of each network of ours holds beside its name, and of which type.
MODELS: dict[str, dict[str, Any]] = {
    "cnn": {},
    "baseline": dict.fromkeys(("num_mels", "n_fft", "hop_length"), int),
    "transformer": {field.name: field.type for field in fields(TransformerSettings) if field.name not in _SIZES},
}
_RANGES: dict[str, tuple[type, float, float]] = {
    "sample_rate": (int, 4_000, 384_000),
    "crop_samples": (int, 1, 600 * 384_000),
    "eval_crops": (int, 1, 1_000),
    "silence_db": (float, 0, 200),
    "temperature": (float, 0.01, 100),
    "unsure_below": (float, 0, 1),
}


@dataclass(frozen=True)
class ExportedConfig:
    """What config.json says, as `LoadedClassifier` has it; `model` is the block that a network is built from."""

    model: dict[str, Any]
    sample_rate: int
    crop_samples: int
    eval_crops: int
    normalize: bool
    silence_db: float
    temperature: float
    unsure_below: float
    profile: TrainingProfile | None


def read_config(content: bytes, path: Path) -> ExportedConfig:
    """Raises LoadError in one line for another format, a key that is missing, and a value that cannot be right."""
    values = parse_json(content, path)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise LoadError(f"{path} is not of an exported model: its format is not {FORMAT!r}; give what export wrote")
    version = values.get("format_version")
    if version != FORMAT_VERSION or type(version) is not int:
        remedy = "update audio_cls" if type(version) is int and version > FORMAT_VERSION else "export the model again"
        raise LoadError(f"{path} has format_version {version!r:.40}, and {FORMAT_VERSION} is read; {remedy}")
    numbers = {key: _number(values, key, *limits, path) for key, limits in _RANGES.items()}
    if not isinstance(values.get("normalize"), bool):
        _refuse(path, "normalize", values.get("normalize"), "true or false")
    model = _model(values.get("model"), path)
    if numbers["crop_samples"] * numbers["eval_crops"] > _MAX_SAMPLES:
        _refuse(path, "eval_crops", values["eval_crops"], f"less than {_MAX_SAMPLES:,} samples in all")
    if numbers["crop_samples"] // model.get("hop_length", numbers["crop_samples"]) > _MAX_FRAMES:
        _refuse(path, "crop_samples", values["crop_samples"], f"less than {_MAX_FRAMES:,} frames of a spectrogram")
    try:
        profile = None if values.get("profile") is None else TrainingProfile.from_json(values["profile"])
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise LoadError(f"{path}: profile: {error}".partition("\n")[0]) from None
    return ExportedConfig(model=model, normalize=values["normalize"], profile=profile, **numbers)


def read_labels(content: bytes, path: Path) -> tuple[str, ...]:
    """Names of the classes, in index order. Raises LoadError unless they are two or more texts, each once."""
    labels = parse_json(content, path)
    if not isinstance(labels, list) or not 2 <= len(labels) <= MAX_CLASSES:
        raise LoadError(f"{path} is no list of 2 to {MAX_CLASSES:,} class names; export the model again")
    if wrong := [label for label in labels if not isinstance(label, str) or not label]:
        raise LoadError(f"{path}: {wrong[0]!r:.60} is no name of a class; export the model again")
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise LoadError(f"{path} has the class {twice!r:.60} twice; export the model again")
    return tuple(labels)


def parse_json(content: bytes, path: Path) -> Any:
    """Raises LoadError for what is no JSON, and for numbers that are not finite."""

    def number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise ValueError(f"{text} is no finite number")
        return value

    try:
        return json.loads(content.decode("utf-8"), parse_float=number, parse_constant=number)
    except (ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise LoadError(f"{path} cannot be read ({reason}); export the model again") from None


def _model(block: Any, path: Path) -> dict[str, Any]:
    """The `model` block, if it is one of a network of ours."""
    if isinstance(block, dict) and "_target_" in block:
        raise LoadError(
            f"{path}: model._target_ names code of somebody else, which is never run from an exported model; load the"
            " folder of its job"
        )
    name = block.get("name") if isinstance(block, dict) else None
    if not isinstance(name, str) or name not in MODELS:
        _refuse(path, "model.name", name, " or ".join(MODELS))
    assert isinstance(block, dict)
    if differing := sorted(map(str, block.keys() ^ {"name", *MODELS[name]})):
        raise LoadError(f"{path}: model={name} does not go with model.{differing[0]:.60}; export the model again")
    for key, kind in MODELS[name].items():
        if choices := get_args(kind):
            if block[key] not in choices or not isinstance(block[key], str):
                _refuse(path, f"model.{key}", block[key], " or ".join(choices))
        else:
            _number(block, key, kind, 0 if key in _MAY_BE_ZERO else 1, _MOST.get(key, 1), path, "model.")
    return dict(block)


def _number(
    values: Mapping[str, Any], key: str, kind: type, least: float, most: float, path: Path, prefix: str = ""
) -> Any:
    value: Any = values.get(key)
    right = type(value) is int or (kind is float and type(value) is float)
    if not right or not least <= value <= most:
        _refuse(path, prefix + key, value, f"{'an integer' if kind is int else 'a number'} from {least:g} to {most:g}")
    return value


def _refuse(path: Path, key: str, value: Any, wanted: str) -> NoReturn:
    raise LoadError(f"{path}: {key}={value!r:.60} cannot be right: it is {wanted}; export the model again")
