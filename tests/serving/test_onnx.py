import json
import os
import shutil
import subprocess
import sys
import venv
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from support.networks import CLASSES, CROP, NETWORKS, RATE, classifier, loaded, sound
from torch import nn

from audio_cls.data.batches import crop_starts, evaluation_crops
from audio_cls.data.decode import decode
from audio_cls.data.folders import sound_files
from audio_cls.serving import onnx_example
from audio_cls.serving.onnx import OnnxError, SoundProbabilities, check_onnx, write_onnx
from audio_cls.wording import UserError

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

REAL_CLIPS = os.environ.get("AUDIO_CLS_DATA")  # tests run without it


def run(path: Path, waveforms: np.ndarray) -> np.ndarray:
    return onnxruntime.InferenceSession(path).run(None, {"waveform": waveforms})[0]


@pytest.mark.parametrize("name", ["transformer", *(pytest.param(n, marks=pytest.mark.slow) for n in [*NETWORKS][1:-1])])
def test_onnx_runtime_gives_the_probabilities_of_torch_for_any_length_and_batch(name, tmp_path):
    model, path = classifier(name), tmp_path / "model.onnx"
    write_onnx(model, path)
    # Starts of crops that are halves before they are rounded: CROP + 1.5 * odd.
    for samples in (1, 2, CROP - 1, CROP, CROP + 1, CROP + 2, CROP + 3, CROP + 9, 3 * CROP + 5):
        waveform = sound(samples)
        np.testing.assert_allclose(run(path, waveform[None])[0], model.probabilities(waveform).numpy(), atol=1e-5)
    batch = np.stack([sound(2 * CROP + 3, seed) for seed in range(3)])
    batch[1, CROP:] = 0  # crops that do not count
    batch[2] = 0
    expected = torch.stack([model.probabilities(waveform) for waveform in batch]).numpy()
    assert np.ptp(expected, axis=0).max() > 1e-3  # sounds that differ
    np.testing.assert_allclose(run(path, batch), expected, atol=1e-5)


def test_the_baseline_is_written_with_what_a_program_has_to_know(tmp_path):
    model, path = classifier("baseline"), tmp_path / "model.onnx"
    write_onnx(model, path)
    session = onnxruntime.InferenceSession(path)
    (taken,), (given,) = session.get_inputs(), session.get_outputs()
    assert (taken.name, taken.shape, taken.type) == ("waveform", ["batch", "samples"], "tensor(float)")
    assert (given.name, given.shape[1]) == ("probabilities", len(CLASSES))
    properties = session.get_modelmeta().custom_metadata_map
    assert json.loads(properties["classes"]) == list(CLASSES)
    assert properties["sample_rate"] == "8000" and properties["audio_cls_version"]
    content = path.read_bytes()
    assert b"site-packages" not in content and str(Path(__file__).parents[2]).encode() not in content
    assert len(content) < 100_000


def test_crops_are_those_of_evaluation():
    for eval_crops in (1, 2, 3, 5, 10):
        seen = []
        model = loaded(nn.Identity(), eval_crops=eval_crops)
        exported = SoundProbabilities(model)
        exported.module.clip_probabilities = lambda crops, seen=seen: seen.append(crops) or torch.ones(1, 3) / 3
        for samples in [*range(1, 3), *range(CROP - 1, CROP + 60), 2 * CROP + 1, 5 * CROP - 3]:
            waveform = np.arange(1, samples + 1, dtype=np.float32)
            exported(torch.from_numpy(waveform)[None])
            expected = evaluation_crops(waveform, CROP, eval_crops)[: None if samples > CROP else 1]
            np.testing.assert_array_equal(seen.pop()[0, :, 0], expected)
    assert crop_starts(np.array([CROP + 5]), CROP, 3).tolist() == [[0, 2, 5]]  # half to even


def test_a_file_that_disagrees_is_not_kept(tmp_path, monkeypatch):
    model, path = classifier("baseline"), tmp_path / "model.onnx"
    write_onnx(model, path)
    other = classifier("baseline")
    with torch.no_grad():
        other.module.network.linear.bias[0] += 1
    with pytest.raises(OnnxError, match=r"^BandStatistics: ONNX Runtime and torch differ by 0\.\d+ on noise"):
        check_onnx(other, path)
    path.unlink()
    monkeypatch.setattr("audio_cls.serving.onnx.TOLERANCE", -1.0)
    with pytest.raises(OnnxError, match="not kept"):
        write_onnx(model, path)
    assert list(tmp_path.iterdir()) == []


class OfTheBatch(nn.Module):
    """What cannot be exported: a batch that is taken apart in Python."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 3)

    def forward(self, waveforms):
        return self.linear(torch.stack([waveform.mean() for waveform in waveforms])[:, None])


class OfSomebodyElse(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(1, 4, 64, 16), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten())
        self.linear = nn.Linear(4, 3)

    def forward(self, waveforms):
        return self.linear(self.layers(waveforms))


def test_a_network_of_somebody_else_is_written_or_refused_in_one_line(tmp_path):
    write_onnx(loaded(OfSomebodyElse()), tmp_path / "model.onnx")
    with pytest.raises(UserError, match=r"^OfTheBatch cannot be written as ONNX \([^\n]+\); leave out --onnx$"):
        write_onnx(loaded(OfTheBatch()), tmp_path / "other.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_without_the_packages_the_remedy_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OnnxError, match=r"^ONNX needs onnx, onnxscript, onnxruntime: pip install 'audio_cls\[onnx\]'$"):
        write_onnx(classifier("baseline"), tmp_path / "model.onnx")


@pytest.fixture(scope="module")
def with_example(tmp_path_factory) -> Path:
    """A folder as exported, with a sound."""
    folder = tmp_path_factory.mktemp("exported")
    write_onnx(classifier("baseline"), folder / "model.onnx")
    shutil.copy(onnx_example.__file__, folder)
    with wave.open(str(folder / "stereo.wav"), "wb") as file:
        file.setparams((2, 2, RATE, 0, "NONE", ""))
        file.writeframes(np.repeat((sound(9_000) * 32767).astype("<i2"), 2).tobytes())
    return folder


def expected_lines(folder: Path) -> str:
    model = classifier("baseline")
    probabilities = model.probabilities(decode(folder / "stereo.wav", RATE))
    order = probabilities.argsort(descending=True).tolist()
    return f"stereo.wav: {', '.join(f'{CLASSES[index]} {probabilities[index]:.1%}' for index in order)}\n"


# What a program without torch has: an import of it, or of this package, fails.
FORBIDDING = """import runpy, sys
for name in ("torch", "audio_cls", "onnx", "soundfile", "scipy"): sys.modules[name] = None
sys.argv = ["onnx_example.py", "stereo.wav"]
runpy.run_path("onnx_example.py", run_name="__main__")"""


def test_the_example_needs_numpy_and_onnx_runtime_alone(with_example):
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", FORBIDDING], cwd=with_example, capture_output=True, text=True,
        encoding="utf-8",
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (expected_lines(with_example), "")


def test_the_example_says_which_wav_it_takes(with_example):
    with wave.open(str(with_example / "other.wav"), "wb") as file:
        file.setparams((1, 2, RATE * 2, 0, "NONE", ""))
        file.writeframes(bytes(200))
    done = subprocess.run(
        [sys.executable, with_example / "onnx_example.py", "other.wav"], cwd=with_example, capture_output=True,
        text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "other.wav: the model needs a wav file of 16 bits at 8000 Hz\n")


@pytest.mark.slow
def test_the_example_runs_in_an_environment_without_torch(with_example, tmp_path):
    venv.create(tmp_path, symlinks=True)
    python = str(tmp_path / "bin" / "python")
    install = [sys.executable, "-m", "pip", "--quiet", "--python", python, "install", "numpy", "onnxruntime"]
    if subprocess.run(install, capture_output=True, timeout=600).returncode:
        pytest.skip("no package index here")
    run_it = [python, "-X", "utf8", "onnx_example.py", "stereo.wav"]
    done = subprocess.run(run_it, cwd=with_example, capture_output=True, text=True, encoding="utf-8")
    assert done.stdout == expected_lines(with_example)
    assert subprocess.run([python, "-c", "import torch"], capture_output=True).returncode == 1


@pytest.mark.slow
@pytest.mark.skipif(REAL_CLIPS is None, reason="AUDIO_CLS_DATA says no folder of clips")
def test_real_clips_get_the_probabilities_of_torch(tmp_path):
    files = sound_files(Path(REAL_CLIPS))
    model = classifier("transformer")
    write_onnx(model, tmp_path / "model.onnx")
    for file in files[:: max(1, len(files) // 100)][:100]:
        waveform = decode(file, RATE)
        found = run(tmp_path / "model.onnx", waveform[None])[0]
        np.testing.assert_allclose(found, model.probabilities(waveform).numpy(), atol=1e-4)
