"""The command with which `audio-cls explore` ends, and the folder of its page."""

import shlex
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from support.command_line import CONF, write_sounds

from audio_cls.cli.main import main
from audio_cls.config.schema import result_keys
from audio_cls.experiment.plan import make_plan
from audio_cls.reports.dataset.training import default_folder


def test_the_command_trains_what_the_folder_takes_by_itself(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    write_sounds(Path("my sounds"), {"a": 8, "b": 8}, seconds=0.4)
    assert main(["explore", "my sounds", "--data", "folder"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (command,) = [line.removeprefix("train: ") for line in lines if line.startswith("train: ")]
    _, _, *arguments, _ = shlex.split(command)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        copied, plain = make_plan(arguments, True).jobs, make_plan(arguments[:2], True).jobs
    assert [job.folder for job in copied] == [job.folder for job in plain]
    keys = [[result_keys(job.config.model_dump()) for job in jobs] for jobs in (copied, plain)]
    assert keys[0] == keys[1]
    assert "input.crop_seconds=0.4" in arguments
    assert any("95% of the clips last 0.4 s or less" in line for line in lines)
    assert any("experiment=best does not fit" in line for line in lines)


@pytest.mark.parametrize("again", ["raw/clips/", "./raw/clips", "raw/../raw/clips"])
def test_two_folders_of_one_name_get_pages_of_their_own_and_the_same_folder_its_own_again(
    tmp_path, monkeypatch, again
) -> None:
    monkeypatch.chdir(tmp_path)
    for seed, place in enumerate(("raw", "new")):
        write_sounds(Path(place, "clips"), {"a": 2 + seed, "b": 2})
    pages = {name: Path("outputs/explore", name, "index.html") for name in ("clips", "clips-2", "clips-3")}
    for path in ("raw/clips", "new/clips"):
        assert main(["explore", path]) == 0
    first = pages["clips"].read_bytes()
    assert main(["explore", again]) == 0
    assert pages["clips"].read_bytes() == first != pages["clips-2"].read_bytes()
    assert not pages["clips-3"].exists()


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("outputs/explore/clips").mkdir(parents=True)
    assert default_folder("clips", "marker") == Path("outputs/explore/clips")  # it is empty
    Path("outputs/explore/clips/notes.txt").touch()
    assert default_folder("clips", "marker") == Path("outputs/explore/clips-2")
