"""docs/unknown_sounds.py, whose table stands in docs/unknown_sounds.md."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from audio_cls.data.clips import Clip, ClipSet
from audio_cls.data.sources import read_manifest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("unknown_sounds", REPOSITORY / "docs/unknown_sounds.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_in_the_document_is_that_of_the_figures(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "unknown_sounds.md"
    copy.write_text(script.DOCUMENT.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(script, "DOCUMENT", copy)
    written = copy.read_text(encoding="utf-8")
    script.write_table(json.loads(script.FIGURES.read_text(encoding="utf-8")))
    assert copy.read_text(encoding="utf-8") == written
    assert "| white noise | " in written


def test_a_manifest_leaves_one_class_out_and_keeps_folds_and_recordings(script: ModuleType, tmp_path: Path) -> None:
    clips = []
    for index in range(12):
        path = tmp_path / f"{index:02}.wav"
        path.touch()
        clips.append(Clip(path, path.name, index % 3, f"s{index // 2}", 2 + index % 4))
    clip_set = ClipSet("three", tmp_path, ("a", "b", "c"), tuple(clips), 5)
    script.write_manifest(clip_set, 1, tmp_path / "without.csv")
    found = read_manifest(tmp_path / "without.csv")
    assert found.classes == ("a", "c")
    assert [(clip.name, clip.source, clip.fold) for clip in found.clips] == [
        (clip.name, clip.source, (clip.fold or 0) - 1) for clip in clips if clip.label != 1
    ]
