import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.study_folders import edit_metrics, write_variant

from audio_cls.cli import main


@pytest.fixture
def outputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_variant(tmp_path / "outputs/esc10-holdout", "cnn")
    return tmp_path / "outputs"


@pytest.mark.parametrize("study", ["esc10-holdout", "outputs/esc10-holdout", "outputs/esc10-holdout/"])
def test_a_study_is_found_by_name_or_path(outputs, capsys, study):
    assert main(["compare", study]) == 0
    assert capsys.readouterr().out.startswith("All 4 jobs are done")
    assert (outputs / "esc10-holdout/summary.md").exists()


def test_another_output_folder_can_be_named(outputs, tmp_path):
    outputs.rename(tmp_path / "elsewhere")
    assert main(["compare", "esc10-holdout", "--output-dir", "elsewhere"]) == 0


@pytest.mark.parametrize(
    ("study", "message"),
    [
        ("esc10-holdot", "no study 'esc10-holdot'; did you mean esc10-holdout?"),
        ("outputs/esc10-holdot", "did you mean esc10-holdout?"),
        ("zzz", "no study 'zzz'; in outputs there is esc10-holdout"),
        ("", "no study ''"),
        ("outputs", "outputs holds several studies; name one: esc10-holdout"),
        ("outputs/esc10-holdout/cnn", "is one variant; give the study it belongs to"),
        ("outputs/esc10-holdout/cnn/fold0-seed0", "is one job; give the study it belongs to"),
    ],
)
def test_a_wrong_study_ends_with_status_2_and_one_line(outputs, capsys, study, message):
    assert main(["compare", study]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_only_folders_that_hold_jobs_are_listed_as_studies(outputs, capsys):
    (outputs / "explore/esc10").mkdir(parents=True)
    assert main(["compare", "zzz"]) == 2
    assert capsys.readouterr().err.strip().endswith("in outputs there is esc10-holdout")


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


@pytest.mark.parametrize("studies", [[], ["esc10-holdout", "other"]])
def test_an_ensemble_is_published_with_one_study(outputs, capsys, studies):
    write_variant(outputs / "other", "cnn")
    assert main(["publish", *studies, "--ensemble", "cnn,transformer_h4"]) == 2
    assert "--ensemble belongs to one study" in capsys.readouterr().err


def test_without_any_study_train_is_recommended(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "x"]) == 2
    assert "run train.py first" in capsys.readouterr().err


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


def test_a_summary_that_cannot_be_written_ends_with_status_1_and_one_line(outputs, capsys):
    (outputs / "esc10-holdout/summary.json").mkdir()
    assert main(["compare", "esc10-holdout"]) == 1
    captured = capsys.readouterr()
    assert "summary.json" in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["compare"], ["comapre", "x"], ["compare", "x", "--fold"]])
def test_a_wrong_command_line_ends_with_status_2_and_one_line(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def modules_after(statement):
    code = f"import sys\ntry:\n {statement}\nexcept SystemExit: pass\nprint(*sys.modules, file=sys.stderr)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return set(result.stderr.split())


def test_help_imports_nothing_heavy():
    heavy = {"torch", "numpy", "lightning", "hydra", "wandb", "rich"}
    assert not heavy & modules_after("from audio_cls.cli import main; main(['--help'])")


def test_comparing_imports_neither_torch_nor_lightning(outputs):
    found = modules_after("from audio_cls.cli import main; main(['compare', 'esc10-holdout'])")
    assert "audio_cls.analysis.compare" in found
    assert not {"torch", "lightning", "wandb"} & found


def test_a_report_on_results_without_checkpoints_imports_neither_torch_nor_lightning(outputs):
    found = modules_after("from audio_cls.cli import main; main(['report', 'esc10-holdout'])")
    assert "audio_cls.reports.study.page" in found
    assert not {"torch", "lightning", "wandb"} & found
