"""What a clip holds is known by its samples, whatever file they are in."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_cls.data.clips import Clip
from audio_cls.data.content import content_of, digest_of_all, identical, read_clip
from audio_cls.data.decode import from_samples

RATE = 8_000
NOISE = (0.1 * np.random.default_rng(0).standard_normal(RATE)).astype(np.float32)


def content(*channels: np.ndarray, rate: int = RATE):
    return content_of(from_samples(np.stack(channels, axis=1).astype(np.float32), rate))


def written(path: Path, samples: np.ndarray):
    soundfile.write(path, samples, RATE)
    return content_of(read_clip(Clip(path, path.name, 0), synthetic=False))


def test_the_digest_is_that_of_the_samples_in_any_file_and_at_any_place(tmp_path: Path) -> None:
    samples = (2**15 * NOISE).astype(np.int16)
    wav = written(tmp_path / "a.wav", samples)
    assert written(tmp_path / "b.flac", samples).digest == wav.digest
    assert written(tmp_path / "c.wav", np.stack([samples, samples], axis=1)).digest == wav.digest
    assert len(wav.digest) == 32


@pytest.mark.parametrize("other", [-NOISE, NOISE[:-1], np.append(NOISE, 0), 0.5 * NOISE, NOISE[::-1]])
def test_other_samples_have_another_digest(other: np.ndarray) -> None:
    assert content(other).digest != content(NOISE).digest


def test_the_same_samples_at_another_rate_are_another_sound() -> None:
    assert content(NOISE, rate=2 * RATE).digest != content(NOISE).digest


@pytest.mark.parametrize(
    ("channels", "silent", "constant", "cancelled"),
    [
        ([NOISE], False, False, False),
        ([0 * NOISE], True, False, False),
        ([np.full(RATE, 2.0**-16)], True, False, False),  # less than one step of 16 bits
        ([np.full(RATE, 0.3)], False, True, False),
        ([np.full(1, 0.3)], False, True, False),
        ([0.3 + NOISE], False, False, False),
        ([NOISE, -NOISE], True, False, True),
        ([NOISE, -0.9 * NOISE], False, False, True),
        ([NOISE, 0 * NOISE], False, False, False),
        ([NOISE, NOISE[::-1]], False, False, False),
        ([0 * NOISE, 0 * NOISE], True, False, False),
    ],
)
def test_a_clip_without_sound_is_known(channels: list, silent: bool, constant: bool, cancelled: bool) -> None:
    found = content(*channels)
    assert (found.silent, found.constant, found.cancelled) == (silent, constant, cancelled)


def test_clips_of_the_same_digest_form_a_group_unless_there_is_no_sound_in_them() -> None:
    digests = np.array([b"a", b"b", b"a", b"c", b"b", b"a", b"0", b"0"])
    assert sorted(identical(digests, {6, 7})) == [[0, 2, 5], [1, 4]]
    assert identical(digests[[0, 1, 3]], ()) == []
    assert identical(np.array([], dtype="S32"), ()) == []


def test_the_digest_of_all_clips_changes_with_each_name_and_each_content() -> None:
    digests = np.array([b"a", b"b"])
    assert digest_of_all(["1", "2"], digests) == digest_of_all(["1", "2"], digests.copy())
    others = [(["1", "3"], digests), (["2", "1"], digests), (["1", "2"], digests[::-1])]
    assert len({digest_of_all(*each) for each in [*others, (["1", "2"], digests)]}) == 4
