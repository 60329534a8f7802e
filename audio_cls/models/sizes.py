"""Rules on sizes: what divides what, how many tokens there are, which mel bands and modulations exist.

Constructors and the checks of the configuration call the same functions. Without numpy or torch, so that a
configuration is checked before they are imported.
"""

import math

POOLING = 8  # samples to one time step of the CNN: three poolings by 2
CNN_CHANNELS = 128  # of the CNN's last convolution
WAVEFORM_TOKEN_SAMPLES = 1024  # to one token of the waveform stem
FRAMES_PER_TOKEN = 8  # of the spectrogram stem
BAND_GROUPS = 8  # of mel bands, over which the power of a modulation is averaged
HIGHEST_RATE = 0.4  # of a modulation, as a share of the frame rate
FEWEST_CYCLES = 1.25  # of the slowest modulation in a crop


def heads_fit(num_heads: int, d_model: int) -> bool:
    """Whether the heads divide the features evenly."""
    return num_heads >= 1 and d_model % num_heads == 0


def fitting_heads(d_model: int) -> list[int]:
    """Numbers of heads up to 16 that divide `d_model`."""
    return [num_heads for num_heads in range(1, min(d_model, 16) + 1) if heads_fit(num_heads, d_model)]


def pooling_fits(num_samples: int) -> bool:
    """Whether the CNN's poolings divide the crop without a rest."""
    return num_samples >= POOLING and num_samples % POOLING == 0


def frame_token_widths(num_samples: int) -> list[int]:
    """Every d_model that stem=frames can have: 128 channels of whole time steps, whole tokens in the crop."""
    num_steps = num_samples // POOLING
    return [CNN_CHANNELS * steps for steps in range(1, num_steps + 1) if num_steps % steps == 0]


def num_frames(num_samples: int, hop_length: int) -> int:
    """Frames of a spectrogram; the first and the last are centred on the ends of the sound."""
    return num_samples // hop_length + 1


def modulation_rates(frame_rate: float, seconds: float) -> list[float]:
    """Octaves in Hz, slowest first, that crops of `seconds` can show; none where they are too short."""
    fastest = HIGHEST_RATE * frame_rate
    cycles = fastest * seconds / FEWEST_CYCLES
    return [] if cycles < 1 else [fastest / 2**n for n in reversed(range(int(math.log2(cycles)) + 1))]


def count_empty_bands(sample_rate: int, num_mels: int, n_fft: int) -> int:
    """How many triangular mel bands lie between two frequencies of the FFT, so that they hold nothing."""
    edges = band_edges(num_mels, sample_rate / 2)
    spacing = sample_rate / n_fft  # Hz
    bands = zip(edges[:-2], edges[2:], strict=True)
    return sum(math.floor(low / spacing) + 1 >= high / spacing for low, high in bands)


def band_edges(num_bands: int, highest: float) -> list[float]:
    """Where evenly spaced bands from 0 to `highest` Hz begin, peak and end: band b has its peak at value b + 1."""
    top = _mel(highest)
    return [_hertz(top * index / (num_bands + 1)) for index in range(num_bands + 2)]


# Slaney's mel scale (Auditory Toolbox, 1998): 15 mel at 1000 Hz, linear below; 27 mel to a factor of 6.4 above.


def _mel(hertz: float) -> float:
    return hertz * 0.015 if hertz < 1000 else 15 + 27 * math.log(hertz / 1000) / math.log(6.4)


def _hertz(mel: float) -> float:
    return mel / 0.015 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)
