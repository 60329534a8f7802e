"""Shape, level, silence and spectrum of single clips."""

import numpy as np
import pytest
import soundfile

from audio_cls.data import sndfile
from audio_cls.data.clips import Clip, ClipSet, DataError
from audio_cls.data.decode import BadAudio
from audio_cls.data.synthetic import synthetic_clips
from audio_cls.figures.spectrogram import band_edges, mel_power
from audio_cls.reports.dataset import measure as measuring
from audio_cls.reports.dataset.measure import measure
from audio_cls.reports.dataset.survey import choose_sample, survey

RATE = 16_000


def tone(hertz=440, seconds=1.0, rate=RATE, peak=1.0):
    return peak * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


@pytest.fixture
def measured(tmp_path):
    """Measures of a waveform that was written to a file."""

    def write(waveform, rate=RATE, name="clip.wav", sampled=False, subtype="FLOAT"):
        soundfile.write(tmp_path / name, waveform, rate, subtype=subtype)
        return measure(Clip(tmp_path / name, name, 0), sampled, highest=RATE / 2)

    return write


def test_a_sine_at_full_scale_has_minus_3_decibels(measured):
    measures = measured(tone())
    assert measures.rms_db == pytest.approx(-3.01, abs=0.01)
    assert measures.peak == pytest.approx(1, abs=1e-3)
    assert measures.shape == (1, RATE, RATE)
    assert measures.seconds == 1


def test_silence_is_measured_before_within_and_after_the_sound(measured):
    sound, quarter = tone(seconds=0.25) + 0.01, np.zeros(RATE // 4)
    measures = measured(np.concatenate([quarter, quarter, sound, quarter, sound, quarter, quarter, quarter]))
    assert measures.leading_seconds == pytest.approx(0.5)
    assert measures.trailing_seconds == pytest.approx(0.75)
    assert measures.silent == pytest.approx(6 / 8)


def test_a_clip_of_zeros_is_silent_throughout(measured):
    measures = measured(np.zeros(1234), sampled=True)
    assert measures.silent == 1
    assert measures.leading_seconds == pytest.approx(1234 / RATE)
    assert measures.bands is None
    assert measures.fingerprint is None


def test_soft_noise_is_not_digital_silence(measured):
    assert measured(1e-3 * np.random.default_rng(0).standard_normal(RATE)).silent == 0


def test_clipping_and_offset_are_measured(measured):
    assert measured(np.clip(10 * tone(), -1, 1)).clipped > 0.9
    assert measured(tone(peak=0.5)).clipped == 0
    assert measured(tone(peak=0.5) + 0.25).offset == pytest.approx(0.25, abs=1e-3)


def test_channels_that_cancel_are_noticed_and_their_peak_is_theirs(measured):
    sound = tone(peak=0.9)
    inverted = measured(np.stack([sound, -0.99 * sound], axis=1))
    assert inverted.channels == 2
    assert inverted.cancelled_db > 40
    assert inverted.peak == pytest.approx(0.9, abs=1e-2)
    assert measured(np.stack([sound, sound], axis=1)).cancelled_db == pytest.approx(0, abs=0.01)
    assert measured(np.zeros((RATE, 2))).cancelled_db == 0


def test_the_same_samples_have_the_same_digest_in_any_container(measured):
    sound = (10_000 * tone()).astype(np.int16)
    wav = measured(sound, name="a.wav", subtype="PCM_16")
    assert measured(sound, name="b.flac", subtype="PCM_16").digest == wav.digest
    assert measured(sound[::-1], name="c.wav", subtype="PCM_16").digest != wav.digest
    assert measured(sound, rate=8_000, name="d.wav", subtype="PCM_16").digest != wav.digest


@pytest.mark.parametrize("channels", [1, 2])
def test_of_a_very_long_file_the_beginning_is_examined(measured, monkeypatch, channels):
    monkeypatch.setattr(measuring, "MAX_FRAMES", RATE)
    monkeypatch.setattr(sndfile, "BLOCK_FRAMES", 3_000)
    sound = np.concatenate([tone(seconds=1, peak=0.5), np.ones(2 * RATE)])
    measures = measured(np.repeat(sound[:, None], channels, axis=1))
    assert (measures.frames, measures.examined) == (3 * RATE, RATE)
    assert measures.peak == pytest.approx(0.5, abs=1e-3)


def test_values_that_are_not_finite_are_bad_audio_in_long_files_too(measured, monkeypatch):
    monkeypatch.setattr(measuring, "MAX_FRAMES", RATE)
    with pytest.raises(BadAudio, match="not finite"):
        measured(np.full(2 * RATE, np.nan))


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
@pytest.mark.parametrize("hertz", [300, 1_000, 3_000])
def test_a_tone_lies_in_the_band_around_its_frequency_at_any_rate(rate, hertz):
    power = mel_power(tone(hertz, rate=rate).astype(np.float32), rate, highest=22_050).mean(axis=0)
    edges = band_edges(22_050)
    band = power.argmax()
    assert edges[band] < hertz < edges[band + 2]


def test_nothing_lies_above_half_the_sample_rate():
    noise = np.random.default_rng(0).standard_normal(8_000).astype(np.float32)
    power = mel_power(noise, 8_000, highest=22_050).mean(axis=0)
    assert (power[band_edges(22_050)[:-2] > 4_000] == 0).all()


def test_the_sample_takes_of_every_class_alike():
    clip_set = synthetic_clips(40)
    sample = choose_sample(clip_set, size=100)
    labels = np.array([clip_set.clips[index].label for index in sample])
    assert (np.bincount(labels) == 10).all()
    assert sample == choose_sample(clip_set, size=100)
    assert choose_sample(clip_set) == set(range(400))


def test_where_no_clip_can_be_used_there_is_nothing_to_explore(tmp_path):
    clips = []
    for label in range(2):
        (tmp_path / f"{label}.wav").write_bytes(b"no sound")
        clips.append(Clip(tmp_path / f"{label}.wav", f"{label}.wav", label))
    with pytest.raises(
        DataError, match=r"none of the 2 clips of broken can be used; the first, '0.wav', is unreadable"
    ):
        survey(ClipSet("broken", tmp_path, ("a", "b"), tuple(clips)))
