"""Imports run one way: each package may import what stands left of it. Libraries stay in their place."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import audio_cls

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "audio_cls"
MODULES = {
    ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__"): path
    for path in [*PACKAGE.rglob("*.py"), REPOSITORY / "train.py"]
}
ORDER = (
    *(
        "wording",
        "terminal",
        "files",
        "targets",
        "data",
        "models",
        "config",
        "training",
        "results",
        "serving",
        "analysis",
        "figures",
    ),
    *("reports", "tracking", "experiment", "cli"),
)
# Of what stands left of them, these need less.
NEED_ONLY = {
    "wording": set(),
    "files": {"wording"},
    "terminal": set(),
    "data": {"wording", "terminal", "files"},
    "targets": {"wording"},
    "models": {"wording", "targets"},
    "training": {"wording", "terminal", "files", "data", "models"},
    "tracking": set(ORDER) - {"cli", "experiment", "reports", "serving"},
}
# Which libraries, beside the standard library and numpy, a package may import.
LIBRARIES = {
    "models": {"torch", "torchaudio"},
    "data": {"torch", "torchaudio", "soundfile", "av", "scipy", "sklearn", "platformdirs", "requests", "filelock"},
    "serving": {
        "torchaudio",
        "torch",
        "yaml",
        "safetensors",
        "onnx",
        "onnxscript",
        "onnxruntime",
    },  # some within functions
    "analysis": {"scipy"},
    "results": {"yaml", "filelock"},
}
# Where a library may be imported; nowhere else.
HOMES = {
    "lightning": ("audio_cls.training", "audio_cls.experiment", "audio_cls.tracking"),
    "torchmetrics": ("audio_cls.training",),
    "hydra": ("train", "audio_cls.config", "audio_cls.experiment"),
    "omegaconf": ("train", "audio_cls.config", "audio_cls.experiment"),
    "wandb": ("audio_cls.tracking",),
    "av": ("audio_cls.data",),
    "onnx": ("audio_cls.serving.onnx",),
    "onnxscript": ("audio_cls.serving.onnx",),
    "onnxruntime": ("audio_cls.serving.onnx", "audio_cls.serving.onnx_example"),
    "pydantic": ("audio_cls.config",),
    "matplotlib": ("audio_cls.figures", "audio_cls.reports"),
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
    """'results' for 'audio_cls.results.study'; empty for a module of another project, or the package itself."""
    return module.split(".")[1] if module.startswith("audio_cls.") else ""


def own_modules(path: Path) -> set[str]:
    return {name for name in imports(path) if name in MODULES}


def test_imports_run_one_way() -> None:
    against = []
    for module, path in MODULES.items():
        package = package_of(module)
        if not package:
            continue
        assert package in ORDER, f"{module} stands in no package of the order"
        allowed = NEED_ONLY.get(package, set(ORDER[: ORDER.index(package)])) | {package, ""}
        against += [f"{module} imports {name}" for name in sorted(own_modules(path)) if package_of(name) not in allowed]
    assert not against


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {module: own_modules(path) - {module} for module, path in MODULES.items()}
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " -> ".join([*way[way.index(module) :], module])
        if module not in done:
            for imported in sorted(graph[module]):
                visit(imported, (*way, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_a_package_knows_few_libraries() -> None:
    for module, path in MODULES.items():
        if (package := package_of(module)) in LIBRARIES:
            allowed = LIBRARIES[package] | sys.stdlib_module_names | {"numpy", "audio_cls"}
            assert {name.split(".")[0] for name in imports(path)} <= allowed, module


def test_a_library_is_imported_in_its_home_only() -> None:
    for library, homes in HOMES.items():
        users = {name for name, path in MODULES.items() if library in {each.split(".")[0] for each in imports(path)}}
        assert users, f"{library} is not used any more: remove it from this list"
        strangers = [name for name in users if not any(name == home or name.startswith(f"{home}.") for home in homes)]
        assert not strangers, library


def test_initialisers_of_packages_import_nothing() -> None:
    for path in set(PACKAGE.rglob("__init__.py")) - {PACKAGE / "__init__.py"}:
        assert not imports(path), path


def in_a_process_of_its_own(code: str) -> list[str]:
    """The words that it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    return done.stdout.split()


def test_importing_the_package_imports_the_standard_library_alone() -> None:
    new = in_a_process_of_its_own(
        "import sys; before = set(sys.modules); import audio_cls; print(*set(sys.modules) - before)"
    )
    assert {name.split(".")[0] for name in new} <= sys.stdlib_module_names | {"audio_cls"}
    assert [name for name in new if name.startswith("audio_cls")] == ["audio_cls"]


def test_what_the_package_offers_is_there_when_it_is_asked_for() -> None:
    assert {"Clip", "ClipSet", "__version__", "load"} == set(audio_cls.__all__) <= set(dir(audio_cls))
    assert all(getattr(audio_cls, name) for name in audio_cls.__all__)
    with pytest.raises(AttributeError, match="'audio_cls' has no attribute 'lode'"):
        _ = audio_cls.lode


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("audio_cls.experiment.launch", "torch lightning torchmetrics matplotlib sklearn scipy wandb requests"),
        ("audio_cls.analysis.compare", "torch lightning torchmetrics matplotlib sklearn wandb"),
        ("audio_cls.results.study", "torch lightning torchmetrics matplotlib sklearn wandb"),
        ("audio_cls.reports.ablation", "torch lightning torchmetrics matplotlib sklearn wandb"),
        ("audio_cls.models.transformer", "lightning hydra omegaconf wandb matplotlib sklearn soundfile"),
        (
            "audio_cls.serving.model",
            "lightning hydra omegaconf wandb pydantic matplotlib sklearn jinja2 torchmetrics platformdirs requests",
        ),
        (
            "audio_cls.serving.load",
            "lightning hydra omegaconf wandb pydantic matplotlib sklearn yaml platformdirs filelock",
        ),
        ("audio_cls.serving.attention", "lightning hydra omegaconf wandb pydantic matplotlib sklearn platformdirs"),
        ("audio_cls.serving.server", "lightning hydra omegaconf wandb matplotlib sklearn pydantic jinja2 requests"),
        ("audio_cls.serving.predict", "lightning hydra omegaconf wandb matplotlib sklearn"),
        ("audio_cls.data.sources", "torch lightning hydra sklearn requests"),
        ("audio_cls.data.splits", "torch lightning hydra sklearn"),
        ("audio_cls.data.synthetic", "torch lightning hydra sklearn soundfile"),
    ],
)
def test_an_import_does_not_bring_in_what_it_does_not_need(module: str, unwanted: str) -> None:
    check = f"import sys, {module}; print(*set({unwanted.split()!r}) & set(sys.modules))"
    assert in_a_process_of_its_own(check) == []
