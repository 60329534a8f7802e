"""Mel power of repeated clips at a few speeds, made once: the costly part of a spectrogram front end.

Axis letters: B batch, M mel bands, F frames.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from audio_cls.data.array_file import FLOATS, INDEX, FloatFile, build_once, in_order
from audio_cls.data.waveform_store import WaveformStore

FORMAT_VERSION = 1  # counts up when the files or what is in them change
NUM_SPEEDS = 5  # from 1 / factor to factor, evenly spaced on a logarithmic scale


class MelPower(Protocol):
    """What a front end has that computes mel power, `audio_cls.models.log_mel.LogMel` for one."""

    n_fft: int
    hop_length: int
    mel_bands: Tensor  # (M, n_fft/2 + 1)

    def mel_power(self, waveforms: Tensor) -> Tensor:
        """(B, 1, T) -> (B, M, T // hop_length + 1)."""


class PowerStore:
    """Read-only mel power by index of clip and speed; `num_frames` (clips, speeds) int64 is the period of each."""

    def __init__(self, folder: Path) -> None:
        """Raises ValueError or OSError where the folder does not hold a whole store."""
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        self.folder = folder
        self.num_mels: int = index["num_mels"]
        self.num_frames = np.array(index["num_frames"], dtype=np.int64)
        lengths = self.num_frames * self.num_mels
        self._begins = (np.cumsum(lengths) - lengths.ravel()).reshape(lengths.shape)
        self._floats = FloatFile(folder / FLOATS, int(lengths.sum()))

    def crops(self, clips: np.ndarray, speeds: np.ndarray, starts: np.ndarray, num_frames: int) -> np.ndarray:
        """Crops from frame `starts` on, (B, num_frames, M) float32; a clip goes on with its beginning.

        `speeds` are indices, as `clips` are: 0 is the slowest.
        """
        crops = np.empty((len(clips), num_frames, self.num_mels), np.float32)
        begins, periods = self._begins[clips, speeds].tolist(), self.num_frames[clips, speeds].tolist()
        for crop, begin, period, start in zip(crops, begins, periods, np.asarray(starts).tolist(), strict=True):
            filled, frame = 0, start % period
            while filled < num_frames:
                count = min(period - frame, num_frames - filled)
                self._floats.read(crop[filled : filled + count], begin + frame * self.num_mels)
                filled, frame = filled + count, 0
        return crops


def open_power_store(
    waveforms: WaveformStore, front_end: MelPower, time_scale: float, min_period: int, progress: bool = True
) -> PowerStore:
    """The power of all clips of a store, made where it is not there or damaged; it stands beside that store.

    Args:
        time_scale: speeds go from 1 / time_scale to time_scale; 1 is the clip's own speed alone.
        min_period: samples; a shorter clip is followed by silence before it begins again.

    Raises OSError where the cache cannot be written.
    """
    speeds = playback_speeds(time_scale)
    made_of = f"{FORMAT_VERSION} {front_end.n_fft} {front_end.hop_length} {speeds} {min_period}"
    digest = hashlib.sha256(made_of.encode() + front_end.mel_bands.numpy().tobytes()).hexdigest()[:24]
    folder = waveforms.folder.with_name(f"{waveforms.folder.name}-power-{digest}")

    def at_speeds(clip: int) -> list[np.ndarray]:
        return _power_at_speeds(waveforms.period(clip, min_period), front_end, speeds)

    def build(file: BinaryIO) -> dict[str, Any]:
        frames = []
        for powers in in_order(at_speeds, range(len(waveforms)), "mel power of all clips", progress):
            file.writelines(power.tobytes() for power in powers)
            frames.append([len(power) for power in powers])
        return {"num_mels": front_end.mel_bands.shape[0], "num_frames": frames}

    return build_once(folder, lambda: PowerStore(folder), build)


def playback_speeds(time_scale: float) -> list[float]:
    """Slowest first."""
    return [1.0] if time_scale == 1 else [time_scale ** (2 * n / (NUM_SPEEDS - 1) - 1) for n in range(NUM_SPEEDS)]


def _power_at_speeds(period: np.ndarray, front_end: MelPower, speeds: Sequence[float]) -> list[np.ndarray]:
    """(frames, M) float32 for each speed, of one period (samples,) of a repeated clip. Pitch moves with speed."""
    hop, waveform = front_end.hop_length, torch.from_numpy(period)[None, None]
    # So that no frame sees silence: some of the period before its beginning and after its end, and cut off again.
    margin = math.ceil(front_end.n_fft / 2 / hop)
    powers = []
    for speed in speeds:
        num_frames = max(1, round(len(period) / speed / hop))
        played = F.interpolate(waveform, num_frames * hop, mode="linear", align_corners=True)
        around = torch.arange(-margin * hop, (num_frames + margin) * hop) % (num_frames * hop)
        power = front_end.mel_power(played[..., around])[0, :, margin : margin + num_frames]  # (M, frames)
        powers.append(power.T.contiguous().numpy())
    return powers
