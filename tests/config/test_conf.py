"""conf/ against the schema and the constructors: nothing there is unused, misspelt or unable to run."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import torch
import yaml
from hydra import initialize_config_dir
from hydra.utils import get_method
from support.command_line import CONF, REPOSITORY
from torch import nn

from audio_cls.config.auto import filled
from audio_cls.config.checks import check_config
from audio_cls.config.compose import compose_job
from audio_cls.config.job import Job
from audio_cls.config.schema import (
    EXECUTION_KEYS,
    TEXT_KEYS,
    Config,
    ConfigError,
    Section,
    TransformerConfig,
    WandbConfig,
    result_keys,
)
from audio_cls.data.synthetic import CLASSES
from audio_cls.experiment.build import make_loggers, make_module
from audio_cls.models.settings import TransformerSettings
from audio_cls.training.augment import input_samples
from audio_cls.training.modules import ClassifierModule
from audio_cls.training.optimization import make_optimizer, make_schedule

GROUPS = ("data", "augment", "trainer", "logger", "model", "experiment")
OPTIONS = [f"{group}={path.stem}" for group in GROUPS for path in sorted((CONF / group).glob("*.yaml"))]
PRESETS = [path.stem for path in sorted((CONF / "experiment").glob("*.yaml"))]
# Sizes at which a step takes little time, for presets whose own are too large for a test.
NARROWED = {"original_transformer": ("input.crop_seconds=0.05", "model.d_model=100", "model.d_feedforward=64")}
# What a choice needs beside itself.
COMPANIONS = {
    "model.front_end=waveform": ("model.stem=waveform", "augment.spectrogram_masks=0"),
    "model.stem=waveform": ("model.front_end=waveform", "augment.spectrogram_masks=0"),
    "model.stem=channels": (
        "model.front_end=waveform",
        "augment.spectrogram_masks=0",
        "model.d_model=100",
        "input.crop_seconds=0.05",
    ),
    "model.stem=frames": (
        "model.front_end=waveform",
        "augment.spectrogram_masks=0",
        "model.d_model=128",
        "input.crop_seconds=0.05",
    ),
}


@pytest.fixture(autouse=True)
def _hydra(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def make_job(*overrides: str) -> Job:
    """A checked job; its data are not looked at."""
    values, choices = compose_job(overrides)
    return Job(check_config(filled(values)), choices.get("experiment"), "study", "variant", "data", overrides)


def parts_of(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from parts_of(part)


def schema_keys(section: type[Section], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key that a configuration may have, dotted, with its type."""
    for name, field in section.model_fields.items():
        sections = [part for part in parts_of(field.annotation) if inspect.isclass(part) and issubclass(part, Section)]
        for part in sections:
            yield from schema_keys(part, f"{prefix}{name}.")
        if not sections:
            yield f"{prefix}{field.alias or name}", field.annotation


def all_schema_keys() -> dict[str, Any]:
    return {key: kind for key, kind in schema_keys(Config) if key != "logger"} | dict(
        schema_keys(WandbConfig, "logger.")
    )


def yaml_keys(tree: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from yaml_keys(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def keys_in_conf() -> set[str]:
    """Every key that a file of conf/ sets, but for those of other libraries' loggers and of Hydra."""
    main = yaml.safe_load((CONF / "config.yaml").read_text())
    found = set(yaml_keys({key: value for key, value in main.items() if key not in ("defaults", "hydra")}))
    for option in OPTIONS:
        group, _, name = option.partition("=")
        text = (CONF / group / f"{name}.yaml").read_text()
        values = {key: value for key, value in yaml.safe_load(text).items() if key != "defaults"}
        if not str(values.get("_target_", "audio_cls.")).startswith("audio_cls."):
            continue
        found |= set(yaml_keys(values, "" if "@package _global_" in text else f"{group}."))
    return found


def step(module: ClassifierModule, settings: dict[str, Any]) -> float:
    """One training step on noise; returns the loss. Every parameter gets a gradient, and some of them move."""
    torch.manual_seed(0)
    scale = module.augment.time_scale
    samples = input_samples(scale.num_samples, scale.factor)
    batch = {"waveform": torch.randn(4, 1, samples) * 0.1, "label": torch.tensor([0, 1, 2, 3])}
    optimizer = make_optimizer(module.network, settings["name"], settings["lr"], settings["weight_decay"])
    before = [parameter.detach().clone() for parameter in module.network.parameters()]
    module.train()
    loss = module.training_step(batch, 0)
    loss.backward()
    optimizer.step()
    assert all(parameter.grad is not None for parameter in module.network.parameters())
    assert any(not torch.equal(old, new) for old, new in zip(before, module.network.parameters(), strict=True))
    return float(loss.detach())


def num_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_groups_are_those_of_the_defaults_list() -> None:
    defaults = yaml.safe_load((CONF / "config.yaml").read_text())["defaults"]
    named = [key for entry in defaults if isinstance(entry, dict) for key in entry if not key.startswith("override ")]
    assert sorted(named) == sorted(GROUPS)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_composes_passes_the_checks_and_builds_its_module(option: str) -> None:
    with torch.device("meta" if option == "experiment=original_transformer" else "cpu"):
        module = make_module(make_job(option), CLASSES)
    assert num_parameters(module.network) > 3_000


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_runs_a_step(preset: str) -> None:
    job = make_job(f"experiment={preset}", *NARROWED.get(preset, ()))
    loss = step(make_module(job, CLASSES), job.config.optimizer.model_dump())
    assert 0.5 < loss < 5  # ln 10 is 2.3


@pytest.mark.parametrize("model", ["cnn", "transformer"])
def test_the_defaults_run_a_step(model: str) -> None:
    job = make_job(f"model={model}")
    assert 1 < step(make_module(job, CLASSES), job.config.optimizer.model_dump()) < 5


@pytest.mark.parametrize(("preset", "count"), [("original_cnn", 2_591_050), ("original_transformer", 48_477_146)])
def test_the_original_presets_have_the_size_that_is_written_down(preset: str, count: int) -> None:
    with torch.device("meta"):
        module = make_module(make_job(f"experiment={preset}"), CLASSES)
    assert num_parameters(module.network) == count
    assert f"{count:,}" in "".join(path.read_text() for path in CONF.rglob("*.yaml"))


@pytest.mark.parametrize(
    "choice",
    [
        f"model.{key}={value}"
        for key, kind in schema_keys(TransformerConfig)
        if get_origin(kind) is Literal and key != "name"
        for value in get_args(kind)
    ],
)
def test_every_choice_of_the_transformer_builds_and_runs(choice: str) -> None:
    small = ("model.d_feedforward=16", "model.num_layers=1")
    job = make_job("model=transformer", choice, *COMPANIONS.get(choice, ()), *small)
    step(make_module(job, CLASSES), job.config.optimizer.model_dump())


def test_every_key_in_conf_is_a_field_of_the_schema_and_every_field_stands_in_conf() -> None:
    assert keys_in_conf() - {"heads"} == set(all_schema_keys())  # `heads` is model.num_heads once composed


def test_keys_that_are_named_in_the_code_exist() -> None:
    assert set(all_schema_keys()) >= EXECUTION_KEYS
    assert set(all_schema_keys()) >= TEXT_KEYS


def test_the_keys_of_the_transformer_are_its_settings() -> None:
    arguments = set(inspect.signature(TransformerSettings).parameters)
    from_elsewhere = {"num_classes", "num_samples", "sample_rate"}  # of the data and of `input`
    assert set(TransformerConfig.model_fields) - {"name"} == arguments - from_elsewhere


def test_the_keys_of_the_optimizer_are_the_arguments_that_make_it() -> None:
    arguments = {*inspect.signature(make_optimizer).parameters, *inspect.signature(make_schedule).parameters}
    assert set(make_job().config.optimizer.model_dump()) == arguments - {"model", "optimizer", "total_steps", "fused"}


def test_the_loggers_can_be_made_from_their_keys(tmp_path: Path) -> None:
    assert make_loggers(make_job("logger=none")) == []
    (logger,) = make_loggers(make_job("logger=csv", f"output_dir={tmp_path}"))
    assert Path(logger.save_dir).is_relative_to(tmp_path)
    job = make_job("logger=wandb")
    keys = {key: value for key, value in job.config.logger.items() if key != "_target_"}
    inspect.signature(get_method(job.config.logger["_target_"])).bind(job=job, **keys)


def test_the_choices_of_a_key_stand_beside_it() -> None:
    lines = [line for path in CONF.rglob("*.yaml") for line in path.read_text().splitlines()]
    for key, kind in all_schema_keys().items():
        leaf = key.split(".")[-1]
        if get_origin(kind) is Literal and key not in ("data.kind", "model.name", "logger._target_"):
            beside = [line for line in lines if re.match(rf"\s*{leaf}: .*#", line)]
            assert any(all(str(choice) in line for choice in get_args(kind)) for line in beside), key


class WithSpectrogram(nn.Module):
    def extract(self, waveforms: torch.Tensor) -> torch.Tensor:
        return waveforms


@pytest.mark.parametrize(("target", "masked"), [("WithSpectrogram", True), ("Waveforms", False)])
def test_a_network_of_ones_own_that_extracts_features_may_be_masked(target: str, masked: bool) -> None:
    values, _ = compose_job(("model=cnn", "augment.spectrogram_masks=2", "augment.gain_db=0"))
    values = filled(values)
    values["model"] = {"name": "mine", "_target_": f"{__name__}.{target}"}
    if masked:
        assert check_config(values).augment.spectrogram_masks == 2
    else:
        with pytest.raises(ConfigError, match="this model reads the waveform"):
            check_config(values)


class Waveforms(nn.Module):
    """Has no features."""


@pytest.mark.parametrize("study", ["esc10-holdout", "esc10-best"])
def test_presets_still_mean_what_the_kept_results_were_trained_with(study: str) -> None:
    for preset in PRESETS:
        for folder in sorted((REPOSITORY / "results" / study).glob(f"{preset}*/fold0-seed0")):
            if folder.parent.name in (preset, f"{preset}_h4"):
                stored = result_keys(yaml.safe_load((folder / "config.yaml").read_text()))
                now = result_keys(make_job(f"experiment={preset}", "data=esc10").config.model_dump())
                assert {key: now[key] for key in stored} == stored, folder
