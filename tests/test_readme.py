"""The README is true today: its commands are read out of it and tried."""

import re
import shutil
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from support.command_line import CONF, TINY, train, write_esc10, write_sounds
from support.documents import REPOSITORY, commands, other_commands, text_of, training_commands

from audio_cls.cli.main import build_parser, main
from audio_cls.experiment.plan import make_plan

README = text_of("README.md")


@pytest.fixture
def _sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of ESC-10, a folder of sounds and a manifest, where the README's commands look for them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUDIO_CLS_DATA", str(write_esc10(tmp_path / "esc10", (1, 2, 3, 4, 5))))
    folder = write_sounds(tmp_path / "my_sounds", {"hum": 6, "hiss": 6})
    for path in sorted(folder.rglob("*.wav")):
        path.rename(path.with_stem(f"speaker{path.stem}_1"))
    rows = [f"{path.relative_to(tmp_path)},{path.parent.name},{path}\n" for path in sorted(folder.rglob("*.wav"))]
    (tmp_path / "my_sounds.csv").write_text("file,label,source\n" + "".join(rows))


@pytest.mark.usefixtures("_sounds")
@pytest.mark.parametrize("arguments", training_commands(README), ids=" ".join)
def test_every_training_command_is_accepted_and_names_its_jobs(arguments: list[str]) -> None:
    if "--cfg" in arguments:
        arguments = []
    with initialize_config_dir(str(CONF), version_base="1.3"):
        plan = make_plan([word for word in arguments if word != "-m"], "-m" in arguments)
    assert len(plan.jobs) >= (3 if "-m" in arguments else 1)


@pytest.mark.parametrize("arguments", other_commands(README), ids=" ".join)
def test_every_command_on_studies_is_understood(arguments: list[str]) -> None:
    assert build_parser().parse_args(arguments).command == arguments[0]


@pytest.mark.parametrize("target", [words[0] for words in commands("make", README)])
def test_every_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:.*##", (REPOSITORY / "Makefile").read_text(), flags=re.MULTILINE)


@pytest.mark.usefixtures("_sounds")
def test_sounds_of_ones_own_are_trained_on_and_compared_and_new_ones_are_predicted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (sweep,) = (words for words in training_commands(README) if "data.root=my_sounds.csv" in words)
    # In this process: workers that an earlier test left behind would look for the sounds in that test's folder.
    assert train(monkeypatch, *sweep, "jobs=1", *TINY) == 0
    assert main(["compare", "by_recording"]) == 0
    assert Path("outputs/by_recording/summary.md").exists()

    later = {words[0]: words for words in other_commands(README)}
    assert main(later["export"]) == 0
    shutil.copytree("my_sounds", "new_recordings")
    Path("my_sounds").rename("new_labelled")  # what was trained on is known wherever it lies
    assert main(later["predict"]) == main(later["evaluate"]) == 0
    said = capsys.readouterr().out
    assert len([line for line in said.splitlines() if line.startswith("new_recordings/")]) == 12
    assert "THE MODEL WAS TRAINED ON 12 OF THESE 12 CLIPS" in said


def test_it_is_read_in_a_few_minutes() -> None:
    assert len(README.splitlines()) <= 120
