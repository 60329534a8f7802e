"""The README is true today: its commands are read out of it and tried."""

import re
import shlex
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from support.command_line import CONF, TINY, train, write_esc10, write_sounds

from audio_cls.cli.main import build_parser, main
from audio_cls.experiment.plan import make_plan

REPOSITORY = Path(__file__).resolve().parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
LINES = [line.strip() for line in README.splitlines() if line.startswith("    ")]


def commands(program: str) -> list[list[str]]:
    """Arguments of every call of a program in the README; comments and a shell's {a,b} are taken care of."""
    found = []
    for line in LINES:
        words = shlex.split(line, comments=True)
        if words[: len(program.split())] == program.split():
            found.append([each for word in words[len(program.split()) :] for each in _braces(word)])
    return found


def _braces(word: str) -> list[str]:
    match = re.fullmatch(r"(.*)\{(.*)\}(.*)", word)
    return [f"{match[1]}{middle}{match[3]}" for middle in match[2].split(",")] if match else [word]


TRAINING = [*commands("python train.py"), *commands("audio-cls train")]
OTHERS = [words for words in commands("audio-cls") if words[0] != "train"]


@pytest.fixture
def _sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of ESC-10, a folder of sounds and a manifest, where the README's commands look for them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUDIO_CLS_DATA", str(write_esc10(tmp_path / "esc10", (1, 2, 3, 4, 5))))
    folder = write_sounds(tmp_path / "my_sounds", {"hum": 4, "hiss": 4})
    rows = [f"{path.relative_to(tmp_path)},{path.parent.name},{path}\n" for path in sorted(folder.rglob("*.wav"))]
    (tmp_path / "my_sounds.csv").write_text("file,label,source\n" + "".join(rows))


@pytest.mark.usefixtures("_sounds")
@pytest.mark.parametrize("arguments", TRAINING, ids=" ".join)
def test_every_training_command_is_accepted_and_names_its_jobs(arguments: list[str]) -> None:
    if "--cfg" in arguments:
        arguments = []
    with initialize_config_dir(str(CONF), version_base="1.3"):
        plan = make_plan([word for word in arguments if word != "-m"], "-m" in arguments)
    assert len(plan.jobs) >= (4 if "-m" in arguments else 1)


@pytest.mark.parametrize("arguments", OTHERS, ids=" ".join)
def test_every_command_on_studies_is_understood(arguments: list[str]) -> None:
    assert build_parser().parse_args(arguments).command == arguments[0]


@pytest.mark.parametrize("target", [words[0] for words in commands("make")])
def test_every_make_target_exists(target: str) -> None:
    assert re.search(rf"^{target}:.*##", (REPOSITORY / "Makefile").read_text(), flags=re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page: words in lower case with dashes between them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_file_and_section_that_is_linked_exists() -> None:
    links = [link.partition("#") for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert links and [path for path, _, _ in links if not (REPOSITORY / path).exists()] == []
    sections = [(path, section) for path, _, section in links if section]
    assert sections and [link for link in sections if link[1] not in anchors(REPOSITORY / link[0])] == []


@pytest.mark.usefixtures("_sounds")
def test_sounds_of_ones_own_are_trained_on_and_compared_and_new_ones_are_predicted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sweep, final = (words for words in TRAINING if "data.root=my_sounds.csv" in words)
    # In this process: workers that an earlier test left behind would look for the sounds in that test's folder.
    assert train(monkeypatch, *sweep, "jobs=1", *TINY) == 0
    assert main(["compare", "my_sounds-holdout"]) == 0
    assert Path("outputs/my_sounds-holdout/summary.md").exists()

    assert train(monkeypatch, *final, *TINY) == 0
    (words,) = (words for words in OTHERS if words[0] == "predict")
    (tmp_path / "my_sounds").rename("new_recordings")
    assert main([word.replace("transformer_h4", "tiny") for word in words]) == 0
    assert len(Path("predictions.csv").read_text().splitlines()) == 1 + 8


def test_it_is_read_in_a_few_minutes() -> None:
    assert len(README.splitlines()) <= 120
