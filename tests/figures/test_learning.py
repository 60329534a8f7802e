from support.scores import HISTORY

from audio_cls.figures.learning import learning_figure


def test_learning_curves_have_validation_points_only_where_it_was_validated():
    loss, accuracy, rate = learning_figure(HISTORY, 3, "title").axes
    lines = {line.get_label(): line for line in loss.lines}
    assert lines["training crops"].get_xdata().tolist() == list(range(1, 11))
    assert lines["validation clips"].get_xdata().tolist() == [5, 10]
    assert {line.get_label() for line in accuracy.lines} == {
        "training crops", "validation clips", "validation, macro F1", "chance",
    }  # fmt: skip
    assert rate.lines[0].get_ydata().tolist() == [1e-3] * 10


def test_learning_curves_of_one_epoch_without_validation_show_its_points():
    history = [{"epoch": 0.0, "train_loss": 1.0, "train_accuracy": 0.5, "lr": 1e-3, "val_loss": None}]
    loss, accuracy, _ = learning_figure(history, 4, "").axes
    assert [line.get_marker() for line in loss.lines] == ["o"]
    assert accuracy.lines[-1].get_ydata() == [0.25, 0.25]
