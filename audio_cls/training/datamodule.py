"""The clips of one fold, as Lightning asks for them."""

from functools import cached_property
from typing import Any

import lightning.pytorch as pl
import numpy as np

from audio_cls.data.batches import EvaluationBatches, PowerBatches, TrainBatches, WaveformBatches
from audio_cls.data.clips import ClipSet, DataError
from audio_cls.data.mel_power_store import MelPower, PowerStore, open_power_store
from audio_cls.data.same_sound import Groups
from audio_cls.data.splits import make_split
from audio_cls.data.waveform_store import WaveformStore
from audio_cls.models.sizes import num_frames


class ClipDataModule(pl.LightningDataModule):
    """The clips of one fold: a stratified, leak-proof split, decoded once into a store that all jobs share.

    Args:
        clip_set: the clips and their labels.
        store: their waveforms.
        protocol, fold, num_folds, split_seed, allow_missing, identical, similar: which split; see
            `audio_cls.data.splits.make_split`.
        crop_samples: length of an evaluation crop, T.
        train_samples: length of a training crop; longer than T where augmentation cuts it down.
        batch_size, crops_per_clip, random_crop: of training.
        circular: training crops go on with the clip's beginning where they reach its end, rather than with zeros.
        balanced: training draws crops of all classes equally often.
        front_end, time_scale: train on the power that this front end computes, of clips repeated at speeds of up to
            `time_scale`; it is made once and kept beside the store. None: train on waveforms.
        eval_crops: crops of a clip at evaluation.
        seed: of the order of the clips and the crops.

    Raises SplitError where the split cannot be made.
    """

    def __init__(
        self,
        clip_set: ClipSet,
        store: WaveformStore,
        *,
        protocol: str,
        fold: int,
        num_folds: int,
        split_seed: int = 0,
        allow_missing: bool = False,
        identical: Groups = (),
        similar: Groups = (),
        crop_samples: int = 16_000,
        train_samples: int | None = None,
        batch_size: int = 32,
        crops_per_clip: int = 1,
        random_crop: bool = True,
        circular: bool = False,
        balanced: bool = False,
        front_end: MelPower | None = None,
        time_scale: float = 1.0,
        eval_crops: int = 10,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.clip_set, self.store = clip_set, store
        self.split = make_split(
            clip_set, protocol, fold, num_folds=num_folds, split_seed=split_seed, allow_missing=allow_missing,
            identical=identical, similar=similar,
        )  # fmt: skip
        self.labels = np.array([clip.label for clip in clip_set.clips], dtype=np.int64)
        self.sample_rate, self.crop_samples = store.sample_rate, crop_samples
        self.train_samples = train_samples or crop_samples
        self.balanced = balanced
        self.batch_size, self.crops_per_clip, self.random_crop = batch_size, crops_per_clip, random_crop
        self.circular, self.front_end, self.time_scale = circular, front_end, time_scale
        self.eval_crops, self.seed = eval_crops, seed

    @cached_property
    def power(self) -> PowerStore:
        """Mel power of the clips, made on first use."""
        assert self.front_end is not None, "power needs a front end"
        try:
            return open_power_store(self.store, self.front_end, self.time_scale, self.crop_samples)
        except OSError as error:
            raise DataError(
                f"{self.store.folder.parent} cannot hold the mel power ({error.strerror or error}):"
                " make room there, or set augment.domain=waveform"
            ) from error

    def load_clip(self, index: int) -> tuple[str, np.ndarray, int]:
        """Name, waveform (samples,) and sample rate of a clip."""
        return self.clip_set.clips[index].name, self.store.waveform(index), self.sample_rate

    def prepare_data(self) -> None:
        """Makes the power where it is trained on: before training, which would count it to its time."""
        if self.front_end is not None:
            _ = self.power

    def train_dataloader(self) -> TrainBatches:
        settings: dict[str, Any] = {
            "clips": self.split.train,
            "labels": self.labels,
            "batch_size": self.batch_size,
            "crops_per_clip": self.crops_per_clip,
            "random_crop": self.random_crop,
            "seed": self.seed,
            "epoch": self._epoch,
            "balanced": self.balanced,
        }
        if self.front_end is not None:
            frames = num_frames(self.crop_samples, self.front_end.hop_length)
            return PowerBatches(store=self.power, num_frames=frames, **settings)
        return WaveformBatches(
            store=self.store,
            num_samples=self.train_samples,
            circular=self.circular,
            crop_samples=self.crop_samples,
            **settings,
        )

    def _epoch(self) -> int:
        assert self.trainer is not None
        return self.trainer.current_epoch

    def val_dataloader(self) -> EvaluationBatches | list:
        return [] if self.split.val is None else self.evaluation_batches(self.split.val)

    def evaluation_batches(self, clips: np.ndarray) -> EvaluationBatches:
        """Un-augmented crops of these clips, whichever part of the split they are in."""
        sizes = {"num_samples": self.crop_samples, "num_crops": self.eval_crops}
        return EvaluationBatches(store=self.store, clips=clips, labels=self.labels, **sizes)
