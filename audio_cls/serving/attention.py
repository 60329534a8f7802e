"""Where a trained transformer looks in a clip: its CLS token's attention on the clip's time axis.

Axis letters: C crops, L layers, H heads, N tokens of a crop, P places along the clip.
"""

from dataclasses import dataclass

import numpy as np
import torch

from audio_cls.models.attention_maps import cls_attention, rollout, sound_share, token_times, transformer_of
from audio_cls.serving.load import LoadedClassifier

PLACES_PER_TOKEN = 4  # tokens of overlapping crops do not fall on the same places
MAX_PLACES = 4_000
CROPS_AT_ONCE = 64


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
