from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch

from audio_cls.data.clips import SplitError
from audio_cls.data.sources import read_folder
from audio_cls.data.waveform_store import open_store
from audio_cls.models.log_mel import LogMel
from audio_cls.training.datamodule import ClipDataModule

RATE = 4_000
CROP = 100


def all_of(batches, key: str) -> torch.Tensor:
    return torch.cat([batch[key] for batch in batches])


@pytest.fixture
def folder(tmp_path) -> Path:
    """24 clips of two classes in class folders; every sample of a clip is a number of its own."""
    for index in range(24):
        path = tmp_path / "sounds" / "ab"[index % 2] / f"{index:02d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.full(300, (index + 1) / 100, np.float32), RATE, subtype="FLOAT")
    return tmp_path / "sounds"


def make_datamodule(folder: Path, **settings) -> ClipDataModule:
    defaults = {"protocol": "holdout", "fold": 0, "num_folds": 2, "crop_samples": CROP, "batch_size": 8}
    clip_set = read_folder(folder)
    return ClipDataModule(clip_set, open_store(clip_set, RATE, folder.parent / "cache"), **(defaults | settings))


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
    datamodule = make_datamodule(folder, front_end=LogMel(RATE, 8, 64, 16), circular=True, **settings)
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


def test_a_fold_that_does_not_exist_is_refused(folder):
    with pytest.raises(SplitError, match="fold=2"):
        make_datamodule(folder, fold=2)


def test_clips_that_hold_the_same_sound_stay_on_one_side(folder):
    for fold in (0, 1):
        split = make_datamodule(folder, fold=fold, identical=[[0, 5, 9]], similar=[[1, 2]]).split
        parts = [{0, 5, 9, 1, 2} & set(part.tolist()) for part in (split.train, split.val, split.test)]
        assert all(part & {0, 5, 9} in (set(), {0, 5, 9}) and part & {1, 2} in (set(), {1, 2}) for part in parts)
