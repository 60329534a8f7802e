"""The front end before the network: the waveform as a spectrogram that is comparable from clip to clip.

Axis letters: B batch, T samples, M mel bands, F frames.
"""

import torch
from torch import Tensor, nn
from torchaudio.functional import melscale_fbanks

from audio_cls.models.features import Features
from audio_cls.models.fourier import stft_power
from audio_cls.models.sizes import num_frames
from audio_cls.models.token_times import TokenTimes

POWER_FLOOR = 1e-10  # keeps the logarithm of digital silence finite; 150 dB below a full-scale tone
CACHED_SAMPLES = 2**20  # of all frames together, 4 MiB
RANGE_DB = 80.0  # quieter than this below the clip's loudest point counts as silence


class LogMel(nn.Module):
    """Log-mel spectrogram, each clip with mean 0 and standard deviation 1.

    Shape:
        waveforms (B, 1, T) float32, T >= n_fft -> Features with a spectrogram (B, 1, M, T // hop_length + 1)

    Choices:
        - Slaney's mel scale, linear below 1 kHz: the HTK scale gives a third more of its bands to the range below
          500 Hz, where vowels are told apart but few other sounds, and runs out of frequencies for them much earlier
          (at 44.1 kHz and n_fft=1024 from 116 bands on, Slaney's from 185).
        - Bands sum their power, without Slaney's division by band width: wider bands make up for the fall of most
          recordings' spectra towards high frequencies.
        - The dynamic range is limited to 80 dB below the clip's loudest point, so that a stretch of digital silence
          (padding, a gated recording) does not dominate the clip's mean and deviation.
        - One mean and one deviation a clip, over all bands and frames: how far the microphone stood says nothing about
          the class, so gain goes; the shape of the spectrum says a lot (steady rain is little else), so it stays,
          which one mean per band would not let it. It needs no statistics of a data set, hence nothing can leak.

    0 is the clip's mean: masks on this spectrogram fill with 0. Raises ValueError on clips shorter than `n_fft`.
    """

    window: Tensor
    mel_bands: Tensor

    def __init__(self, sample_rate: int, num_mels: int = 64, n_fft: int = 1024, hop_length: int = 512) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.n_fft = n_fft
        self.hop_length = hop_length
        # Derived from the arguments, so they move with the module but stay out of checkpoints.
        # On the CPU also where the weights are not made: they select by value, which torch's meta device cannot.
        with torch.device("cpu"):
            window = torch.hann_window(n_fft)
            # Triangular bands (M, n_fft/2 + 1), each reaching 1 at its centre.
            bands = melscale_fbanks(n_fft // 2 + 1, 0.0, sample_rate / 2, num_mels, sample_rate, mel_scale="slaney").T
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("mel_bands", bands.contiguous(), persistent=False)

    @property
    def frame_times(self) -> TokenTimes:
        """Where the frames of the spectrogram lie in the sound; each is centred on a multiple of the hop."""
        return TokenTimes(stride=self.hop_length, width=self.n_fft, centre=0.0)

    def num_frames(self, num_samples: int) -> int:
        """How many frames a clip of `num_samples` gives."""
        return num_frames(num_samples, self.hop_length)

    def forward(self, waveforms: Tensor) -> Features:
        return self.from_power(self.mel_power(waveforms))

    def from_power(self, power: Tensor) -> Features:
        """Features of the power (B, M, F) that `mel_power` returns."""
        return Features(standardize(limit_dynamic_range(decibels(power))).unsqueeze(1))

    def mel_power(self, waveforms: Tensor) -> Tensor:
        """Power of the mel bands, (B, M, F)."""
        if waveforms.ndim != 3 or waveforms.shape[1] != 1:
            raise ValueError(f"waveforms of shape {tuple(waveforms.shape)}: need (batch, 1, samples); mix down to mono")
        if waveforms.shape[-1] < self.n_fft:
            raise ValueError(
                f"clips of {waveforms.shape[-1]} samples: one spectrum needs n_fft={self.n_fft}; "
                "pad the clips or lower n_fft"
            )
        if waveforms.device.type == "cpu" and not torch.compiler.is_exporting():
            # A few clips at a time, so that their frames stay in the processor's cache: up to four times as fast.
            clips = max(1, CACHED_SAMPLES // (self.n_fft * num_frames(waveforms.shape[-1], self.hop_length)))
            return torch.cat([self._mel_power(few) for few in waveforms.split(clips)])
        return self._mel_power(waveforms)

    def _mel_power(self, waveforms: Tensor) -> Tensor:
        power = stft_power(waveforms.squeeze(1), self.window, self.hop_length)  # (B, n_fft/2 + 1, F)
        return self.mel_bands @ power  # (M, n_fft/2 + 1) @ (B, n_fft/2 + 1, F) -> (B, M, F)


def decibels(power: Tensor) -> Tensor:
    """Levels in dB."""
    return 10 * power.clamp(min=POWER_FLOOR).log10()


def limit_dynamic_range(level: Tensor, range_db: float = RANGE_DB) -> Tensor:
    """Levels (B, M, F) in dB, raised to `range_db` below the loudest of each clip where they are lower."""
    return torch.maximum(level, level.amax(dim=(1, 2), keepdim=True) - range_db)


def standardize(level: Tensor) -> Tensor:
    """Mean 0, standard deviation 1 over each clip of (B, M, F); a constant becomes 0 rather than amplified rounding."""
    level = level - level.mean((1, 2), keepdim=True)
    return level / level.square().mean((1, 2), keepdim=True).sqrt().clamp(min=0.01)
