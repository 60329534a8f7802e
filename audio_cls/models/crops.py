"""How a crop is normalised, and what it counts for its clip: the same in training, evaluation and prediction.

Axis letters: B batch, C crops of a clip, T samples, M mel bands, F frames.
"""

from torch import Tensor

MIN_RMS = 1e-4  # -80 dB: quieter crops are silence and stay quiet


def unit_rms(waveforms: Tensor) -> Tensor:
    """Each waveform (..., T) at RMS 1; what is nearly silent is not amplified without bound."""
    return waveforms / waveforms.square().mean(-1, keepdim=True).sqrt().clamp(min=MIN_RMS)


def unit_power(power: Tensor) -> Tensor:
    """Each power spectrogram (B, M, F) with bands that sum to 1 on average over its frames; silence stays silent."""
    return power / power.sum(1, keepdim=True).mean(2, keepdim=True).clamp(min=MIN_RMS**2)


def audible_weights(power: Tensor, silence_db: float) -> Tensor:
    """What each crop counts in the mean over its clip, (B, C) with rows that sum to 1, for the power (B, C) of crops.

    Crops more than `silence_db` quieter than their clip's loudest one count nothing; 0: all count the same.
    """
    threshold = power.amax(-1, keepdim=True) * 10 ** (-silence_db / 10) if silence_db else 0.0
    audible = (power >= threshold).to(power)
    return audible / audible.sum(-1, keepdim=True)
