"""The pages that show how a trained model is used: every command of them is run, in order, on small sounds."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.command_line import REPOSITORY, TINY, train, write_sounds
from support.documents import python_blocks, shell_lines, text_of

from audio_cls.cli.main import build_parser, main

USING, OTHERS = "docs/using.md", ("docs/windows.md", "docs/onnx.md")
RATE = 4000
SMALL = (*(word for word in TINY if word != "variant=tiny"), "variant=tiny_h${heads}", "data.num_folds=2", "jobs=1")
FOR_BASELINE = ("logger=", "input.", "data.", "jobs=", "trainer.num_threads=")
RECORDINGS = {
    "new_recordings/clip.wav": 0.7,
    "new_recordings/longer.wav": 3.0,
    "recordings/a.wav": 0.7,
    "hour.wav": 6.0,
    "evening.wav": 9.0,
    "dog.wav": 0.6,
}  # seconds
ELSEWHERE = ("pip",)  # programs that need a network: tests/test_install.py installs the package


def test_every_command_is_understood() -> None:
    lines = [line for page in (USING, *OTHERS) for line in shell_lines(text_of(page))]
    assert len(lines) > 20
    for line in lines:
        program, *words = shlex.split(line.rpartition("| ")[2])
        if program == "audio-cls" and words[0] != "train":
            assert build_parser().parse_args(words).command == words[0]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sounds that the pages speak of."""
    folder = tmp_path_factory.mktemp("using")
    write_sounds(folder / "my_sounds", {"hum": 6, "hiss": 6})
    write_sounds(folder / "new_labelled", {"hum": 2, "rustle": 1}, seconds=0.8)
    random = np.random.default_rng(1)
    for name, seconds in RECORDINGS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        soundfile.write(folder / name, 0.1 * random.standard_normal(round(RATE * seconds)), RATE)
    return folder


@pytest.fixture(scope="module")
def finished(workplace: Path) -> Path:
    """The folder after every command of docs/using.md was run in it, and every program."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workplace)
        for line in shell_lines(text_of(USING)):
            run(line, patch)
        for program in python_blocks(text_of(USING)):
            subprocess.run([sys.executable, "-c", program], check=True, env=environment())
    return workplace


def run(line: str, patch: pytest.MonkeyPatch) -> None:
    """Runs one command of a page; it must end well."""
    program, *words = shlex.split(line)
    if program in ELSEWHERE:
        return
    if program != "audio-cls":  # a pipe, or a program that lies beside the model
        ours = f"{shlex.quote(sys.executable)} -m audio_cls.cli.main"
        shell = re.sub(r"\baudio-cls\b", ours, re.sub(r"^python\b", shlex.quote(sys.executable), line))
        folder = "my_model" if program == "python" else "."
        subprocess.run(shell, shell=True, check=True, cwd=folder, env=environment())
    elif words[0] == "train":
        keys = [key for key in SMALL if "model=baseline" not in words or key.startswith(FOR_BASELINE)]
        assert train(patch, *words[1:], *keys) == 0, line
    elif words[0] == "serve":
        serve(words)
    else:
        assert main(words) == 0, line


def serve(words: list[str]) -> None:
    """The page is there while the command runs, and the command ends when it is told to."""
    command = [sys.executable, "-m", "audio_cls.cli.main", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        try:
            address = re.search(r"http://\S+", process.stdout.readline())[0]
            with urllib.request.urlopen(address, timeout=20) as answer:
                assert answer.status == 200
                assert b"<html" in answer.read()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


@pytest.mark.slow
def test_every_command_of_the_way_from_sounds_to_a_shared_model_works(finished: Path) -> None:
    names = {path.name for path in (finished / "my_model").iterdir()}
    assert names >= {"model.safetensors", "config.json", "labels.json", "README.md"}
    for name in ("new_labelled.html", "hour.csv", "hour.txt", "hour.png"):
        assert (finished / name).stat().st_size > 0


@pytest.mark.slow
@pytest.mark.parametrize("page", OTHERS)
def test_so_does_every_command_of_the_pages_that_it_leads_to(
    page: str, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    shutil.copy("dog.wav", "my_model")  # where a page's programs are run
    for line in shell_lines(text_of(page)):
        # --html fetches a package; tests/serving has tests of it that need no network.
        run(line.replace(" STUDY ", " my_sounds-holdout ").replace(" --html", ""), monkeypatch)
