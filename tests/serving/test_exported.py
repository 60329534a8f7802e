import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.short_tones import RATE, train, train_cnn

from audio_cls.data.profile import TrainingProfile
from audio_cls.serving.classifier import LoadedClassifier
from audio_cls.serving.export import ExportError, write_exported
from audio_cls.serving.load import LoadError, load_classifier

CARD = "# A card\n"
FORBIDDEN = "lightning hydra omegaconf wandb pydantic matplotlib sklearn scipy jinja2 torchmetrics yaml platformdirs"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(scope="module")
def classifier(workspace) -> LoadedClassifier:
    """Of a job, with values that only an exported model has."""
    loaded = load_classifier(train(workspace).folder)
    return replace(loaded, temperature=0.7, unsure_below=0.6, profile=TrainingProfile(0.75, 0.75))


@pytest.fixture(scope="module")
def exported(classifier, workspace) -> Path:
    write_exported(workspace / "exported", classifier, CARD)
    return workspace / "exported"


def sound(seconds: float = 1.0) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).normal(size=int(seconds * RATE))).astype(np.float32)


def test_an_exported_model_is_what_was_exported(exported, classifier):
    found = load_classifier(exported)
    assert torch.equal(found.probabilities(sound()), classifier.probabilities(sound()))
    for name in ("classes", "sample_rate", "crop_samples", "eval_crops", "temperature", "unsure_below", "profile"):
        assert getattr(found, name) == getattr(classifier, name), name
    assert found.trained_on == classifier.trained_on != frozenset()
    assert (found.config, found.name, found.module.training) == (None, "exported", False)


@pytest.mark.parametrize("settings", [("model.num_segments=2", "study=segments"), ("heads=1", "study=other")])
def test_so_are_networks_of_other_kinds(workspace, tmp_path, settings):
    classifier = load_classifier(train(workspace, *settings).folder)
    write_exported(tmp_path / "out", classifier, CARD)
    assert torch.equal(load_classifier(tmp_path / "out").probabilities(sound()), classifier.probabilities(sound()))


def test_so_is_the_cnn_and_its_folder_is_hardly_larger_than_its_weights(workspace, tmp_path, exported):
    classifier = load_classifier(train_cnn(workspace).folder)
    write_exported(tmp_path / "out", classifier, CARD)
    assert torch.equal(load_classifier(tmp_path / "out").probabilities(sound()), classifier.probabilities(sound()))
    size = sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    assert size < 1.5 * sum(4 * parameter.numel() for parameter in classifier.module.parameters())


def test_sha256sum_agrees_and_a_second_export_writes_the_same(exported, classifier, tmp_path):
    write_exported(tmp_path / "out", classifier, CARD)
    write_exported(tmp_path / "out", classifier, CARD)
    assert {path.name: path.read_bytes() for path in exported.iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()
    }
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=exported, check=True, capture_output=True)


def test_it_is_loaded_without_what_trains(exported, classifier):
    code = f"""
import sys
class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {FORBIDDEN.split()!r}:
            raise ImportError(name + " must not be imported")
sys.meta_path.insert(0, Forbidden())
import numpy as np, audio_cls
from pathlib import Path
from audio_cls.serving.load import load_classifier
loaded = load_classifier(Path({str(exported)!r}))
sound = (0.1 * np.random.default_rng(0).normal(size={RATE})).astype(np.float32)
print(*loaded.probabilities(sound).tolist())
print(audio_cls.load({str(exported)!r}).predict(sound, sample_rate={RATE}).label)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    numbers, label = done.stdout.splitlines()
    np.testing.assert_allclose([float(n) for n in numbers.split()], classifier.probabilities(sound()), atol=1e-6)
    assert label in classifier.classes


def test_the_card_is_the_users_to_edit_and_other_files_do_not_matter(exported, tmp_path):
    folder = copy(exported, tmp_path)
    (folder / "README.md").write_text("mine")
    (folder / "notes.txt").write_text("mine")
    assert load_classifier(folder).classes == ("high", "low")


def copy(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def sum_again(folder: Path) -> None:
    """What somebody does who changes files on purpose."""
    names = [line.split("  ")[1] for line in (folder / "SHA256SUMS").read_text().splitlines()]
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / "SHA256SUMS").write_text("".join(lines))


def configure(**changes):
    """A change of keys of config.json; of its model block where they begin with 'model_'."""

    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        for key, value in changes.items():
            block = config["model"] if key.startswith("model_") else config
            block[key.removeprefix("model_")] = value
        (folder / "config.json").write_text(json.dumps(config))
        sum_again(folder)

    return change


def label(labels):
    def change(folder: Path) -> None:
        (folder / "labels.json").write_text(json.dumps(labels))
        sum_again(folder)

    return change


def reweigh(alter):
    def change(folder: Path) -> None:
        weights = load_file(folder / "model.safetensors")
        alter(weights)
        save_file(weights, folder / "model.safetensors")
        sum_again(folder)

    return change


def some_nan(weights) -> None:
    weights[some(weights)].view(-1)[0] = float("nan")


def half(weights) -> None:
    weights[some(weights)] = weights[some(weights)].half()


def one_less(weights) -> None:
    del weights[some(weights)]


def one_more(weights) -> None:
    weights["evil"] = torch.zeros(3)


def some(weights) -> str:
    return min(name for name, tensor in weights.items() if tensor.is_floating_point())


def overwrite(name: str, content: bytes):
    def change(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return change


def and_sum_again(change):
    def both(folder: Path) -> None:
        change(folder)
        sum_again(folder)

    return both


def remove(name: str):
    return lambda folder: (folder / name).unlink()


def unlist(folder: Path) -> None:
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    (folder / "SHA256SUMS").write_text("".join(f"{line}\n" for line in lines if "labels" not in line))


def list_another(folder: Path) -> None:
    with (folder / "SHA256SUMS").open("a") as file:
        file.write(f"{'0' * 64}  ../../etc/passwd\n")


def link_out(folder: Path) -> None:
    shutil.move(folder / "labels.json", folder.parent / "elsewhere.json")
    (folder / "labels.json").symlink_to(folder.parent / "elsewhere.json")


def make_pipe(folder: Path) -> None:
    (folder / "labels.json").unlink()
    os.mkfifo(folder / "labels.json")


def flip_a_bit(folder: Path) -> None:
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)


def pickle_as_weights(folder: Path) -> None:
    torch.save({"a": torch.zeros(1)}, folder / "model.safetensors")
    sum_again(folder)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (flip_a_bit, r"model\.safetensors was altered: its SHA-256"),
        (overwrite("labels.json", b'["a", "b"]'), r"labels\.json was altered"),
        (overwrite("training_clips.txt", b""), r"training_clips\.txt was altered"),
        (overwrite("config.json", b"{"), r"config\.json cannot be read"),
        (overwrite("config.json", b"[" * 100_000), r"config\.json cannot be read"),
        (overwrite("SHA256SUMS", b"\xff\n"), r"SHA256SUMS: no export writes the line"),
        (remove("labels.json"), r"labels\.json is missing"),
        (remove("config.json"), r"config\.json is missing"),
        (remove("SHA256SUMS"), r"SHA256SUMS is missing"),
        (unlist, r"SHA256SUMS does not list labels\.json"),
        (list_another, r"no export writes the line '0+  \.\./\.\./etc/passwd'"),
        (link_out, r"labels\.json is a link to a file elsewhere"),
        (make_pipe, r"labels\.json is no file"),
        (pickle_as_weights, r"model\.safetensors cannot be read"),
        (configure(format="other"), "is not of an exported model"),
        (configure(format_version=2), "format_version 2, and 1 is read; update audio_cls"),
        (configure(format_version="1"), "format_version '1', and 1 is read; export the model again"),
        (configure(model={"name": "mine", "_target_": "os.system"}), "never run from an exported model"),
        (configure(model={"name": "evil"}), "model.name='evil' cannot be right"),
        (configure(model=7), "model.name=None cannot be right"),
        (configure(model_color=1), "model=transformer does not go with model.color"),
        (configure(model_d_model=16), r"config\.json makes it|does not fit config\.json|describes no network"),
        (configure(model_d_model=8_192, model_num_layers=48, model_d_feedforward=32_768), "numbers, more than"),
        (configure(model_d_model=10**9), "model.d_model=1000000000 cannot be right"),
        (configure(model_hop_length=0), "model.hop_length=0 cannot be right"),
        (configure(model_num_heads="2"), "model.num_heads='2' cannot be right"),
        (configure(model_norm=["pre"]), "model.norm"),
        (configure(crop_samples=10**12), "crop_samples=1000000000000 cannot be right"),
        (configure(crop_samples=10**8, eval_crops=100), "eval_crops=100 cannot be right"),
        (configure(crop_samples=10**8), "crop_samples=100000000 cannot be right: it is less than"),
        (configure(crop_samples=1_000.0), "crop_samples=1000.0 cannot be right"),
        (configure(sample_rate=True), "sample_rate=True cannot be right"),
        (configure(temperature=0), "temperature=0 cannot be right"),
        (configure(temperature=float("nan")), "NaN is no finite number"),
        (configure(silence_db=None), "silence_db=None cannot be right"),
        (configure(unsure_below=1.5), r"unsure_below=1\.5 cannot be right"),
        (configure(normalize=1), "normalize=1 cannot be right"),
        (configure(profile={"version": 99}), "profile"),
        (label(["a", "a"]), "has the class 'a' twice"),
        (label(["a", 2]), "2 is no name of a class"),
        (label(["a"]), "no list of 2"),
        (label({"a": 1}), "no list of 2"),
        (label(["a", "b", "c"]), r"but config\.json makes it"),
        (and_sum_again(overwrite("training_clips.txt", b"zz\n")), "'zz' is no digest of a clip"),
        (reweigh(some_nan), "has values that are NaN or infinite"),
        (reweigh(half), r"float16, but config\.json makes it .* torch\.float32"),
        (reweigh(one_less), "lacks"),
        (reweigh(one_more), "holds 'evil'"),
    ],
)
def test_a_folder_that_no_export_wrote_is_refused_in_one_line(exported, tmp_path, damage, reason):
    folder = copy(exported, tmp_path)
    damage(folder)
    with pytest.raises(LoadError, match=reason) as error:
        load_classifier(folder)
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


def test_weights_that_are_too_many_for_the_sizes_are_not_read(exported, tmp_path):
    folder = copy(exported, tmp_path)
    with (folder / "model.safetensors").open("ab") as file:
        file.truncate(10**7)
    sum_again(folder)
    with pytest.raises(LoadError, match="10,000,000 bytes, more than any export writes"):
        load_classifier(folder)


def test_an_exported_model_is_no_job(exported, classifier, tmp_path):
    with pytest.raises(ExportError, match="is an exported model already"):
        write_exported(tmp_path / "out", load_classifier(exported), CARD)
    assert not (tmp_path / "out").exists()


def test_the_network_of_somebody_else_is_not_exported(classifier, tmp_path):
    config = classifier.config | {"model": {"name": "mine", "_target_": "mine.Net"}}
    with pytest.raises(ExportError, match=r"its network is mine\.Net, and an exported model holds no code"):
        write_exported(tmp_path / "out", replace(classifier, config=config), CARD)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("notes.txt", "holds notes.txt, which no export writes"),
        ("README.md", "was not written by this command"),
        ("config.json", "was not written by this command"),
    ],
)
def test_a_folder_of_the_users_is_not_replaced(classifier, tmp_path, name, reason):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    with pytest.raises(ExportError, match=reason):
        write_exported(tmp_path / "out", classifier, CARD)
    assert (tmp_path / "out" / name).read_text() == "mine"


def test_a_card_that_was_edited_is_not_replaced(exported, classifier, tmp_path):
    folder = copy(exported, tmp_path)
    (folder / "README.md").write_text("mine")
    with pytest.raises(ExportError, match=r"README\.md was changed since it was written; move it away"):
        write_exported(folder, classifier, CARD)
    (folder / "README.md").unlink()
    write_exported(folder, classifier, CARD)
    assert (folder / "README.md").read_text() == CARD


def test_a_file_in_the_place_of_the_folder_is_refused(classifier, tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(ExportError, match="out is a file; choose another --out"):
        write_exported(tmp_path / "out", classifier, CARD)


def test_what_fails_in_the_middle_leaves_the_folder_as_it_was(exported, classifier, tmp_path):
    def failing(classifier, path):
        path.write_text("half")
        raise OSError("the disk is full")

    folder = copy(exported, tmp_path)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(OSError, match="the disk is full"):
        write_exported(folder, classifier, CARD, onnx=failing)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_other_files_that_were_exported_are_watched_as_well(classifier, tmp_path):
    write_exported(tmp_path / "out", classifier, CARD, onnx=lambda _, path: path.write_text("graph"))
    assert load_classifier(tmp_path / "out").classes == classifier.classes
    (tmp_path / "out" / "model.onnx").write_text("other")
    with pytest.raises(LoadError, match=r"model\.onnx was altered"):
        load_classifier(tmp_path / "out")
