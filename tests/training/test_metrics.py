import tracemalloc
import warnings

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn_metrics

from audio_cls.training.metrics import ClipMetrics, Scores

K = 5


def score(probabilities: torch.Tensor, labels: torch.Tensor) -> Scores:
    metrics = ClipMetrics(probabilities.shape[1])
    for rows in torch.arange(len(labels)).split(7):  # as batches come
        metrics.update(probabilities[rows], labels[rows])
    return metrics.compute()


def random_case(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Probabilities (N, K) of 30 clips that lean towards the labels; by the seed with absent classes, ties, or both."""
    random = np.random.default_rng(seed)
    classes = random.permutation(K)[: 2 + seed % (K - 1)]
    labels = random.choice(classes, 30)
    logits = random.normal(size=(30, K)) + 1.5 * np.eye(K)[labels]
    if seed % 3 == 0:
        logits = logits.round()  # ties
    probabilities = torch.tensor(logits, dtype=torch.float32).softmax(1)
    return probabilities, torch.tensor(labels)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", range(6))
def test_the_scores_are_those_of_scikit_learn(seed):
    probabilities, labels = random_case(seed)
    scores = score(probabilities, labels)
    predicted = probabilities.argmax(1)
    assert scores.accuracy == pytest.approx(sklearn_metrics.accuracy_score(labels, predicted), abs=1e-6)
    assert scores.f1_macro == pytest.approx(sklearn_metrics.f1_score(labels, predicted, average="macro"), abs=1e-6)
    with warnings.catch_warnings(action="ignore"):  # a class is predicted that does not occur
        balanced = sklearn_metrics.balanced_accuracy_score(labels, predicted)
    assert scores.balanced_accuracy == pytest.approx(balanced, abs=1e-6)
    confusion = sklearn_metrics.confusion_matrix(labels, predicted, labels=range(K))
    assert scores.confusion == confusion.tolist()
    occurring = set(labels.tolist()) | set(predicted.tolist())
    f1 = sklearn_metrics.f1_score(labels, predicted, labels=range(K), average=None, zero_division=0)
    assert scores.f1_per_class == [pytest.approx(f1[k], abs=1e-6) if k in occurring else None for k in range(K)]
    area = {
        k: sklearn_metrics.roc_auc_score(labels == k, probabilities[:, k]) for k in set(labels.tolist())
    }  # one against rest
    assert scores.auroc_per_class == [pytest.approx(area[k], abs=1e-6) if k in area else None for k in range(K)]
    assert scores.auroc_macro == pytest.approx(np.mean(list(area.values())), abs=1e-6)


def test_perfect_probabilities_score_one_although_a_class_is_absent():
    labels = torch.tensor([0, 0, 1, 3])
    scores = score(torch.eye(K)[labels], labels)
    assert scores.scalars() == dict.fromkeys(("accuracy", "balanced_accuracy", "f1_macro", "auroc_macro"), 1.0)
    assert scores.auroc_per_class == [1, 1, None, 1, None]
    assert scores.f1_per_class == [1, 1, None, 1, None]


@pytest.mark.parametrize("num_classes", [2, 10])
def test_no_score_of_a_perfect_model_is_above_one(num_classes):
    """The mean of ten ones is 1.0000001 in float32."""
    labels = torch.arange(num_classes)
    metrics = ClipMetrics(num_classes)
    metrics.update(torch.eye(num_classes), labels)
    assert set(metrics.compute().scalars().values()) == {1.0}


def test_who_always_says_the_largest_class_has_the_balanced_accuracy_of_chance():
    labels = torch.tensor([0] * 18 + [1, 2])
    scores = score(torch.eye(K)[torch.zeros(20, dtype=torch.long)], labels)
    assert scores.accuracy == pytest.approx(0.9)
    assert scores.balanced_accuracy == pytest.approx(1 / 3, abs=1e-6)  # of the three classes that have clips


def test_equal_probabilities_rank_as_well_as_chance():
    labels = torch.tensor([0, 1, 2, 3, 4])
    assert score(torch.full((5, K), 1 / K), labels).auroc_per_class == [0.5] * K


def test_clips_of_one_class_only_have_no_area_under_a_curve():
    labels = torch.tensor([2, 2, 2])
    scores = score(torch.eye(K)[[2, 2, 0]], labels)
    assert scores.accuracy == pytest.approx(2 / 3)
    assert scores.auroc_macro is None
    assert scores.auroc_per_class == [None] * K
    assert "auroc_macro" not in scores.scalars()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_probabilities_that_are_not_finite_are_refused(value):
    probabilities = torch.full((2, K), 1 / K)
    probabilities[1, 3] = value
    with pytest.raises(ValueError, match=r"not finite.*optimizer\.lr"):
        ClipMetrics(K).update(probabilities, torch.tensor([0, 1]))


@pytest.mark.parametrize("row", [[3.0, -1.0], [1.2, -0.2]])
def test_logits_are_refused_rather_than_scored_as_probabilities(row):
    with pytest.raises(ValueError, match="probabilities must lie between 0 and 1"):
        ClipMetrics(2).update(torch.tensor([row]), torch.tensor([0]))


def test_rounding_above_one_does_not_change_a_ranking():
    # torchmetrics takes a value above 1 for a logit and would put everything through a softmax, row by row.
    probabilities = torch.tensor([[1 + 2e-7, 0.0, 0.0], [0.40, 0.60, 0.00], [0.39, 0.305, 0.305], [0.0, 0.5, 0.5]])
    labels = torch.tensor([0, 0, 1, 2])
    expected = sklearn_metrics.roc_auc_score(labels == 0, probabilities[:, 0])
    assert score(probabilities, labels).auroc_per_class[0] == pytest.approx(expected)


def test_a_split_without_clips_is_refused():
    with pytest.raises(ValueError, match="the split is empty"):
        ClipMetrics(K).compute()


def test_after_a_reset_nothing_of_the_clips_before_is_left():
    metrics = ClipMetrics(K)
    metrics.update(*random_case(1))
    before = metrics.compute()
    metrics.reset()
    metrics.update(*random_case(2))
    assert metrics.compute() == score(*random_case(2))
    assert before == score(*random_case(1))


def test_computing_twice_gives_the_same():
    metrics = ClipMetrics(K)
    metrics.update(*random_case(3))
    assert metrics.compute() == metrics.compute()


def test_clips_that_were_added_in_a_validation_and_after_it_are_scored_together():
    probabilities, labels = random_case(4)
    metrics = ClipMetrics(K)
    with torch.inference_mode():
        metrics.update(probabilities[:20], labels[:20])
    metrics.update(probabilities[20:], labels[20:])
    assert metrics.compute() == score(probabilities, labels)


def test_a_batch_leaves_no_memory_blocks_of_its_own_behind():
    """Blocks that stay between those of two batches keep the memory from being used again as a whole."""
    batch = random_case(5)
    metrics = ClipMetrics(K)
    metrics.update(*batch)
    tracemalloc.start()
    try:
        before = tracemalloc.take_snapshot()
        for _ in range(200):
            metrics.update(*batch)
        added = tracemalloc.take_snapshot().compare_to(before, "filename")
    finally:
        tracemalloc.stop()
    assert sum(difference.count_diff for difference in added) < 100
    assert sum(map(sum, metrics.compute().confusion)) == 201 * len(batch[1])
