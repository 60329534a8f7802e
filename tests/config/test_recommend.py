"""Settings that follow from the clips."""

from pathlib import Path

import numpy as np
import pytest

from audio_cls.config.auto import front_end_samples
from audio_cls.config.recommend import USUAL, misfits, recommend
from audio_cls.data.clips import Clip, ClipSet
from audio_cls.data.headers import Headers, make_headers
from audio_cls.models.settings import TransformerSettings
from audio_cls.models.sizes import pooling_fits


def clip_set(*sizes: int, source: str | None = None, fold: int | None = None) -> ClipSet:
    """Classes of so many clips; `source` and `fold` may hold {n}, the number of the clip within its class."""
    clips = [
        Clip(Path(f"{label}-{n}"), f"{label}-{n}", label, source and source.format(n=n), fold)
        for label, size in enumerate(sizes)
        for n in range(size)
    ]
    return ClipSet("clips", Path(), tuple("abcdefgh"[: len(sizes)]), tuple(clips))


def headers(seconds: float | list[float], rate: int | list[int] = 44_100) -> Headers:
    seconds, rate = np.broadcast_arrays(seconds, rate)
    found = make_headers(zip(seconds.ravel().tolist(), rate.ravel().tolist(), strict=True))
    assert found is not None
    return found


def values(found: Headers | None, clips: ClipSet | None = None) -> dict[str, float]:
    return {setting.key: setting.value for setting in recommend(clips or clip_set(40, 40), found)}


def test_short_clips_at_a_low_rate_are_heard_whole_at_that_rate() -> None:
    found = values(headers([0.3, 0.35, 0.4], 8_000))
    assert (found["input.crop_seconds"], found["input.sample_rate"], found["input.eval_crops"]) == (0.4, 8_000, 2)


def test_clips_like_those_of_esc10_have_the_usual_settings() -> None:
    assert values(headers([5.0, 5.0, 7.0], 44_100), clip_set(*[40] * 8)) == USUAL


def test_minutes_of_sound_give_more_crops() -> None:
    found = values(headers([60.0, 90.0, 300.0], 48_000))
    assert found["input.crop_seconds"] == 1
    assert found["trainer.crops_per_clip"] > USUAL["trainer.crops_per_clip"]
    assert found["input.eval_crops"] > USUAL["input.eval_crops"]


def test_hundreds_of_thousands_of_clips_make_no_endless_epoch() -> None:
    assert values(headers(10.0), clip_set(30_000, 30_000))["trainer.crops_per_clip"] == 1


def test_few_clips_come_in_smaller_batches() -> None:
    assert [values(headers(5.0), clip_set(size, size))["trainer.batch_size"] for size in (6, 30, 100)] == [8, 16, 32]


@pytest.mark.parametrize(("rates", "expected"), [([44_100] * 99 + [8_000], 16_000), ([44_100] * 9 + [8_000], 8_000)])
def test_the_rate_is_one_that_nearly_all_files_have(rates: list[int], expected: int) -> None:
    assert values(headers(5.0, rates))["input.sample_rate"] == expected


@pytest.mark.parametrize(
    ("clips", "folds"),
    [
        (clip_set(40, 40), 4),
        (clip_set(40, 4), 3),
        (clip_set(40, 2), 2),
        (clip_set(40, 40, source="{n}"), 4),
        (clip_set(40, 3, source="{n}"), 2),
        (clip_set(3, 3, fold=1), 4),  # not used
    ],
)
def test_there_are_no_more_folds_than_the_smallest_class_has_sources_for(clips: ClipSet, folds: int) -> None:
    assert values(headers(5.0), clips)["data.num_folds"] == folds


def test_the_number_of_folds_does_not_matter_where_the_clips_come_with_folds() -> None:
    for fold, used in ((None, True), (1, False)):
        settings = {setting.key: setting for setting in recommend(clip_set(9, 9, fold=fold), headers(5.0))}
        assert settings["data.num_folds"].used == used


def test_every_setting_has_a_reason_also_where_nothing_is_known() -> None:
    for found in (headers(0.1, 8_000), headers(100.0), None):
        settings = recommend(clip_set(9, 2), found)
        assert {setting.key for setting in settings} == set(USUAL)
        assert all(setting.reason for setting in settings)
    assert values(None) == USUAL


@pytest.mark.parametrize("rate", [4_000, 5_512, 8_000, 11_025, 12_000, 16_000, 22_050, 96_000])
@pytest.mark.parametrize("seconds", [0.01, 0.2, 0.37, 0.40001, 0.55, 1.93, 4.0])
def test_every_network_takes_the_crop_that_is_recommended(rate: int, seconds: float) -> None:
    found = values(headers(seconds, rate))
    sample_rate = int(found["input.sample_rate"])
    num_samples = round(found["input.crop_seconds"] * sample_rate)
    assert pooling_fits(num_samples)
    n_fft, hop_length = front_end_samples(sample_rate)
    sizes = {"num_classes": 2, "sample_rate": sample_rate, "num_samples": num_samples, "num_heads": 4}
    TransformerSettings(**sizes, front_end="log_mel_texture", n_fft=n_fft, hop_length=hop_length)
    TransformerSettings(**sizes, front_end="waveform", stem="waveform")
    if seconds < 2:
        assert num_samples / sample_rate >= seconds


def test_the_front_end_keeps_its_durations_at_other_rates() -> None:
    assert front_end_samples(16_000) == (512, 80)
    assert front_end_samples(8_000) == (256, 40)


@pytest.mark.parametrize(
    ("found", "sample_rate", "crop_seconds", "words"),
    [
        (headers(0.4, 8_000), 8_000, 0.4, []),
        (headers(0.4, 8_000), 8_000, 5.0, ["input.crop_seconds=5 is mostly padding", "input.crop_seconds=0.4 fits"]),
        (headers(5.0, 8_000), 44_100, 5.0, ["most files have 8000 Hz", "input.sample_rate=8000 fits"]),
        (headers(5.0, 44_100), 44_100, 5.0, []),
        (headers(0.6, 16_000), 16_000, 1.0, []),  # a little padding does no harm
        (headers(5.0, [8_000, 44_100, 44_100]), 44_100, 5.0, []),  # most have it
    ],
)
def test_what_cannot_fit_is_named_with_what_would(
    found: Headers, sample_rate: int, crop_seconds: float, words: list[str]
) -> None:
    said = " ".join(misfits(found, sample_rate, crop_seconds))
    assert all(word in said for word in words)
    assert bool(said) == bool(words)
