"""`audio-cls evaluate`: a trained model on labelled sounds."""

import builtins
import csv
import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.page_reader import Page, assert_asks_no_server, assert_links_lead_somewhere
from support.short_tones import train

from audio_cls.cli.main import main
from audio_cls.config.job import Job
from audio_cls.serving.export import write_exported
from audio_cls.serving.load import load_classifier


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> Job:
    return train(tmp_path_factory.mktemp("jobs"))


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def manifest_of(job: Job, split: str, path: Path) -> Path:
    """A CSV file of the clips of one split, as the job knows them."""
    with (job.folder / "predictions.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    lines = [f"{Path(job.config.data.root) / row['clip']},{row['label_name']}\n" for row in rows]
    path.write_text("file,label\n" + "".join(lines))
    return path


def test_the_figures_are_those_that_the_job_wrote_down(job, workplace, capsys):
    assert main(["evaluate", str(job.folder), str(manifest_of(job, "val", workplace / "val.csv")), "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    metrics = json.loads((job.folder / "metrics.json").read_text())["val"]
    for name in ("accuracy", "balanced_accuracy", "f1_macro", "auroc_macro"):
        assert values["figures"][name] == pytest.approx(metrics[name], abs=1e-5)
    assert values["figures"]["confusion"] == metrics["confusion"]
    with (job.folder / "predictions.csv").open(newline="") as file:
        known = {row["clip"]: row for row in csv.DictReader(file)}
    for clip in values["clips"]:
        row = known[Path(clip["file"]).relative_to(Path(job.config.data.root)).as_posix()]
        wrote = [float(row[f"p_{index}"]) for index in range(2)]
        assert list(clip["probabilities"].values()) == pytest.approx(wrote, abs=1e-5)
        assert (clip["predicted"], clip["label"]) == (row["predicted_name"], row["label_name"])


def test_an_exported_model_is_right_as_often_and_its_probabilities_are_calibrated(job, workplace, capsys):
    val = str(manifest_of(job, "val", workplace / "val.csv"))
    write_exported(workplace / "my_model", replace(load_classifier(job.folder), temperature=2.0), "a card")
    found = []
    for model in (str(job.folder), "my_model"):
        assert main(["evaluate", model, val, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    of_job, exported = found
    for name in ("accuracy", "f1_macro", "auroc_macro", "confusion"):
        assert exported["figures"][name] == of_job["figures"][name]
    for before, after in zip(of_job["clips"], exported["clips"], strict=True):
        scaled = np.sqrt(list(before["probabilities"].values()))
        assert list(after["probabilities"].values()) == pytest.approx(scaled / scaled.sum(), abs=1e-5)


def test_clips_of_the_training_are_said_first_and_scored_apart(job, workplace, capsys):
    assert main(["evaluate", str(job.folder), str(manifest_of(job, "train", workplace / "train.csv"))]) == 0
    first, second = capsys.readouterr().out.splitlines()[:2]
    assert first.startswith("THE MODEL WAS TRAINED ON 4 OF THESE 4 CLIPS, sample for sample")
    assert second.endswith("of 4 clips, all of which it was trained on, are right.")
    assert main(["evaluate", str(job.folder), job.config.data.root]) == 0  # whatever the files are called
    first, second, _, new, everything = capsys.readouterr().out.splitlines()[:5]
    assert first.startswith("THE MODEL WAS TRAINED ON 4 OF THESE 12 CLIPS") and "on the 8 others" in first
    assert "of 8 clips that it was not trained on" in second
    assert new.startswith("clips not in training") and everything.startswith("all clips")


def test_silent_clips_are_flagged_and_counted(job, workplace, capsys):
    folder = Path(shutil.copytree(job.config.data.root, "new"))
    soundfile.write(folder / "high/quiet.wav", np.zeros(4000), 4000)
    assert main(["evaluate", str(job.folder), "new", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["figures_not_trained_on"]["flags"] == {"silent": 1}
    assert [clip["file"] for clip in values["clips"] if clip["flags"]] == ["high/quiet.wav"]


def test_long_sounds_are_judged_as_in_training_and_it_is_said(job, workplace, capsys):
    folder = Path(shutil.copytree(job.config.data.root, "new"))
    soundfile.write(folder / "high/long.wav", 0.1 * np.random.default_rng(0).standard_normal(40_000), 4000)
    assert main(["evaluate", str(job.folder), "new", "--json"]) == 0
    said = capsys.readouterr()
    assert "note: 1 sound longer than" in said.err and "(first: high/long.wav)" in said.err
    values = json.loads(said.out)
    assert any("longer than" in note for note in values["notes"])
    assert {clip["file"]: clip["duration_seconds"] for clip in values["clips"]}["high/long.wav"] == 10


def test_labels_unknown_to_the_model_are_kept_out_and_broken_files_end_with_status_1(job, workplace, capsys):
    folder = Path(shutil.copytree(job.config.data.root, "new"))
    shutil.copytree(folder / "low", folder / "hum")
    first = min((folder / "high").iterdir())
    first.write_bytes(first.read_bytes()[:60])
    assert main(["evaluate", str(job.folder), "new", "--json", "new.json", "--page", "new.html"]) == 1
    said = capsys.readouterr()
    assert f"audio-cls evaluate: high/{first.name}: " in said.err
    assert "6 clips have labels that the model does not know (hum 6)" in said.out
    values = json.loads(Path("new.json").read_text())
    assert values["figures"]["num_clips"] == 11 and values["num_unusable"] == 1
    assert values["unknown_labels"]["hum"]["num_clips"] == 6
    text = Page(Path("new.html").read_text()).text
    assert f"high/{first.name}" in text and "hum 6" in text


def test_the_page_is_one_file_with_the_wrong_clips_to_listen_to(job, workplace, capsys):
    folder = Path("new")
    shutil.copytree(Path(job.config.data.root) / "low", folder / "high")  # every label is wrong
    shutil.copytree(Path(job.config.data.root) / "high", folder / "low")
    assert main(["evaluate", str(job.folder), "new", "--page", "new.html"]) == 0
    content = Path("new.html").read_text()
    assert_asks_no_server(content)
    assert_links_lead_somewhere(content)
    page = Page(content)
    assert len(page.attributes("audio")) == len(page.attributes("figure")) - 4 > 0
    assert re.search(r"(high, predicted as low|low, predicted as high) with \d+%", " ".join(page.text.split()))
    assert main(["evaluate", str(job.folder), "new", "--page", "new.html"]) == 0  # its own page it may replace


@pytest.mark.parametrize(("option", "name"), [("--json", "mine.json"), ("--page", "mine.html")])
def test_files_of_the_user_are_kept_before_anything_is_heard(job, workplace, capsys, option, name):
    Path(name).write_text("mine")
    assert main(["evaluate", str(job.folder), job.config.data.root, option, name]) == 2
    said = capsys.readouterr()
    assert f"{name} was not written by this command, so it is not replaced; choose another {option}" in said.err
    assert (Path(name).read_text(), said.out) == ("mine", "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nowhere DATA", "nowhere does not exist"),
        ("JOB nowhere", "nowhere does not exist: DATA must be"),
        ("JOB DATA --json new.txt", "--json new.txt: it is JSON; call it new.json"),
        ("JOB DATA --page new.pdf", "--page new.pdf: the page is HTML; call it new.html"),
    ],
)
def test_a_mistake_is_one_line_with_status_2(job, capsys, words, message):
    places = {"JOB": str(job.folder), "DATA": job.config.data.root}
    assert main(["evaluate", *(places.get(word, word) for word in words.split())]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


@pytest.mark.parametrize("library", ["torchmetrics", "jinja2"])
def test_what_is_not_installed_is_said_with_what_to_install(job, monkeypatch, capsys, library):
    usual = builtins.__import__

    def guarded(name, *arguments, **options):
        if name.split(".")[0] == library:
            raise ModuleNotFoundError(f"No module named {name!r}", name=library)
        return usual(name, *arguments, **options)

    for name in ("audio_cls.training.metrics", "audio_cls.reports.evaluation.page", "audio_cls.reports.html.page"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(builtins, "__import__", guarded)
    assert main(["evaluate", str(job.folder), job.config.data.root, "--page", "new.html"]) == 2
    said = capsys.readouterr().err
    assert f"needs {library}, which is not installed here" in said
