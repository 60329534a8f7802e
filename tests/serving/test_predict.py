import csv
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support.short_tones import train

from audio_cls.cli.main import main
from audio_cls.config.job import Job
from audio_cls.serving.load import load_classifier
from audio_cls.serving.predict import NoSounds, find_sounds, predict_sounds
from audio_cls.serving.prediction import Prediction
from audio_cls.serving.tables import PredictionTable, csv_rows, lines_of


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> Job:
    folder = tmp_path_factory.mktemp("jobs")
    return train(folder)


@pytest.fixture
def tones(job, tmp_path, monkeypatch) -> Path:
    """A copy of the job's clips at `new`, below the working directory."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(job.config.data.root, "new"))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_files_are_predicted_as_the_job_predicted_them(job, tones, capsys):
    assert main(["predict", str(job.folder), "new", "--out", "found/new.csv"]) == 0
    expected = {row["clip"]: row for row in rows(job.folder / "predictions.csv")}
    found = rows(Path("found/new.csv"))
    assert len(found) == len(expected) == 12
    for row in found:
        known = expected[Path(row["file"]).relative_to("new").as_posix()]
        assert row["predicted"] == ("high", "low")[int(known["predicted"])]
        probabilities = [float(row["p_high"]), float(row["p_low"])]
        assert probabilities == pytest.approx([float(known["p_0"]), float(known["p_1"])], abs=1e-5)
        assert float(row["probability"]) == max(probabilities)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [row["file"] for row in found]
    assert [line.split(": ")[1].split(" ")[0] for line in lines] == [row["predicted"] for row in found]


def test_a_job_is_found_by_its_name_under_the_output_folder(job, tones, capsys):
    outputs = job.folder.parents[2]
    name = job.folder.relative_to(outputs).as_posix()
    assert main(["predict", name, "new/high/high-0.wav", "--output-dir", str(outputs)]) == 0
    assert capsys.readouterr().out.startswith("new/high/high-0.wav: ")


def test_a_file_that_cannot_be_used_is_named_and_the_others_are_predicted(job, tones, capsys):
    (tones / "a.wav").write_bytes(b"")
    (tones / "b.mp4").write_text("a film")
    assert main(["predict", str(job.folder), "new", "--out", "new.csv"]) == 1
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == len(rows(Path("new.csv"))) == 12
    first, second, *_, last = said.err.splitlines()
    assert last == "written to new.csv"
    assert first == "audio-cls predict: new/a.wav: empty: the file has no bytes"
    assert second.startswith("audio-cls predict: new/b.mp4: unreadable: ")


def test_without_the_decoder_all_files_that_need_it_are_named_at_once(job, tones, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    for name in ("a.m4a", "b.m4a", "c.wma"):
        (tones / name).write_bytes(bytes(100))
    assert main(["predict", str(job.folder), "new"]) == 1
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 12
    assert said.err.splitlines()[0] == (
        "audio-cls predict: 2 .m4a and 1 .wma files (new/a.m4a, new/b.m4a, new/c.wma) need a decoder that is not "
        "installed: pip install av"
    )


def test_what_was_assumed_about_files_is_said_once_a_kind(job, tones, capsys):
    for place in range(4):
        file = tones / "high" / f"high-{place}.wav"
        content = bytearray(file.read_bytes())
        content[40:44] = bytes(4)
        file.write_bytes(content)
    assert main(["predict", str(job.folder), "new/high"]) == 0
    named = "new/high/high-0.wav, new/high/high-1.wav, new/high/high-2.wav and 1 more"
    said = capsys.readouterr().err.splitlines()
    assert f"audio-cls predict: 4 files: the header was never closed ({named})" in said
    trained = [clip for clip in rows(job.folder / "split.csv") if clip["split"] == "train" and "high" in clip["clip"]]
    (known,) = (line for line in said if "the model was trained on this file" in line)
    assert known.startswith(f"audio-cls predict: {len(trained)} files: ")


@pytest.mark.parametrize(
    ("sounds", "out", "message"),
    [
        ("gone", "new.csv", "gone does not exist; give sound files, or folders of them"),
        ("none", "new.csv", "none holds no sound files"),
        ("new", "new.xlsx", "--csv new.xlsx: the table is CSV; call it new.csv"),
    ],
)
def test_a_mistake_costs_one_line_and_writes_nothing(job, tones, capsys, sounds, out, message):
    Path("none").mkdir()
    assert main(["predict", str(job.folder), sounds, "--out", out]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"audio-cls predict: {message}\n")
    assert not Path(out).exists()


def test_what_is_no_job_is_said_before_the_table_is_begun(tones, capsys):
    assert main(["predict", "new", "new", "--out", "new.csv"]) == 2
    assert "new is not a job's folder" in capsys.readouterr().err
    assert not Path("new.csv").exists()


def test_sounds_are_found_at_any_depth_and_once(tones):
    (tones / "high" / "deep").mkdir()
    shutil.copy(tones / "low" / "low-0.wav", tones / "high" / "deep" / "copy.WAV")
    (tones / ".hidden.wav").write_bytes(b"RIFF")
    (tones / "notes.txt").write_text("no sound")
    found = find_sounds(["new/high/high-3.wav", "new", "new/low"])
    assert found[0] == Path("new/high/high-3.wav")
    assert sorted(found) == sorted([*tones.glob("*/*-*.wav"), tones / "high" / "deep" / "copy.WAV"])
    with pytest.raises(NoSounds):
        find_sounds(["new", "new/notes"])


def test_a_row_is_on_disk_at_once(tmp_path):
    with PredictionTable(tmp_path / "table.csv", ("a, b", "c")) as table:
        table.add(csv_rows(Prediction("x.wav", 2.5, np.array([0.25, 0.75]), flags=("unsure",)), ("a, b", "c")))
        (row,) = rows(tmp_path / "table.csv")
    assert row == {
        "file": "x.wav",
        "start_seconds": "0",
        "end_seconds": "2.5",
        "predicted": "c",
        "probability": "0.75",
        "flags": "unsure",
        "p_a, b": "0.25",
        "p_c": "0.75",
    }


@pytest.mark.parametrize(
    ("probabilities", "said"),
    [
        ([0.05, 0.6, 0.15, 0.2], "x.wav: b 60%, d 20%, c 15%"),
        ([0.001, 0.003, 0.002, 0.0], "x.wav: b 0%"),
        ([0.0, 0.996, 0.0, 0.004], "x.wav: b 100%"),
    ],
)
def test_a_line_names_the_most_probable_classes(probabilities, said):
    assert lines_of(Prediction("x.wav", 1.0, np.array(probabilities)), ("a", "b", "c", "d")) == [said]


def test_threads_are_given_back(job, tones):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert len(list(predict_sounds(load_classifier(job.folder), find_sounds(["new"])))) == 12
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
