import numpy as np

from audio_cls.analysis.evaluation import EvaluatedClip, Evaluation
from audio_cls.reports.evaluation import sentences, tables


def made_up(num_classes: int, predicted_for: dict[int, list[int]]) -> Evaluation:
    """`predicted_for`: the predictions of the clips of each class."""
    classes = [f"class {index}" for index in range(num_classes)]
    clips = [
        EvaluatedClip(f"{label}-{number}.wav", classes[label], None, 0.9 * np.eye(num_classes, dtype=np.float32)[index])
        for label, found in predicted_for.items()
        for number, index in enumerate(found)
    ]
    return Evaluation(classes, clips)


def texts(table) -> list[str]:
    return [" ".join(line) for line in table.texts()]


def test_the_confusion_matrix_holds_the_classes_that_occur():
    evaluation = made_up(5, {0: [0, 0, 1], 3: [3]})
    figures = evaluation.figures(evaluation.known)
    assert texts(tables.confusion_table(figures)) == [
        *("True class, predicted as: 1 2 3", "1 class 0 2 1 ·", "2 class 1 · · ·", "3 class 3 · · 1")
    ]
    assert [row.split(" ", 2)[1] for row in texts(tables.class_table(figures))[1:]] == ["0", "1", "3"]
    assert "F1 counts class 1 as 0: predicted, but without clips here." in sentences.about_figures(figures)


def test_of_many_classes_the_mistakes_are_listed_the_most_frequent_first():
    predicted = {label: [label] for label in range(20)} | {4: [5, 5, 4], 7: [8]}
    evaluation = made_up(20, predicted)
    assert texts(tables.confusion_table(evaluation.figures(evaluation.known))) == [
        *("True class Predicted as Clips", "class 4 class 5 2 of 3", "class 7 class 8 1 of 1")
    ]


def test_balanced_accuracy_stands_there_where_classes_are_unequal():
    for counts, shown in (({0: [0, 0], 1: [1]}, False), ({0: [0] * 7, 1: [1, 0]}, True)):
        evaluation = made_up(3, counts)
        heads = texts(tables.score_table({"all": evaluation.figures(evaluation.known)}))[0]
        assert ("Balanced" in heads) == shown


def test_a_single_clip_is_said_in_the_singular():
    evaluation = made_up(2, {0: [0]})
    assert sentences.headline(evaluation) == "100.0% of 1 clip is right."
    about = sentences.about_figures(evaluation.figures(evaluation.known))
    assert about == ["No interval for 1 clip: 8 are needed.", "No clip is flagged."]
