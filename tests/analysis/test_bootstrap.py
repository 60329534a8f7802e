import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, roc_auc_score

from audio_cls.analysis.bootstrap import (
    mean_of_present,
    percentile_interval,
    source_weights,
    weighted_accuracy,
    weighted_auroc_macro,
    weighted_balanced_accuracy,
    weighted_f1_macro,
)


@pytest.fixture
def guesses():
    """Labels, predictions and probabilities of 60 clips and 4 classes, with ties among the probabilities."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, size=60)
    probabilities = np.round(rng.dirichlet(np.ones(4), size=60) + 0.3 * np.eye(4)[labels], 1)
    return labels, probabilities.argmax(axis=1), probabilities


@pytest.fixture
def weights():
    return np.vstack([np.ones(60), source_weights(60, 5, seed=1)])


def test_sources_are_drawn_as_often_as_there_are_sources_and_the_seed_decides_which():
    drawn = source_weights(7, 100, seed=3)
    assert (drawn.sum(axis=1) == 7).all()
    assert (drawn == 0).any()
    np.testing.assert_array_equal(drawn, source_weights(7, 100, seed=3))
    assert not np.array_equal(drawn, source_weights(7, 100, seed=4))


def test_weighted_accuracy_is_that_of_scikit_learn(guesses, weights):
    labels, predicted, _ = guesses
    expected = [accuracy_score(labels, predicted, sample_weight=row) for row in weights]
    np.testing.assert_allclose(weighted_accuracy((labels == predicted).astype(float), weights), expected)


def test_weighted_balanced_accuracy_is_that_of_scikit_learn(guesses, weights):
    labels, predicted, _ = guesses
    expected = [balanced_accuracy_score(labels, predicted, sample_weight=row) for row in weights]
    correct = (labels == predicted).astype(float)
    np.testing.assert_allclose(weighted_balanced_accuracy(labels, correct, weights), expected)


def test_weighted_f1_is_that_of_scikit_learn(guesses, weights):
    labels, predicted, _ = guesses
    expected = [f1_score(labels, predicted, average="macro", sample_weight=row) for row in weights]
    np.testing.assert_allclose(weighted_f1_macro(labels, predicted, 4, weights), expected)


def test_weighted_auroc_is_that_of_scikit_learn_ties_included(guesses, weights):
    labels, _, probabilities = guesses
    expected = [
        np.mean([roc_auc_score(labels == label, probabilities[:, label], sample_weight=row) for label in range(4)])
        for row in weights
    ]
    np.testing.assert_allclose(weighted_auroc_macro(labels, probabilities, weights), expected)


def test_a_class_without_clips_is_left_out_of_the_macro_metrics():
    labels, probabilities = np.array([0, 0, 1]), np.array([[0.9, 0.1, 0], [0.8, 0.2, 0], [0.1, 0.9, 0]])
    weights = np.ones((1, 3))
    assert weighted_auroc_macro(labels, probabilities, weights) == 1
    assert weighted_f1_macro(labels, labels, 3, weights) == 1


def test_a_resample_that_drew_nothing_of_a_fold_does_not_count():
    assert np.isnan(weighted_accuracy(np.ones(3), np.zeros((1, 3)))).all()
    assert mean_of_present(np.array([np.nan, 1.0, 3.0]), axis=0) == 2
    assert percentile_interval(np.array([np.nan, 0.5, 0.5])) == (0.5, 0.5)
