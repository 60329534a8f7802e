"""What a front end computes of a sound, by name.

Axis letters: B batch, M mel bands, F frames, C modulations, N tokens, S statistics, P segments.
"""

from typing import NamedTuple, Optional

from torch import Tensor


class Features(NamedTuple):
    """Features of a batch of sounds; None where the front end computes no such thing.

    Args:
        spectrogram: (B, 1, M, F) with mean 0.
        modulations: (B, C, 8, N), their power by rate and scale in groups of mel bands.
        statistics: (B, S) of the whole sound.
        segments: the same of the segments of each sound, B * P of them.
        segment_weights: what each segment counts for its sound, (B, P) with rows that sum to 1.
    """

    spectrogram: Tensor
    modulations: Tensor | None = None
    statistics: Tensor | None = None
    segments: Optional["Features"] = None
    segment_weights: Tensor | None = None
