"""Power on the mel scale, for pictures and for the mean spectra of classes.

Axis letters: T samples, N frames, F frequencies of the Fourier transform, B mel bands.
"""

from functools import cache

import numpy as np
from scipy import fft

from audio_cls.models import sizes

NUM_BANDS = 64
WINDOW_SECONDS = 0.046  # 2048 samples at 44.1 kHz
FLOOR = 1e-10  # of power, so that digital silence has a logarithm


def mel_power(waveform: np.ndarray, sample_rate: int, highest: float, hop_seconds: float = 0.023) -> np.ndarray:
    """Power in mel bands up to `highest` Hz, (N, B) float32; nothing above half the sample rate. At least one frame."""
    size = round(WINDOW_SECONDS * sample_rate)
    if len(waveform) < size:
        waveform = np.pad(waveform, (0, size - len(waveform)))
    hop = max(1, round(hop_seconds * sample_rate))
    frames = np.lib.stride_tricks.sliding_window_view(waveform, size)[::hop]  # (N, T)
    window = np.hanning(size).astype(np.float32)
    spectrum = fft.rfft(frames * window, fft.next_fast_len(size, real=True), axis=1)  # (N, F)
    power = spectrum.real**2 + spectrum.imag**2
    return power @ _filters(sample_rate, power.shape[1], highest)


def band_edges(highest: float) -> np.ndarray:
    """Where the bands begin, peak and end in Hz: band b has its peak at value b + 1, (B + 2,)."""
    return np.array(sizes.band_edges(NUM_BANDS, highest))


@cache
def _filters(sample_rate: int, num_frequencies: int, highest: float) -> np.ndarray:
    """Triangles of equal height on Slaney's scale, (F, B) float32."""
    hertz = np.linspace(0, sample_rate / 2, num_frequencies)[:, None]
    edges = band_edges(highest)
    rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    return np.clip(np.minimum(rising, falling), 0, None).astype(np.float32)
