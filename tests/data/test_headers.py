from pathlib import Path

from support.command_line import write_sounds

from audio_cls.data import headers
from audio_cls.data.headers import read_headers
from audio_cls.data.sources import read_folder
from audio_cls.data.synthetic import synthetic_clips


def test_length_and_rate_are_read_from_the_files_and_those_that_cannot_be_opened_are_left_out(tmp_path: Path) -> None:
    write_sounds(tmp_path, {"a": 3, "b": 2}, seconds=0.6)
    (tmp_path / "b" / "broken.wav").write_bytes(b"no sound")
    found = read_headers(read_folder(tmp_path))
    assert found is not None
    assert found.seconds.tolist() == [0.6] * 5
    assert found.rates.tolist() == [4_000] * 5


def test_of_many_clips_a_sample_of_every_class_is_read(tmp_path: Path, monkeypatch) -> None:
    write_sounds(tmp_path, {"a": 8, "b": 8})
    monkeypatch.setattr(headers, "MOST_FILES", 4)
    seen = []
    monkeypatch.setattr(headers, "_probe", lambda clip: seen.append(clip.label))
    assert read_headers(read_folder(tmp_path)) is None
    assert sorted(seen) == [0, 0, 1, 1]


def test_synthesised_clips_have_no_files() -> None:
    assert read_headers(synthetic_clips(20)) is None
