"""The command `audio-cls explore` and the page that it writes."""

import base64
import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.command_line import contents, write_esc10, write_sounds
from support.page_reader import Page, assert_asks_no_server, assert_links_lead_somewhere

from audio_cls.cli.main import main
from audio_cls.data.synthetic import SAMPLE_RATE, synthesize, synthetic_clips

SCRIPT, FORMULA = "<script>alert('x')", '$x^2$ & "quotes"'


@pytest.fixture(scope="module")
def awkward(tmp_path_factory):
    """A folder with everything that goes wrong, explored: (status, data, out, content of the page)."""
    folder = tmp_path_factory.mktemp("awkward")
    data, out = folder / "data", folder / "new" / "page"
    clips = synthetic_clips(20).clips
    for name, chosen in ((SCRIPT, clips[:60:20]), (FORMULA, clips[100:160:20])):
        (data / name).mkdir(parents=True)
        for number, clip in enumerate(chosen):
            soundfile.write(data / name / f"{number}.wav", 0.9 * synthesize(clip), SAMPLE_RATE)
    sound = soundfile.read(data / SCRIPT / "0.wav")[0]
    soundfile.write(data / FORMULA / "<img src=x onerror=alert(1)>.ogg", 0.4 * sound[9_000:], SAMPLE_RATE)
    soundfile.write(data / SCRIPT / "stereo.flac", np.stack([sound, sound], axis=1)[:30_000], SAMPLE_RATE)
    soundfile.write(data / SCRIPT / "long.wav", np.tile(sound, 2), SAMPLE_RATE)
    soundfile.write(data / FORMULA / "silent.wav", np.zeros(8_000), 8_000)
    soundfile.write(data / FORMULA / "tiny.wav", np.full(3, 0.5), 16_000)
    (data / SCRIPT / "broken.mp3").write_bytes(b"not a sound")
    (data / SCRIPT / "empty.ogg").touch()
    before = contents(data)
    status = main(["explore", str(data), "--data", "folder", "--out", str(out)])
    assert contents(data) == before
    return status, data, out, (out / "index.html").read_text(encoding="utf-8")


def test_unreadable_files_are_named_on_the_page_and_in_the_exit_status(awkward):
    status, _, _, content = awkward
    assert status == 1
    text = Page(content).text
    assert "2 clips cannot be used" in text
    assert f"{SCRIPT}/broken.mp3" in text
    assert "empty: the file has no bytes" in text


def test_the_page_asks_no_server_and_runs_no_script(awkward):
    assert_asks_no_server(awkward[3])
    page = Page(awkward[3])
    assert page.attributes("img") and page.attributes("audio")
    assert not page.attributes("script")


def test_names_stay_text(awkward):
    page = Page(awkward[3])
    assert SCRIPT in page.text
    assert FORMULA in page.text
    assert "<img src=x onerror=alert(1)>.ogg" in page.text
    assert all("src" not in attributes or attributes["src"] != "x" for attributes in page.attributes("img"))


def test_every_link_leads_somewhere(awkward):
    assert_links_lead_somewhere(awkward[3])


def test_pictures_are_embedded_and_beside_the_page(awkward):
    _, _, out, content = awkward
    files = {base64.b64encode(path.read_bytes()).decode() for path in (out / "figures").iterdir()}
    embedded = {attributes["src"].partition("base64,")[2] for attributes in Page(content).attributes("img")}
    assert files == embedded
    assert all(attributes["alt"] for attributes in Page(content).attributes("img"))
    assert {path.name for path in out.iterdir()} == {"index.html", "clips.csv", "figures"}


def test_the_sounds_of_the_page_can_be_played(awkward, tmp_path):
    sources = [attributes["src"] for attributes in Page(awkward[3]).attributes("audio")]
    for number, source in enumerate(sources):
        path = tmp_path / f"{number}.mp3"
        path.write_bytes(base64.b64decode(source.partition("base64,")[2]))
        assert 0 < soundfile.info(path).duration < 7


def test_a_copy_in_another_class_format_and_place_is_found(awkward):
    text = Page(awkward[3]).text
    assert "The same sound has two labels" in text
    assert "with <img" not in text


def test_the_table_has_a_row_for_every_clip(awkward):
    _, data, out, _ = awkward
    rows = list(csv.DictReader((out / "clips.csv").open(encoding="utf-8")))
    assert {row["clip"] for row in rows} == {
        path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file()
    }
    broken = next(row for row in rows if row["clip"].endswith("empty.ogg"))
    assert broken["problem"] == "empty: the file has no bytes"
    assert not broken["frames"]
    stereo = next(row for row in rows if row["clip"].endswith("stereo.flac"))
    assert (stereo["channels"], stereo["frames"], stereo["sample_rate"]) == ("2", "30000", "44100")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """Two classes with recordings of two clips in three folds; one lasts longer."""
    folder = tmp_path_factory.mktemp("manifest")
    write_sounds(folder / "sounds", {"a": 12, "b": 12})
    soundfile.write(folder / "sounds/a/0.wav", 0.1 * np.random.default_rng(1).standard_normal(4_000), 4_000)
    lines = ["file,label,source,fold"]
    for name in "ab":
        lines += [f"sounds/{name}/{n}.wav,{name},{name}{n // 2},{n // 2 % 3 + 1}" for n in range(12)]
    (folder / "mine.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder / "mine.csv"


@pytest.fixture(scope="module")
def explored_manifest(manifest, tmp_path_factory):
    folder = tmp_path_factory.mktemp("explored")
    (folder / "out/figures").mkdir(parents=True)  # what an earlier run left, and a file of somebody's
    (folder / "out/index.html").write_text('<meta name="generator" content="audio-cls explore">', encoding="utf-8")
    (folder / "out/figures/example-999-1.png").touch()
    (folder / "out/notes.txt").write_text("mine", encoding="utf-8")
    arguments = [str(manifest), "--out", str(folder / "out")]
    return main(["explore", *arguments]), folder, Page((folder / "out/index.html").read_text(encoding="utf-8"))


def test_a_manifest_is_explored_with_its_recordings_and_folds(explored_manifest):
    status, folder, page = explored_manifest
    assert status == 0
    assert "The 24 clips come from 12 recordings; 24 of them share theirs" in page.text
    assert "With the published folds it is 0, as far as recordings are named." in page.text
    assert (folder / "out/figures/folds.png").exists()


def test_clips_of_another_shape_are_listed_with_the_difference(explored_manifest):
    text = explored_manifest[2].text
    assert "The commonest shape is [1, 2400] at 4 kHz, 0.600 s: 23 of 24 clips." in text
    assert "[1, 4000], +1,600 samples, +0.400 s" in text


def test_a_second_run_replaces_the_first_and_nothing_else(explored_manifest):
    _, folder, _ = explored_manifest
    assert not (folder / "out/figures/example-999-1.png").exists()
    assert (folder / "out/figures/example-001-1.png").exists()
    assert (folder / "out/notes.txt").read_text(encoding="utf-8") == "mine"
    assert {path.name for path in folder.iterdir()} == {"out"}


@pytest.fixture
def workplace(tmp_path, monkeypatch, manifest):
    """A folder to make mistakes in."""
    monkeypatch.chdir(tmp_path)
    write_sounds(tmp_path / "sounds", {"a": 2, "b": 2})
    write_esc10(tmp_path / "esc10", folds=(2, 3, 4))
    (tmp_path / "full").mkdir()
    (tmp_path / "full/other.txt").touch()
    (tmp_path / "file").touch()
    (tmp_path / "mine.csv").write_text(
        manifest.read_text(encoding="utf-8").replace("sounds", str(manifest.parent / "sounds"))
    )
    return tmp_path


MISTAKES = {
    "nowhere": "nowhere does not exist",
    "nowhere --data folder": "nowhere does not exist: PATH must be an existing folder or CSV file",
    "--data folder": "--data folder needs to know where the clips are: PATH, or AUDIO_CLS_DATA=PATH",
    "--data esc50 sounds": "esc50.csv does not exist: point PATH at the folder of ESC-50",
    "--data esc10 sounds": "holds 0 of the 10 class folders of ESC-10",
    "''": "PATH is empty",
    "--data synthetic sounds": "--data synthetic needs no PATH",
    "sounds --out full": "full holds other files; choose a new or empty folder with --out",
    "sounds --out file": "file is a file; choose another --out",
    "sounds --out file/deeper": "file is a file; choose another --out",
    "sounds --out sounds/page": "sounds/page lies among the clips, where nothing is written",
}


@pytest.mark.parametrize("arguments", MISTAKES)
def test_a_mistake_is_one_line_with_status_2_and_writes_nothing(workplace, capsys, arguments):
    before = contents(workplace)
    arguments_list = ["" if argument == "''" else argument for argument in arguments.split()]
    assert main(["explore", *arguments_list]) == 2
    error = capsys.readouterr().err
    assert error.startswith("audio-cls explore: ")
    assert MISTAKES[arguments] in error
    assert error.count("\n") == 1
    assert contents(workplace) == before


def test_data_without_a_readable_clip_end_with_status_1_and_write_nothing(workplace, capsys):
    before = contents(workplace)
    assert main(["explore", "esc10"]) == 1
    assert "none of the 60 clips of esc10 can be used" in capsys.readouterr().err
    assert contents(workplace) == before


def test_a_folder_that_may_not_be_written_to_is_refused(workplace, capsys, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    assert main(["explore", "sounds", "--out", "new"]) == 2
    assert "is read-only; choose another --out" in capsys.readouterr().err


def test_the_environment_names_the_data(workplace, monkeypatch, capsys):
    monkeypatch.setenv("AUDIO_CLS_DATA", "elsewhere")
    assert main(["explore"]) == 2
    assert "AUDIO_CLS_DATA=elsewhere does not exist" in capsys.readouterr().err
    monkeypatch.setenv("AUDIO_CLS_DATA", "esc10")
    assert main(["explore"]) == 1
    assert "clips of esc10" in capsys.readouterr().err


def test_help_imports_nothing_heavy():
    code = (
        "import sys\n"
        "from audio_cls.cli.main import main\n"
        "try: main(['explore', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'matplotlib', 'scipy', 'jinja2', 'pydantic', 'soundfile'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[3], check=False
    )
    assert done.returncode == 0, done.stderr
    assert "--out DIR" in done.stdout


def test_without_esc10_and_network_the_synthetic_set_is_explored_and_that_is_said(workplace, monkeypatch, capsys):
    from audio_cls.reports.dataset import command, survey

    notice = "ESC-10 is not here. TRAINING ON THE SYNTHETIC SET INSTEAD."
    monkeypatch.setattr(command, "resolve_auto", lambda root: ("synthetic", notice))

    class Stop(Exception):
        pass

    def stop(clip_set):
        raise Stop(clip_set.name)

    monkeypatch.setattr(survey, "survey", stop)
    with pytest.raises(Stop, match="synthetic"):
        main(["explore"])
    assert "EXPLORING THE SYNTHETIC SET INSTEAD" in capsys.readouterr().err


def test_what_was_understood_is_written_as_a_manifest_and_nothing_is_replaced(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_sounds(tmp_path / "data", {"a": 2, "b": 2})
    for path in (tmp_path / "data").glob("*/*.wav"):
        path.rename(path.with_name(f"t{path.stem}-x.wav"))
    asked = ["explore", "data", "--data", "folder", "--source", "{source}-*", "--write-manifest", "clips.csv"]
    assert main(asked) == 0
    said = capsys.readouterr().out
    assert "manifest: clips.csv" in said
    assert "2 sources by data.source={source}-*, 2 clips each" in said
    assert (tmp_path / "clips.csv").read_text(encoding="utf-8-sig").splitlines()[:2] == [
        "file,label,source,fold",
        "data/a/t0-x.wav,a,t0,",
    ]
    before = contents(tmp_path)
    assert main(asked) == 2
    assert "clips.csv exists already and is not replaced" in capsys.readouterr().err
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--source", "{source}-*"], "--source {source}-*: 4 of 4 clips do not match"),
        (["--source", "x"], "--source x must hold {source} once"),
        (["--write-manifest", "clips.txt"], "--write-manifest clips.txt: the manifest is CSV; call it clips.csv"),
        (["--write-manifest", "no/clips.csv"], "no/clips.csv cannot be written"),
        (["--data", "esc10", "--source", "parent"], "--source belongs to --data folder"),
    ],
)
def test_a_mistake_about_sources_or_the_manifest_is_one_line(tmp_path, monkeypatch, capsys, options, problem):
    monkeypatch.chdir(tmp_path)
    write_sounds(tmp_path / "data", {"a": 2, "b": 2})
    assert main(["explore", "data", *options]) == 2
    said = capsys.readouterr().err
    assert problem in said and said.count("\n") == 1
    assert not (tmp_path / "outputs").exists()
