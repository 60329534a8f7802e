import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from hydra import initialize_config_dir
from support.command_line import CONF, contents
from support.study_folders import write_variant
from support.tiny_jobs import plan_jobs

from audio_cls.cli.main import main
from audio_cls.data.decode import decode
from audio_cls.experiment.plan import make_plan
from audio_cls.experiment.run_job import run_job
from audio_cls.reports.export import final
from audio_cls.serving.load import load_classifier

SETTINGS = ("logger=none", "input.crop_seconds=0.1", "study=tones")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, module_patch) -> Path:
    """A study of two variants, of which one has both folds."""
    folder = tmp_path_factory.mktemp("workspace")
    for settings in (
        ("fold=0,1", "heads=4", "trainer.max_epochs=12", "optimizer.lr=0.01"),
        ("fold=0,1", "heads=2", "trainer.max_epochs=1", "optimizer.lr=1e-6"),
    ):
        for job in plan_jobs(folder, *SETTINGS, *settings, multirun=True):
            run_job(job, lambda _: [])
    return folder


@pytest.fixture(scope="module")
def module_patch():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("audio_cls.figures.job.DPI", 40)
        yield patch


@pytest.fixture
def trained(monkeypatch) -> list[list[str]]:
    """Command lines of the final models; they are trained within this process."""
    commands = []

    def train(arguments, folder) -> None:
        commands.append(list(arguments))
        with initialize_config_dir(str(CONF), version_base="1.3"):
            (job,) = make_plan(arguments, False).jobs
        assert job.folder == folder
        run_job(job, lambda _: [])

    monkeypatch.setattr(final, "_train", train)
    return commands


def export(workspace: Path, *words: str, out: Path | None = None) -> int:
    place = ["--out", str(out)] if out else []
    return main(["export", words[0], "--output-dir", str(workspace / "outputs"), *words[1:], *place])


def test_the_best_variant_is_trained_on_all_clips_once_and_exported(workspace, trained, tmp_path, capsys):
    assert export(workspace, "tones", out=tmp_path / "model") == 0
    said = capsys.readouterr()
    (command,) = trained
    assert {"protocol=all", "study=tones-all", "variant=tiny_h4", "logger=none"} <= set(command)
    assert "the best of 2 variants" in said.err
    assert "audio-cls predict" in said.out and "model.safetensors" in said.out
    final_job = workspace / "outputs/tones-all/tiny_h4/fold0-seed0"
    exported, job = load_classifier(tmp_path / "model"), load_classifier(final_job)
    assert len(exported.trained_on) == 18
    assert exported.profile.as_json() == job.profile.as_json()
    clip = decode(workspace / "tones/high/high-0.wav", 4000)
    logs = np.log(job.probabilities(clip).numpy().astype(np.float64)) / exported.temperature
    expected = np.exp(logs) / np.exp(logs).sum()
    np.testing.assert_allclose(exported.probabilities(clip), expected, atol=1e-6)

    before = contents(tmp_path / "model")
    assert export(workspace, "tones", out=tmp_path / "model") == 0
    assert len(trained) == 1
    after = contents(tmp_path / "model")
    assert {name: content[0] for name, content in before.items()} == {name: each[0] for name, each in after.items()}


def test_nothing_in_it_says_where_it_was_made(workspace, trained, tmp_path):
    assert export(workspace, "tones", out=tmp_path / "model") == 0
    names = [str(workspace), str(tmp_path), f"{Path.home()}/"]  # names of hosts and users may be words: vm, root
    for path in (tmp_path / "model").iterdir():
        content = path.read_bytes()
        # A short name stands in weights by chance.
        assert not [name for name in names if len(name) > 3 and name.encode() in content], path.name


def test_the_card_is_read_by_hubs_and_has_the_figures(workspace, trained, tmp_path):
    assert export(workspace, "tones", "--license", "CC-BY-4.0", out=tmp_path / "model") == 0
    _, front, text = (tmp_path / "model/README.md").read_text(encoding="utf-8").split("---\n", 2)
    values = yaml.safe_load(front)
    assert (values["license"], values["pipeline_tag"]) == ("cc-by-4.0", "audio-classification")
    ((result,), (dataset,)) = values["model-index"][0]["results"], values["datasets"]
    assert dataset == result["dataset"]["name"] == "tones"
    means = [
        json.loads(path.read_text())["val"]["accuracy"]
        for path in workspace.glob("outputs/tones/tiny_h4/*/metrics.json")
    ]
    assert result["metrics"][0] == {"type": "accuracy", "name": "Accuracy", "value": round(sum(means) / 2, 4)}
    wanted = "## Use|data.root=PATH|protocol=all|development figures|folds 0, 1 of 2|### Confusion|temperature of"
    for words in [*wanted.split("|"), "| high | ", "## Licence", "CC-BY-4.0", "trained on all clips"]:
        assert words in text, words
    assert max(len(line) for line in text.splitlines() if not line.startswith(("|", "    "))) <= 120


def test_another_variant_is_exported_by_its_name(workspace, trained, tmp_path, capsys):
    assert export(workspace, "tones", "--variant", "tiny_h2", out=tmp_path / "model") == 0
    assert {"variant=tiny_h2", "heads=2"} <= set(trained[0])
    assert "the best of" not in capsys.readouterr().err
    assert export(workspace, "tones", "--variant", "tiny_h3", out=tmp_path / "model") == 2
    assert "no variant 'tiny_h3' in the study; did you mean tiny_h" in capsys.readouterr().err


def test_a_job_is_calibrated_on_its_own_held_out_clips(workspace, trained, tmp_path):
    job = workspace / "outputs/tones/tiny_h4/fold1-seed0"
    assert export(workspace, str(job), out=tmp_path / "model") == 0
    exported = load_classifier(tmp_path / "model")
    assert exported.temperature != 1
    assert exported.trained_on == load_classifier(job).trained_on
    card = (tmp_path / "model/README.md").read_text()
    assert "Figures of this model on the 9 validation clips" in card or "validation clips that it was not" in card
    assert "fold=1" in card
    assert not trained


def test_a_job_on_all_clips_is_said_to_be_uncalibrated(workspace, trained, tmp_path, capsys):
    assert export(workspace, "tones", out=tmp_path / "model") == 0
    capsys.readouterr()
    assert export(workspace, "tones-all/tiny_h4/fold0-seed0", out=tmp_path / "other") == 0
    assert (
        "its probabilities are not calibrated and no accuracy is known. audio-cls export STUDY"
        in capsys.readouterr().err
    )
    exported = load_classifier(tmp_path / "other")
    assert (exported.temperature, exported.unsure_below) == (1, 0)
    card = (tmp_path / "other/README.md").read_text()
    assert "No clip was held out" in card and "model-index" not in card
    assert export(workspace, "tones-all", out=tmp_path / "third") == 2
    assert "protocol=all, so nothing is ranked; name one of its jobs" in capsys.readouterr().err


def refused(capsys) -> str:
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1), said
    return said.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("tones", "--license", "my licence"), "--license my licence: give an identifier"),
        (("nothing",), "no study 'nothing'"),
        (("tones/tiny_h4/fold0-seed0", "--variant", "tiny_h2"), "--variant belongs to a study"),
        (("tones/tiny_h4/fold0-seed0", "--root", "."), "--root belongs to a study"),
    ],
)
def test_mistakes_are_refused_in_one_line(workspace, tmp_path, capsys, words, reason):
    assert export(workspace, *words, out=tmp_path / "model") == 2
    assert reason in refused(capsys)
    assert not (tmp_path / "model").exists()


def test_a_folder_of_the_users_is_refused_before_anything_is_trained(workspace, trained, tmp_path, capsys):
    (tmp_path / "model").mkdir()
    (tmp_path / "model/mine.txt").touch()
    assert export(workspace, "tones", out=tmp_path / "model") == 2
    assert "holds mine.txt, which no export writes" in refused(capsys)
    assert not trained


def test_a_study_without_results_is_refused(tmp_path, capsys):
    write_variant(tmp_path / "outputs/failed", "cnn", status="failed", error="out of memory")
    assert export(tmp_path, "failed") == 2
    assert "has no finished job with held-out clips" in refused(capsys)


def copied_study(workspace: Path, tmp_path: Path) -> Path:
    shutil.copytree(workspace / "outputs/tones", tmp_path / "outputs/tones")
    return tmp_path


def change_config(job: Path, key: str, **values) -> None:
    config = yaml.safe_load((job / "config.yaml").read_text())
    config[key] |= values
    (job / "config.yaml").write_text(yaml.safe_dump(config))


def test_clips_that_are_gone_are_asked_for(workspace, trained, tmp_path, capsys):
    study = copied_study(workspace, tmp_path)
    for job in study.glob("outputs/tones/*/*"):
        change_config(job, "data", root=str(tmp_path / "gone"))
    assert export(study, "tones", out=tmp_path / "model") == 2
    assert (
        f"the clips are not in {tmp_path / 'gone'} any more; say where they are: --root PATH" in capsys.readouterr().err
    )
    assert export(study, "tones", "--root", str(workspace / "tones"), out=tmp_path / "model") == 0


def test_a_job_of_another_configuration_in_its_place_is_not_exported(workspace, trained, tmp_path, capsys):
    study = copied_study(workspace, tmp_path)
    assert export(study, "tones", out=tmp_path / "model") == 0
    change_config(study / "outputs/tones-all/tiny_h4/fold0-seed0", "model", d_model=16)
    assert export(study, "tones", out=tmp_path / "model") == 2
    assert "holds a job of another configuration than tiny_h4: model.d_model; move it away" in capsys.readouterr().err


def test_figures_of_other_clips_do_not_go_with_it(workspace, trained, tmp_path, capsys):
    study = copied_study(workspace, tmp_path)
    assert export(study, "tones", out=tmp_path / "model") == 0
    path = study / "outputs/tones-all/tiny_h4/fold0-seed0/metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"content_digest": "0" * 16}))
    assert export(study, "tones", out=tmp_path / "model") == 2
    assert "was trained on other clips than the study" in capsys.readouterr().err


def test_a_chosen_epoch_gives_way_to_the_last_and_early_stopping_to_its_mean(workspace, trained, tmp_path):
    study = copied_study(workspace, tmp_path)
    for job in study.glob("outputs/tones/tiny_h4/*"):
        change_config(job, "trainer", weights="best", early_stopping=1)
    assert export(study, "tones", out=tmp_path / "model") == 0
    assert {"trainer.weights=last", "trainer.early_stopping=0", "trainer.max_epochs=12"} <= set(trained[0])


def test_the_network_of_somebody_else_is_refused_before_it_is_trained(workspace, trained, tmp_path, capsys):
    study = copied_study(workspace, tmp_path)
    for job in study.glob("outputs/tones/tiny_h4/*"):
        change_config(job, "model", _target_="mine.Net")
    assert export(study, "tones", out=tmp_path / "model") == 2
    assert "tiny_h4: its network is mine.Net, and an exported model holds no code" in capsys.readouterr().err
    assert not trained


@pytest.mark.slow
def test_it_is_trained_in_a_process_of_its_own(workspace, tmp_path):
    study = copied_study(workspace, tmp_path)
    command = [sys.executable, "-m", "audio_cls.cli.main", "export", "tones", "--output-dir", str(study / "outputs")]
    done = subprocess.run([*command, "--out", "model"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "training on all clips" in done.stderr and "tiny_h4, fold 0 of 1" in done.stderr
    assert load_classifier(tmp_path / "model").classes == ("high", "low")
    assert done.stdout.startswith("written to model: ")


def test_onnx_and_page_are_files_of_the_folder(workspace, tmp_path, capsys, monkeypatch):
    pytest.importorskip("onnxscript")
    monkeypatch.setattr("audio_cls.serving.onnx.write_onnx", lambda model, path: path.write_bytes(b"graph"))
    monkeypatch.setattr("audio_cls.serving.web_runtime.web_runtime", lambda given: f"runtime of {given}")
    monkeypatch.setattr("audio_cls.serving.html.write_html", lambda model, path, runtime: path.write_text(runtime))
    job = str(workspace / "outputs/tones/tiny_h4/fold0-seed0")
    assert export(workspace, job, "--onnx", "--html", "--runtime", "x.tgz", out=tmp_path / "model") == 0
    sums = (tmp_path / "model" / "SHA256SUMS").read_text()
    assert all(f"  {name}\n" in sums for name in ("model.onnx", "onnx_example.py", "model.html"))
    assert (tmp_path / "model" / "model.html").read_text() == "runtime of x.tgz"
    load_classifier(tmp_path / "model")
    assert export(workspace, job, out=tmp_path / "model") == 0  # and replaced
    assert not (tmp_path / "model" / "model.onnx").exists()


@pytest.mark.slow
def test_the_onnx_file_of_an_export_is_calibrated_like_the_export(workspace, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    job = str(workspace / "outputs/tones/tiny_h4/fold0-seed0")
    assert export(workspace, job, "--onnx", out=tmp_path / "model") == 0
    exported = load_classifier(tmp_path / "model")
    assert exported.temperature != 1
    clip = decode(workspace / "tones/high/high-0.wav", 4000)
    session = onnxruntime.InferenceSession(tmp_path / "model" / "model.onnx")
    found = session.run(None, {"waveform": clip[np.newaxis]})[0][0]
    np.testing.assert_allclose(found, exported.probabilities(clip).numpy(), atol=1e-5)


def test_what_onnx_and_page_lack_is_said_before_anything_is_trained(workspace, trained, tmp_path, capsys, monkeypatch):
    assert export(workspace, "tones", "--runtime", "x.tgz") == 2
    assert "--runtime belongs to --html" in capsys.readouterr().err
    assert export(workspace, "tones", "--html", "--runtime", "x.tgz", out=tmp_path / "model") == 2
    assert "--runtime x.tgz does not exist" in capsys.readouterr().err
    monkeypatch.setattr("audio_cls.serving.onnx.NEEDED", ("no_such_package",))
    assert export(workspace, "tones", "--onnx", out=tmp_path / "model") == 2
    assert "pip install 'audio_cls[onnx]'" in capsys.readouterr().err
    assert not trained and not (tmp_path / "model").exists()
