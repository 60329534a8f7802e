"""Where a trained transformer looks in a clip: its CLS token's attention on the clip's time axis.

Axis letters: C crops, L layers, H heads, N tokens of a crop, P places along the clip.
"""

import csv
import difflib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from audio_cls.config.dataset import load_clips
from audio_cls.config.schema import DataConfig
from audio_cls.data.clips import ClipSet
from audio_cls.data.decode import decode, resample
from audio_cls.data.synthetic import SAMPLE_RATE, synthesize
from audio_cls.files import read_csv
from audio_cls.models.attention_maps import cls_attention, rollout, sound_share, token_times, transformer_of
from audio_cls.serving.load import LoadedClassifier
from audio_cls.wording import UserError

PLACES_PER_TOKEN = 4  # tokens of overlapping crops do not fall on the same places
MAX_PLACES = 4_000
CROPS_AT_ONCE = 64


class NoSuchClip(UserError):
    """Neither a file nor a clip of the job's data set."""


@dataclass(frozen=True)
class ShownClip:
    """A clip to look at: its waveform (samples,), and what the job's files say about it, if anything."""

    name: str
    waveform: np.ndarray
    sample_rate: int
    label: str | None = None
    split: str | None = None


@dataclass(frozen=True)
class ClipAttention:
    """What a classifier makes of a clip, and where it looks. 1 is an even look at all tokens, NaN where no crop counts.

    Args:
        classifier: whose attention it is.
        probabilities: (K,).
        edges: of the places along the clip in seconds, (P + 1,).
        heads: attention of the CLS token in each layer and head, (L, H, P).
        rollout: the same followed through all layers, (P,).
        sound_share: what CLS pays to the sound rather than to itself, (L, H).
    """

    classifier: LoadedClassifier
    probabilities: np.ndarray
    edges: np.ndarray
    heads: np.ndarray
    rollout: np.ndarray
    sound_share: np.ndarray

    @property
    def prediction(self) -> str:
        """The most probable class and its probability."""
        best = int(self.probabilities.argmax())
        return f"{self.classifier.classes[best]}, {self.probabilities[best]:.1%}"


def explain_clip(classifier: LoadedClassifier, waveform: np.ndarray) -> ClipAttention:
    """Looks at a waveform (samples,) as at evaluation, in evenly spaced crops; averages where they overlap.

    Crops that are too silent to count in the prediction do not count here. Raises NoAttention where there is none.
    """
    network = classifier.module.network
    times = token_times(network)
    crops = classifier.crops(waveform)
    weights = classifier.module.crop_weights(crops.unsqueeze(0))[0].numpy()
    heads, flow, share = (np.concatenate(parts) for parts in zip(*_look(classifier, crops), strict=True))

    num_places = min(MAX_PLACES, max(1, len(waveform) * PLACES_PER_TOKEN // times.stride))
    edges = np.linspace(0, len(waveform), num_places + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    looks = np.concatenate([heads.reshape(len(heads), -1, heads.shape[-1]), flow[:, None]], axis=1)  # (C, L * H + 1, N)
    total, covered = np.zeros((looks.shape[1], num_places)), np.zeros(num_places)
    for start, weight, look in zip(classifier.crop_starts(len(waveform)), weights, looks, strict=True):
        places = np.flatnonzero((centres >= start) & (centres < start + classifier.crop_samples))
        tokens = ((centres[places] - start - times.centre) / times.stride).round().astype(int)
        total[:, places] += weight * look.shape[-1] * look[:, tokens.clip(0, look.shape[-1] - 1)]
        covered[places] += weight
    mean = total / np.where(covered > 0, covered, np.nan)
    return ClipAttention(
        classifier=classifier,
        probabilities=classifier.probabilities(waveform).numpy().astype(np.float64),
        edges=edges / classifier.sample_rate,
        heads=mean[:-1].reshape(*heads.shape[1:3], num_places),
        rollout=mean[-1],
        sound_share=np.tensordot(weights, share, axes=1),
    )


def find_clip(classifier: LoadedClassifier, clip: str) -> ShownClip:
    """A file, or else a clip of the job's data set by its name, in whole or without its folder.

    Raises NoSuchClip, ConfigError where the data set is not where it was, BadAudio for what cannot be decoded.
    """
    known = _evaluated_clips(classifier.folder)
    path = Path(clip).expanduser()
    if path.is_file():
        waveform = decode(path, classifier.sample_rate)
        name = next((name for name in known if path.resolve().as_posix().endswith(f"/{name}")), path.name)
    else:
        clip_set = load_clips(DataConfig(**classifier.config["data"]))
        found = clip_set.clips[_index(clip_set, clip)]
        name = found.name
        if found.path.is_file():
            waveform = decode(found.path, classifier.sample_rate)
        else:
            waveform = resample(synthesize(found), SAMPLE_RATE, classifier.sample_rate)
    split, label = known.get(name, (None, None))
    return ShownClip(
        name, waveform, classifier.sample_rate, None if label is None else classifier.classes[label], split
    )


def _look(classifier: LoadedClassifier, crops: torch.Tensor) -> list[tuple[np.ndarray, ...]]:
    """Attention (C, L, H, N), rollout (C, N) and share on the sound (C, L, H), in parts."""
    transformer = transformer_of(classifier.module.network)
    parts = []
    for some in crops.split(CROPS_AT_ONCE):
        with torch.no_grad():
            weights = transformer.attention_weights(classifier.module.normalized(some))
            found = cls_attention(weights), rollout(weights), sound_share(weights)
        parts.append(tuple(values.numpy().astype(np.float64) for values in found))
    return parts


def _evaluated_clips(folder: Path) -> dict[str, tuple[str, int]]:
    """Split and label of each clip of the job, as its predictions say; empty where there are none."""
    try:
        _, rows = read_csv(folder / "predictions.csv")
        return {row["clip"]: (row["split"], int(row["label"])) for row in rows}
    except (OSError, KeyError, TypeError, ValueError, csv.Error):
        return {}


def _index(clip_set: ClipSet, name: str) -> int:
    """The place of the clip in the data set. Raises NoSuchClip, with the nearest name."""
    names = [clip.name for clip in clip_set.clips]
    if name in names:
        return names.index(name)
    alike = [index for index, full in enumerate(names) if full.endswith(f"/{name}")]
    if len(alike) == 1:
        return alike[0]
    if alike:
        raise NoSuchClip(f"{name!r} is the name of several clips; say which: {', '.join(names[i] for i in alike[:3])}")
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"its clips are called like {names[0]!r}"
    raise NoSuchClip(f"{name!r} is neither a file nor a clip of {clip_set.name}; {hint}")
