"""From the store to batches: the split of one fold, its crops for training and for evaluation.

Axis letters: B batch, C crops of a clip, T samples, M mel bands, F frames.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor

from audio_cls.data.clips import ClipSet, DataError
from audio_cls.data.mel_power_store import MelPower, PowerStore, open_power_store
from audio_cls.data.splits import make_split
from audio_cls.data.waveform_store import WaveformStore, open_store

Batch = dict[str, Tensor]

# Clips whose crops go through the model together at evaluation; bounds the memory, not the result.
EVALUATION_SAMPLES = 16_000 * 64


def evenly_spaced(room: np.ndarray, num_crops: int) -> np.ndarray:
    """Where `num_crops` crops of a clip begin, (B, num_crops), for `room` (B,): where the last one does."""
    return np.linspace(0, room, num_crops, axis=1).round().astype(np.int64)


class TrainBatches(ABC):
    """One epoch of crops, in batches of {<kind of sound>: (B, ...) float32, 'label': (B,), 'clip': (B,)}.

    Every clip gives `crops_per_clip` crops an epoch: random ones, or the same evenly spaced ones in each epoch. What an
    epoch contains follows from the seed and its number alone, so that a resumed run sees the same batches. A last batch
    that is not full is left out, unless it is the only one: each epoch is shuffled anew, and batch normalisation should
    not see a batch of one.
    """

    def __init__(
        self,
        clips: np.ndarray,
        labels: np.ndarray,
        *,
        batch_size: int,
        crops_per_clip: int,
        random_crop: bool,
        seed: int,
        epoch: Callable[[], int],
    ) -> None:
        self.clips, self.labels = clips, labels
        self.batch_size, self.crops_per_clip, self.random_crop = batch_size, crops_per_clip, random_crop
        self.seed, self.epoch = seed, epoch

    def __len__(self) -> int:
        return max(1, len(self.clips) * self.crops_per_clip // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        rng = np.random.default_rng([self.seed, self.epoch()])
        if self.random_crop:
            order = np.concatenate([rng.permutation(self.clips) for _ in range(self.crops_per_clip)])
            places = self._random_places(order, rng)
        else:
            shuffled = rng.permutation(len(self.clips) * self.crops_per_clip)
            order = self.clips[shuffled // self.crops_per_clip]
            places = self._even_places(order, shuffled % self.crops_per_clip, rng)
        for first in range(0, len(self) * self.batch_size, self.batch_size):
            clips = order[first : first + self.batch_size]
            crops = self._crops(clips, *(place[first : first + self.batch_size] for place in places))
            yield {**crops, "label": torch.from_numpy(self.labels[clips]), "clip": torch.from_numpy(clips)}

    @abstractmethod
    def _random_places(self, clips: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """Where each crop of an epoch is cut."""

    @abstractmethod
    def _even_places(self, clips: np.ndarray, numbers: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """The same for evenly spaced crops, `numbers` of which count from 0 to crops_per_clip - 1."""

    @abstractmethod
    def _crops(self, clips: np.ndarray, *places: np.ndarray) -> Batch:
        """The crops of one batch."""


class WaveformBatches(TrainBatches):
    """Crops of waveforms: 'waveform' (B, 1, T). With `loop`, of clips played as loops of `crop_samples` at least."""

    def __init__(
        self,
        store: WaveformStore,
        clips: np.ndarray,
        labels: np.ndarray,
        *,
        num_samples: int,
        loop: bool,
        crop_samples: int,
        **settings: Any,
    ) -> None:
        super().__init__(clips, labels, **settings)
        self.store, self.num_samples, self.loop, self.crop_samples = store, num_samples, loop, crop_samples

    def _crops(self, clips: np.ndarray, starts: np.ndarray) -> Batch:
        if self.loop:
            crops = self.store.loops(clips, starts, self.num_samples, self.crop_samples)
        else:
            crops = self.store.crops(clips, starts, self.num_samples)
        return {"waveform": torch.from_numpy(crops).unsqueeze(1)}

    def _random_places(self, clips: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray]:
        """First samples, from half a crop before the clip to half a crop before its end (as Tokozume et al. 2018).

        Of a loop, any.
        """
        if self.loop:
            return (rng.integers(np.maximum(self.store.lengths[clips], self.crop_samples)),)
        pad = self.num_samples // 2
        room = np.maximum(self.store.lengths[clips] - self.num_samples + 2 * pad, 0)
        return ((rng.random(len(clips)) * (room + 1)).astype(np.int64) - pad,)

    def _even_places(self, clips: np.ndarray, numbers: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray]:
        room = np.maximum(self.store.lengths[clips] - self.num_samples, 0)
        return (evenly_spaced(room, self.crops_per_clip)[np.arange(len(clips)), numbers],)


class PowerBatches(TrainBatches):
    """Crops of the mel power of clips played as loops, each at a speed drawn anew: 'power' (B, M, F)."""

    def __init__(
        self, store: PowerStore, clips: np.ndarray, labels: np.ndarray, *, num_frames: int, **settings: Any
    ) -> None:
        super().__init__(clips, labels, **settings)
        self.store, self.num_frames = store, num_frames

    def _crops(self, clips: np.ndarray, speeds: np.ndarray, starts: np.ndarray) -> Batch:
        return {"power": torch.from_numpy(self.store.crops(clips, speeds, starts, self.num_frames)).mT}

    def _random_places(self, clips: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Speeds and first frames."""
        speeds = self._speeds(clips, rng)
        return speeds, rng.integers(self.store.num_frames[clips, speeds])

    def _even_places(
        self, clips: np.ndarray, numbers: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        speeds = self._speeds(clips, rng)
        room = np.maximum(self.store.num_frames[clips, speeds] - self.num_frames, 0)
        return speeds, evenly_spaced(room, self.crops_per_clip)[np.arange(len(clips)), numbers]

    def _speeds(self, clips: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return rng.integers(self.store.num_frames.shape[1], size=len(clips))


class EvaluationBatches:
    """Every clip once, as evenly spaced crops: {'waveform': (B, C, 1, T), 'label': (B,), 'clip': (B,)}.

    The first crop starts with the clip, the last one ends with it. A clip shorter than a crop gets zeros at its end.
    """

    def __init__(
        self, store: WaveformStore, clips: np.ndarray, labels: np.ndarray, *, num_samples: int, num_crops: int
    ) -> None:
        self.store, self.clips, self.labels = store, clips, labels
        self.num_samples, self.num_crops = num_samples, num_crops
        self.batch_size = max(1, EVALUATION_SAMPLES // (num_samples * num_crops))

    def __len__(self) -> int:
        return -(-len(self.clips) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for first in range(0, len(self.clips), self.batch_size):
            clips = self.clips[first : first + self.batch_size]
            room = np.maximum(self.store.lengths[clips] - self.num_samples, 0)
            starts = evenly_spaced(room, self.num_crops)  # (B, C)
            crops = self.store.crops(np.repeat(clips, self.num_crops), starts.ravel(), self.num_samples)  # (B * C, T)
            yield {
                "waveform": torch.from_numpy(crops).view(len(clips), self.num_crops, 1, self.num_samples),
                "label": torch.from_numpy(self.labels[clips]),
                "clip": torch.from_numpy(clips),
            }


class ClipDataModule(pl.LightningDataModule):
    """The clips of one fold: a stratified, leak-proof split, decoded once into a store that all jobs share.

    Args:
        clip_set: the clips and their labels.
        protocol, fold, num_folds, split_seed, allow_missing: which split; see `audio_cls.data.splits.make_split`.
        sample_rate: Hz.
        crop_samples: length of an evaluation crop, T.
        train_samples: length of a training crop; longer than T where augmentation cuts it down.
        batch_size, crops_per_clip, random_crop: of training.
        loop: training crops go on with the clip's beginning where they reach its end, rather than with zeros.
        front_end, time_scale: train on the power that this front end computes, of loops at speeds of up to
            `time_scale`; it is made once and kept beside the store. None: train on waveforms.
        eval_crops: crops of a clip at evaluation.
        seed: of the order of the clips and the crops.
        cache_dir: where the store is kept; None for the user's cache folder.

    Raises SplitError where the split cannot be made, and, on first use of the store, DataError, which names every clip
    that cannot be used.
    """

    def __init__(
        self,
        clip_set: ClipSet,
        *,
        protocol: str,
        fold: int,
        num_folds: int,
        split_seed: int = 0,
        allow_missing: bool = False,
        sample_rate: int = 16_000,
        crop_samples: int = 16_000,
        train_samples: int | None = None,
        batch_size: int = 32,
        crops_per_clip: int = 1,
        random_crop: bool = True,
        loop: bool = False,
        front_end: MelPower | None = None,
        time_scale: float = 1.0,
        eval_crops: int = 10,
        seed: int = 0,
        cache_dir: Path | None = None,
    ) -> None:
        super().__init__()
        self.clip_set = clip_set
        self.split = make_split(
            clip_set, protocol, fold, num_folds=num_folds, split_seed=split_seed, allow_missing=allow_missing
        )
        self.labels = np.array([clip.label for clip in clip_set.clips], dtype=np.int64)
        self.sample_rate, self.crop_samples = sample_rate, crop_samples
        self.train_samples = train_samples or crop_samples
        self.batch_size, self.crops_per_clip, self.random_crop = batch_size, crops_per_clip, random_crop
        self.loop, self.front_end, self.time_scale = loop, front_end, time_scale
        self.eval_crops, self.seed, self.cache_dir = eval_crops, seed, cache_dir
        self._store: WaveformStore | None = None
        self._power: PowerStore | None = None

    @property
    def store(self) -> WaveformStore:
        """The decoded clips, built on first use."""
        if self._store is None:
            self._store = open_store(self.clip_set, self.sample_rate, cache_dir=self.cache_dir)
        return self._store

    @property
    def power(self) -> PowerStore:
        """Mel power of the clips, made on first use."""
        if self._power is None:
            try:
                self._power = open_power_store(self.store, self.front_end, self.time_scale, self.crop_samples)
            except OSError as error:
                raise DataError(
                    f"{self.store.folder.parent} cannot hold the mel power ({error.strerror or error}):"
                    " make room there, or set augment.domain=waveform"
                ) from error
        return self._power

    def prepare_data(self) -> None:
        """Decodes, and makes the power where it is trained on: before training, which would count it to its time."""
        _ = self.store if self.front_end is None else self.power

    def train_dataloader(self) -> TrainBatches:
        settings = {
            "batch_size": self.batch_size,
            "crops_per_clip": self.crops_per_clip,
            "random_crop": self.random_crop,
            "seed": self.seed,
            "epoch": lambda: self.trainer.current_epoch,
        }
        if self.front_end is not None:
            num_frames = self.crop_samples // self.front_end.hop_length + 1
            return PowerBatches(self.power, self.split.train, self.labels, num_frames=num_frames, **settings)
        return WaveformBatches(
            self.store,
            self.split.train,
            self.labels,
            num_samples=self.train_samples,
            loop=self.loop,
            crop_samples=self.crop_samples,
            **settings,
        )

    def val_dataloader(self) -> EvaluationBatches | list:
        return [] if self.split.val is None else self.evaluation_batches(self.split.val)

    def evaluation_batches(self, clips: np.ndarray) -> EvaluationBatches:
        """Un-augmented crops of these clips, whichever part of the split they are in."""
        return EvaluationBatches(
            self.store, clips, self.labels, num_samples=self.crop_samples, num_crops=self.eval_crops
        )
