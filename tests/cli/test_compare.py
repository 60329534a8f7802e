import errno

import pytest
from support.study_folders import edit_metrics, write_variant

from audio_cls.cli.main import main
from audio_cls.cli.publish import main as publish
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
    run = publish if command == "publish" else lambda words: main([command, *words])
    assert run(["esc10-holdout", "--ensemble", ensemble]) == 2
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


@pytest.mark.parametrize(
    ("study", "said"),
    [
        ("esc10-holdout", "audio-cls export esc10-holdout\n"),
        ("outputs/esc10-holdout", "audio-cls export esc10-holdout\n"),
        ("esc10-holdout --output-dir elsewhere", "audio-cls export esc10-holdout --output-dir elsewhere\n"),
        ("elsewhere/esc10-holdout", "audio-cls export esc10-holdout --output-dir elsewhere\n"),
    ],
)
@pytest.mark.parametrize("command", ["compare", "report"])
def test_the_last_line_takes_the_best_variant_away(outputs, tmp_path, capsys, command, study, said):
    if "elsewhere" in study:
        outputs.rename(tmp_path / "elsewhere")
    assert main([command, *study.split()]) == 0
    assert capsys.readouterr().err == f"the best variant as a folder to use and to share: {said}"


def test_nothing_is_taken_away_where_nothing_ranks_or_nothing_is_done(outputs, capsys):
    write_variant(outputs / "sounds-all", "cnn", folds=[0], protocol="all")
    write_variant(outputs / "failing", "cnn", status="failed")
    assert [main(["compare", study]) for study in ("sounds-all", "failing")] == [0, 1]
    assert "export" not in capsys.readouterr().err
