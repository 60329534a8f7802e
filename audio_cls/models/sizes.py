"""Slaney's mel scale (Auditory Toolbox, 1998): 15 mel at 1000 Hz, linear below; 27 mel to a factor of 6.4 above.

Without numpy or torch, so that a configuration is checked before they are imported.
"""

import math


def _mel(hertz: float) -> float:
    return hertz * 0.015 if hertz < 1000 else 15 + 27 * math.log(hertz / 1000) / math.log(6.4)


def _hertz(mel: float) -> float:
    return mel / 0.015 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)


def band_edges(num_bands: int, highest: float) -> list[float]:
    """Where evenly spaced bands from 0 to `highest` Hz begin, peak and end: band b has its peak at value b + 1."""
    top = _mel(highest)
    return [_hertz(top * index / (num_bands + 1)) for index in range(num_bands + 2)]
