from dataclasses import dataclass

import numpy as np
import pytest

from audio_cls.data.decode import resample
from audio_cls.data.profile import TrainingProfile, find_spectra
from audio_cls.models.crop_features import crop_features
from audio_cls.serving.flags import SILENT, UNLIKE, UNSURE, flags_of

RATE = 16_000


@dataclass(frozen=True)
class Classifier:
    """What flags need to know of one."""

    sample_rate: int = RATE
    crop_samples: int = RATE
    eval_crops: int = 5
    unsure_below: float = 0.0
    profile: TrainingProfile | None = None


SURE = np.array([0.98, 0.01, 0.01], np.float32)


def noise(seconds: float = 1.0) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal(round(seconds * RATE))).astype(np.float32)


@pytest.mark.parametrize(
    "waveform",
    [
        np.zeros(RATE, np.float32),
        np.zeros(0, np.float32),
        np.full(RATE, 1e-5, np.float32),
        np.full(RATE, 0.25, np.float32),
        np.full(RATE, -0.25, np.float32),
        resample(np.full(8_000, 0.5, np.float32), 8_000, RATE),
        resample(np.full(44_100, -0.5, np.float32), 44_100, RATE),
        np.full(1, 0.5, np.float32),
    ],
)
def test_what_holds_no_sound_is_silent_and_nothing_else(waveform: np.ndarray) -> None:
    strict = Classifier(unsure_below=0.99, profile=TrainingProfile(5, 5))
    flags, notes = flags_of(strict, waveform, SURE)
    assert flags == (SILENT,)
    assert notes[0].startswith("silent: ")


@pytest.mark.parametrize("level", [1e-4, 0.1])
def test_a_quiet_sound_and_a_click_are_not_silent(level: float) -> None:
    click = np.zeros(RATE, np.float32)
    click[8_000] = level
    for waveform in (level * noise(), click, 0.3 + level * noise().clip(-0.1, 0.1) * 100):
        assert flags_of(Classifier(), waveform, SURE) == ((), ())


@pytest.mark.parametrize(("seconds", "flagged"), [(0.2, True), (0.24, True), (0.25, False), (0.4, False)])
def test_a_sound_of_less_than_half_the_shortest_training_clip_is_unlike_it(seconds: float, flagged: bool) -> None:
    classifier = Classifier(profile=TrainingProfile(0.5, 5))
    flags, notes = flags_of(classifier, noise(seconds), SURE)
    assert flags == ((UNLIKE,) if flagged else ())
    assert all("too short" in note and "shortest training clip has 0.5 s" in note for note in notes)


def test_a_sound_of_less_than_half_a_crop_is_unlike_long_training_clips() -> None:
    flags, notes = flags_of(Classifier(profile=TrainingProfile(5, 5)), noise(0.3), SURE)
    assert flags == (UNLIKE,)
    assert notes == ("unlike training data: too short with 0.3 s; the model hears 1 s at once",)


def test_without_a_profile_nothing_is_unlike() -> None:
    assert flags_of(Classifier(), noise(0.01), SURE) == ((), ())


def test_a_low_top_probability_is_unsure() -> None:
    flags, notes = flags_of(Classifier(unsure_below=0.6), noise(), np.array([0.5, 0.3, 0.2], np.float32))
    assert flags == (UNSURE,)
    assert "top probability is 50%; at least 60%" in notes[0]
    assert flags_of(Classifier(unsure_below=0.6), noise(), SURE) == ((), ())


def test_several_reasons_are_said_together() -> None:
    classifier = Classifier(unsure_below=0.99, profile=TrainingProfile(5, 5))
    flags, notes = flags_of(classifier, noise(0.1), SURE)
    assert flags == (UNLIKE, UNSURE)
    assert len(notes) == 2


@pytest.mark.parametrize(("decibels", "flagged"), [(-80, True), (-51, True), (-49, False), (-20, False), (10, True)])
def test_a_level_more_than_10_db_beyond_those_of_training_is_unlike_it(decibels: float, flagged: bool) -> None:
    classifier = Classifier(profile=TrainingProfile(1, 5, softest_db=-40, loudest_db=-10))
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE) * np.sqrt(2) * 10 ** (decibels / 20)
    flags, notes = flags_of(classifier, tone.astype(np.float32), SURE)
    assert flags == ((UNLIKE,) if flagged else ())
    assert all(f"a level of {decibels} dB; training clips have -40 to -10 dB" in note for note in notes)


@pytest.fixture(scope="module")
def noisy() -> Classifier:
    """Of a classifier that was trained on noise, low-passed now more, now less."""
    rng = np.random.default_rng(0)
    crops = rng.standard_normal((60, RATE))
    widths = rng.integers(1, 6, size=len(crops))
    crops = np.stack([np.convolve(crop, np.ones(width), "same") for crop, width in zip(crops, widths, strict=True)])
    clips = np.arange(len(crops))
    spectra = find_spectra(crop_features(crops, RATE), clips, clips)
    return Classifier(profile=TrainingProfile(1, 1, softest_db=-20, loudest_db=0, spectra=spectra))


@pytest.mark.parametrize("seconds", [1.0, 2.5])
def test_a_spectrum_like_those_of_training_is_not_flagged_and_a_tone_is(noisy: Classifier, seconds: float) -> None:
    assert flags_of(noisy, noise(seconds), SURE) == ((), ())
    tone = (0.1 * np.sin(2 * np.pi * 440 * np.arange(seconds * RATE) / RATE)).astype(np.float32)
    flags, notes = flags_of(noisy, tone, SURE)
    assert flags == (UNLIKE,)
    assert "the spectrum, or how it moves, lies" in notes[0]
