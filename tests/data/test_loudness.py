import numpy as np
import pytest
import soundfile

from audio_cls.data.clips import Clip, ClipSet
from audio_cls.data.loudness import Loudness
from audio_cls.data.store import open_store

RATE, CROP = 4_000, 400  # frames of 40 samples


@pytest.fixture
def store(tmp_path):
    rng = np.random.default_rng(0)
    clips = []
    for index, length in enumerate((4_000, 1_234, 100)):
        path = tmp_path / f"{index}.wav"
        soundfile.write(path, rng.normal(size=length).astype(np.float32) * 0.1, RATE, subtype="FLOAT")
        clips.append(Clip(path, path.name, index % 2))
    return open_store(ClipSet("sounds", None, ("a", "b"), tuple(clips)), RATE, cache_dir=tmp_path / "cache")


def test_the_energy_of_a_crop_is_the_sum_of_its_squares(store):
    clips = np.array([0, 0, 0, 1, 1, 2])
    starts = np.array([0, 1_200, -200, 800, 1_160, 0])
    crops = store.crops(clips, starts, CROP).astype(np.float64)
    found = Loudness(store, np.array([0, 1, 2]), CROP).energy(clips, starts)
    assert found == pytest.approx(np.square(crops).sum(1))


def test_what_lies_beyond_the_clip_has_no_energy(store):
    loudness = Loudness(store, np.array([0, 2]), CROP)
    assert loudness.energy(np.array([0, 0, 2]), np.array([-5_000, 9_000, 4_000])) == pytest.approx(0)


def test_no_crop_is_louder_than_the_loudest_and_some_crop_is_as_loud(store):
    loudness = Loudness(store, np.array([0, 1, 2]), CROP)
    for clip in range(3):
        starts = np.arange(0, store.lengths[clip], 40)
        silent = loudness.is_silent(np.full(len(starts), clip), starts, silence_db=1e-9)
        assert 0 < np.count_nonzero(~silent) <= 2
        assert not loudness.is_silent(np.full(1, clip), np.zeros(1, int), silence_db=200).any()
