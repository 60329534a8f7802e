import pytest
from lightning.pytorch.callbacks import Callback
from support import tiny

from audio_cls.training.callbacks import History, StopEarly, TerminalReport
from audio_cls.training.history import HISTORY_COLUMNS, read_history


class Interrupt(Callback):
    """Ends the process, as a signal would, when an epoch begins."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_epoch_start(self, trainer, module):
        if trainer.current_epoch == self.epoch:
            raise SystemExit(143)


class ValLosses(Callback):
    """Makes the validation loss whatever is wanted; an epoch beyond the list is an error."""

    def __init__(self, losses: list[float]) -> None:
        self.losses = losses

    def on_validation_epoch_end(self, trainer, module):
        module.log("val_loss", self.losses[trainer.current_epoch])


@pytest.fixture
def data(tmp_path):
    return tiny.datamodule(tmp_path)


def without_val_loss(module):
    """So that `ValLosses` may log it."""
    module.on_validation_epoch_end = lambda: None
    return module


def test_each_finished_epoch_is_a_row_of_the_history(tmp_path, data):
    path = tmp_path / "history.csv"
    seen = []

    class Look(Callback):
        def on_train_epoch_start(self, trainer, module):
            seen.append(len(read_history(path)))

    trainer = tiny.trainer(3, [History(path), Look()])
    trainer.fit(tiny.cnn(), data)
    assert seen == [0, 1, 2]  # written as it finishes, not at the end
    assert path.read_text().splitlines()[0] == ",".join(HISTORY_COLUMNS)
    rows = read_history(path)
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    for name, value in trainer.callback_metrics.items():
        assert rows[-1][name] == pytest.approx(value.item(), rel=1e-5)
    assert all(row["epoch_seconds"] > 0 for row in rows)


def test_without_validation_its_columns_are_empty(tmp_path):
    path = tmp_path / "history.csv"
    tiny.trainer(1, [History(path)]).fit(tiny.cnn(), tiny.datamodule(tmp_path, protocol="all"))
    (row,) = read_history(path)
    assert {name for name, value in row.items() if value is None} == {
        "val_loss",
        "val_accuracy",
        "val_balanced_accuracy",
        "val_f1_macro",
        "val_auroc_macro",
    }


def test_a_history_that_is_not_there_has_no_epochs(tmp_path):
    assert read_history(tmp_path / "history.csv") == []


def test_rows_of_epochs_that_are_trained_again_are_dropped_and_earlier_ones_kept(tmp_path, data):
    path, checkpoint = tmp_path / "history.csv", tmp_path / "one.ckpt"

    class SaveFirst(Callback):
        def on_train_epoch_end(self, trainer, module):
            if trainer.current_epoch == 0:
                trainer.save_checkpoint(checkpoint)

    with pytest.raises(SystemExit):
        tiny.trainer(5, [History(path), SaveFirst(), Interrupt(3)]).fit(tiny.cnn(), data)
    before = path.read_text().splitlines()
    assert [row["epoch"] for row in read_history(path)] == [0, 1, 2]
    trainer = tiny.trainer(5, [History(path)])
    trainer.fit(tiny.cnn(), data, ckpt_path=checkpoint, weights_only=True)
    assert [row["epoch"] for row in read_history(path)] == [0, 1, 2, 3, 4]
    assert path.read_text().splitlines()[1].split(",")[:8] == before[1].split(",")[:8]


def test_a_run_that_starts_anew_begins_its_history_anew(tmp_path, data):
    path = tmp_path / "history.csv"
    for _ in range(2):
        tiny.trainer(2, [History(path)]).fit(tiny.cnn(), data)
    assert [row["epoch"] for row in read_history(path)] == [0, 1]


def test_training_stops_after_so_many_epochs_without_a_lower_validation_loss(data):
    losses = ValLosses([3.0, 2.0, 2.5, 2.0])  # equal is not lower
    trainer = tiny.trainer(9, [losses, StopEarly(2)])
    trainer.fit(without_val_loss(tiny.cnn()), data)
    assert trainer.current_epoch == 4


def test_a_lower_validation_loss_gives_training_its_patience_back(data):
    losses = ValLosses([3.0, 4.0, 2.0, 4.0, 1.0, 4.0, 4.0])
    trainer = tiny.trainer(9, [losses, StopEarly(2)])
    trainer.fit(without_val_loss(tiny.cnn()), data)
    assert trainer.current_epoch == 7


def test_a_run_that_had_stopped_early_is_not_continued(tmp_path, data):
    checkpoint = tmp_path / "last.ckpt"
    trainer = tiny.trainer(9, [ValLosses([1.0, 2.0]), StopEarly(1)])
    trainer.fit(without_val_loss(tiny.cnn()), data)
    trainer.save_checkpoint(checkpoint)
    resumed = tiny.trainer(9, [ValLosses([]), StopEarly(1)])
    resumed.fit(without_val_loss(tiny.cnn()), data, ckpt_path=checkpoint, weights_only=True)
    assert resumed.global_step == trainer.global_step


def test_the_terminal_shows_one_line_for_each_epoch(tmp_path, data, capfd):
    trainer = tiny.trainer(2, [TerminalReport()])
    trainer.fit(tiny.cnn(), data)
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("epoch")]
    assert [line.split(" | ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    values = trainer.callback_metrics
    for shown in (f"val loss {values['val_loss']:.3f}", f"{values['val_accuracy']:6.1%}", "F1", "AUROC", "left"):
        assert shown in lines[-1]
    assert "\x1b" not in lines[-1]  # no colours where there is no terminal


def test_lines_of_jobs_side_by_side_begin_with_their_job_and_no_bar_is_drawn(data, capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes this for a terminal
    tiny.trainer(1, [TerminalReport()]).fit(tiny.cnn(), data)
    assert "training" in capfd.readouterr().err  # the bar
    tiny.trainer(2, [TerminalReport("cnn fold 1 seed 0")]).fit(tiny.cnn(), data)
    lines = [line for line in capfd.readouterr().err.splitlines() if "epoch" in line]
    assert [line.split(" | ")[:2] for line in lines] == [["cnn fold 1 seed 0", f"epoch {n}/2"] for n in (1, 2)]
    assert "\x1b" not in "".join(lines)


def test_without_validation_the_terminal_shows_the_training_accuracy(tmp_path, capfd):
    tiny.trainer(1, [TerminalReport()]).fit(tiny.cnn(), tiny.datamodule(tmp_path, protocol="all"))
    line = next(line for line in capfd.readouterr().err.splitlines() if line.startswith("epoch"))
    assert "train accuracy" in line
    assert "val" not in line


def test_a_resumed_run_says_where_it_continues(tmp_path, data, capfd):
    trainer = tiny.trainer(1, [])
    trainer.fit(tiny.cnn(), data)
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    resumed = tiny.trainer(2, [TerminalReport()])
    resumed.fit(tiny.cnn(), data, ckpt_path=tmp_path / "one.ckpt", weights_only=True)
    err = capfd.readouterr().err
    assert "continuing after epoch 1 of 2" in err
    assert "epoch 2/2" in err
