from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from audio_cls.files import replacing, replacing_folder, write_text


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
    write_text(tmp_path / "whole.partial" / "of a killed process", "")
    with pytest.raises(OSError, match="full"):
        half_written(replacing_folder(tmp_path / "whole"), OSError("full"))
    assert names(tmp_path) == ["whole"]
    assert names(tmp_path / "whole") == ["first"]
