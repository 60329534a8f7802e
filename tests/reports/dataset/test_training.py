"""The command with which `audio-cls explore` ends, and the folder of its page."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from hydra import initialize_config_dir
from support.command_line import CONF, write_sounds
from support.page_reader import Page

from audio_cls.cli.main import main
from audio_cls.config.schema import result_keys
from audio_cls.data.clips import Clip, ClipSet
from audio_cls.experiment.plan import make_plan
from audio_cls.reports.dataset.training import _leave_one_source_out, default_folder


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
    assert any("model.n_fft=128 model.hop_length=20: " in line and "32 ms every 5 ms" in line for line in lines)
    page = Page(Path("outputs/explore/my sounds/index.html").read_text(encoding="utf-8"))
    assert command in page.text and "95% of the clips last 0.4 s or less" in page.text


def test_the_command_for_parts_without_val_is_one_that_trains(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    for part in ("train", "test"):
        write_sounds(Path("sounds") / part, {f"{part} {name}": 4 for name in "ab"})
        for name in "ab":  # other sounds in each part, under the same classes
            (Path("sounds") / part / f"{part} {name}").rename(Path("sounds") / part / name)
    main(["explore", "sounds", "--data", "folder"])
    command = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("train: "))
    assert " protocol=crossval " in command
    with initialize_config_dir(str(CONF), version_base="1.3"):
        (job,) = make_plan(shlex.split(command)[3:-1], True).jobs
    assert job.config.protocol == "crossval"


@pytest.mark.parametrize(("speakers", "said"), [(2, False), (5, True), (13, False)])
def test_few_known_sources_may_be_left_out_one_by_one(tmp_path, speakers: int, said: bool) -> None:
    names = [f"s{speaker}" for speaker in range(speakers)]
    clips = tuple(Clip(tmp_path, f"{label}/{name}.wav", label, name) for label in (0, 1) for name in names)
    unknown = (*clips[1:], replace(clips[0], source=None))
    lines = [_leave_one_source_out(ClipSet("c", tmp_path, ("a", "b"), each)) for each in (clips, unknown)]
    assert bool(lines[0]) == said and not lines[1]
    assert not said or f"protocol=crossval data.num_folds={speakers} " in lines[0][0]


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
    first, second = (pages[name].with_name("clips.csv") for name in ("clips", "clips-2"))
    before = first.read_bytes()
    assert main(["explore", again]) == 0
    assert first.read_bytes() == before != second.read_bytes()
    assert f"data.root={again} " in pages["clips"].read_text(encoding="utf-8")
    assert not pages["clips-3"].exists()


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("outputs/explore/clips").mkdir(parents=True)
    assert default_folder("clips", "marker") == Path("outputs/explore/clips")  # it is empty
    Path("outputs/explore/clips/notes.txt").touch()
    assert default_folder("clips", "marker") == Path("outputs/explore/clips-2")
