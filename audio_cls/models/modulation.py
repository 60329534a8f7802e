"""Spectro-temporal modulations: how fast the level of a sound goes up and down, over time and over frequency.

A wing beat, a ticking clock, a crackling fire and a vowel differ less in their spectra than in how these move. This
measures it, as the auditory cortex does (Chi, Ru and Shamma 2005, "Multiresolution spectrotemporal analysis of complex
sounds") and as joint time-frequency scattering does (Anden, Lostanlen and Mallat 2019).

Axis letters: B batch, M mel bands, F frames, R rates, S scales, G groups of mel bands, N tokens.
"""

import math

import torch
from torch import Tensor, nn

from audio_cls.models.fourier import Band, envelopes
from audio_cls.models.sizes import BAND_GROUPS, modulation_rates

TOKEN_FRAMES = 64  # over which the power of a modulation is averaged: one token of the stem
SCALES = (0, 1, 2, 4, 8, 16)  # cycles over 64 mel bands; 0: all bands of a group rise and fall together
RATE_WIDTH, SCALE_WIDTH = 0.32, 0.42  # standard deviations of the filters, octaves


class ModulationPower(nn.Module):
    """Power of modulations by rate and scale, in groups of bands and windows of 64 frames.

    Shape:
        level (B, M, F) in dB -> (B, R * S, 8, ceil(F / 64)), rate by rate from the slowest

    Rates are octaves in Hz up to 0.4 of the frame rate, scales octaves in cycles over the mel bands. A filter is a
    Gaussian over octaves along each axis; upward and downward sweeps are added. It has no parameters.

    Args:
        num_mels: M, a multiple of 8.
        frame_rate: Hz.
        seconds: length of a crop; rates with fewer than 1.25 cycles in it are left out.
    """

    scale_filters: Tensor
    scale_means: Tensor

    def __init__(self, num_mels: int, frame_rate: float, seconds: float) -> None:
        super().__init__()
        self.frame_rate = frame_rate
        self.rates = modulation_rates(frame_rate, seconds)
        with torch.device("cpu"):  # it selects by value, which torch's meta device cannot
            filters, means = _scale_filters(num_mels)
        self.register_buffer("scale_filters", filters, persistent=False)  # (P, M), P positions of all scales
        self.register_buffer("scale_means", means, persistent=False)  # (S * 8, P)
        self._rate_filters: dict[tuple[int, torch.device], list[Band]] = {}

    @property
    def num_bands(self) -> int:
        """R * S."""
        return len(self.rates) * len(SCALES)

    def forward(self, level: Tensor) -> Tensor:
        num_tokens = math.ceil(level.shape[-1] / TOKEN_FRAMES)
        # Padded with zeros after the mean is gone: the padding has no modulations.
        centred = level - level.mean(-1, keepdim=True)
        powers = []
        for envelope in envelopes(centred, num_tokens * TOKEN_FRAMES, self._filters_for(num_tokens, level.device)):
            filtered = self.scale_filters @ envelope.flatten(2)  # (B, P, 2 size)
            filtered = filtered.unflatten(-1, (num_tokens, -1))  # (B, P, N, 2 size / N)
            # The mean of squares by way of the norm, which reads them once.
            mean = torch.linalg.vector_norm(filtered, dim=-1).square_() / filtered.shape[-1]
            powers.append(self.scale_means @ mean)  # (B, S * 8, N)
        return torch.stack(powers, dim=1).unflatten(2, (len(SCALES), BAND_GROUPS)).flatten(1, 2)  # (B, R * S, 8, N)

    def _filters_for(self, num_tokens: int, device: torch.device) -> list[Band]:
        """For each rate: the first frequency of its band, the samples its envelope needs, the filter over the band."""
        key = (num_tokens, device)
        if key not in self._rate_filters:
            frequencies = torch.fft.rfftfreq(num_tokens * TOKEN_FRAMES, 1 / self.frame_rate)
            self._rate_filters[key] = [
                (first, _envelope_samples(len(window), num_tokens), window.to(device))
                for first, window in (_bandpass(frequencies, rate, RATE_WIDTH) for rate in self.rates)
            ]
        return self._rate_filters[key]


def _bandpass(frequencies: Tensor, centre: float, width: float) -> tuple[int, Tensor]:
    """First index and values of a Gaussian over octaves where it is more than 2% of its peak; one value at least."""
    window = torch.exp(-0.5 * ((frequencies.clamp(min=1e-9) / centre).log2() / width) ** 2)
    inside = (window >= 0.02 * window.max()).nonzero().flatten()
    first, last = int(inside[0]), int(inside[-1])
    return first, 2 * window[first : last + 1]  # 2: the negative frequencies of a real signal are left out


def _envelope_samples(num_frequencies: int, num_tokens: int) -> int:
    """The least number of samples that holds a band of so many frequencies, a power of 2 for each token."""
    return num_tokens * 2 ** max(0, math.ceil(math.log2(num_frequencies / num_tokens)))


def _scale_filters(num_mels: int) -> tuple[Tensor, Tensor]:
    """Filters along the mel axis (P, M), and the means (S * 8, P) that gather the squares of what they give.

    A complex filter stands as two rows, its real and its imaginary part: summed over the squares of both, and of both
    parts of an envelope in time, is the power of the upward and of the downward sweep together.
    """
    padded = num_mels * 3 // 2  # so that the highest band is no neighbour of the lowest
    spectra = torch.fft.fft(torch.eye(num_mels), n=padded, dim=0)[: padded // 2]  # of each band alone
    cycles = torch.arange(padded // 2) * (64 / padded)  # over 64 bands
    rows, means = [], []
    for scale in SCALES:
        if scale == 0:
            window = torch.exp(-0.5 * (cycles / 0.5) ** 2)
            first, window = 0, window[: int((window >= 0.02).sum())]
        else:
            first, window = _bandpass(cycles, scale, SCALE_WIDTH)
            window = window / 2
        per_group = 1 if scale == 0 else 2 ** max(0, math.ceil(math.log2(len(window) / (BAND_GROUPS * 1.5))))
        positions = (torch.arange(BAND_GROUPS * per_group) + 0.5) * num_mels / (BAND_GROUPS * per_group) - 0.5
        frequencies = torch.arange(first, first + len(window)) / padded  # cycles a band
        waves = torch.exp(2j * math.pi * positions[:, None] * frequencies) * window / padded
        if scale == 0:
            waves[:, 1:] *= 2  # a real filter: its negative frequencies are those mirrored
        filters = waves @ spectra[first : first + len(window)]  # (8 * per_group, M)
        parts = [filters.real] if scale == 0 else [filters.real, filters.imag]
        rows += parts
        # The mean of one token's squares is over both parts of the envelope, hence 2; two sweeps, hence 2 again.
        weight = 2 * (1 if scale == 0 else 2) / per_group
        gather = torch.eye(BAND_GROUPS).repeat_interleave(per_group, dim=1) * weight
        means.append(torch.cat([gather] * len(parts), dim=1))
    return torch.cat(rows).contiguous(), torch.block_diag(*means)
