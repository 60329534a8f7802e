import json
import shutil

import pytest
import yaml
from support.study_folders import edit_metrics, write_job

from audio_cls.reports.publish import keep_study, write_documents
from audio_cls.results import job_files
from audio_cls.results.study import StudyError

ELSEWHERE = {
    "data": {"kind": "folder", "root": "/home/me/sounds"},
    "output_dir": "/home/me/out",
    "jobs": 2,
    "logger": {"key": 1},
}


@pytest.fixture
def study(tmp_path):
    """Two variants on two folds, trained with paths of one machine."""
    for variant, chance in (("cnn", 0.5), ("transformer_h4", 0.9)):
        for fold in range(2):
            folder = write_job(tmp_path / "out" / "s", variant, fold, chance=chance, commit="abc123")
            (folder / "config.yaml").write_text(yaml.safe_dump(ELSEWHERE))
            (folder / "history.csv").write_text("epoch\n0\n")
            (folder / "checkpoints").mkdir()
            (folder / "checkpoints/last.ckpt").write_bytes(b"large")
    arguments = [
        "heads=4",
        "data.root=/home/me/sounds",
        "output_dir=/home/me/out",
        "logger.mode=offline",
        "jobs=2",
        "-m",
    ]
    job_files.record_command(tmp_path / "out" / "s", arguments)
    return tmp_path / "out" / "s"


def test_what_is_kept_is_small_and_knows_no_path_of_this_machine(study, tmp_path):
    kept = keep_study(study, tmp_path / "results")
    names = {path.name for path in kept.rglob("*") if path.is_file()}
    assert names == {"metrics.json", "history.csv", "predictions.csv", "split.csv", "config.yaml", "commands.txt"}
    assert not [path for path in kept.rglob("*.*") if path.is_file() and "/home/me" in path.read_text()]
    assert (kept / "commands.txt").read_text() == "python train.py data=folder data.root=PATH/sounds heads=4 -m\n"


@pytest.mark.parametrize(
    ("kind", "arguments", "published"),
    [
        ("esc10", "heads=1,2 -m", "data=esc10 heads=1,2 -m"),
        ("esc10", "-m heads=1,2", "data=esc10 heads=1,2 -m"),
        ("esc10", "data=auto heads=1,2 -m", "data=esc10 heads=1,2 -m"),
        ("esc10", "heads=2 data=esc10 data.root=/home/me/ESC", "heads=2 data=esc10"),
        ("synthetic", "model=cnn", "data=synthetic model=cnn"),
        ("folder", "data.root=my_sounds.csv -m", "data=folder data.root=PATH/my_sounds.csv -m"),
        ("folder", "data.root=~/my_sounds/ data.name=mine", "data=folder data.root=PATH/my_sounds data.name=mine"),
        ("folder", "-m data.root='my sounds'", "data=folder 'data.root=PATH/my sounds' -m"),
        ("folder", "data=folder", "data.root=PATH/sounds data=folder"),
        ("esc50", "data=esc50 data.root=.", "data.root=PATH data=esc50"),
        (
            "folder",
            "--config-dir my/conf model=gru -m",
            "data=folder data.root=PATH/sounds --config-dir my/conf model=gru -m",
        ),
        ("esc10", "--config-dir /home/me/conf model=gru", "data=esc10 --config-dir PATH/conf model=gru"),
        ("esc10", "model=gru --config-dir=/home/me/conf", "data=esc10 model=gru --config-dir=PATH/conf"),
        ("esc10", "logger=none +logger.tags=[a] jobs=2 trainer.num_threads=1 fold=0,1", "data=esc10 fold=0,1"),
    ],
)
def test_a_published_command_names_the_data_set_and_no_place(study, tmp_path, kind, arguments, published):
    for path in study.rglob("config.yaml"):
        path.write_text(yaml.safe_dump(ELSEWHERE | {"data": {"kind": kind, "root": "/home/me/sounds"}}))
    (study / "commands.txt").write_text(f"python train.py {arguments}\n")
    kept = keep_study(study, tmp_path / "results")
    assert (kept / "commands.txt").read_text() == f"python train.py {published}\n"


@pytest.mark.parametrize(("typed", "kept"), [("my/conf", "my/conf"), ("/home/me/my conf", "PATH/my conf")])
def test_the_folder_of_ones_own_options_is_kept_as_typed_and_without_its_place(study, tmp_path, typed, kept):
    for path in study.rglob("config.yaml"):
        path.write_text(yaml.safe_dump(ELSEWHERE | {"config_dir": typed}))
    folder = keep_study(study, tmp_path / "results")
    assert {yaml.safe_load(path.read_text())["config_dir"] for path in folder.rglob("config.yaml")} == {kept}


def test_how_many_jobs_ran_side_by_side_is_kept_since_times_depend_on_it(study, tmp_path):
    kept = keep_study(study, tmp_path / "results")
    assert {yaml.safe_load(path.read_text())["jobs"] for path in kept.rglob("config.yaml")} == {2}


def test_jobs_that_the_study_does_not_have_any_more_are_not_kept_any_longer(study, tmp_path):
    kept = keep_study(study, tmp_path / "results", ["cnn,transformer_h4"])
    (kept / "cnn/notes.txt").write_text("not ours\n")
    shutil.rmtree(study / "cnn/fold0-seed0")
    edit_metrics(study / "cnn/fold1-seed0", status="failed", error="boom")
    shutil.rmtree(study / "transformer_h4")
    added = write_job(study, "transformer_h2")
    (added / "config.yaml").write_text(yaml.safe_dump(ELSEWHERE))
    (added / "history.csv").write_text("epoch\n0\n")
    keep_study(study, tmp_path / "results")
    assert [path.parent.parent.name for path in kept.rglob("metrics.json")] == ["transformer_h2"]
    assert sorted(path.name for path in kept.iterdir()) == ["cnn", "commands.txt", "transformer_h2"]
    assert [path.name for path in (kept / "cnn").iterdir()] == ["notes.txt"]


def test_the_documents_show_what_the_kept_files_say(study, tmp_path):
    keep_study(study, tmp_path / "results")
    readme = tmp_path / "README.md"
    marker = "<!-- results: s/transformer_h4\n     s/cnn -->\n"
    readme.write_text(f"before\n{marker}stale text\n<!-- /results -->\nafter\n")
    assert write_documents(tmp_path / "results", tmp_path / "docs/results.md", readme) == ["s"]
    text = readme.read_text()
    assert text.startswith(f"before\n{marker}| Variant | Accuracy | Folds | Parameters | Time |\n")
    assert text.endswith("<!-- /results -->\nafter\n")
    assert "stale text" not in text
    assert [line.split()[1] for line in text.splitlines() if line.startswith("|")][2:] == ["transformer_h4", "cnn"]
    assert "development figures" in text
    document = (tmp_path / "docs/results.md").read_text()
    assert "python train.py data=folder data.root=PATH/sounds heads=4 -m" in document
    assert "abc123" in document
    summary = json.loads((tmp_path / "results/s/summary.json").read_text())
    assert [row["variant"] for row in summary["rows"]] == ["transformer_h4", "cnn"]
    before = readme.read_text()
    write_documents(tmp_path / "results", tmp_path / "docs/results.md", readme)
    assert readme.read_text() == before


def test_ensembles_are_kept_with_a_study_until_it_is_kept_without(study, tmp_path):
    document = tmp_path / "docs/results.md"

    def written():
        write_documents(tmp_path / "results", document, tmp_path / "README.md")
        return document.read_text()

    kept = keep_study(study, tmp_path / "results", ["cnn,transformer_h4"])
    assert (kept / "ensembles.txt").read_text() == "cnn,transformer_h4\n"
    assert "| cnn + transformer_h4 |" in written()
    assert "| cnn + transformer_h4 |" in written()
    keep_study(study, tmp_path / "results")
    assert "cnn + transformer_h4" not in written()


def test_an_ensemble_that_cannot_be_built_is_refused_before_anything_is_kept(study, tmp_path):
    with pytest.raises(StudyError, match="--ensemble cnn,zzz"):
        keep_study(study, tmp_path / "results", ["cnn,zzz"])
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("name", ["other/cnn", "s/other", "s"])
def test_a_readme_that_shows_a_variant_which_is_not_kept_is_refused(study, tmp_path, name):
    keep_study(study, tmp_path / "results")
    readme = tmp_path / "README.md"
    readme.write_text(f"<!-- results: s/cnn {name} -->\n<!-- /results -->\n")
    with pytest.raises(StudyError, match=f"shows {name}, which"):
        write_documents(tmp_path / "results", tmp_path / "docs/results.md", readme)


def test_a_study_without_a_finished_job_is_not_kept(tmp_path):
    write_job(tmp_path / "s", "cnn", status="failed")
    with pytest.raises(StudyError, match="no finished job"):
        keep_study(tmp_path / "s", tmp_path / "results")


def test_a_command_is_recorded_once(tmp_path):
    for _ in range(2):
        job_files.record_command(tmp_path, ["heads=1,2", "-m"])
    job_files.record_command(tmp_path, ["model=cnn", "-m"])
    assert (tmp_path / "commands.txt").read_text() == "python train.py heads=1,2 -m\npython train.py model=cnn -m\n"
