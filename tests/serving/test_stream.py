import numpy as np
import pytest

from audio_cls.data.decode import BadAudio, resample
from audio_cls.serving.stream import LEAST_FRAMES, mono_blocks, resampled, windows


def cut(samples: np.ndarray, seed: int = 0) -> list[np.ndarray]:
    """The samples in blocks of any length."""
    places = np.sort(np.random.default_rng(seed).integers(0, len(samples) + 1, size=5))
    return [block for block in np.split(samples, places) if len(block)]


@pytest.mark.parametrize(
    ("from_rate", "to_rate"), [(48_000, 16_000), (44_100, 16_000), (8_000, 44_100), (44_099, 16_000), (16_000, 16_000)]
)
@pytest.mark.parametrize("length", [1, 100, 30_001])
def test_blocks_are_resampled_as_the_whole_is(from_rate, to_rate, length):
    sound = np.random.default_rng(1).standard_normal(length).astype(np.float32)
    whole = resample(sound, from_rate, to_rate)
    found = np.concatenate(list(resampled(cut(sound), from_rate, to_rate)))
    assert found.shape == whole.shape
    np.testing.assert_allclose(found, whole, atol=2e-6)


@pytest.mark.parametrize("length", [1, 9, 10, 11, 15, 100])
@pytest.mark.parametrize(("size", "hop"), [(10, 5), (10, 10), (4, 3), (1, 1)])
@pytest.mark.parametrize("batch", [1, 3])
def test_windows_leave_nothing_out_and_the_last_ends_with_the_sound(length, size, hop, batch):
    sound = np.arange(1, length + 1, dtype=np.float32)
    batches = list(windows(cut(sound), size, hop, batch))
    assert all(len(starts) == batch for starts, _ in batches[:-1])
    starts = np.concatenate([starts for starts, _ in batches])
    expected = list(range(0, max(1, length - size + 1), hop))
    if length > size and expected[-1] + size < length:
        expected.append(length - size)
    assert starts.tolist() == expected
    padded = np.pad(sound, (0, size))
    for start, window in zip(starts, np.concatenate([found for _, found in batches]), strict=True):
        assert window.tolist() == padded[start : start + size].tolist()


def test_small_blocks_are_mixed_and_joined_and_counted():
    read = []
    sound = np.random.default_rng(0).standard_normal((LEAST_FRAMES + 5_000, 2)).astype(np.float32)
    blocks = list(mono_blocks(np.split(sound, range(1_000, len(sound), 1_000)), 8_000, read.append))
    assert len(blocks) == 2 and len(blocks[0]) >= LEAST_FRAMES
    np.testing.assert_array_equal(np.concatenate(blocks), sound.mean(axis=1))
    assert sum(read) == len(sound)


def test_what_is_no_number_is_refused_with_its_time():
    sound = np.zeros((2_000, 1), np.float32)
    sound[1_500] = np.nan
    with pytest.raises(BadAudio, match=r"1 samples are NaN or infinite, the first at 1\.500 s"):
        list(mono_blocks(np.split(sound, 4), 1_000, lambda frames: None))
