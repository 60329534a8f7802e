import errno

import pytest
from support.study_folders import edit_metrics, write_variant

from audio_cls.cli.main import main
from audio_cls.reports import markdown


def test_ensembles_are_shown_beside_the_variants(outputs, capsys):
    write_variant(outputs / "esc10-holdout", "transformer_h4")
    write_variant(outputs / "esc10-holdout", "transformer_h2")
    asked = ["--ensemble", "cnn,transformer_h4", "--ensemble", "cnn,transformer_h2,transformer_h4"]
    assert main(["compare", "esc10-holdout", *asked]) == 0
    out = capsys.readouterr().out
    assert "\ncnn + transformer_h4  " in out
    assert "\ncnn + transformer_h2 + transformer_h4  " in out


@pytest.mark.parametrize(
    ("ensemble", "message"),
    [
        ("cnn,transfomer_h4", "--ensemble cnn,transfomer_h4: no variant 'transfomer_h4' in the study; did you mean"),
        ("cnn", "averaging needs two"),
        ("cnn,elsewhere", "no fold and seed is finished by all of them"),
    ],
)
@pytest.mark.parametrize("command", ["compare", "publish"])
def test_an_ensemble_that_is_none_ends_with_status_2_and_one_line_and_nothing_written(
    outputs, tmp_path, capsys, command, ensemble, message
):
    write_variant(outputs / "esc10-holdout", "transformer_h4")
    write_variant(outputs / "esc10-holdout", "elsewhere", seeds=(1,))
    assert main([command, "esc10-holdout", "--ensemble", ensemble]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not (outputs / "esc10-holdout/summary.md").exists()
    assert not (tmp_path / "results").exists()


def test_mixed_jobs_end_with_status_2_and_one_line(outputs, capsys):
    edit_metrics(outputs / "esc10-holdout/cnn/fold0-seed0", dataset="other")
    assert main(["compare", "esc10-holdout"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("status", ["failed", "damaged"])
def test_a_failed_or_damaged_job_ends_with_status_1_and_is_named(outputs, capsys, status):
    edit_metrics(outputs / "esc10-holdout/cnn/fold1-seed0", status=status)
    assert main(["compare", "esc10-holdout"]) == 1
    assert f"{status.capitalize()}: cnn/fold1-seed0" in capsys.readouterr().out


def test_a_study_with_nothing_finished_ends_with_status_1(outputs, capsys):
    (outputs / "empty").mkdir()
    assert main(["compare", "empty"]) == 1
    assert "holds no job" in capsys.readouterr().out


def test_a_summary_that_cannot_be_written_ends_with_status_1_and_one_line(outputs, capsys, monkeypatch):
    def write_json(path, _):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(markdown, "write_json", write_json)
    assert main(["compare", "esc10-holdout"]) == 1
    captured = capsys.readouterr()
    assert "summary.json" in captured.err
    assert captured.err.count("\n") == 1
