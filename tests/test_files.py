import csv
import os
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from audio_cls.files import check_replaceable, read_csv, replacing, replacing_folder, write_csv, write_json, write_text
from audio_cls.wording import UserError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def half_written(replaced: AbstractContextManager[Path], error: BaseException) -> None:
    with replaced as path:
        assert not path.is_dir() or not names(path)
        write_text(path / "a" if path.is_dir() else path, "half")
        raise error


def test_what_is_not_written_whole_leaves_the_file_before(tmp_path):
    write_text(tmp_path / "new" / "a.txt", "first\r\n")
    with pytest.raises(KeyboardInterrupt):
        half_written(replacing(tmp_path / "new" / "a.txt"), KeyboardInterrupt())
    assert (tmp_path / "new" / "a.txt").read_bytes() == b"first\r\n"
    assert names(tmp_path / "new") == ["a.txt"]


def test_a_folder_that_is_filled_takes_the_place_of_the_one_before(tmp_path):
    for name in ("first", "second"):
        with replacing_folder(tmp_path / "whole") as partial:
            (partial / name).touch()
    assert names(tmp_path) == ["whole"]
    assert names(tmp_path / "whole") == ["second"]


def test_a_folder_that_is_not_filled_leaves_the_one_before_and_what_a_killed_process_left_is_removed(tmp_path):
    write_text(tmp_path / "whole" / "first", "")
    write_text(tmp_path / ".whole.partial" / "of a killed process", "")
    with pytest.raises(OSError, match="full"):
        half_written(replacing_folder(tmp_path / "whole"), OSError("full"))
    assert names(tmp_path) == ["whole"]
    assert names(tmp_path / "whole") == ["first"]


CELLS = ["plain", "=1+2", "+1", "-5/x.wav", "@home", "\tx", "'=x", "''", "'tis", "-", 'a,b\n"c"', "鸟", "", "a=b"]


def test_a_table_is_read_back_as_it_was_and_spreadsheets_calculate_nothing(tmp_path):
    write_csv(tmp_path / "table.csv", ["name", "number"], [[cell, -1.5] for cell in CELLS])
    columns, rows = read_csv(tmp_path / "table.csv")
    assert columns == ["name", "number"]
    assert [row["name"] for row in rows] == CELLS
    with (tmp_path / "table.csv").open(newline="", encoding="utf-8-sig") as file:
        cells = [row["name"] for row in csv.DictReader(file)]
    assert not any(cell.startswith(tuple("=+-@\t\r")) for cell in cells)
    assert {row["number"] for row in rows} == {"-1.5"}


@pytest.mark.parametrize(("name", "begins"), [("plain", b"name\r\n"), ("鸟", b"\xef\xbb\xbfname\r\n")])
def test_a_table_says_that_it_is_utf8_where_that_matters(tmp_path, name, begins):
    write_csv(tmp_path / "table.csv", ["name"], [[name]])
    assert (tmp_path / "table.csv").read_bytes().startswith(begins)


def test_bytes_that_are_no_text_leave_files_of_valid_utf8(tmp_path):
    name = os.fsdecode(b"caf\xe9.wav")
    write_csv(tmp_path / "a", ["name"], [[Path(name)]])
    write_text(tmp_path / "b", name)
    write_json(tmp_path / "c", name)
    for path in tmp_path.iterdir():
        assert "caf\\udce9.wav" in path.read_text(encoding="utf-8")


def test_what_a_command_wrote_may_be_replaced_and_nothing_else(tmp_path):
    for name, content in {"ours.csv": "file,predicted\n", "empty.csv": "", "theirs.csv": "file,label\n"}.items():
        write_text(tmp_path / name, content)
    for name in ("ours.csv", "empty.csv", "new.csv", "below/new.csv"):
        check_replaceable(tmp_path / name, "file,predicted")
    with pytest.raises(UserError, match="theirs.csv was not written by this command, so it is not replaced"):
        check_replaceable(tmp_path / "theirs.csv", "file,predicted")
    with pytest.raises(UserError, match="cannot be written, as .*theirs.csv is a file; choose another --out"):
        check_replaceable(tmp_path / "theirs.csv/below/new.csv", "file,predicted")
