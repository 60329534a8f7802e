"""The wheel, installed outside the checkout: it trains, compares, reports and predicts."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.command_line import REPOSITORY, TINY

import audio_cls

pytest.importorskip("pip")

STUDY = "synthetic-holdout"
TRAINING = ("model=transformer", "heads=1", "data=synthetic", "data.clips_per_class=20", "fold=0,1", "jobs=1", *TINY)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, as building leaves files behind; without a network, by the setuptools that is installed."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("audio_cls", "conf"):
        shutil.copytree(REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    build = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(target), str(source)]
    subprocess.run([sys.executable, "-m", "pip", "--quiet", *build], check=True)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a new environment, which has the wheel, and the libraries of the one that runs."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=os.name != "nt")
    found = folder / ("Scripts" if os.name == "nt" else "bin")
    python = str(found / "python")
    install = ["install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--quiet", "--python", python, *install], check=True)
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    # Files .pth in these folders are not read, so an editable installation does not lead back to the checkout.
    libraries = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (Path(packages) / "libraries.pth").write_text("\n".join(libraries))
    return found


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder that is not in the checkout."""
    return tmp_path_factory.mktemp("workplace")


def run(programs: Path, workplace: Path, *command: str) -> str:
    """What an installed program writes; it must end well."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [programs / command[0], *command[1:]], capture_output=True, text=True, cwd=workplace, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def study(programs: Path, workplace: Path) -> Path:
    run(programs, workplace, "audio-cls", "train", *TRAINING, "-m")
    return workplace / "outputs" / STUDY


def test_the_wheel_holds_every_file_of_the_package_and_the_configuration(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("audio_cls/")}
    files = {
        f"{prefix}{path.relative_to(REPOSITORY).as_posix()}"
        for folder, prefix in (("audio_cls", ""), ("conf", "audio_cls/"))
        for path in (REPOSITORY / folder).rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    assert held == files


@pytest.mark.slow
def test_it_is_the_installed_package_that_runs_and_its_version(programs: Path, workplace: Path) -> None:
    where = run(programs, workplace, "python", "-c", "import audio_cls; print(audio_cls.__file__)")
    assert Path(where.strip()).resolve().is_relative_to(programs.parent.resolve())
    assert run(programs, workplace, "audio-cls", "--version") == f"audio_cls {audio_cls.__version__}\n"
    assert run(programs, workplace, "audio-cls", "train", "--version") == f"audio_cls {audio_cls.__version__}\n"


@pytest.mark.slow
def test_the_help_on_training_lists_the_groups(programs: Path, workplace: Path) -> None:
    said = run(programs, workplace, "audio-cls", "train", "--help")
    assert said.startswith("audio-cls train ")
    assert all(option in said for option in ("model=cnn", "data=folder", "experiment=best", "logger=wandb"))


@pytest.mark.slow
def test_a_sweep_trains_every_fold_and_compares(study: Path) -> None:
    assert len(list(study.glob("tiny/fold*-seed0/metrics.json"))) == 2
    assert (study / "summary.md").is_file()
    assert (study / "commands.txt").read_text().startswith("audio-cls train model=transformer ")


@pytest.mark.slow
def test_a_study_is_compared_and_reported(programs: Path, workplace: Path, study: Path) -> None:
    assert "tiny" in run(programs, workplace, "audio-cls", "compare", STUDY)
    run(programs, workplace, "audio-cls", "report", STUDY)
    assert "audio-cls train model=transformer" in (study / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_command_for_the_best_variant_is_one_that_is_installed(
    programs: Path, workplace: Path, study: Path
) -> None:
    (command,) = run(programs, workplace, "audio-cls", "confirm", STUDY).splitlines()
    assert command.startswith("audio-cls train model=transformer data=synthetic ")
    words = command.split()
    assert words[-1] == "-m"
    shown = run(programs, workplace, *words[:-1], "--cfg", "job")
    assert "d_model: 8" in shown


@pytest.mark.slow
def test_predicting_needs_no_library_for_training(programs: Path, workplace: Path, study: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 4_000)
    soundfile.write(workplace / "noise.wav", noise, 4_000)
    job = f"{STUDY}/tiny/fold0-seed0"
    code = (
        "import sys\nfrom audio_cls.cli.main import main\n"
        f"assert main(['predict', '{job}', 'noise.wav']) == 0\n"
        f"import audio_cls\naudio_cls.load('outputs/{job}').predict('noise.wav')\n"
        "print('needless:', *{'wandb', 'hydra', 'omegaconf', 'lightning', 'matplotlib'} & set(sys.modules))"
    )
    said = run(programs, workplace, "python", "-c", code).splitlines()
    assert said[0].startswith("noise.wav: ")
    assert said[-1] == "needless:"
