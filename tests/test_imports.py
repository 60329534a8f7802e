"""Imports run one way: data and models at the bottom, then training, then studies. Libraries stay in their place."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "audio_cls"
MODULES = {
    ".".join(path.relative_to(REPOSITORY).with_suffix("").parts): path
    for path in [*PACKAGE.rglob("*.py"), REPOSITORY / "train.py"]
}
# Which of our own packages a package may import from, beside itself.
LAYERS = {
    "audio_cls.data": set(),
    "audio_cls.models": set(),
    "audio_cls.training": {"audio_cls.data", "audio_cls.models"},
    "audio_cls.studies": {"audio_cls.data", "audio_cls.models", "audio_cls.training", "audio_cls.serving"},
    "audio_cls.serving": {"audio_cls.data", "audio_cls.models"},
}
# Which libraries, beside the standard library and numpy, a package may import.
LIBRARIES = {
    "audio_cls.models": {"torch", "torchaudio"},
    "audio_cls.data": {"torch", "torchaudio", "soundfile", "sklearn", "pooch", "requests", "filelock", "rich"},
}
# Where a library may be imported; nowhere else.
HOMES = {
    "lightning": (
        "audio_cls.training.datamodule",
        "audio_cls.training",
        "audio_cls.experiment.run_job",
        "audio_cls.tracking.wandb_logger",
    ),
    "torchmetrics": ("audio_cls.training",),
    "hydra": (
        "train",
        "audio_cls.config.compose",
        "audio_cls.experiment.plan",
        "audio_cls.experiment.launch",
        "audio_cls.reports.commands",
    ),
    "omegaconf": ("train", "audio_cls.config.compose"),
    "wandb": ("audio_cls.tracking.wandb_logger", "audio_cls.tracking.wandb_media", "audio_cls.tracking.dashboard"),
    "pydantic": ("audio_cls.config.schema", "audio_cls.config.checks"),
}


@cache
def imports(path: Path) -> frozenset[str]:
    """The full names of the modules that a file imports, also within functions."""
    return frozenset(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names if node.module.startswith("audio_cls"))


def package_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_run_one_way(module: str) -> None:
    for imported in imports(MODULES[module]):
        package = package_of(imported)
        if package in LAYERS and package_of(module) in LAYERS and package != package_of(module):
            assert package in LAYERS[package_of(module)], f"{module} imports {imported}"


@pytest.mark.parametrize("module", sorted(module for module in MODULES if package_of(module) in LIBRARIES))
def test_data_and_models_know_few_libraries(module: str) -> None:
    allowed = LIBRARIES[package_of(module)] | sys.stdlib_module_names | {"numpy", "audio_cls"}
    if module == "audio_cls.training.datamodule":
        allowed |= {"lightning"}
    assert {name.split(".")[0] for name in imports(MODULES[module])} <= allowed


@pytest.mark.parametrize("library", sorted(HOMES))
def test_a_library_is_imported_in_its_home_only(library: str) -> None:
    users = {module for module, path in MODULES.items() if library in {name.split(".")[0] for name in imports(path)}}
    strangers = {
        user for user in users if not any(user == home or user.startswith(f"{home}.") for home in HOMES[library])
    }
    assert not strangers
    assert users, f"{library} is not used any more: remove it from this list"


def test_initialisers_of_packages_import_nothing() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        assert not imports(path), path


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("audio_cls.experiment.launch", "torch lightning torchmetrics matplotlib sklearn scipy wandb pooch requests"),
        ("audio_cls.analysis.compare", "torch lightning torchmetrics matplotlib sklearn wandb"),
        ("audio_cls.reports.ablation", "torch lightning torchmetrics matplotlib sklearn wandb"),
        ("audio_cls.models.transformer", "lightning hydra omegaconf wandb matplotlib sklearn soundfile"),
        ("audio_cls.data.sources", "torch lightning hydra sklearn pooch requests"),
        ("audio_cls.data.splits", "torch lightning hydra sklearn"),
        ("audio_cls.data.synthetic", "torch lightning hydra sklearn soundfile"),
    ],
)
def test_an_import_does_not_bring_in_what_it_does_not_need(module: str, unwanted: str) -> None:
    check = f"import sys, {module}; print(*set({unwanted.split()!r}) & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert found.stdout.split() == []
