"""audio-cls predict on recordings: windows, events, every output, standard input, and what is refused."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.short_tones import RATE, train_cnn, write_clips

from audio_cls.cli.main import main
from audio_cls.config.job import Job
from audio_cls.data.decode import decode
from audio_cls.serving.load import load_classifier

BASELINE = (
    "model=baseline", "model.num_mels=16", "model.n_fft=256", "model.hop_length=64", "data=folder", "data.num_folds=2",
    "input.sample_rate=4000", "input.crop_seconds=0.25", "input.eval_crops=4", "trainer.num_threads=1", "logger=none",
)  # fmt: skip


@pytest.fixture(scope="module")
def job(tmp_path_factory) -> Job:
    """Crops of 0.25 s of clips of 0.75 s, whose first 0.3 s are a tone."""
    folder = tmp_path_factory.mktemp("jobs")
    write_clips(folder / "tones")
    return train_cnn(folder, BASELINE)


@pytest.fixture
def recording(tmp_path, monkeypatch) -> Path:
    """3 s high, 2 s of digital silence, 3 s low, at 8 kHz in stereo, below the working directory."""
    monkeypatch.chdir(tmp_path)
    time = np.arange(24_000) / 8_000
    sound = np.concatenate([np.sin(6.28 * 920 * time), np.zeros(16_000), np.sin(6.28 * 320 * time)])
    soundfile.write("long.wav", np.stack([0.3 * sound, 0.2 * sound], axis=1), 8_000)
    return Path("long.wav")


def predict(job: Job, *words: str) -> int:
    return main(["predict", str(job.folder), *words])


def test_a_recording_is_heard_in_windows_and_its_events_are_listed(job, recording, capsys):
    assert predict(job, "long.wav") == 0
    head, *events = capsys.readouterr().out.splitlines()
    assert head.startswith("long.wav: 0:00:08.0, windows of 0.25 s, one every 0.125 s: ")
    high, low = events[0], events[-1]
    assert high.startswith("  0:00:00.0 - 0:00:03.") and "high" in high
    assert low.endswith("%") and " - 0:00:08.0  low" in low


def test_json_has_the_windows_of_recordings_and_the_answers_of_evaluation_to_clips(job, recording, capsys):
    root = Path(job.config.data.root)
    (recording.parent / "broken.wav").write_bytes(b"RIFF")
    assert predict(job, "long.wav", str(root / "high" / "high-0.wav"), "broken.wav", "--json") == 1
    long, clip, broken = map(json.loads, capsys.readouterr().out.splitlines())
    assert list(long)[:6] == ["file", "duration_seconds", "predictions", "windows", "flags", "error"]
    assert long["duration_seconds"] == 8.0 and long["error"] is None
    windows = long["windows"]
    assert [window["start_seconds"] for window in windows] == [0.125 * place for place in range(63)]
    assert windows[-1]["end_seconds"] == 8.0
    assert {window["label"] for window in windows if window["end_seconds"] < 3} == {"high"}
    assert {window["label"] for window in windows if window["start_seconds"] > 5} == {"low"}
    silent = [window for window in windows if "silent" in window["flags"]]
    assert all(window["start_seconds"] >= 3 and window["end_seconds"] <= 5 for window in silent) and len(silent) > 10
    assert sum(each["probability"] for each in long["predictions"]) == pytest.approx(1, abs=1e-5)

    rows = list(csv.DictReader((job.folder / "predictions.csv").open()))
    (known,) = (row for row in rows if row["clip"] == "high/high-0.wav")
    found = {each["label"]: each["probability"] for each in clip["predictions"]}
    assert [found["high"], found["low"]] == pytest.approx([float(known["p_0"]), float(known["p_1"])], abs=1e-5)
    assert clip["windows"] is None  # as long as three crops
    assert broken["error"] and broken["predictions"] == [] and broken["duration_seconds"] is None


def test_a_window_of_several_crops_is_judged_as_a_clip_is(job, recording, capsys):
    assert predict(job, "long.wav", "--json", "--window", "1", "--hop", "1") == 0
    windows = json.loads(capsys.readouterr().out)["windows"]
    assert len(windows) == 8
    classifier = load_classifier(job.folder)
    second = classifier.probabilities(decode(recording, RATE)[RATE : 2 * RATE])
    assert windows[1]["probability"] == pytest.approx(float(second.max()), abs=1e-4)


def test_min_confidence_leaves_out_windows(job, recording, capsys):
    assert predict(job, "long.wav", "--json", "--min-confidence", "0.9") == 0
    windows = json.loads(capsys.readouterr().out)["windows"]
    assert 0 < len(windows) < 63 and all(window["probability"] >= 0.9 for window in windows)


def test_tables_of_windows_and_events_are_written_and_may_be_written_again(job, recording, capsys):
    words = ["long.wav", "--csv", "found/t.csv", "--audacity", "found/labels.txt", "--raven", "found/raven.txt"]
    for _ in range(2):
        assert predict(job, *words) == 0
    said = capsys.readouterr().err
    assert all(f"written to {name}" in said for name in words[2::2])
    rows = list(csv.DictReader(Path("found/t.csv").read_text().splitlines()))
    assert len(rows) == 63 and rows[-1]["end_seconds"] == "8" and rows[30]["flags"] == "silent"
    labels = [line.split("\t") for line in Path("found/labels.txt").read_text().splitlines()]
    assert labels[0][0] == "0.000000" and labels[0][2].startswith("high ")
    head, *selections = (line.split("\t") for line in Path("found/raven.txt").read_text().splitlines())
    assert len(selections) == len(labels)
    first = dict(zip(head, selections[0], strict=True))
    assert (first["Selection"], first["Begin Time (s)"], first["Label"]) == ("1", "0.000000", "high")
    assert first["High Freq (Hz)"] == "2000"


def test_selections_of_several_files_count_from_the_beginning_of_the_sequence(job, recording):
    soundfile.write("second.wav", *soundfile.read("long.wav"))
    assert predict(job, "long.wav", "second.wav", "--raven", "r.txt") == 0
    head, *rows = (line.split("\t") for line in Path("r.txt").read_text().splitlines())
    second = next(dict(zip(head, row, strict=True)) for row in rows if "second.wav" in row)
    assert float(second["Begin Time (s)"]) == 8.0 and float(second["File Offset (s)"]) == 0.0


@pytest.mark.parametrize("option", ["--csv", "--audacity", "--raven"])
def test_without_a_name_tables_are_printed_in_place_of_the_lines(job, recording, capsys, option):
    assert predict(job, "long.wav", option) == 0
    out = capsys.readouterr().out
    assert "windows of" not in out
    if option == "--csv":
        assert len(list(csv.DictReader(io.StringIO(out)))) == 63


def test_a_picture_is_drawn_of_recordings_and_of_clips(job, recording):
    clip = Path(job.config.data.root) / "low" / "low-1.wav"
    assert predict(job, "long.wav", "--plot") == 0
    assert Path("long.png").stat().st_size > 5_000
    assert predict(job, "long.wav", str(clip), "--plot", "pictures") == 0
    assert sorted(path.name for path in Path("pictures").iterdir()) == ["long.png", "low-1.png"]


def test_files_of_the_users_are_not_replaced(job, recording, capsys):
    Path("labels.txt").write_text("1.000000\t2.000000\tmy robin\n")
    Path("raven.txt").write_text("mine")
    Path("long.png").write_bytes(b"\x89PNG mine")
    for words in (["--audacity", "labels.txt"], ["--raven", "raven.txt"], ["--plot"]):
        assert predict(job, "long.wav", *words) == 2
        assert "not replaced" in capsys.readouterr().err
    assert Path("labels.txt").read_text() == "1.000000\t2.000000\tmy robin\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["long.wav", "--window", "0"], "--window 0: give seconds above 0"),
        (["long.wav", "--window", "nan"], "--window nan: give seconds above 0"),
        (["long.wav", "--hop", "-1"], "--hop -1: give seconds above 0"),
        (["long.wav", "--hop", "2"], "--hop 2 is longer than a window of 0.25 s, which would leave gaps"),
        (["long.wav", "--hop", "2", "--window", "1"], "--hop 2 is longer than --window 1, which would leave gaps"),
        (["long.wav", "--min-confidence", "1.5"], "--min-confidence 1.5: use a probability from 0 to 1"),
        (["long.wav", "--json", "--csv"], "--json and --csv cannot both be printed"),
        (["*.flac"], "no file matches *.flac"),
        (["pipe.wav"], "pipe.wav is a pipe, a device or the like; give files, or - for standard input"),
        (["long.wav", "--audacity", "long.wav"], "--audacity long.wav is a file; name a .txt file, or a folder"),
        (["long.wav", "--plot", "long.wav"], "--plot long.wav is a file; name a .png file, or a folder"),
        (["long.wav", "twice.wav", "--audacity", "labels.txt"], "--audacity labels.txt: 2 sounds need a folder"),
        (["long.wav", "twice.wav", "--audacity"], "--audacity: a label track belongs to one recording"),
        (["long.wav", "--raven", "table.csv"], "--raven table.csv: a selection table is text; call it table.txt"),
    ],
)
def test_mistakes_cost_one_line(job, recording, capsys, words, message):
    Path("twice.wav").write_bytes(recording.read_bytes())
    os.mkfifo("pipe.wav")
    assert predict(job, *words) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith(f"audio-cls predict: {message}") and said.err.count("\n") == 1


def test_patterns_are_expanded_where_the_shell_has_not(job, recording, capsys):
    assert predict(job, "lo*.wav") == 0
    assert capsys.readouterr().out.startswith("long.wav: ")


def test_a_sound_comes_on_standard_input(job, recording, tmp_path):
    command = [sys.executable, "-m", "audio_cls.cli.main", "predict", str(job.folder), "-", "--json"]
    with recording.open("rb") as sound:
        done = subprocess.run(
            command, stdin=sound, capture_output=True, text=True, check=True, env={"TMPDIR": str(tmp_path)}
        )
    found = json.loads(done.stdout)
    assert found["file"] == "-" and found["duration_seconds"] == 8.0
    assert not list(tmp_path.glob("audio_cls-*"))


def test_a_long_file_that_is_cut_off_is_reported_and_the_rest_is_done(job, recording, capsys):
    content = recording.read_bytes()
    Path("cut.wav").write_bytes(content[: len(content) * 3 // 4])
    assert predict(job, "cut.wav", "long.wav") == 1
    said = capsys.readouterr()
    assert "audio-cls predict: cut.wav: truncated" in said.err and said.out.startswith("long.wav: ")


def test_a_job_of_an_older_version_is_said_to_know_nothing_of_its_training_clips(job, recording, capsys, tmp_path):
    assert predict(job, "long.wav") == 0
    assert "unlike the training clips" not in capsys.readouterr().err
    older = shutil.copytree(job.folder, tmp_path / "older" / "baseline" / "fold0-seed0")
    (older / "profile.json").unlink()
    assert main(["predict", str(older), "long.wav", "long.wav"]) == 0
    assert capsys.readouterr().err.count("no sound is flagged as unlike the training clips") == 1
