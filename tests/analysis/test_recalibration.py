from dataclasses import replace

import numpy as np
import pytest
from support.study_folders import write_job, write_variant

from audio_cls.analysis.calibration import apply_temperature, expected_calibration_error, fit_temperature
from audio_cls.analysis.recalibration import other_folds_temperature, recalibrate
from audio_cls.reports.markdown import write_summary
from audio_cls.results.predictions import Predictions


def fold_of_clips(fold, seed=0, sharpness=1.0, number=2000):
    """Clips that are right as often as their probabilities say, which are then sharpened."""
    rng = np.random.default_rng([fold, seed])
    honest = rng.dirichlet(np.ones(4), size=number)
    labels = (rng.random((number, 1)) > honest.cumsum(axis=1)).sum(axis=1).clip(max=3)
    probabilities = apply_temperature(honest, 1 / sharpness)
    names = tuple(f"{fold}-{index}" for index in range(number))
    return Predictions(fold, seed, "a", names, names, labels, probabilities.argmax(axis=1), probabilities)


def test_overconfidence_is_measured_and_tempered():
    found = recalibrate([fold_of_clips(fold, sharpness=3) for fold in range(4)])
    assert found.error > 0.15
    assert found.error_after < 0.02
    assert found.temperature == pytest.approx(3, rel=0.1)


def test_honest_probabilities_stay_nearly_as_they_are():
    found = recalibrate([fold_of_clips(fold) for fold in range(4)])
    assert found.error < 0.02 and found.error_after < 0.02
    assert found.temperature == pytest.approx(1, abs=0.1)


def test_a_temperature_is_fitted_on_the_other_folds_only():
    folds = [fold_of_clips(fold, sharpness=1 + fold, number=200) for fold in range(3)]
    others = [np.concatenate([getattr(folds[k], name) for k in (0, 2)]) for name in ("probabilities", "labels")]
    assert other_folds_temperature(folds, 1) == fit_temperature(*others)
    changed = replace(folds[1], labels=(folds[1].labels + 1) % 4)
    assert other_folds_temperature([folds[0], changed, folds[2]], 1) == other_folds_temperature(folds, 1)
    assert other_folds_temperature([folds[0], changed, folds[2]], 0) != other_folds_temperature(folds, 0)


def test_folds_are_pooled_and_seeds_averaged():
    seeds = [[fold_of_clips(fold, seed, 1 + seed, number=200) for fold in range(3)] for seed in range(2)]
    found, apart = recalibrate([*seeds[0], *seeds[1]]), [recalibrate(folds) for folds in seeds]
    for name in ("confidence", "error", "temperature", "error_after"):
        assert getattr(found, name) == pytest.approx(np.mean([getattr(one, name) for one in apart]))
    pooled = [np.concatenate([getattr(fold, name) for fold in seeds[0]]) for name in ("probabilities", "labels")]
    assert apart[0].error == pytest.approx(expected_calibration_error(*pooled))
    assert apart[0].confidence == pytest.approx(pooled[0].max(axis=1).mean())


def test_a_seed_with_one_fold_has_nothing_to_fit_on():
    assert recalibrate([fold_of_clips(0, seed=0), fold_of_clips(1, seed=1)]) is None
    assert recalibrate([]) is None
    folds = [fold_of_clips(fold) for fold in range(2)]
    assert recalibrate([*folds, fold_of_clips(0, seed=1)]) == recalibrate(folds)


@pytest.mark.parametrize("protocol", ["holdout", "crossval"])
def test_the_summary_holds_calibration_on_the_split_that_ranks(tmp_path, protocol):
    write_variant(tmp_path, "cnn", protocol=protocol, chance=0.7)
    summary = write_summary(tmp_path)
    calibration = summary.rows[0].calibration
    assert calibration.confidence == pytest.approx(0.9)
    assert calibration.error == pytest.approx(abs(0.9 - summary.rows[0].ranking.accuracy.mean))
    assert calibration.error_after < calibration.error
    text = (tmp_path / "summary.md").read_text()
    assert "## Calibration\n\n| Variant | Confidence | ECE | Temperature | ECE after |" in text
    assert f"| cnn | 90.0 | {100 * calibration.error:.1f} | {calibration.temperature:.2f} |" in text


def test_with_one_fold_calibration_is_left_out_and_it_is_said(tmp_path):
    write_job(tmp_path, "cnn")
    summary = write_summary(tmp_path)
    assert summary.rows[0].calibration is None
    assert any(
        note.startswith("No calibration of cnn:") and "no seed has more than one fold" in note for note in summary.notes
    )
    assert "## Calibration" not in (tmp_path / "summary.md").read_text()
