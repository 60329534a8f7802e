import json
import math
from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics

from audio_cls.analysis.evaluation import EvaluatedClip, Evaluation, count_flags

CLASSES = ("dog", "rain", "wind")


def made_up(num_clips: int = 60, sources: int | None = 20) -> list[EvaluatedClip]:
    """Clips whose probabilities lean to their label."""
    random = np.random.default_rng(0)
    clips = []
    for index in range(num_clips):
        label = index % 3
        probabilities = random.dirichlet(np.ones(3) + 2 * np.eye(3)[label]).astype(np.float32)
        source = None if sources is None else f"s{index % sources}"
        clips.append(EvaluatedClip(f"{index:02d}.wav", CLASSES[label], source, probabilities))
    return clips


def test_the_figures_are_those_of_scikit_learn():
    evaluation = Evaluation(CLASSES, made_up())
    figures = evaluation.figures(evaluation.known)
    labels, probabilities = evaluation.arrays(evaluation.known)
    predicted = probabilities.argmax(1)
    assert 0.5 < figures.accuracy < 1
    assert figures.accuracy == pytest.approx(metrics.accuracy_score(labels, predicted), abs=1e-6)
    assert figures.f1_macro == pytest.approx(metrics.f1_score(labels, predicted, average="macro"), abs=1e-6)
    area = metrics.roc_auc_score(labels, probabilities, multi_class="ovr")
    assert figures.auroc_macro == pytest.approx(area, abs=1e-6)
    assert figures.confusion == metrics.confusion_matrix(labels, predicted).tolist()
    precision, recall, f1, counts = metrics.precision_recall_fscore_support(labels, predicted)
    for place, each in enumerate(figures.classes):
        assert (each.precision, each.recall) == pytest.approx((precision[place], recall[place]))
        assert (each.f1, each.num_clips) == (pytest.approx(f1[place], abs=1e-6), counts[place])
    assert figures.confidence == pytest.approx(probabilities.max(1).mean())


def test_the_interval_is_over_sources_where_they_are_known_and_over_clips_elsewhere():
    by_source, by_clip = (
        Evaluation(CLASSES, made_up(sources=sources)).figures(made_up(sources=sources)) for sources in (12, None)
    )
    assert (by_source.num_sources, by_clip.num_sources) == (12, None)
    for figures in (by_source, by_clip):
        low, high = figures.accuracy_interval
        assert low < figures.accuracy < high
    assert by_source.accuracy_interval != by_clip.accuracy_interval
    few = made_up(6)
    assert Evaluation(CLASSES, few).figures(few).accuracy_interval is None


def test_clips_of_other_labels_and_broken_ones_count_in_no_figure():
    clips = made_up()
    others = [replace(clips[0], file="x.wav", label="cow", flags=("unsure",)), replace(clips[1], label="cow")]
    broken = EvaluatedClip("y.wav", "dog", None, problem="empty")
    evaluation = Evaluation(CLASSES, [*clips, *others, broken])
    assert (evaluation.known, evaluation.unknown, evaluation.broken) == (clips, others, [broken])
    values = evaluation.values()
    assert values["figures"]["num_clips"] == 60
    assert (values["num_clips"], values["num_unusable"]) == (63, 1)
    predicted = {evaluation.predicted(clip)[0] for clip in others}
    assert values["unknown_labels"] == {"cow": {"num_clips": 2, "flags": {"unsure": 1}, "predicted": values[
        "unknown_labels"]["cow"]["predicted"]}}  # fmt: skip
    assert set(values["unknown_labels"]["cow"]["predicted"]) == predicted


def test_clips_of_the_training_are_told_apart():
    clips = [replace(clip, trained_on=index < 30) for index, clip in enumerate(made_up())]
    evaluation = Evaluation(CLASSES, clips)
    assert (evaluation.num_trained_on, evaluation.judged) == (30, clips[30:])
    values = evaluation.values()
    assert values["figures"]["num_clips"] == 60
    assert values["figures_not_trained_on"]["num_clips"] == 30
    only = Evaluation(CLASSES, clips[:30])
    assert only.judged == clips[:30] and only.values()["figures_not_trained_on"] is None


def test_the_most_confident_mistakes_come_first():
    evaluation = Evaluation(CLASSES, made_up())
    wrong = evaluation.wrong(evaluation.known)
    sure = [evaluation.predicted(clip)[1] for clip in wrong]
    assert wrong and sure == sorted(sure, reverse=True)
    assert all(evaluation.predicted(clip)[0] != clip.label for clip in wrong)


def test_flags_are_counted_and_the_clips_without_any_scored():
    clips = [replace(clip, flags=("silent",) if index < 3 else ()) for index, clip in enumerate(made_up())]
    clips[3] = replace(clips[3], flags=("unlike training data", "unsure"))
    evaluation = Evaluation(CLASSES, clips)
    figures = evaluation.figures(clips)
    assert figures.flags == count_flags(clips) == {"silent": 3, "unlike training data": 1, "unsure": 1}
    assert figures.num_unflagged == 56
    right = [evaluation.predicted(clip)[0] == clip.label for clip in clips[4:]]
    assert figures.accuracy_unflagged == pytest.approx(np.mean(right))


def test_the_values_are_json_also_where_a_class_has_no_clips():
    clips = [clip for clip in made_up() if clip.label != "wind"]
    broken = EvaluatedClip("y.wav", "dog", None, problem="empty")
    values = json.loads(json.dumps(Evaluation(CLASSES, [*clips, broken]).values(), allow_nan=False))
    wind = values["figures"]["classes"][2]
    assert (wind["num_clips"], wind["recall"], wind["auroc"]) == (0, None, None)
    first, *_, last = values["clips"]
    assert set(first) >= {"file", "label", "predicted", "probability", "probabilities", "flags", "trained_on", "error"}
    assert math.isclose(sum(first["probabilities"].values()), 1, abs_tol=1e-6)
    assert (last["error"], last["file"], "predicted" in last) == ("empty", "y.wav", False)
