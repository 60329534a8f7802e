"""audio_cls.load: a trained model in another program."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.short_tones import RATE, train

import audio_cls
from audio_cls.config.job import Job
from audio_cls.serving.load import load_classifier


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("jobs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUDIO_CLS_CACHE", str(folder / "cache"))
        patch.delenv("AUDIO_CLS_DATA", raising=False)
        return train(folder)


def sound(job: Job) -> Path:
    return Path(str(job.config.data.root)) / "high/high-0.wav"


def test_a_file_is_predicted_as_by_the_classifier(job: Job) -> None:
    model = audio_cls.load(str(job.folder))
    found = model.predict(sound(job))
    samples, _ = soundfile.read(sound(job), dtype="float32")
    expected = load_classifier(job.folder).probabilities(samples).tolist()
    assert model.classes == ("high", "low")
    assert list(found.probabilities) == ["high", "low"]
    assert list(found.probabilities.values()) == pytest.approx(expected, abs=1e-6)
    assert found.probability == found.probabilities[found.label] == max(found.probabilities.values())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("channels", [0, 1, 2])
def test_an_array_is_predicted_as_the_file_that_holds_it(job: Job, dtype: type, channels: int) -> None:
    model = audio_cls.load(job.folder)
    samples, _ = soundfile.read(sound(job), dtype="float32")
    array = np.stack([samples] * channels, axis=1).astype(dtype) if channels else samples.astype(dtype)
    found = model.predict(array, sample_rate=RATE)
    assert found.probabilities == pytest.approx(model.predict(sound(job)).probabilities, abs=1e-6)


def test_an_array_at_another_rate_is_resampled(job: Job, tmp_path: Path) -> None:
    model = audio_cls.load(job.folder)
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE).astype(np.float32)
    soundfile.write(tmp_path / "noise.wav", samples, 2 * RATE, subtype="FLOAT")
    found = model.predict(samples, sample_rate=2 * RATE)
    assert found.probabilities == pytest.approx(model.predict(tmp_path / "noise.wav").probabilities, abs=1e-6)


@pytest.mark.parametrize(
    ("array", "rate", "reason"),
    [
        (np.zeros(100, np.float32), None, "give the rate of the array"),
        (np.zeros(100, np.float32), 10, "give the rate of the array"),
        (np.zeros(0, np.float32), RATE, "give floats"),
        (np.zeros((2, 2, 2), np.float32), RATE, "give floats"),
        (np.zeros(100, np.int16), RATE, "give floats"),
        (np.zeros((2, 100), np.float32), RATE, r"shape \(2, 100\).*as \(samples,\) or \(samples, channels\)"),
        (np.zeros(100, np.float32), 8000.5, "an integer"),
        (np.full(100, np.nan), RATE, "NaN, infinite or too large"),
        (np.full(100, 1e300), RATE, "NaN, infinite or too large"),
    ],
)
def test_an_array_that_cannot_be_used_is_refused(job: Job, array: np.ndarray, rate: int | None, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        audio_cls.load(job.folder).predict(array, sample_rate=rate)


def test_a_file_that_cannot_be_used_is_named(job: Job, tmp_path: Path) -> None:
    model = audio_cls.load(job.folder)
    with pytest.raises(ValueError, match=r"missing\.wav: unreadable"):
        model.predict(tmp_path / "missing.wav")
    with pytest.raises(ValueError, match="a file says its own"):
        model.predict(sound(job), sample_rate=RATE)


def test_a_folder_without_a_model_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist; give a job's folder"):
        audio_cls.load(tmp_path / "nowhere")


def test_what_is_neither_a_path_nor_an_array_is_refused(job: Job) -> None:
    with pytest.raises(ValueError, match="list: give the path of a sound file, or a numpy array"):
        audio_cls.load(job.folder).predict([0.0, 0.1], sample_rate=RATE)
