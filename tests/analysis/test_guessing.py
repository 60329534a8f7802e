import pytest
from support.study_folders import edit_metrics, write_job

from audio_cls.analysis.compare import summarize
from audio_cls.reports.tables import guessing_line
from audio_cls.results.study import load_study


def trained_on(dogs: int, rains: int) -> dict:
    scores = {"accuracy": 0.9, "f1_macro": 0.9, "auroc_macro": 0.9}
    return {"train": scores | {"confusion": [[dogs - 1, 1], [0, rains]]}}


def summary_of(study):
    return summarize(load_study(study))


def test_the_commonest_class_of_the_training_clips_is_guessed_on_the_held_out_clips(tmp_path):
    study = tmp_path / "s"
    rows = [f"val,{index}.wav,{int(index >= 3)},1,0.1,0.9" for index in range(10)]  # 3 dogs, 7 times rain
    folder = write_job(study, "cnn", **trained_on(30, 70))
    (folder / "predictions.csv").write_text("\n".join(["split,clip,label,predicted,p_0,p_1", *rows]) + "\n")
    edit_metrics(folder, val={"accuracy": 0.7, "f1_macro": 0.5, "auroc_macro": 0.5}, test=None)
    summary = summary_of(study)
    assert (summary.guessing.accuracy, summary.guessing.classes) == (pytest.approx(0.7), ["Rain"])
    assert guessing_line(summary) == (
        "Always guessing the commonest class of the training clips (Rain) is right on 70.0% of these clips,"
        " guessing at random on 50.0%."
    )


def test_classes_that_are_equally_common_leave_chance(tmp_path):
    write_job(tmp_path / "s", "cnn", **trained_on(50, 50))
    summary = summary_of(tmp_path / "s")
    assert guessing_line(summary) == "Guessing one of the 2 classes, equally common in training, is right on 50.0%."


def test_each_fold_guesses_by_its_own_training_clips(tmp_path):
    write_job(tmp_path / "s", "cnn", 0, **trained_on(60, 40))
    write_job(tmp_path / "s", "cnn", 1, **trained_on(40, 60))
    write_job(tmp_path / "s", "transformer", 1, **trained_on(40, 60))
    summary = summary_of(tmp_path / "s")
    assert summary.guessing.classes == ["Dog", "Rain"] and summary.guessing.accuracy == pytest.approx(0.5)
    assert "(Dog or Rain, by the fold)" in guessing_line(summary)


@pytest.mark.parametrize("changes", [{}, {"protocol": "all"}, {"status": "failed", **trained_on(50, 50)}])
def test_nothing_is_said_where_it_is_not_known(tmp_path, changes):
    write_job(tmp_path / "s", "cnn", **changes)
    assert guessing_line(summary_of(tmp_path / "s")) == ""
