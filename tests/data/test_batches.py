from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from audio_cls.data import batches as batches_module
from audio_cls.data.batches import EvaluationBatches, WaveformBatches
from audio_cls.data.clips import Clip, ClipSet
from audio_cls.data.waveform_store import WaveformStore, open_store

RATE = 4_000
CROP = 100


def store_of(waveforms: list[np.ndarray], folder: Path) -> WaveformStore:
    clips = []
    for index, waveform in enumerate(waveforms):
        path = folder / f"{index:03d}.wav"
        soundfile.write(path, waveform.astype(np.float32), RATE, subtype="FLOAT")
        clips.append(Clip(path, path.name, index % 2))
    clip_set = ClipSet("sounds", folder, ("a", "b"), tuple(clips))
    return open_store(clip_set, RATE, cache_dir=folder / ".cache")


@pytest.fixture
def constants(tmp_path) -> WaveformStore:
    """Ten clips of different lengths; every sample of clip i is (i + 1) / 100: a crop says where it comes from."""
    return store_of([np.full(250 + 10 * i, (i + 1) / 100) for i in range(10)], tmp_path)


@pytest.fixture
def ramps(tmp_path) -> WaveformStore:
    """Clips of 40, 100, 101 and 1000 samples that count their samples from 1, so that a crop says where it begins."""
    return store_of([np.arange(1, length + 1) for length in (40, 100, 101, 1000)], tmp_path)


def train_batches(store: WaveformStore, epoch: int = 0, **settings) -> WaveformBatches:
    clips = settings.pop("clips", np.arange(len(store)))
    defaults = {"num_samples": CROP, "crop_samples": CROP, "batch_size": 4, "crops_per_clip": 3, "seed": 0}
    defaults |= {"random_crop": True, "circular": False}
    labels = np.arange(len(store)) % 2
    return WaveformBatches(store=store, clips=clips, labels=labels, **(defaults | settings), epoch=lambda: epoch)


def evaluation_batches(store: WaveformStore, num_crops: int) -> EvaluationBatches:
    labels = np.arange(len(store)) % 2
    return EvaluationBatches(
        store=store, clips=np.arange(len(store)), labels=labels, num_samples=CROP, num_crops=num_crops
    )


def all_of(batches, key: str) -> torch.Tensor:
    return torch.cat([batch[key] for batch in batches])


def starts_of(crops: torch.Tensor) -> list[int]:
    """First samples, from 0, of crops of a ramp; padding before a ramp counts backwards."""
    crops = crops.reshape(-1, crops.shape[-1])
    first = (crops > 0).int().argmax(1)
    return (crops.gather(1, first[:, None]).flatten() - 1 - first).int().tolist()


@pytest.mark.parametrize(("batch_size", "left_out"), [(2, 0), (4, 2), (7, 2), (30, 0)])
def test_an_epoch_has_every_clip_as_often_as_asked_but_for_the_last_batch_if_it_is_not_full(
    constants, batch_size, left_out
):
    batches = train_batches(constants, batch_size=batch_size)
    counts = Counter(all_of(batches, "clip").tolist())
    assert set(counts) == set(range(10))
    assert sum(3 - count for count in counts.values()) == left_out
    assert max(counts.values()) == 3
    assert len(list(batches)) == len(batches)
    assert {len(batch["clip"]) for batch in batches} == {batch_size}


def test_fewer_crops_than_a_batch_make_one_small_batch(constants):
    batches = train_batches(constants, batch_size=64)
    assert len(batches) == len(list(batches)) == 1
    assert Counter(all_of(batches, "clip").tolist()) == dict.fromkeys(range(10), 3)


def test_a_training_batch_has_the_crops_and_labels_of_its_clips(constants):
    for batch in train_batches(constants, random_crop=False):
        assert batch["waveform"].shape == (4, 1, CROP)
        assert batch["waveform"].dtype == torch.float32
        expected = ((batch["clip"] + 1) / 100).view(-1, 1, 1).expand(-1, 1, CROP)
        assert torch.allclose(batch["waveform"], expected.float())
        assert torch.equal(batch["label"], batch["clip"] % 2)


def test_the_same_seed_and_epoch_give_the_same_batches_whatever_went_before(constants):
    batches = train_batches(constants, epoch=3)
    list(batches)
    np.random.seed(1)
    torch.manual_seed(1)
    for one, other in zip(batches, train_batches(constants, epoch=3), strict=True):
        assert torch.equal(one["waveform"], other["waveform"])
        assert torch.equal(one["clip"], other["clip"])


@pytest.mark.parametrize("change", [{"epoch": 1}, {"seed": 1}])
def test_another_epoch_or_seed_gives_another_order_and_other_crops(ramps, change):
    one = train_batches(ramps, batch_size=12)
    other = train_batches(ramps, batch_size=12, **change)
    assert not torch.equal(all_of(one, "clip"), all_of(other, "clip"))
    assert sorted(starts_of(all_of(one, "waveform"))) != sorted(starts_of(all_of(other, "waveform")))


def test_random_crops_begin_from_half_a_crop_before_the_clip_to_half_a_crop_before_its_end(ramps):
    batches = train_batches(ramps, crops_per_clip=1500, batch_size=6000)
    starts = np.array(starts_of(all_of(batches, "waveform")))
    clips = all_of(batches, "clip").numpy()
    for clip, length in enumerate(ramps.lengths):
        found = starts[clips == clip]
        assert found.min() >= -CROP // 2
        assert found.max() <= max(length - CROP // 2, -CROP // 2 + length)
        assert len(np.unique(found)) > 0.7 * min(1500, length)  # all over the clip
    assert starts[clips == 3].min() < 0 < 900 < starts[clips == 3].max()


def test_a_clip_shorter_than_the_crop_is_in_every_crop_of_it_whole(ramps):
    crops = all_of(train_batches(ramps, clips=np.array([0]), crops_per_clip=200, batch_size=200), "waveform")
    assert (crops.amax(-1) == 40).all()
    assert ((crops > 0).sum(-1) == 40).all()
    assert len(set(starts_of(crops))) > 20  # not always at the same place


def test_circular_crops_begin_anywhere_and_go_on_with_the_clips_beginning(ramps):
    batches = train_batches(ramps, clips=np.array([0]), crops_per_clip=500, batch_size=500, circular=True)
    ramp = list(range(1, 41)) + [0] * (CROP - 40)
    turned = {tuple(ramp[at:] + ramp[:at]) for at in range(CROP)}
    crops = {tuple(crop) for crop in all_of(batches, "waveform")[:, 0].int().tolist()}
    assert crops <= turned and len(crops) > 0.9 * CROP
    batches = train_batches(ramps, clips=np.array([3]), crops_per_clip=500, batch_size=500, circular=True)
    crops, fade = all_of(batches, "waveform")[:, 0], ramps.sample_rate // 100
    assert ((crops[:, 1:] < crops[:, :-1]).sum(1) > 0).float().mean() == pytest.approx(
        (CROP + fade) / (1000 - fade), abs=0.06
    )


@pytest.mark.parametrize("num_crops", [1, 2, 9])
def test_without_random_crops_training_sees_each_clip_as_the_crops_of_evaluation(ramps, num_crops):
    batches = train_batches(ramps, random_crop=False, crops_per_clip=num_crops, batch_size=1)
    found = sorted(zip(all_of(batches, "clip").tolist(), starts_of(all_of(batches, "waveform")), strict=True))
    (evaluated,) = evaluation_batches(ramps, num_crops)
    starts = np.array(starts_of(evaluated["waveform"])).reshape(-1, num_crops)
    assert found == sorted((clip, start) for clip, row in enumerate(starts.tolist()) for start in row)


def test_without_random_crops_the_crops_of_a_clip_are_spread_over_an_epoch(ramps):
    def order(epoch: int) -> torch.Tensor:
        return all_of(train_batches(ramps, random_crop=False, crops_per_clip=50, batch_size=1, epoch=epoch), "clip")

    assert len(set(order(0)[:20].tolist())) == 4  # of four clips, not one clip's crops in a row
    assert not torch.equal(order(0), order(1))


@pytest.mark.parametrize("num_crops", [1, 2, 3, 10])
def test_evaluation_crops_are_evenly_spaced_from_the_first_sample_to_the_last(ramps, num_crops):
    (batch,) = evaluation_batches(ramps, num_crops)
    assert batch["waveform"].shape == (4, num_crops, 1, CROP)
    for clip, length in enumerate(ramps.lengths):
        last = max(length - CROP, 0)
        expected = [0] if num_crops == 1 else [round(last * crop / (num_crops - 1)) for crop in range(num_crops)]
        assert starts_of(batch["waveform"][clip]) == pytest.approx(expected, abs=0.51)
        if num_crops > 1 and length >= CROP:
            assert batch["waveform"][clip, -1, 0, -1] == length


def test_a_clip_shorter_than_the_evaluation_crop_has_zeros_at_its_end(ramps):
    (batch,) = evaluation_batches(ramps, 3)
    for crop in batch["waveform"][0, :, 0]:
        assert torch.equal(crop[:40], torch.arange(1.0, 41.0))
        assert (crop[40:] == 0).all()


def test_evaluation_has_every_clip_once_in_order_in_however_many_batches(constants, monkeypatch):
    monkeypatch.setattr(batches_module, "EVALUATION_SAMPLES", 3 * 2 * CROP)
    batches = evaluation_batches(constants, 2)
    assert [len(batch["clip"]) for batch in batches] == [3, 3, 3, 1]
    assert len(batches) == 4
    assert all_of(batches, "clip").tolist() == list(range(10))
    assert all_of(batches, "label").tolist() == [clip % 2 for clip in range(10)]
    means = all_of(batches, "waveform").mean(dim=(1, 2, 3))
    assert torch.allclose(means, (torch.arange(10) + 1) / 100)


def test_one_clip_with_more_samples_than_a_batch_may_hold_is_evaluated_all_the_same(constants, monkeypatch):
    monkeypatch.setattr(batches_module, "EVALUATION_SAMPLES", 1)
    assert all_of(evaluation_batches(constants, 5), "clip").tolist() == list(range(10))


@pytest.mark.parametrize("random_crop", [True, False])
def test_with_balance_an_epoch_has_as_many_crops_of_each_class_and_of_each_clip_of_a_class(constants, random_crop):
    clips = np.array([0, 2, 4, 6, 8, 1])  # five of class 0, one of class 1
    batches = train_batches(constants, clips=clips, batch_size=6, balanced=True, random_crop=random_crop)
    assert Counter(all_of(batches, "label").tolist()) == {0: 9, 1: 9}
    counts = Counter(all_of(batches, "clip").tolist())
    assert counts[1] == 9
    assert {counts[clip] for clip in (0, 2, 4, 6, 8)} == {1, 2}
    torch.testing.assert_close(all_of(batches, "waveform").amax((1, 2)) * 100 - 1, all_of(batches, "clip").float())


def test_with_balance_an_epoch_follows_from_seed_and_number_alone(constants):
    def drawn(epoch, seed):
        return all_of(train_batches(constants, epoch, seed=seed, balanced=True), "clip").tolist()

    assert drawn(3, 1) == drawn(3, 1)
    assert len({tuple(drawn(epoch, seed)) for epoch, seed in ((3, 1), (4, 1), (3, 2))}) == 3
