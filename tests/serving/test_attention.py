from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from matplotlib.figure import Figure
from matplotlib.image import imread
from support.short_tones import RATE, train, train_cnn

from audio_cls.cli.main import main
from audio_cls.config.job import Job
from audio_cls.data.decode import decode
from audio_cls.figures.attention import attention_figure
from audio_cls.models.attention_maps import cls_attention, rollout, token_times, transformer_of
from audio_cls.models.build import build_transformer
from audio_cls.models.clip_classifier import ClipClassifier
from audio_cls.models.settings import TransformerSettings
from audio_cls.serving.attention import explain_clip
from audio_cls.serving.clips import find_clip
from audio_cls.serving.load import LoadedClassifier, load_classifier


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, workspace):
    monkeypatch.chdir(workspace)


@pytest.fixture(scope="module")
def jobs(workspace) -> list[Job]:
    """The same transformer with one and two heads."""
    return [train(workspace, f"heads={heads}") for heads in (1, 2)]


@pytest.fixture(scope="module")
def classifier(jobs) -> LoadedClassifier:
    return load_classifier(jobs[1].folder)


def untrained(
    crop_samples: int = 1_024, num_layers: int = 2, num_heads: int = 2, eval_crops: int = 4, silence_db: float = 0.0
) -> LoadedClassifier:
    """A classifier of one-second clips at 4 kHz that has learnt nothing."""
    torch.manual_seed(0)
    settings = TransformerSettings(
        num_classes=2, sample_rate=RATE, num_samples=crop_samples, num_heads=num_heads, num_layers=num_layers,
        num_mels=8, n_fft=128, hop_length=16, stem_width=2, d_model=8, d_feedforward=8,
    )  # fmt: skip
    network = build_transformer(settings)
    module = ClipClassifier(network, normalize=True, silence_db=silence_db).eval()
    config = {"fold": 0, "seed": 0}
    return LoadedClassifier(
        module, ("a", "b"), RATE, crop_samples, eval_crops, folder=Path("variant/fold0-seed0"), config=config
    )


def noise(seconds: float = 1.0) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).normal(size=int(seconds * RATE))).astype(np.float32)


def test_a_clip_as_long_as_a_crop_shows_the_attention_of_its_tokens_around_their_centres():
    classifier, waveform = untrained(crop_samples=4_000), noise()
    found = explain_clip(classifier, waveform)
    with torch.no_grad():
        crops = classifier.module.normalized(classifier.crops(waveform))
        weights = transformer_of(classifier.module.network).attention_weights(crops[:1])
    expected, flow = cls_attention(weights)[0].numpy(), rollout(weights)[0].numpy()
    num_tokens = expected.shape[-1]
    assert found.heads.shape[:2] == (2, 2)
    places = (found.edges[1:] + found.edges[:-1]) / 2
    centres = token_times(classifier.module.network).centres(num_tokens).numpy() / RATE
    for token, centre in enumerate(centres):
        place = np.abs(places - centre).argmin()
        assert found.heads[:, :, place] == pytest.approx(expected[:, :, token] * num_tokens, rel=1e-4)
        assert found.rollout[place] == pytest.approx(flow[token] * num_tokens, rel=1e-4)


def test_overlapping_crops_are_averaged_and_an_even_look_is_one():
    classifier = untrained()
    for block in transformer_of(classifier.module.network).encoder.blocks:  # no query, no preference
        torch.nn.init.zeros_(block.attention.query.weight)
    found = explain_clip(classifier, noise())
    assert np.allclose(found.heads, 1)
    assert np.allclose(found.rollout, 1)
    assert np.allclose(found.sound_share, 0.9)  # nine tokens, and CLS itself


def test_it_averages_the_probabilities_that_a_prediction_has(classifier, jobs):
    waveform = decode(Path(jobs[0].config.data.root) / "high" / "high-0.wav", RATE)
    found = explain_clip(classifier, waveform)
    assert found.probabilities == pytest.approx(classifier.probabilities(waveform).numpy(), abs=1e-6)
    assert found.prediction == f"{classifier.classes[found.probabilities.argmax()]}, {found.probabilities.max():.1%}"


def test_silent_crops_and_gaps_between_crops_have_no_attention():
    waveform = noise(4)
    waveform[:RATE] = 0
    found = explain_clip(untrained(eval_crops=3, silence_db=30.0), waveform)  # crops at 0, 1.872 and 3.744 s
    seen = ~np.isnan(found.heads[0, 0])
    seconds = (found.edges[1:] + found.edges[:-1]) / 2
    assert not seen[seconds < 1.8].any()
    assert seen[(seconds > 1.9) & (seconds < 2.1)].all()
    assert not seen[(seconds > 2.2) & (seconds < 3.7)].any()
    assert (np.isnan(found.rollout) == ~seen).all()


@pytest.mark.parametrize("num_samples", [1, 100, 1_024, 400_000])
def test_clips_of_any_length_are_explained_from_start_to_end(num_samples):
    found = explain_clip(untrained(), noise(num_samples / RATE))
    assert (found.edges[0], found.edges[-1]) == (0, pytest.approx(num_samples / RATE))
    assert found.heads.shape[-1] == len(found.edges) - 1 <= 4_000
    assert np.nanmin(found.heads) >= 0


@pytest.mark.parametrize("name", ["high/high-0.wav", "high-0.wav", "tones/high/high-0.wav"])
def test_a_clip_is_found_by_its_name_or_as_a_file_and_what_is_known_of_it(classifier, name):
    shown = find_clip(classifier, name)
    assert (shown.name, shown.label) == ("high/high-0.wav", "high")
    assert shown.split in ("train", "val", "test")
    assert len(shown.waveform) == 0.75 * RATE


def test_of_a_file_from_elsewhere_nothing_is_known(classifier, tmp_path):
    soundfile.write(tmp_path / "new.wav", noise(), 8_000)
    shown = find_clip(classifier, str(tmp_path / "new.wav"))
    assert (shown.name, shown.label, shown.split, len(shown.waveform)) == ("new.wav", None, None, RATE / 2)


def test_synthetic_clips_are_found_by_name(classifier):
    data = {"kind": "synthetic", "name": "synthetic", "clips_per_class": 20, "synthesis_seed": 0}
    synthetic = replace(classifier, config={**classifier.config, "data": data}, folder=Path("nowhere"))
    from audio_cls.data.synthetic import synthetic_clips

    name = synthetic_clips(20).clips[3].name
    shown = find_clip(synthetic, name)
    assert (shown.name, len(shown.waveform)) == (name, 5 * RATE)


def texts(figure: Figure) -> str:
    return " | ".join(axes.get_title(loc="left") for axes in figure.axes)


def test_the_figure_of_several_jobs_has_a_panel_for_each_with_a_row_for_each_head(jobs):
    figure = attention_figure([job.folder for job in jobs], "high-0.wav")
    waveform, spectrogram, one, two, _, flow = figure.axes
    assert waveform.get_title(loc="left").startswith("high/high-0.wav, a ")
    assert [len(axes.get_yticks()) for axes in (one, two)] == [1, 2]
    assert [label.get_text() for label in two.get_yticklabels()] == ["layer 1, head 1", "layer 1, head 2"]
    for axes, job in ((one, jobs[0]), (two, jobs[1])):
        assert axes.get_title(loc="left").startswith(f"{job.variant}, fold 0, seed 0: predicted ")
    assert len(flow.patches) == 2
    assert {axes.get_xlim() for axes in (waveform, spectrogram, one, two, flow)} == {(0, 0.75)}


def test_the_command_writes_a_picture_into_the_job_or_where_it_is_told(jobs, workspace, capsys):
    job = str(jobs[1].folder)
    assert main(["attention", job, "high-0.wav"]) == 0
    assert imread(jobs[1].folder / "attention_high-0.png").shape[1] > 500
    out = workspace / "new" / "picture.png"
    named = jobs[1].folder.relative_to(workspace / "outputs")
    assert main(["attention", str(named), "tones/low/low-1.wav", "--out", str(out)]) == 0
    assert out.exists()
    assert main(["attention", *(str(job.folder) for job in jobs), "low-1.wav"]) == 0
    assert (jobs[0].folder / "attention_low-1_2_jobs.png").exists()
    assert capsys.readouterr().out.count("written to ") == 3


@pytest.fixture(scope="module")
def others(workspace, jobs) -> dict[str, str]:
    """Jobs without attention to show."""
    cnn, mean = train_cnn(workspace), train(workspace, "model.pool=mean", "variant=mean")
    (mean.folder.parent / "kept").mkdir()
    (mean.folder.parent / "kept" / "config.yaml").write_text((mean.folder / "config.yaml").read_text())
    return {
        "cnn": str(cnn.folder),
        "mean": str(mean.folder),
        "kept": str(mean.folder.parent / "kept"),
        "job": str(jobs[0].folder),
        "variant": str(jobs[0].folder.parent),
        "none": "nowhere",
    }


@pytest.mark.parametrize(
    ("name", "clip", "status", "message"),
    [
        ("cnn", "high-0.wav", 2, "WaveformCNN has no attention to show; choose a job with model=transformer"),
        ("mean", "high-0.wav", 2, "pool=mean has no CLS token"),
        ("kept", "high-0.wav", 2, "kept results and jobs that did not finish an epoch have no checkpoint"),
        ("none", "high-0.wav", 2, "nowhere does not exist"),
        ("variant", "high-0.wav", 2, "name one job in it, as "),
        ("job", "high-9.wav", 2, "neither a file nor a clip of tones; did you mean 'high/high-"),
        ("job", "broken.wav", 1, "broken.wav: unreadable"),
        ("job", "again.wav", 2, "is the name of several clips; say which: high/again.wav, low/again.wav"),
    ],
)
def test_what_cannot_be_shown_ends_in_one_line(others, workspace, capsys, name, clip, status, message):
    Path("broken.wav").write_text("no sound")
    if clip == "again.wav":
        for label in ("high", "low"):
            soundfile.write(workspace / "tones" / label / clip, noise(), RATE)
    assert main(["attention", others[name], clip]) == status
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_data_that_are_gone_are_named(classifier, workspace, capsys):
    (workspace / "tones").rename(workspace / "moved")
    try:
        assert main(["attention", str(classifier.folder), "high-0.wav"]) == 2
        assert "tones" in capsys.readouterr().err
    finally:
        (workspace / "moved").rename(workspace / "tones")


def test_a_picture_of_another_kind_is_refused_before_anything_is_loaded(capsys):
    assert main(["attention", "job", "clip.wav", "--out", "picture.pdf"]) == 2
    assert "call it picture.png" in capsys.readouterr().err
