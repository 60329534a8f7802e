import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from audio_cls.data import mel_power_store
from audio_cls.data.clips import Clip, ClipSet
from audio_cls.data.mel_power_store import PowerStore, open_power_store, playback_speeds
from audio_cls.data.waveform_store import WaveformStore, open_store
from audio_cls.models.log_mel import LogMel

RATE = 4_000
N_FFT, HOP, MELS = 128, 32, 16


def front_end(**changes: int) -> LogMel:
    settings = {"sample_rate": RATE, "num_mels": MELS, "n_fft": N_FFT, "hop_length": HOP} | changes
    return LogMel(**settings)


@pytest.fixture
def waveforms(tmp_path) -> WaveformStore:
    """A second of noise (and the 10 ms in which a loop begins before it ends), half a second of a tone, a click."""
    random = np.random.default_rng(0)
    click = np.zeros(RATE // 10)
    click[100] = 1
    tone = np.sin(2 * np.pi * 500 * np.arange(RATE // 2) / RATE)
    clips = []
    for name, waveform in {
        "noise": 0.1 * random.standard_normal(RATE + RATE // 100),
        "tone": tone,
        "click": click,
    }.items():
        soundfile.write(tmp_path / f"{name}.wav", waveform, RATE, subtype="FLOAT")
        clips.append(Clip(tmp_path / f"{name}.wav", f"{name}.wav", 0))
    return open_store(ClipSet("sounds", tmp_path, ("a",), tuple(clips)), RATE, cache_dir=tmp_path / ".cache")


def crops(store: PowerStore, clip: int, speed: int, start: int, num_frames: int) -> np.ndarray:
    return store.crops(np.array([clip]), np.array([speed]), np.array([start]), num_frames)[0]


def test_at_its_own_speed_a_clip_has_the_power_that_the_front_end_computes_of_its_loop(waveforms):
    store = open_power_store(waveforms, front_end(), 1.0, RATE // 2)
    loop = torch.from_numpy(waveforms.circular_crops(np.array([0]), np.array([0]), 3 * RATE, RATE // 2))
    period = RATE // HOP
    expected = front_end().mel_power(loop.unsqueeze(1))[0].T  # (frames, M)
    assert store.num_frames[0, 0] == period
    np.testing.assert_allclose(crops(store, 0, 0, 10, 2 * period), expected[10 : 10 + 2 * period], rtol=1e-3, atol=1e-5)


def test_a_crop_goes_on_with_the_beginning_as_often_as_it_has_to(waveforms):
    store = open_power_store(waveforms, front_end(), 1.0, RATE // 2)
    period = int(store.num_frames[1, 0])
    long = crops(store, 1, 0, period - 5, 2 * period + 10)
    assert np.array_equal(long[:5], crops(store, 1, 0, period - 5, 5))
    assert np.array_equal(long[5 : 5 + period], crops(store, 1, 0, 0, period))
    assert np.array_equal(long[5 + period : 5 + 2 * period], long[5 : 5 + period])


def test_a_loop_has_no_seam(waveforms):
    store = open_power_store(waveforms, front_end(), 1.0, RATE // 2)
    period = int(store.num_frames[1, 0])
    tone = crops(store, 1, 0, 0, period)
    quiet = tone[:, :3].sum(1)  # bands far below the tone: a click at the seam would fill them
    assert quiet[[0, 1, -2, -1]].max() < 1e-2 * tone[0].max()


def test_a_faster_loop_is_shorter_and_higher(waveforms):
    store = open_power_store(waveforms, front_end(), 1.5, RATE // 2)
    assert store.num_frames.shape == (3, mel_power_store.NUM_SPEEDS)
    assert store.num_frames[0].tolist() == pytest.approx([RATE / HOP / s for s in playback_speeds(1.5)], rel=0.03)
    centres = front_end().mel_bands @ torch.arange(N_FFT // 2 + 1).float() / front_end().mel_bands.sum(1)
    loudest = [float(centres[crops(store, 1, n, 0, 20).mean(0).argmax()]) * RATE / N_FFT for n in (0, 2, 4)]
    assert loudest == pytest.approx([500 / 1.5, 500, 500 * 1.5], rel=0.15)  # bands are that wide


def test_a_clip_shorter_than_a_crop_is_followed_by_silence(waveforms):
    store = open_power_store(waveforms, front_end(), 1.0, RATE // 2)
    assert store.num_frames[2, 0] == pytest.approx(RATE / 2 / HOP, abs=1)
    loudness = crops(store, 2, 0, 0, int(store.num_frames[2, 0])).sum(1)
    assert loudness.argmax() == pytest.approx(100 / HOP, abs=1)
    assert loudness[20:-3].max() < 1e-9


@pytest.mark.parametrize("speed", range(mel_power_store.NUM_SPEEDS))
def test_speeds_are_spaced_evenly_around_the_clips_own(speed):
    speeds = playback_speeds(1.21)
    assert speeds[speed] == pytest.approx(1.1 ** (speed - 2))
    assert playback_speeds(1.0) == [1.0]


def test_it_is_made_once_for_each_front_end_and_range_of_speeds(waveforms, monkeypatch):
    first = open_power_store(waveforms, front_end(), 1.1, RATE // 2)
    changes = [(front_end(num_mels=8), 1.1, RATE // 2), (front_end(), 1.2, RATE // 2), (front_end(), 1.1, RATE)]
    folders = {open_power_store(waveforms, *change).folder for change in changes}
    assert len(folders | {first.folder}) == 4
    monkeypatch.setattr(mel_power_store, "_power_at_speeds", None)
    assert open_power_store(waveforms, front_end(), 1.1, RATE // 2).folder == first.folder


def test_what_was_damaged_is_made_again(waveforms):
    store = open_power_store(waveforms, front_end(), 1.0, RATE // 2)
    whole = crops(store, 0, 0, 0, 50)
    path = Path(store.folder / "floats.f32")
    path.write_bytes(path.read_bytes()[:-4])
    assert np.array_equal(crops(open_power_store(waveforms, front_end(), 1.0, RATE // 2), 0, 0, 0, 50), whole)


def test_a_process_that_is_handed_the_store_opens_it(waveforms):
    store = open_power_store(waveforms, front_end(), 1.0, RATE // 2)
    assert len(pickle.dumps(store)) < 2_000
    assert np.array_equal(crops(pickle.loads(pickle.dumps(store)), 1, 0, 3, 9), crops(store, 1, 0, 3, 9))
