from pathlib import Path
from typing import Any

import pytest

from audio_cls.data.profile import TrainingProfile, read_profile, write_profile

PROFILE = TrainingProfile(shortest_seconds=0.5, longest_seconds=5.0)


def test_a_profile_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_profile(tmp_path / "profile.json", PROFILE)
    assert read_profile(tmp_path / "profile.json") == PROFILE


def test_a_job_of_an_older_version_has_no_profile(tmp_path: Path) -> None:
    assert read_profile(tmp_path / "profile.json") is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"version": 99}, "version 1"),
        ({"shortest_seconds": "1"}, "shortest_seconds='1', no number"),
        ({"shortest_seconds": float("nan")}, "no number"),
        ({"longest_seconds": float("inf")}, "no number"),
        ({"longest_seconds": True}, "no number"),
        ({"shortest_seconds": 0}, "clips of 0 to 5 s"),
        ({"longest_seconds": 0.1}, "clips of 0.5 to 0.1 s"),
    ],
)
def test_wrong_values_are_refused_in_one_line(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        TrainingProfile.from_json({**PROFILE.as_json(), **changed})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'"profile"', b"\xff\xfe", b'{"version": 1}'])
def test_a_damaged_file_is_refused_by_its_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "profile.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"profile\.json: "):
        read_profile(tmp_path / "profile.json")
