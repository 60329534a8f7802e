import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio_cls.data.profile import NUM_FEATURES, TrainingProfile, find_spectra, read_profile, write_profile

PLAIN = TrainingProfile(shortest_seconds=0.5, longest_seconds=5.0, softest_db=-40.0, loudest_db=-3.0)


def clips_alike(num_clips: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features (4 * clips, D) of four crops of each clip, which are drawn from one distribution, and their clips."""
    rng = np.random.default_rng(seed)
    clips = np.repeat(np.arange(num_clips), 4)
    of_clips = 3 * rng.standard_normal((num_clips, NUM_FEATURES))
    return of_clips[clips] + rng.standard_normal((len(clips), NUM_FEATURES)), clips


@pytest.fixture(scope="module")
def profile() -> TrainingProfile:
    features, clips = clips_alike(80)
    return TrainingProfile(0.5, 5.0, -40.0, -3.0, find_spectra(features, clips, clips))


def test_a_profile_is_read_as_it_was_written(tmp_path: Path, profile: TrainingProfile) -> None:
    write_profile(tmp_path / "profile.json", profile)
    read = read_profile(tmp_path / "profile.json")
    assert read is not None
    assert read.as_json() == profile.as_json()
    assert read == TrainingProfile.from_json(profile.as_json()) != TrainingProfile(0.5, 5.0, -40.0, -3.0)
    assert (read.shortest_seconds, read.longest_seconds, read.softest_db, read.loudest_db) == (0.5, 5, -40, -3)
    assert read.spectra is not None
    assert profile.spectra is not None
    features, _ = clips_alike(5, seed=1)
    np.testing.assert_allclose(read.spectra.strangeness(features), profile.spectra.strangeness(features), rtol=1e-3)


def test_a_job_of_an_older_version_has_no_profile(tmp_path: Path) -> None:
    assert read_profile(tmp_path / "profile.json") is None


def test_levels_and_spectra_may_be_unknown() -> None:
    read = TrainingProfile.from_json(json.loads(json.dumps(TrainingProfile(1, 2).as_json())))
    assert (read.softest_db, read.loudest_db, read.spectra) == (None, None, None)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"version": 99}, "version 1"),
        ({"shortest_seconds": "1"}, "shortest_seconds='1', no number"),
        ({"shortest_seconds": None}, "no number"),
        ({"shortest_seconds": float("nan")}, "no number"),
        ({"longest_seconds": float("inf")}, "no number"),
        ({"longest_seconds": True}, "no number"),
        ({"shortest_seconds": 0}, "clips of 0 to 5 s"),
        ({"longest_seconds": 0.1}, "clips of 0.5 to 0.1 s"),
        ({"softest_db": float("nan")}, "softest_db=nan"),
        ({"loudest_db": None}, "loudest_db=None"),
        ({"softest_db": 3}, "levels of 3 to -3 dB"),
        ({"held_out": -1}, "held_out"),
        ({"held_out_unlike": 1}, "held_out_unlike=1"),
        ({"held_out": "3"}, "held_out"),
        ({"spectra": [1]}, "no readable spectra"),
        ({"spectra": {}}, "limit=None"),
    ],
)
def test_wrong_values_are_refused_in_one_line(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as refused:
        TrainingProfile.from_json({**PLAIN.as_json(), **changed})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"limit": -1}, "negative limits"),
        ({"crop_limit": "x"}, "crop_limit='x'"),
        ({"mean": "AAAA"}, "no readable mean"),
        ({"mean": 3}, "no readable mean"),
        ({"directions": "!"}, "no readable directions"),
        ({"points": "AAAA"}, "no readable points"),
        ({"points": "A" * 4_000_000}, "no readable points"),
        ({"points": ""}, "no readable radii"),
        ({"radii": ""}, "no readable radii"),
    ],
)
def test_wrong_spectra_are_refused_in_one_line(profile: TrainingProfile, changed: dict[str, Any], message: str) -> None:
    values = profile.as_json()
    with pytest.raises(ValueError, match=message) as refused:
        TrainingProfile.from_json({**values, "spectra": {**values["spectra"], **changed}})
    assert "\n" not in str(refused.value)


def test_numbers_that_are_not_finite_are_refused(profile: TrainingProfile) -> None:
    assert profile.spectra is not None
    profile.spectra.mean[0], before = np.nan, profile.spectra.mean[0]
    values = profile.as_json()
    profile.spectra.mean[0] = before
    with pytest.raises(ValueError, match="mean that are not finite"):
        TrainingProfile.from_json(values)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'"profile"', b"\xff\xfe", b'{"version": 1}', b"[" * 100_000])
def test_a_damaged_file_is_refused_by_its_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "profile.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"profile\.json: "):
        read_profile(tmp_path / "profile.json")


def test_few_clips_like_the_training_clips_lie_above_the_limits() -> None:
    features, clips = clips_alike(400)
    known = clips < 200
    spectra = find_spectra(features[known], clips[known], clips[known])
    assert spectra is not None
    strange = spectra.strangeness(features[~known])
    of_clips = np.median(strange.reshape(-1, 4), axis=1)
    assert np.mean(of_clips > spectra.limit) < 0.06
    assert np.mean(strange > spectra.crop_limit) < 0.06


def test_what_is_far_from_all_clips_lies_above_the_limit(profile: TrainingProfile) -> None:
    assert profile.spectra is not None
    assert (profile.spectra.strangeness(np.full((3, NUM_FEATURES), 30.0)) > profile.spectra.limit).all()


def test_crops_of_one_recording_do_not_count_as_neighbours_of_each_other() -> None:
    features, clips = clips_alike(40)
    twins = np.concatenate([features, features + 0.01])
    of_twins = np.concatenate([clips, clips + 40])
    apart = find_spectra(twins, of_twins, of_twins)
    together = find_spectra(twins, of_twins, of_twins % 40)
    assert apart is not None
    assert together is not None
    assert together.radii.min() > apart.radii.max()


def test_too_few_recordings_give_no_spectra() -> None:
    features, clips = clips_alike(20)
    assert find_spectra(features, clips, clips % 9) is None
    assert find_spectra(features, clips, clips % 10) is not None


def test_features_that_are_all_the_same_do_no_harm() -> None:
    features, clips = np.zeros((40, NUM_FEATURES)), np.arange(40)
    spectra = find_spectra(features, clips, clips)
    assert spectra is not None
    assert np.isfinite(spectra.strangeness(np.ones((1, NUM_FEATURES)))).all()


def test_a_profile_of_all_crops_that_it_may_hold_is_small() -> None:
    features, clips = clips_alike(375)
    profile = TrainingProfile(0.5, 5.0, -40.0, -3.0, find_spectra(features, clips, clips))
    assert len(json.dumps(profile.as_json())) < 105_000
    TrainingProfile.from_json(profile.as_json())
