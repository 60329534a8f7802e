"""The page about trained transformers: what was wrong can be heard and seen, in a browser where there is one."""

import base64
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from support.browser import OUTSIDE, ask, needs_chromium
from support.page_reader import Page, assert_asks_no_server
from support.short_tones import SETTINGS, write_clips
from support.study_folders import write_job
from support.tiny_jobs import plan_jobs

from audio_cls.cli.main import main
from audio_cls.config.dataset import load_clips
from audio_cls.config.schema import DataConfig
from audio_cls.data.synthetic import SAMPLE_RATE, synthesize
from audio_cls.experiment.run_job import run_job
from audio_cls.reports.study.listening import find_sounds
from audio_cls.results.study import load_study

SCRIPT = "<script>alert('x')"
LONG = "a class with a long name of many words " + "and_underscores" * 3


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two folds with one and two heads that have learnt nothing, of classes with awkward names; the working folder."""
    folder = tmp_path_factory.mktemp("trained")
    write_clips(folder / "tones")
    (folder / "tones/high").rename(folder / "tones" / SCRIPT)
    (folder / "tones/low").rename(folder / "tones" / LONG)
    more = ("heads=1,2", "fold=0,1", "study=s", "trainer.max_epochs=1", "optimizer.lr=1e-6")
    for job in plan_jobs(folder, *SETTINGS, *more, multirun=True):
        run_job(job, lambda _: [])
    return folder


@pytest.fixture(scope="module")
def page(trained) -> Path:
    assert main(["report", str(trained / "outputs/s"), "--out", str(trained / "page.html")]) == 0
    return trained / "page.html"


@pytest.fixture
def study(trained, tmp_path, monkeypatch):
    """A copy to take something away from."""
    shutil.copytree(trained / "outputs/s", tmp_path / "s")
    return tmp_path / "s"


def read(study: Path, *options: str, status: int = 0) -> Page:
    assert main(["report", str(study), *options]) == status
    return Page((study / "report.html").read_text(encoding="utf-8"))


def test_wrong_clips_have_sound_spectrogram_and_attention(page, tmp_path):
    content = page.read_text(encoding="utf-8")
    assert_asks_no_server(content)
    read = Page(content)
    sounds = read.attributes("audio")
    pictures = [image["alt"] for image in read.attributes("img") if "attention of a transformer" in image["alt"]]
    assert len(sounds) == len(pictures) > 0
    assert "tiny_h1, fold 0, seed 0, predicts" in read.text or "tiny_h2, fold 0, seed 0, predicts" in read.text
    for number, sound in enumerate(sounds):
        path = tmp_path / f"{number}.mp3"
        path.write_bytes(base64.b64decode(sound["src"].partition("base64,")[2]))
        assert 0.7 < soundfile.info(path).duration < 1


def test_names_stay_text(page):
    read = Page(page.read_text(encoding="utf-8"))
    assert SCRIPT in read.text
    assert len(read.attributes("script")) == 1


def test_without_checkpoints_there_is_sound_but_no_attention_and_it_says_so(study):
    for path in study.glob("*/*/checkpoints"):
        shutil.rmtree(path)
    page = read(study)
    assert page.attributes("audio")
    assert "No transformer of this study has its checkpoint here, so no attention is shown." in page.text
    assert not [image for image in page.attributes("img") if "attention of a transformer" in image["alt"]]


def test_a_checkpoint_that_cannot_be_read_costs_its_attention_only(study):
    for path in study.glob("*/*/checkpoints/*.ckpt"):
        path.write_bytes(b"not a checkpoint")
    page = read(study)
    assert page.attributes("audio")
    assert not [image for image in page.attributes("img") if "attention of a transformer" in image["alt"]]


def move_data(study: Path, root: Path) -> None:
    for path in study.glob("*/*/config.yaml"):
        text = path.read_text()
        path.write_text(
            "\n".join(f"  root: {root}" if line.startswith("  root:") else line for line in text.split("\n"))
        )


@pytest.mark.slow
def test_without_the_sounds_it_says_so_and_they_are_found_where_an_option_or_the_environment_says(
    study, trained, tmp_path, monkeypatch, capsys
):
    move_data(study, tmp_path / "gone")
    page = read(study)
    assert not page.attributes("audio")
    assert "The sounds are not on this machine: with --root PATH, or AUDIO_CLS_DATA, they can be played." in page.text
    assert read(study, "--root", str(trained / "tones")).attributes("audio")
    capsys.readouterr()
    (tmp_path / "other").mkdir()
    for root in ("other", "nowhere"):
        assert main(["report", str(study), "--root", str(tmp_path / root)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setenv("AUDIO_CLS_DATA", str(trained / "tones"))
    assert read(study).attributes("audio")


def test_clips_of_other_classes_under_the_same_names_are_not_taken_for_the_study_s(study, trained, tmp_path):
    shutil.copytree(trained / "tones" / SCRIPT, tmp_path / "tones" / SCRIPT)
    shutil.copytree(trained / "tones" / LONG, tmp_path / "tones" / "another")
    move_data(study, tmp_path / "tones")
    assert not read(study).attributes("audio")


@pytest.mark.slow
def test_a_file_that_is_broken_by_now_is_named_and_the_others_are_there(study, trained, tmp_path):
    shutil.copytree(trained / "tones", tmp_path / "tones")
    wrong = read(study).attributes("audio")[0]["aria-label"]
    (tmp_path / "tones" / wrong).write_bytes(b"not a sound")
    move_data(study, tmp_path / "tones")
    page = read(study)
    assert "It cannot be played: unreadable" in page.text
    assert wrong not in [sound["aria-label"] for sound in page.attributes("audio")]
    assert page.attributes("audio")


@pytest.mark.parametrize("root", [None, "anywhere"])
def test_synthetic_clips_are_synthesised_whatever_place_is_given(tmp_path, root):
    data = DataConfig(kind="synthetic", name="synthetic", clips_per_class=20)
    clip_set = load_clips(data)
    folder = write_job(tmp_path / "s", "cnn", classes=list(clip_set.classes), dataset="synthetic")
    (folder / "config.yaml").write_text(yaml.safe_dump({"data": data.model_dump()}))
    names = [clip.name for clip in clip_set.clips[:2]]
    sounds = find_sounds(load_study(tmp_path / "s"), names, root and str(tmp_path / root))
    assert sounds.missing == ""
    for clip in clip_set.clips[:2]:
        waveform, rate = sounds.waveform(clip.name)
        assert rate == SAMPLE_RATE
        np.testing.assert_array_equal(waveform, synthesize(clip))


@needs_chromium
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_leaves_its_box_and_every_picture_is_shown(page, tmp_path, width):
    assert ask(page, OUTSIDE, tmp_path, width) == {"width": width, "wide": [], "cut": [], "broken": 0}


@needs_chromium
def test_what_leaves_its_box_would_be_found(page, tmp_path):
    body = f"document.querySelector('h1').innerHTML = '<i style=white-space:nowrap>{'word ' * 99}</i>';{OUTSIDE}"
    assert ask(page, body, tmp_path, 390)["wide"] == ["I"]


@needs_chromium
def test_the_sounds_play(page, tmp_path):
    body = "return [...document.querySelectorAll('audio')].map(each => [each.readyState, each.duration, each.error]);"
    states = ask(page, body, tmp_path)
    assert states
    for ready, duration, error in states:
        assert (ready, error) == (4, None)
        assert 0.7 < duration < 1


@needs_chromium
def test_tables_are_sorted_highest_first_by_a_click_and_the_other_way_by_another(page, tmp_path):
    body = """const table = [...document.querySelectorAll("table")].find(
      table => table.caption.textContent === "Misclassified clips");
    const heading = [...table.tHead.rows[0].cells].findIndex(cell => cell.textContent.startsWith("Probability"));
    const column = () => [...table.tBodies[0].rows].map(row => Number(row.cells[heading].dataset.value));
    const click = () => { table.tHead.rows[0].cells[heading].querySelector("button").click(); return column(); };
    return [click(), click(), table.tHead.rows[0].cells[heading].ariaSort];"""
    down, up, order = ask(page, body, tmp_path)
    assert len(up) > 1
    assert up == sorted(up)
    assert down == sorted(down, reverse=True)
    assert order == "ascending"


@needs_chromium
def test_a_class_called_script_stays_text_in_the_browser(page, tmp_path):
    body = "return [document.scripts.length, [...document.querySelectorAll('td')].map(cell => cell.textContent)];"
    scripts, cells = ask(page, body, tmp_path)
    assert scripts == 2  # that of the page, and the one that asks
    assert SCRIPT in cells
