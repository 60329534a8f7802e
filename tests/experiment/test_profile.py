from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_cls.data.clips import Clip, ClipSet
from audio_cls.data.waveform_store import WaveformStore, open_store
from audio_cls.experiment import profile as profile_module
from audio_cls.experiment.profile import compare_held_out, training_profile

RATE = 8_000


def store_of(tmp_path: Path, sounds: list[np.ndarray]) -> tuple[ClipSet, WaveformStore]:
    folder = tmp_path / "clips"
    folder.mkdir()
    clips = []
    for index, sound in enumerate(sounds):
        path = folder / f"{index:03}.wav"
        soundfile.write(path, sound.astype(np.float32), RATE, subtype="FLOAT")
        clips.append(Clip(path, path.name, 0, f"source{index // 2}"))
    clip_set = ClipSet("noises", folder, ("noise",), tuple(clips))
    return clip_set, open_store(clip_set, RATE, tmp_path / "cache", progress=False)


def noises(num: int, level: float = 0.1) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [level * rng.standard_normal(round(RATE * (0.5 + index / num))) for index in range(num)]


def test_a_profile_knows_the_training_clips_alone(tmp_path: Path) -> None:
    clip_set, store = store_of(tmp_path, [*noises(40), *noises(4, level=0.5)])
    train = np.arange(40)
    profile = training_profile(clip_set, store, train, RATE // 2)
    assert profile.shortest_seconds == pytest.approx(0.5)
    assert profile.longest_seconds == pytest.approx(1.475)
    assert profile.loudest_db == pytest.approx(-20, abs=0.5)  # not that of the held-out clips
    assert profile.spectra is not None
    assert len(profile.spectra.points) == 160
    other = training_profile(clip_set, store, np.arange(44), RATE // 2)
    assert other.as_json() != profile.as_json()


def test_of_many_clips_some_are_heard_always_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_module, "MAX_CROPS", 30)
    clip_set, store = store_of(tmp_path, noises(40))
    profile = training_profile(clip_set, store, np.arange(40), RATE // 2)
    assert profile.spectra is not None
    assert len(profile.spectra.points) == 30
    assert profile.as_json() == training_profile(clip_set, store, np.arange(40), RATE // 2).as_json()
    assert (profile.shortest_seconds, profile.longest_seconds) == (0.5, 1.475)


def test_clips_without_sound_and_short_crops_are_left_aside(tmp_path: Path) -> None:
    clip_set, store = store_of(tmp_path, [*noises(20), np.zeros(RATE), np.zeros(RATE)])
    profile = training_profile(clip_set, store, np.arange(22), RATE // 2)
    assert profile.softest_db == pytest.approx(-20, abs=0.5)
    assert profile.spectra is not None
    assert len(profile.spectra.points) == 80
    assert training_profile(clip_set, store, np.arange(22), 100).spectra is None
    silent = training_profile(clip_set, store, np.array([20, 21]), RATE // 2)
    assert (silent.softest_db, silent.loudest_db, silent.spectra) == (None, None, None)


def test_held_out_clips_that_are_unlike_are_counted_and_silent_ones_are_not(tmp_path: Path) -> None:
    tones = [0.1 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)] * 3
    clip_set, store = store_of(tmp_path, [*noises(80), *tones, np.zeros(RATE)])
    profile = training_profile(clip_set, store, np.arange(60), RATE // 2)
    compared = compare_held_out(profile, store, np.arange(60, 84), RATE // 2, 5)
    assert compared.held_out == 23
    assert 3 <= compared.held_out_unlike <= 6
    assert compare_held_out(profile, store, np.arange(0), RATE // 2, 5).held_out == 0
