import pytest

from audio_cls.cli.main import main


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


def test_without_any_study_train_is_recommended(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["compare", "x"]) == 2
    assert "train a model first" in capsys.readouterr().err
