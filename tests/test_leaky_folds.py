"""docs/leaky_folds.py, which docs/experiments.md names."""

import subprocess
import sys
from pathlib import Path

import pytest

from audio_cls.data.sources import read_manifest
from audio_cls.data.splits import make_split

REPOSITORY = Path(__file__).resolve().parents[1]


def run(*arguments: str | Path) -> subprocess.CompletedProcess:
    command = [sys.executable, REPOSITORY / "docs/leaky_folds.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Two classes of twelve clips in three folds, two clips of each recording."""
    lines = ["file,label,source,fold"]
    for label in "ab":
        for number in range(12):
            (tmp_path / label).mkdir(exist_ok=True)
            (tmp_path / label / f"{number}.wav").touch()
            lines.append(f"{label}/{number}.wav,{label},{label}{number // 2},{number // 2 % 3 + 1}")
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    return tmp_path / "mine.csv"


def test_leaky_folds_keep_clips_and_labels_and_put_recordings_on_both_sides(manifest):
    done = run(manifest, manifest.with_name("leaky.csv"))
    assert done.returncode == 0, done.stderr
    assert " of 24 clips leak" in done.stdout
    before, after = read_manifest(manifest), read_manifest(manifest.with_name("leaky.csv"))
    assert {(clip.path, clip.label) for clip in after.clips} == {(clip.path, clip.label) for clip in before.clips}
    assert {clip.source for clip in after.clips} == {None}
    split = make_split(after, "crossval", 0, num_folds=3, split_seed=0)
    source_of = {clip.path: clip.source for clip in before.clips}
    train, test = ({source_of[after.clips[index].path] for index in part} for part in (split.train, split.test))
    assert train & test


def test_an_existing_file_is_not_overwritten(manifest):
    done = run(manifest, manifest)
    assert done.returncode == 2 and "exists; name a new file" in done.stderr
