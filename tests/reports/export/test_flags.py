"""What a model card says of flags."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from audio_cls.data.profile import PROFILE, TrainingProfile, write_profile
from audio_cls.models.clip_classifier import ClipClassifier
from audio_cls.reports.export.flags import count_unlike, flag_lines
from audio_cls.serving.classifier import LoadedClassifier


class Even(nn.Module):
    """Two classes, always equally likely."""

    def forward(self, waveforms: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(waveforms), 2)


@pytest.fixture
def classifier() -> LoadedClassifier:
    module = ClipClassifier(Even(), normalize=True, silence_db=30.0)
    return LoadedClassifier(module, ("a", "b"), 4_000, 400, 2, Path("job"), unsure_below=0.6)


def test_held_out_clips_of_all_folds_are_counted_and_old_or_damaged_jobs_are_not(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two", "old", "damaged")]
    for folder, counts in zip(folders, ((80, 1), (40, 2)), strict=False):
        folder.mkdir()
        held_out, unlike = counts
        write_profile(folder / PROFILE, TrainingProfile(1, 1, held_out=held_out, held_out_unlike=unlike))
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / PROFILE).write_text("{")
    assert count_unlike(folders) == (120, 3)


def test_rates_on_noise_and_tones_are_those_of_the_model(classifier: LoadedClassifier) -> None:
    *_, rates = flag_lines(classifier, (0, 0))
    assert "white noise in 100% (`unlike training data` 0%, `unsure` 100%), tones in 100%" in rates
    *_, none = flag_lines(replace(classifier, unsure_below=0.0), (0, 0))
    assert "white noise in 0% (`unlike training data` 0%, `unsure` 0%)" in none


def test_rates_on_held_out_clips_stand_where_they_are_known(classifier: LoadedClassifier) -> None:
    described = replace(classifier, profile=TrainingProfile(1, 1))
    assert "Of 120 held-out clips 2.5% are flagged" in flag_lines(described, (120, 3))[0]
    assert len(flag_lines(described, (0, 0))) == 1
    assert "no sound is flagged as unlike" in flag_lines(classifier, (0, 0))[0]
