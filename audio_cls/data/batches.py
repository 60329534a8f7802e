"""Batches of crops from a store, for training and for evaluation.

Axis letters: B batch, C crops of a clip, T samples, M mel bands, F frames.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from audio_cls.data.crops import EVALUATION_SAMPLES, crop_starts, evaluation_crops
from audio_cls.data.mel_power_store import PowerStore
from audio_cls.data.waveform_store import WaveformStore

Batch = dict[str, Tensor]


@dataclass(eq=False, kw_only=True)
class TrainBatches(ABC):
    """One epoch of crops, in batches of {<kind of sound>: (B, ...) float32, 'label': (B,), 'clip': (B,)}.

    Every clip gives `crops_per_clip` crops an epoch: random ones, or the same evenly spaced ones in each epoch. What an
    epoch contains follows from the seed and its number alone, so that a resumed run sees the same batches. A last batch
    that is not full is left out, unless it is the only one: each epoch is shuffled anew, and batch normalisation should
    not see a batch of one. With `balanced`, as many crops are drawn, but of each class equally many on average: a clip
    of a small class comes several times an epoch, one of a large class in some of the epochs.
    """

    clips: np.ndarray  # that are trained on, by their index
    labels: np.ndarray  # of all clips
    batch_size: int
    crops_per_clip: int
    random_crop: bool
    seed: int
    epoch: Callable[[], int]
    balanced: bool = False

    def __len__(self) -> int:
        return max(1, len(self.clips) * self.crops_per_clip // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        rng = np.random.default_rng([self.seed, self.epoch()])
        if self.balanced:
            order = self._drawn_by_class(rng)
            numbers = None if self.random_crop else rng.integers(self.crops_per_clip, size=len(order))
            places = self._places(order, numbers, rng)
        elif self.random_crop:
            order = np.concatenate([rng.permutation(self.clips) for _ in range(self.crops_per_clip)])
            places = self._places(order, None, rng)
        else:
            shuffled = rng.permutation(len(self.clips) * self.crops_per_clip)
            order = self.clips[shuffled // self.crops_per_clip]
            places = self._places(order, shuffled % self.crops_per_clip, rng)
        for first in range(0, len(self) * self.batch_size, self.batch_size):
            clips = order[first : first + self.batch_size]
            crops = self._crops(clips, *(place[first : first + self.batch_size] for place in places))
            yield {**crops, "label": torch.from_numpy(self.labels[clips]), "clip": torch.from_numpy(clips)}

    def _drawn_by_class(self, rng: np.random.Generator) -> np.ndarray:
        """As many clips as an epoch has crops, classes alike. The clips of a class come in turn, each round shuffled
        anew, so that they are drawn equally often as far as that is possible."""
        labels = self.labels[self.clips]
        classes = np.unique(labels)
        total = len(self.clips) * self.crops_per_clip
        drawn = []
        for place, label in enumerate(rng.permutation(classes)):
            members = self.clips[labels == label]
            count = total // len(classes) + (place < total % len(classes))
            rounds = -(-count // len(members))
            drawn.append(np.concatenate([rng.permutation(members) for _ in range(rounds)])[:count])
        return rng.permutation(np.concatenate(drawn))

    @abstractmethod
    def _places(
        self, clips: np.ndarray, numbers: np.ndarray | None, rng: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Where each crop of an epoch is cut: at random, or evenly spaced, its number from 0 to crops_per_clip - 1."""

    def _even_starts(self, lengths: np.ndarray, crop_length: int, numbers: np.ndarray) -> np.ndarray:
        return crop_starts(lengths, crop_length, self.crops_per_clip)[np.arange(len(lengths)), numbers]

    @abstractmethod
    def _crops(self, clips: np.ndarray, *places: np.ndarray) -> Batch:
        """The crops of one batch."""


@dataclass(eq=False, kw_only=True)
class WaveformBatches(TrainBatches):
    """Crops of waveforms: 'waveform' (B, 1, T); with `circular`, of clips that are repeated without end."""

    store: WaveformStore
    num_samples: int
    circular: bool
    crop_samples: int

    def _crops(self, clips: np.ndarray, *places: np.ndarray) -> Batch:
        (starts,) = places
        if self.circular:
            crops = self.store.circular_crops(clips, starts, self.num_samples, self.crop_samples)
        else:
            crops = self.store.crops(clips, starts, self.num_samples)
        return {"waveform": torch.from_numpy(crops).unsqueeze(1)}

    def _places(self, clips: np.ndarray, numbers: np.ndarray | None, rng: np.random.Generator) -> tuple[np.ndarray]:
        """First samples; random ones from half a crop before the clip to half a crop before its end (as Tokozume et al.
        2018), with `circular` any."""
        lengths = self.store.lengths[clips]
        if numbers is not None:
            return (self._even_starts(lengths, self.num_samples, numbers),)
        if self.circular:
            return (rng.integers(np.maximum(lengths, self.crop_samples)),)
        pad = self.num_samples // 2
        room = np.maximum(lengths - self.num_samples + 2 * pad, 0)
        return ((rng.random(len(clips)) * (room + 1)).astype(np.int64) - pad,)


@dataclass(eq=False, kw_only=True)
class PowerBatches(TrainBatches):
    """Crops of the mel power of clips that are repeated without end, each at a speed drawn anew: 'power' (B, M, F)."""

    store: PowerStore
    num_frames: int

    def _crops(self, clips: np.ndarray, *places: np.ndarray) -> Batch:
        speeds, starts = places
        return {"power": torch.from_numpy(self.store.crops(clips, speeds, starts, self.num_frames)).mT}

    def _places(
        self, clips: np.ndarray, numbers: np.ndarray | None, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Speeds and first frames."""
        speeds = rng.integers(self.store.num_frames.shape[1], size=len(clips))
        periods = self.store.num_frames[clips, speeds]
        if numbers is None:
            return speeds, rng.integers(periods)
        return speeds, self._even_starts(periods, self.num_frames, numbers)


@dataclass(eq=False, kw_only=True)
class EvaluationBatches:
    """Every clip once, as evenly spaced crops: {'waveform': (B, C, 1, T), 'label': (B,), 'clip': (B,)}."""

    store: WaveformStore
    clips: np.ndarray
    labels: np.ndarray
    num_samples: int
    num_crops: int

    @property
    def batch_size(self) -> int:
        return max(1, EVALUATION_SAMPLES // (self.num_samples * self.num_crops))

    def __len__(self) -> int:
        return -(-len(self.clips) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for first in range(0, len(self.clips), self.batch_size):
            clips = self.clips[first : first + self.batch_size]
            waveforms = (self.store.waveform(clip) for clip in clips)
            crops = [evaluation_crops(waveform, self.num_samples, self.num_crops) for waveform in waveforms]
            yield {
                "waveform": torch.from_numpy(np.stack(crops)).unsqueeze(2),  # (B, C, T) -> (B, C, 1, T)
                "label": torch.from_numpy(self.labels[clips]),
                "clip": torch.from_numpy(clips),
            }
