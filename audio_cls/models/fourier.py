"""Fourier transforms of the front ends, each in two ways that agree: torch's, and for `torch.export` real matrices.

Exported graphs have no complex numbers. The matrices are gathered from a table of one period as the graph is loaded,
so that a file holds the table alone.

Axis letters: B batch, T samples, F frames, M mel bands, K frequencies.
"""

import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Band = tuple[int, int, Tensor]  # first frequency, samples of the envelope, filter over the band's frequencies


def stft_power(waveforms: Tensor, window: Tensor, hop_length: int) -> Tensor:
    """Power of the spectra of waveforms (B, T) around every `hop_length`-th sample: (B, n_fft/2 + 1, F)."""
    n_fft = len(window)
    if torch.compiler.is_exporting():
        padded = F.pad(waveforms.unsqueeze(1), (n_fft // 2, n_fft // 2), mode="reflect")
        cosine, sine = _waves(torch.arange(n_fft // 2 + 1), torch.arange(n_fft), n_fft)
        kernels = (torch.cat([cosine, sine]) * window).unsqueeze(1)  # (2 * (n_fft/2 + 1), 1, n_fft)
        real, imaginary = F.conv1d(padded, kernels, stride=hop_length).chunk(2, dim=1)
    else:
        # Centred: frame f is around sample f * hop_length.
        spectrum = torch.stft(waveforms, n_fft, hop_length, window=window, return_complex=True)
        real, imaginary = spectrum.real, spectrum.imag
    # abs() would take a root, and a sum over the two halves of view_as_real is four times slower.
    return real.square() + imaginary.square()


def envelopes(level: Tensor, num_frames: int, bands: Sequence[Band]) -> Iterator[Tensor]:
    """The part of a level (B, M, F) within each band of frequencies, real and imaginary part (B, M, samples, 2).

    It is padded with zeros to `num_frames`, shifted to frequency 0 and sampled as often as the band says; the magnitude
    stays what it was.
    """
    if torch.compiler.is_exporting():
        frames = torch.arange(level.shape[-1])
        for first, size, window in bands:
            cosine, sine = _waves(frames, torch.arange(first, first + len(window)), num_frames)  # (F, K)
            real, imaginary = level @ (cosine * window), level @ (sine * -window)
            cosine, sine = _waves(torch.arange(len(window)), torch.arange(size), size)  # (K, size)
            parts = real @ cosine - imaginary @ sine, real @ sine + imaginary @ cosine
            yield torch.stack(parts, dim=-1) / num_frames
        return
    spectrum = torch.fft.rfft(level, n=num_frames)  # (B, M, num_frames/2 + 1)
    for first, size, window in bands:
        band = spectrum[..., first : first + len(window)] * (window * (size / num_frames))
        yield torch.view_as_real(torch.fft.ifft(band, n=size))


def _waves(rows: Tensor, columns: Tensor, period: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine of 2 pi row * column / period, each (rows, columns)."""
    places = (rows.unsqueeze(1) * columns % period).flatten()
    angles = [2 * math.pi * place / period for place in range(period)]
    cosine, sine = (
        torch.tensor([wave(angle) for angle in angles]).index_select(0, places).unflatten(0, (len(rows), -1))
        for wave in (math.cos, math.sin)
    )
    return cosine, sine
