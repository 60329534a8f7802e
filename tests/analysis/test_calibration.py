from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from sklearn.metrics import log_loss
from support.study_folders import write_job, write_variant
from torchmetrics.classification import MulticlassCalibrationError

from audio_cls.analysis.calibration import (
    GREATEST_TEMPERATURE,
    LEAST_TEMPERATURE,
    apply_temperature,
    expected_calibration_error,
    fit_temperature,
    other_folds_temperature,
    recalibrate,
    reliability,
)
from audio_cls.reports.markdown import write_summary
from audio_cls.results.predictions import Predictions


def softmax(logits):
    return torch.from_numpy(logits).softmax(1).numpy()


@pytest.fixture
def clips():
    """Probabilities of 5 classes that are right as often as they say, and labels drawn by them; many clips."""
    rng = np.random.default_rng(0)
    probabilities = softmax(2 * rng.standard_normal((20_000, 5)))
    labels = (rng.random((20_000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1).clip(max=4)
    return probabilities, labels


@pytest.mark.parametrize(("num_bins", "sharpness"), [(1, 1), (10, 0.5), (15, 4)])
def test_the_calibration_error_is_that_of_torchmetrics(clips, num_bins, sharpness):
    probabilities, labels = apply_temperature(clips[0][:300], 1 / sharpness), clips[1][:300]
    expected = MulticlassCalibrationError(5, n_bins=num_bins, norm="l1")
    assert expected_calibration_error(probabilities, labels, num_bins) == pytest.approx(
        float(expected(torch.from_numpy(probabilities), torch.from_numpy(labels))), abs=1e-6
    )


def test_bins_hold_every_clip_once_with_its_confidence_and_whether_it_was_right():
    probabilities = np.array([[0.95, 0.05], [0.91, 0.09], [0.4, 0.6], [1.0, 0.0]])
    bins = reliability(probabilities, np.array([0, 1, 1, 0]), num_bins=10)
    assert [bin.count for bin in bins] == [0, 0, 0, 0, 0, 1, 0, 0, 0, 3]
    assert (bins[5].confidence, bins[5].accuracy) == (pytest.approx(0.6), 1)  # an edge belongs to the bin below it
    assert (bins[9].confidence, bins[9].accuracy) == (pytest.approx(2.86 / 3), pytest.approx(2 / 3))
    assert (bins[0].confidence, bins[0].accuracy) == (None, None)
    assert (bins[0].low, bins[9].high) == (0, 1)


def test_certainty_costs_nothing_where_it_is_right_and_everything_where_it_is_wrong():
    certain = np.eye(3)[[0, 1, 2, 0]]
    assert expected_calibration_error(certain, np.array([0, 1, 2, 0])) == 0
    assert expected_calibration_error(certain, np.array([1, 2, 0, 1])) == 1


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_probabilities_of_logits_times_t_give_t_back(clips, temperature):
    probabilities, labels = clips
    sharpened = softmax(temperature * np.log(probabilities))
    own = fit_temperature(probabilities, labels)
    assert own == pytest.approx(1, abs=0.05)  # labels were drawn by these very probabilities
    assert fit_temperature(sharpened, labels) == pytest.approx(temperature * own, rel=1e-4)


def test_the_temperature_is_where_the_likelihood_of_the_labels_is_greatest(clips):
    probabilities, labels = apply_temperature(clips[0][:200], 0.3), clips[1][:200]
    expected = minimize_scalar(
        lambda log_t: log_loss(labels, apply_temperature(probabilities, np.exp(log_t)), labels=range(5)),
        bounds=(-3, 3), method="bounded", options={"xatol": 1e-9},
    )  # fmt: skip
    assert fit_temperature(probabilities, labels) == pytest.approx(np.exp(expected.x), rel=1e-4)


def test_a_temperature_brings_confidence_that_is_too_sure_back_to_accuracy(clips):
    sharpened, labels = apply_temperature(clips[0], 0.25), clips[1]
    cooled = apply_temperature(sharpened, fit_temperature(sharpened[:10_000], labels[:10_000]))
    before, after = (expected_calibration_error(p[10_000:], labels[10_000:]) for p in (sharpened, cooled))
    assert before > 0.15
    assert after < 0.02
    np.testing.assert_array_equal(cooled.argmax(axis=1), sharpened.argmax(axis=1))
    np.testing.assert_allclose(cooled.sum(axis=1), 1)


def test_temperature_1_changes_nothing():
    probabilities = np.array([[0.7, 0.2, 0.1]])
    np.testing.assert_allclose(apply_temperature(probabilities, 1), probabilities)


def test_the_temperature_stays_finite_where_the_likelihood_has_no_greatest_place():
    probabilities = np.array([[0.8, 0.2], [0.3, 0.7]])
    assert fit_temperature(probabilities, np.array([0, 1])) == LEAST_TEMPERATURE  # every clip right
    assert fit_temperature(probabilities, np.array([1, 0])) == GREATEST_TEMPERATURE  # every clip wrong


def test_a_probability_that_was_rounded_to_0_is_no_obstacle():
    probabilities = np.array([[1.0, 0.0]] * 10)
    temperature = fit_temperature(probabilities, np.array([1] + [0] * 9))
    assert 1 < temperature < GREATEST_TEMPERATURE
    assert np.isfinite(apply_temperature(probabilities, temperature)).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: reliability(np.ones((2, 3)), np.zeros(3, int)), "must be \\(N, K\\) and \\(N,\\)"),
        (lambda: fit_temperature(np.ones((0, 3)), np.zeros(0, int)), "at least one clip"),
        (lambda: expected_calibration_error(np.ones(3), np.zeros(3, int)), "must be \\(N, K\\)"),
        (lambda: reliability(np.ones((1, 2)), np.zeros(1, int), num_bins=0), "num_bins=0"),
        (lambda: apply_temperature(np.ones((1, 2)), 0), "temperature=0 must be above 0"),
    ],
)
def test_what_cannot_be_measured_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Over the folds of a variant


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
