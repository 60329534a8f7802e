"""audio_cls.load: a trained model in another program."""

import csv
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from support import animal_sounds
from support.animal_sounds import KINDS, RATE
from support.command_line import REPOSITORY
from torch import Tensor, nn

import audio_cls
from audio_cls.config.job import Job
from audio_cls.models.clip_classifier import ClipClassifier
from audio_cls.serving.export import write_exported
from audio_cls.serving.load import load_classifier
from audio_cls.serving.model import Model


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, coarse_figures: None) -> Job:
    folder = tmp_path_factory.mktemp("jobs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUDIO_CLS_CACHE", str(folder / "cache"))
        patch.delenv("AUDIO_CLS_DATA", raising=False)
        return animal_sounds.train(folder)


@pytest.fixture
def model(job: Job) -> Model:
    return audio_cls.load(job.folder)


@pytest.fixture(scope="module")
def dog(job: Job) -> Path:
    return Path(str(job.config.data.root)) / "dog/dog-0.wav"


@pytest.fixture(scope="module")
def samples(dog: Path) -> np.ndarray:
    return soundfile.read(dog, dtype="float32")[0]


def test_a_file_is_predicted_as_by_the_classifier(job: Job, model: Model, dog: Path, samples: np.ndarray) -> None:
    found = audio_cls.load(str(job.folder)).predict(dog)
    expected = load_classifier(job.folder).probabilities(samples).tolist()
    assert model.classes == tuple(found.probabilities) == ("dog", "engine", "rain", "rooster")
    assert model.sample_rate == RATE
    assert list(found.probabilities.values()) == pytest.approx(expected, abs=1e-6)
    assert (found.label, found.probability) == ("dog", max(found.probabilities.values()))
    assert found.duration_seconds == 1.5
    assert type(found.probability) is float and found.flags == ()


def test_an_answer_says_in_a_line_what_matters(model: Model, dog: Path) -> None:
    said = repr(model.predict(dog))
    assert re.fullmatch(r"SoundPrediction\(label='dog', probability=0\.\d{3}, duration_seconds=1\.5\)", said)
    assert repr(model) == "<Model tiny, fold 0, seed 0: 4 classes, 8000 Hz>"


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.int16, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("channels", [0, 1, 2])
def test_samples_are_predicted_as_the_file_that_holds_them(
    model: Model, dog: Path, kind: type | torch.dtype, channels: int
) -> None:
    samples, _ = soundfile.read(dog, dtype="int16")
    array = np.stack([samples] * channels) if channels else samples
    given: np.ndarray | Tensor = array if kind is np.int16 else (array / 2**15).astype(np.float32)
    given = torch.from_numpy(given).to(kind) if isinstance(kind, torch.dtype) else given.astype(kind)
    found = model.predict(given, sample_rate=RATE)
    coarse = kind in (np.float16, torch.bfloat16)
    assert found.probabilities == pytest.approx(model.predict(dog).probabilities, abs=0.02 if coarse else 1e-6)


def test_channels_are_averaged(model: Model, samples: np.ndarray) -> None:
    other = animal_sounds.sound("rain")
    expected = model.predict((samples + other) / 2, sample_rate=RATE)
    found = model.predict(np.stack([samples, other]), sample_rate=RATE)
    assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-6)


@pytest.mark.parametrize("rate", [2 * RATE, float(2 * RATE), np.int64(2 * RATE)])
def test_samples_at_another_rate_are_resampled(model: Model, tmp_path: Path, rate: int) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE).astype(np.float32)
    soundfile.write(tmp_path / "noise.wav", noise, 2 * RATE, subtype="FLOAT")
    found = model.predict(noise, sample_rate=rate)
    assert found.duration_seconds == 1.5
    assert found.probabilities == pytest.approx(model.predict(tmp_path / "noise.wav").probabilities, abs=1e-6)


def test_samples_that_need_a_gradient_or_lie_apart_in_memory_are_taken(model: Model, samples: np.ndarray) -> None:
    expected = model.predict(samples, sample_rate=RATE).probabilities
    apart = np.repeat(samples, 2)[::2]
    assert model.predict(apart, sample_rate=RATE).probabilities == expected
    assert model.predict(samples[::-1][::-1], sample_rate=RATE).probabilities == expected
    tensor = torch.tensor(samples, requires_grad=True)
    assert model.predict(tensor, sample_rate=RATE).probabilities == expected


@pytest.mark.parametrize(
    ("array", "rate", "reason"),
    [
        (np.zeros(100, np.float32), None, "samples do not say their rate: add sample_rate=HZ, 4000 to 384000 Hz"),
        (np.zeros(100, np.float32), 10, "sample_rate=10: give a whole number of 4000 to 384000 Hz"),
        (np.zeros(100, np.float32), 1e6, "sample_rate=1000000.0: give"),
        (np.zeros(100, np.float32), 8000.5, "sample_rate=8000.5: give"),
        (np.zeros(100, np.float32), float("nan"), "sample_rate=nan: give"),
        (np.zeros(100, np.float32), "8000", "sample_rate=8000: give"),
        (np.zeros(100, np.float32), True, "sample_rate=True: give"),
        (np.zeros(0, np.float32), RATE, "samples of shape (0,) and type float32: there are none"),
        (np.zeros((2, 0), np.float32), RATE, "there are none"),
        (np.zeros((), np.float32), RATE, "give (samples,) or (channels, samples)"),
        (np.zeros((2, 2, 2), np.float32), RATE, "give (samples,) or (channels, samples)"),
        (np.zeros(100, np.int32), RATE, "give floats in [-1, 1], or int16; divide other integers by their full scale"),
        (np.zeros(100, complex), RATE, "type complex128: give floats"),
        (np.zeros(100, bool), RATE, "type bool: give floats"),
        (np.array(["a", "b"]), RATE, "give floats"),
        (torch.zeros(100, dtype=torch.int64), RATE, "type int64: give floats"),
        (np.zeros((100, 2), np.float32), RATE, "if these are (samples, channels), transpose them: x.T"),
        (np.full(100, np.nan), RATE, "not finite: 100 samples are NaN or infinite, the first at 0.000 s"),
        (np.full(100, 1e300), RATE, "not finite: 100 samples"),
        (
            np.full(100, 20_000.0),
            RATE,
            "samples of up to 20000: give floats in [-1, 1]; divide 16-bit numbers",
        ),
    ],
)
def test_samples_that_cannot_be_meant_are_refused_in_a_line(
    model: Model, array: np.ndarray, rate: int | None, reason: str
) -> None:
    for use in (model.predict, model.embed):
        with pytest.raises(ValueError, match=re.escape(reason)) as error:
            use(array, sample_rate=rate)
        assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_used_is_named(model: Model, dog: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"missing\.wav: unreadable"):
        model.predict(tmp_path / "missing.wav")
    with pytest.raises(ValueError, match="a file says its own: leave it out"):
        model.predict(dog, sample_rate=RATE)
    with pytest.raises(ValueError, match="a file says its own: leave it out"):
        model.predict([dog], sample_rate=RATE)


@pytest.mark.parametrize("odd", [None, 3, b"dog.wav", {"a": 1}])
def test_what_is_neither_a_path_nor_samples_is_refused(model: Model, odd: object) -> None:
    with pytest.raises(ValueError, match=f"{type(odd).__name__}: give the path of a sound file, an array"):
        model.predict(odd)  # type: ignore[call-overload]


def test_a_folder_without_a_model_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist; give"):
        audio_cls.load(tmp_path / "nowhere")


@pytest.mark.parametrize("at_once", [2, 1_000])
def test_a_list_gives_what_its_sounds_give_one_by_one(
    model: Model, dog: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr("audio_cls.serving.batches.EVALUATION_SAMPLES", at_once * 3 * RATE // 2)
    sounds = [dog, str(dog), *(animal_sounds.sound(kind, 0.2 + index) for index, kind in enumerate(KINDS))]
    found = model.predict(sounds, sample_rate=RATE)
    rates = [None, None, *[RATE] * len(KINDS)]
    alone = [model.predict(sound, sample_rate=rate) for sound, rate in zip(sounds, rates, strict=True)]
    assert [each.label for each in found] == [each.label for each in alone]
    assert [each.duration_seconds for each in found] == [each.duration_seconds for each in alone]
    for one, other in zip(found, alone, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)
    embeddings = model.embed(tuple(sounds), sample_rate=RATE)
    each = [model.embed(sound, sample_rate=rate) for sound, rate in zip(sounds, rates, strict=True)]
    assert embeddings == pytest.approx(np.stack(each), abs=1e-5)


def test_sounds_of_a_list_go_through_the_network_together(model: Model, dog: Path) -> None:
    sizes = []
    model._classifier.module.network.register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    model.predict([dog] * 5)
    assert sizes == [5 * 3]


def test_a_list_is_all_or_nothing_and_what_is_wrong_in_it_is_named(
    model: Model, dog: Path, samples: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "empty.wav").touch()
    with pytest.raises(ValueError, match=r"empty\.wav: empty: the file has no bytes"):
        model.predict([dog, tmp_path / "empty.wav"])
    with pytest.raises(ValueError, match=r"^sounds\[1\]: samples of shape \(0,\)"):
        model.predict([samples, samples[:0]], sample_rate=RATE)
    with pytest.raises(ValueError, match=r"^sounds\[1\]: samples do not say their rate"):
        model.predict([dog, samples])
    with pytest.raises(ValueError, match=r"^sounds\[0\]: float: give the path"):
        model.predict([0.0, 0.1], sample_rate=RATE)


def test_an_empty_list_has_no_answers(model: Model) -> None:
    assert model.predict([]) == []
    with pytest.raises(ValueError, match="an empty list has no embeddings"):
        model.embed([])


@pytest.fixture
def outdoors() -> np.ndarray:
    """Two seconds of rain, two of a dog, two of silence, two of rain."""
    parts = [animal_sounds.sound(kind, 2.0, seed=60) for kind in ("rain", "dog", "rain")]
    return np.concatenate([*parts[:2], np.zeros(2 * RATE, np.float32), parts[2]])


def test_a_recording_has_windows_of_a_crop_that_overlap_by_half(
    model: Model, outdoors: np.ndarray, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "outdoors.wav", outdoors, RATE, subtype="FLOAT")
    found = model.windows(tmp_path / "outdoors.wav")
    starts = [window.start_seconds for window in found]
    assert starts == pytest.approx(np.arange(0, 7.51, 0.25))
    assert [window.end_seconds - window.start_seconds for window in found] == pytest.approx([0.5] * len(found))
    by_start = dict(zip(starts, found, strict=True))
    assert [by_start[second].label for second in (0, 1.5, 2, 3.5, 6, 7.5)] == ["rain"] * 2 + ["dog"] * 2 + ["rain"] * 2
    assert by_start[4.5].flags == ("silent",)
    for window in found:
        assert list(window.probabilities) == list(model.classes)
        assert window.probability == window.probabilities[window.label] == max(window.probabilities.values())
    assert [window.probabilities for window in model.windows(outdoors, sample_rate=RATE)] == [
        pytest.approx(window.probabilities, abs=1e-6) for window in found
    ]


def test_a_window_is_judged_as_a_sound_of_its_own(model: Model, outdoors: np.ndarray) -> None:
    for window in model.windows(outdoors, RATE, window=1.0, hop=1.0):
        alone = model.predict(outdoors[int(window.start_seconds * RATE) : int(window.end_seconds * RATE)], RATE)
        assert window.probabilities == pytest.approx(alone.probabilities, abs=1e-6)
        assert window.flags == alone.flags


@pytest.mark.parametrize(("seconds", "ends"), [(0.1, [0.1]), (0.5, [0.5]), (0.8, [0.5, 0.75, 0.8])])
def test_a_short_sound_has_windows_too(model: Model, seconds: float, ends: list[float]) -> None:
    found = model.windows(animal_sounds.sound("rain", seconds), RATE)
    assert [window.end_seconds for window in found] == pytest.approx(ends)


def test_windows_that_are_not_sure_are_left_out(model: Model, outdoors: np.ndarray) -> None:
    found = model.windows(outdoors, RATE)
    threshold = float(np.median([window.probability for window in found]))
    kept = model.windows(outdoors, RATE, min_confidence=threshold)
    assert kept == [window for window in found if window.probability >= threshold]
    assert 0 < len(kept) < len(found)


def test_a_window_says_in_a_line_what_matters(model: Model) -> None:
    (window,) = model.windows(np.zeros(RATE // 2, np.float32), RATE)
    line = r"SoundWindow\(label='\w+', probability=\d\.\d{3}, start_seconds=0, end_seconds=0\.5, flags=\('silent',\)\)"
    assert re.fullmatch(line, repr(window))


def test_windows_in_a_row_make_events(model: Model, outdoors: np.ndarray) -> None:
    found = model.events(outdoors, RATE, window=1.0, min_confidence=0.9)
    assert [event.label for event in found] == ["rain", "dog", "rain"]
    times = [(event.start_seconds, event.end_seconds) for event in found]
    assert times == [pytest.approx(expected, abs=0.8) for expected in ((0, 2), (2, 4), (6, 8))]
    assert all(0.9 <= event.probability <= 1 for event in found)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"window": 0}, "window 0: give seconds above 0"),
        ({"hop": 2}, "hop 2 is longer than a window of 0.5 s"),
        ({"window": 1, "hop": 2}, "hop 2 is longer than window 1"),
        ({"min_confidence": 2}, "min_confidence 2: use a probability from 0 to 1"),
    ],
)
def test_windows_that_leave_gaps_are_refused(model: Model, dog: Path, options: dict[str, float], reason: str) -> None:
    for use in (model.windows, model.events):
        with pytest.raises(ValueError, match=f"^{re.escape(reason)}") as error:
            use(dog, **options)
        assert "--window" not in f"{error.value}".partition(";")[0]


def test_windows_are_those_of_one_sound(model: Model, dog: Path) -> None:
    with pytest.raises(ValueError, match="list: windows are those of one sound; give them one by one"):
        model.windows([dog])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"gone\.wav: unreadable"):
        model.windows("gone.wav")


def test_the_answer_on_a_recording_is_the_mean_of_its_windows_with_sound(model: Model, outdoors: np.ndarray) -> None:
    sounding = [window for window in model.windows(outdoors, RATE) if "silent" not in window.flags]
    expected = {name: np.mean([window.probabilities[name] for window in sounding]) for name in model.classes}
    found = model.predict(outdoors, RATE)
    assert found.probabilities == pytest.approx(expected, abs=1e-6)
    assert (found.label, found.duration_seconds) == ("rain", 8)


def test_recordings_stand_in_a_list_where_they_were_given(model: Model, dog: Path, outdoors: np.ndarray) -> None:
    rooster = animal_sounds.sound("rooster")
    found = model.predict([dog, outdoors, rooster, outdoors[:100], dog], sample_rate=RATE)
    assert [each.duration_seconds for each in found] == [1.5, 8, 1.5, 0.0125, 1.5]
    assert [found[place].label for place in (0, 1, 2, 4)] == ["dog", "rain", "rooster", "dog"]


def test_it_says_when_it_should_not_be_believed(model: Model, dog: Path) -> None:
    silence = model.predict(np.zeros(RATE, np.float32), RATE)
    assert silence.flags == ("silent",) and silence.notes == ("silent: nothing but digital silence",)
    assert repr(silence).endswith(", flags=('silent',))")
    never_sure = Model(replace(model._classifier, unsure_below=1.01))
    found, together = never_sure.predict(dog), never_sure.predict([dog, dog])
    assert [each.flags for each in (found, *together)] == [("unsure",)] * 3
    assert found.notes[0].startswith("unsure: the top probability is")


def test_it_says_which_files_it_was_trained_on(job: Job, model: Model) -> None:
    with (job.folder / "split.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in (next(row for row in rows if row["split"] == split) for split in ("train", "test")):
        found = model.predict(Path(str(job.config.data.root)) / row["clip"])
        assert any("was trained on this" in note for note in found.notes) == (row["split"] == "train")


def test_several_threads_get_the_answers_of_one(model: Model, dog: Path) -> None:
    sounds = [dog, *(animal_sounds.sound(kind, seconds) for seconds in (0.3, 1.0, 2.0) for kind in KINDS)]
    rates = [None, *[RATE] * (len(sounds) - 1)]
    threads = torch.get_num_threads()
    expected = [model.predict(*given).probabilities for given in zip(sounds, rates, strict=True)]
    with ThreadPoolExecutor(4) as pool:
        found = list(
            pool.map(lambda given: model.predict(*given).probabilities, [*zip(sounds, rates, strict=True)] * 8)
        )
    assert len(found) == 8 * len(expected)
    for one, other in zip(found, expected * 8, strict=True):
        assert one == pytest.approx(other, abs=1e-6)
    assert torch.get_num_threads() == threads


def test_an_exported_model_answers_as_its_job_but_calibrated(
    job: Job, model: Model, dog: Path, outdoors: np.ndarray, tmp_path: Path
) -> None:
    write_exported(tmp_path / "mine", replace(load_classifier(job.folder), temperature=2.0), "# Mine\n")
    exported = audio_cls.load(tmp_path / "mine")
    assert repr(exported) == "<Model mine: 4 classes, 8000 Hz>"
    assert exported.embed(dog) == pytest.approx(model.embed(dog), abs=1e-5)
    answers = (use([dog, dog]) for use in (model.predict, exported.predict))
    windows = (use(outdoors, RATE) for use in (model.windows, exported.windows))
    for plain, calibrated in [*zip(*answers, strict=True), *zip(*windows, strict=True)]:
        roots = {name: probability**0.5 for name, probability in plain.probabilities.items()}
        expected = {name: root / sum(roots.values()) for name, root in roots.items()}
        assert calibrated.probabilities == pytest.approx(expected, abs=1e-5)


TRAINING = (
    "lightning hydra omegaconf wandb pydantic matplotlib sklearn scipy jinja2 torchmetrics platformdirs requests"
    " yaml filelock av"
)


def test_it_works_where_the_libraries_for_training_are_missing(job: Job, dog: Path, tmp_path: Path) -> None:
    write_exported(tmp_path / "mine", load_classifier(job.folder), "# Mine\n")
    code = f"""
import sys
sys.modules |= dict.fromkeys({TRAINING.split()!r})  # whoever imports one of them fails
import audio_cls, numpy
model = audio_cls.load({str(tmp_path / "mine")!r})
assert model.predict({str(dog)!r}).label == "dog"
assert model.embed([{str(dog)!r}]).shape == (1, 352)
noise = numpy.random.default_rng(0).normal(size=50_000) / 10
assert {{event.label for event in model.events(noise, sample_rate=8000)}} == {{"rain"}}
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)


def test_it_moves_to_a_device_and_returns_itself(model: Model) -> None:
    assert model.to("cpu") is model
    assert model.to(torch.device("cpu")) is model


@pytest.mark.parametrize("device", ["cuda:99", "toaster", "meta", "cuda:x", ""])
def test_a_device_that_is_not_there_is_refused_in_a_line(model: Model, dog: Path, device: str) -> None:
    with pytest.raises(ValueError, match=rf"device {device} cannot be used \(.*; there is cpu") as error:
        model.to(device)
    assert "\n" not in str(error.value)
    assert model.predict(dog).label == "dog"


def test_sounds_go_where_the_network_is(model: Model, dog: Path) -> None:
    seen = []
    model._classifier.module.to("meta")  # a device without numbers, on every machine
    model._classifier.module.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].device.type))
    with pytest.raises(NotImplementedError):
        model.predict(dog)
    assert seen == ["meta"]


def test_an_embedding_is_what_the_last_layers_get(model: Model, dog: Path, samples: np.ndarray) -> None:
    found = model.embed(dog)
    assert found.shape == (96 + 256,) and found.dtype == np.float32
    fusion = model._classifier.module.network
    with torch.no_grad():
        crops = model._classifier.crops(samples)
        states = torch.from_numpy(found)
        logits = fusion.branch_logits(fusion.extract(model._classifier.module.normalized(crops)))
        expected = [each.mean(0) for each in logits]  # crops of a dog that barks throughout count the same
        of_cls = fusion.transformer.classifier(states[:96])
        of_statistics = fusion.statistics.layers[-1](states[96:])
    torch.testing.assert_close(of_cls, expected[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(of_statistics, expected[1], atol=1e-4, rtol=1e-4)


def test_sounds_of_a_class_lie_near_each_other(model: Model) -> None:
    sounds = [animal_sounds.sound(kind, seed=seed) for seed in (50, 51) for kind in KINDS]
    embeddings = model.embed(sounds, sample_rate=RATE)
    embeddings = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    assert (embeddings[4:] @ embeddings[:4].T).argmax(1).tolist() == [0, 1, 2, 3]


class Loudness(nn.Module):
    """A network of somebody else, which gives embeddings."""

    def embed(self, waveforms: Tensor) -> Tensor:
        return waveforms.square().mean(-1)

    def forward(self, waveforms: Tensor) -> Tensor:
        return self.embed(waveforms).repeat(1, 2)


class WithALayerOfThatName(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(4, 3)


class Scalar(Loudness):
    def embed(self, waveforms: Tensor) -> Tensor:
        return waveforms.mean()


def test_a_network_of_somebody_else_may_give_embeddings() -> None:
    crops = torch.tensor([[1.0, 1, 1, 1], [0, 0, 0, 0], [3, 3, 3, 3]]).view(1, 3, 1, 4)
    everything = ClipClassifier(Loudness(), normalize=False, silence_db=0)
    assert everything.clip_embeddings(crops).flatten().tolist() == pytest.approx([10 / 3])
    without_silence = ClipClassifier(Loudness(), normalize=False, silence_db=20)
    assert without_silence.clip_embeddings(crops).flatten().tolist() == [5]


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (nn.Flatten(), r"Flatten gives no embeddings: add a method embed\(waveforms \(B, 1, T\)\) -> \(B, D\)"),
        (WithALayerOfThatName(), "WithALayerOfThatName gives no embeddings"),
        (Scalar(), r"Scalar.embed returned \(\) for 3 crops: it must return \(3, D\)"),
    ],
)
def test_a_network_without_embeddings_is_refused_in_a_line(network: nn.Module, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ClipClassifier(network, normalize=False, silence_db=0).clip_embeddings(torch.zeros(1, 3, 1, 4))
