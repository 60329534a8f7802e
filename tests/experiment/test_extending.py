"""docs/extending.md: its examples are written into an empty folder, trained, compared and predicted with."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from audio_cls.config.compose import configuration
from audio_cls.config.location import conf_dir
from audio_cls.experiment.plan import make_plan
from audio_cls.experiment.train import main
from audio_cls.training.datamodule import ClipDataModule

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "docs/extending.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL))
(SHELL,) = re.findall(r"^```sh\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
QUICK = (
    *("logger=none", "fold=0", "jobs=1", "trainer.max_epochs=1", "trainer.crops_per_clip=1", "trainer.num_threads=1"),
    *("input.sample_rate=4000", "input.crop_seconds=0.5", "input.eval_crops=1", "trainer.validate_every=1"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the page, and recordings of two kinds of birds, two takes of each."""
    folder = tmp_path_factory.mktemp("extending")
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    (folder / "recordings").mkdir()
    time = np.arange(2400) / 4000
    for frequency, bird in ((300, "owl"), (900, "wren")):
        for recording in range(8):
            for take in "ab":
                tone = 0.3 * np.sin(2 * np.pi * (frequency + 10 * recording) * time)
                soundfile.write(folder / "recordings" / f"{bird}-{recording:03d}-{take}.wav", tone, 4000)
    return folder


def run(folder: Path, line: str, *more: str) -> subprocess.CompletedProcess[str]:
    """A line of the page, run in the folder as a user of an installed audio_cls would."""
    variables, _, words = line.rpartition("audio-cls ")
    environment = {**os.environ, "AUDIO_CLS_CACHE": str(folder / "cache"), "PYTHONPATH": str(REPOSITORY)}
    if variables:
        environment["PYTHONPATH"] += os.pathsep + variables.strip().removeprefix("PYTHONPATH=")
    start = "import sys; sys.path.remove(''); from audio_cls.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", start, *shlex.split(words), *more]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)


def test_the_page_has_a_model_and_a_data_set_of_one_python_and_one_yaml_file_each() -> None:
    assert set(FILES) == {"gru.py", "my_conf/model/gru.yaml", "birds.py", "my_conf/data/birds.yaml"}


@pytest.mark.slow
def test_the_examples_train_compare_and_predict(folder: Path) -> None:
    *training, compare, predict = SHELL.strip().splitlines()
    for line, variant in zip(training, ("gru", "cnn"), strict=True):
        done = run(folder, line, *QUICK, f"variant={variant}")
        assert done.returncode == 0, done.stderr
    job = folder / "outputs/birds-holdout/gru/fold0-seed0"
    metrics = json.loads((job / "metrics.json").read_text())
    assert (metrics["model"], metrics["heads"], metrics["dataset"]) == ("gru", None, "birds")
    stored = yaml.safe_load((job / "config.yaml").read_text())
    assert (stored["model"]["_target_"], stored["data"]["_target_"]) == ("gru.Gru", "birds.list_clips")
    compared = run(folder, compare)
    assert compared.returncode == 0, compared.stderr
    assert re.search(r"\bgru\b", compared.stdout) and re.search(r"\bcnn\b", compared.stdout)
    explored = run(folder, "audio-cls explore recordings --data birds --config-dir my_conf")
    assert "birds: 32 clips of 2 classes" in explored.stdout, explored.stderr
    confirmed = run(folder, "audio-cls confirm birds-holdout")
    assert confirmed.returncode == 0, confirmed.stderr
    assert "audio-cls train --config-dir my_conf model=gru data=birds " in confirmed.stdout
    predicted = run(folder, predict)
    assert predicted.returncode == 0, predicted.stderr
    assert len(predicted.stdout.splitlines()) == 32


@pytest.mark.slow
def test_prediction_imports_nothing_from_the_working_folder(folder: Path) -> None:
    """A model folder that somebody else packed may hold Python files beside it."""
    *training, _, predict = SHELL.strip().splitlines()
    assert run(folder, training[0], *QUICK, "variant=gru").returncode == 0
    refused = run(folder, predict.partition(" ")[2])
    assert refused.returncode == 2
    assert "gru.Gru cannot be imported (No module named 'gru')" in refused.stderr
    assert refused.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (("model=gru", "model.d_hiden=8"), "model.d_hiden is not a key of this configuration; did you mean"),
        (
            ("model=gro",),
            "model=gro does not exist; did you mean model=gru? available: baseline, cnn, gru, transformer",
        ),
        (("model=gru", "augment.spectrogram_masks=2"), "set augment.spectrogram_masks=0"),
        (("model=gru", "heads=2"), "run two commands into one study: `audio-cls train model=gru -m` and"),
        (("model=gru", "model._target_=gru.Gro"), "model=gru: _target_=gru.Gro: gru has no Gro; did you mean Gru?"),
        (("model=gru", "model._target_=pathlib.Path"), "is no subclass of torch.nn.Module"),
        (("model=gru", "model._target_=torch.nn.GRUCell"), "model=gru: frame_length is no argument of GRUCell"),
        (("data=birds", "data.root=recordings", "data._target_=os.getcwd"), "must be a function annotated -> ClipSet"),
        (
            ("data=birds", "data.root=recordings", "data._target_=birds.list_clip"),
            "birds has no list_clip; did you mean",
        ),
        (("data=birds",), "data=birds needs to know where the clips are: data.root=PATH"),
    ],
)
def test_a_mistake_in_ones_own_files_is_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], overrides: tuple, problem: str
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    data = () if any(line.startswith("data=") for line in overrides) else ("data=synthetic",)
    with pytest.raises(SystemExit) as end:
        main(["--config-dir", "my_conf", "logger=none", *data, *overrides])
    said = capsys.readouterr().err
    assert (end.value.code, said.count("\n")) == (2, 1)
    assert problem in said


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"name: [a\n  b: c\n", "conf/model/mine.yaml, line 2: expected ',' or ']', but got ':'; correct the file"),
        (b"name: x\n\t_target_: gru.Gru\n", "conf/model/mine.yaml, line 2: found character '\\t'"),
        (b"name: x\nname: y\n", "conf/model/mine.yaml, line 2: found duplicate key name"),
        (b"name: \xff\n", "conf/model/mine.yaml is not UTF-8 text; save it as UTF-8"),
        (b"# @package _global_\nmodel: gru\n", "model=gru cannot be used: model is a block of keys"),
        (b"# @package _global_\nmodel: null\n", "model=null cannot be used: model is a block of keys"),
        (b"# @package _global_\nmodel:\n- gru\n", "model=['gru'] cannot be used: model is a block of keys"),
        (b"name: cnn\n_target_: gru.Gru\n", "model.name=cnn is the name of a model of ours; give yours another name"),
        (b"name: transformer\n_target_: gru.Gru\n", "model.name=transformer is the name of a model of ours"),
        (b"# @package _global_\nhydra: {run: {dir: x}}\n", "hydra.run.dir in a file of your options is set by the"),
        (b"# @package _global_\nhydra: {job: {chdir: true}}\n", "output_dir= and study= say where results go"),
        (b"# @package _global_\nhydra: {mode: MULTIRUN}\n", "hydra.mode in a file of your options"),
    ],
)
def test_a_mistake_in_ones_own_yaml_file_is_one_line_and_help_is_shown_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, problem: str
) -> None:
    (tmp_path / "conf/model").mkdir(parents=True)
    (tmp_path / "conf/model/mine.yaml").write_bytes(content)
    arguments = ["--config-dir", str(tmp_path / "conf"), "data=synthetic", "model=mine", f"output_dir={tmp_path}/out"]
    with pytest.raises(SystemExit) as end:
        main(arguments)
    said = capsys.readouterr().err
    assert (end.value.code, said.count("\n")) == (2, 1)
    assert problem in said
    assert not (tmp_path / "out").exists()
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--help"])
    assert end.value.code == 0
    assert "* model=mine" in capsys.readouterr().out


def test_a_network_that_cannot_be_trained_fails_before_any_clip_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "conf/model").mkdir(parents=True)
    content = "# @package _global_\nmodel: {name: flat, _target_: torch.nn.Flatten}\naugment: {spectrogram_masks: 0}\n"
    (tmp_path / "conf/model/flat.yaml").write_text(content)
    monkeypatch.setattr(ClipDataModule, "prepare_data", lambda _: pytest.fail("clips were decoded"))
    monkeypatch.setattr(sys, "argv", ["train.py"])
    monkeypatch.setattr(sys, "path", [*sys.path])
    arguments = [
        "--config-dir",
        f"{tmp_path}/conf",
        "data=synthetic",
        "model=flat",
        f"output_dir={tmp_path}",
        *QUICK[:1],
    ]
    assert main(arguments) == 1
    assert (
        "FAILED: Flatten returned (2, 16000) torch.float32 without gradients for waveforms (2, 1, 16000)"
        in capsys.readouterr().err
    )


def test_help_shows_the_keys_of_ones_own_option(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--config-dir", str(folder / "my_conf"), "model=gru", "--help"])
    said = capsys.readouterr().out
    assert "* model=gru" in said and "A recurrent network on frames" in said
    assert "data=birds" in said and "d_hidden: 64" in said


def test_study_and_variant_are_named_by_ones_own_options(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    with configuration(conf_dir(), Path("my_conf")):
        arguments = ["data=birds", "data.root=recordings", "model=gru", "model.d_hidden=8"]
        (job,) = make_plan(arguments, multirun=False).jobs
    assert (job.study, job.variant, job.heads) == ("birds-holdout", "gru_d_hidden-8", None)
