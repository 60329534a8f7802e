from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from audio_cls.data.clips import Clip, ClipSet, DataError, SplitError
from audio_cls.data.sources import read_folder
from audio_cls.data.waveform_store import WaveformStore, open_store
from audio_cls.models.log_mel import LogMel
from audio_cls.training import datamodule as datamodule_module
from audio_cls.training.datamodule import ClipDataModule, EvaluationBatches, WaveformBatches

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
    defaults |= {"random_crop": True, "loop": False}
    labels = np.arange(len(store)) % 2
    return WaveformBatches(store, clips, labels, **(defaults | settings), epoch=lambda: epoch)


def evaluation_batches(store: WaveformStore, num_crops: int) -> EvaluationBatches:
    labels = np.arange(len(store)) % 2
    return EvaluationBatches(store, np.arange(len(store)), labels, num_samples=CROP, num_crops=num_crops)


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


def test_loops_begin_anywhere_and_go_on_with_the_clips_beginning(ramps):
    batches = train_batches(ramps, clips=np.array([0]), crops_per_clip=500, batch_size=500, loop=True)
    ramp = list(range(1, 41)) + [0] * (CROP - 40)
    turned = {tuple(ramp[at:] + ramp[:at]) for at in range(CROP)}
    crops = {tuple(crop) for crop in all_of(batches, "waveform")[:, 0].int().tolist()}
    assert crops <= turned and len(crops) > 0.9 * CROP
    batches = train_batches(ramps, clips=np.array([3]), crops_per_clip=500, batch_size=500, loop=True)
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
    monkeypatch.setattr(datamodule_module, "EVALUATION_SAMPLES", 3 * 2 * CROP)
    batches = evaluation_batches(constants, 2)
    assert [len(batch["clip"]) for batch in batches] == [3, 3, 3, 1]
    assert len(batches) == 4
    assert all_of(batches, "clip").tolist() == list(range(10))
    assert all_of(batches, "label").tolist() == [clip % 2 for clip in range(10)]
    means = all_of(batches, "waveform").mean(dim=(1, 2, 3))
    assert torch.allclose(means, (torch.arange(10) + 1) / 100)


def test_one_clip_with_more_samples_than_a_batch_may_hold_is_evaluated_all_the_same(constants, monkeypatch):
    monkeypatch.setattr(datamodule_module, "EVALUATION_SAMPLES", 1)
    assert all_of(evaluation_batches(constants, 5), "clip").tolist() == list(range(10))


@pytest.fixture
def folder(tmp_path) -> Path:
    """24 clips of two classes in class folders; every sample of a clip is a number of its own."""
    for index in range(24):
        path = tmp_path / "sounds" / "ab"[index % 2] / f"{index:02d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.full(300, (index + 1) / 100, np.float32), RATE, subtype="FLOAT")
    return tmp_path / "sounds"


def make_datamodule(folder: Path, **settings) -> ClipDataModule:
    defaults = {"protocol": "holdout", "fold": 0, "num_folds": 2, "sample_rate": RATE, "crop_samples": CROP}
    return ClipDataModule(
        read_folder(folder), cache_dir=folder.parent / "cache", batch_size=8, **(defaults | settings)
    )  # fmt: skip


def values_in(batches) -> set[int]:
    """The numbers of the clips, read from the samples themselves."""
    waveforms = all_of(batches, "waveform")
    return {round(100 * value) for value in waveforms[waveforms != 0].unique().tolist()}


@pytest.mark.parametrize("fold", [0, 1])
def test_no_sample_of_a_held_out_clip_is_ever_in_a_training_batch(folder, fold):
    datamodule = make_datamodule(folder, fold=fold, crops_per_clip=3)
    trained: set[int] = set()
    for epoch in range(3):
        batches = datamodule.train_dataloader()
        batches.epoch = lambda epoch=epoch: epoch
        trained |= values_in(batches)
    val = values_in(datamodule.val_dataloader())
    test = values_in(datamodule.evaluation_batches(datamodule.split.test))
    assert not trained & val
    assert not trained & test
    assert not val & test
    assert trained | val | test == set(range(1, 25))


def test_training_crops_are_longer_where_augmentation_cuts_them_and_evaluation_crops_are_not(folder):
    datamodule = make_datamodule(folder, train_samples=130)
    batches = datamodule.train_dataloader()
    batches.epoch = lambda: 0
    assert next(iter(batches))["waveform"].shape == (8, 1, 130)
    assert next(iter(datamodule.val_dataloader()))["waveform"].shape == (8, 10, 1, CROP)


def power_datamodule(folder: Path, **settings) -> ClipDataModule:
    datamodule = make_datamodule(folder, front_end=LogMel(RATE, 8, 64, 16), loop=True, **settings)
    datamodule.trainer = SimpleNamespace(current_epoch=0)
    return datamodule


def test_power_is_cut_for_training_and_waveforms_for_evaluation(folder):
    datamodule = power_datamodule(folder, time_scale=1.1)
    batch = next(iter(datamodule.train_dataloader()))
    assert batch["power"].shape == (8, 8, CROP // 16 + 1)
    assert torch.equal(batch["label"], torch.from_numpy(datamodule.labels)[batch["clip"]])
    assert "waveform" not in batch and next(iter(datamodule.val_dataloader()))["waveform"].shape == (8, 10, 1, CROP)


@pytest.mark.parametrize("fold", [0, 1])
def test_power_is_cut_from_training_clips_only_and_each_clip_has_its_own(folder, fold):
    datamodule = power_datamodule(folder, fold=fold, crops_per_clip=2, random_crop=False)
    batches = list(datamodule.train_dataloader())
    assert set(torch.cat([batch["clip"] for batch in batches]).tolist()) == set(datamodule.split.train.tolist())
    store, first = datamodule.power, np.array([0])
    ends = [first, store.num_frames[first, first] - 7]  # where the two crops of a clip begin
    references = [store.crops(first, first, start, 7)[0, :, 0].mean() for start in ends]  # of the constant 1 / 100
    levels: dict[int, list[float]] = {}
    for power, clip in zip(all_of(batches, "power"), all_of(batches, "clip").tolist(), strict=True):
        levels.setdefault(clip, []).append(float(power[0].mean()))
    for clip, found in levels.items():
        number = int(Path(datamodule.clip_set.clips[clip].name).stem) + 1  # a constant of number / 100
        assert sorted(found) == pytest.approx(sorted(number**2 * reference for reference in references), rel=2e-3)


def test_the_same_seed_and_epoch_cut_the_same_power_and_another_epoch_another(folder):
    def first_epoch(epoch: int) -> torch.Tensor:
        datamodule = power_datamodule(folder, time_scale=1.2)
        datamodule.trainer.current_epoch = epoch
        return all_of(datamodule.train_dataloader(), "power")

    assert torch.equal(first_epoch(1), first_epoch(1))
    assert not torch.equal(first_epoch(1), first_epoch(2))


@pytest.mark.parametrize("protocol", ["crossval", "all"])
def test_a_protocol_without_validation_has_no_validation_batches(folder, protocol):
    assert list(make_datamodule(folder, protocol=protocol).val_dataloader()) == []


def test_a_fold_that_does_not_exist_is_refused_before_anything_is_decoded(folder):
    with pytest.raises(SplitError, match="fold=2"):
        make_datamodule(folder, fold=2)
    assert not (folder.parent / "cache").exists()


def test_every_clip_that_cannot_be_decoded_is_named(folder):
    (folder / "a" / "00.wav").write_bytes(b"not a sound")
    (folder / "b" / "05.wav").write_bytes(b"")
    with pytest.raises(DataError, match=r"2 of 24 clips(.|\n)*a/00.wav(.|\n)*b/05.wav"):
        make_datamodule(folder).prepare_data()


def test_the_store_is_built_outside_the_data_and_opened_once(folder):
    before = sorted(folder.rglob("*"))
    datamodule = make_datamodule(folder)
    assert datamodule.store is datamodule.store
    assert len(datamodule.store) == 24
    assert sorted(folder.rglob("*")) == before
