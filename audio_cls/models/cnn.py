"""The baseline: a three-layer 1-D CNN on the raw waveform.

Axis letters: B batch, T samples, K classes.
"""

from torch import Tensor, nn

from audio_cls.models.sizes import CNN_CHANNELS, POOLING


def waveform_features() -> nn.Sequential:
    """The convolutions: (B, 1, T) -> (B, 128, T // 8). 31,040 parameters."""
    return nn.Sequential(
        nn.Conv1d(1, 32, kernel_size=3, padding=1),  # (B, 32, T)
        nn.ReLU(),
        nn.MaxPool1d(2),  # (B, 32, T/2)
        nn.Conv1d(32, 64, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool1d(2),  # (B, 64, T/4)
        nn.Conv1d(64, CNN_CHANNELS, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.AvgPool1d(2),  # (B, 128, T/8)
    )


class WaveformCNN(nn.Module):
    """Three convolutions and one linear layer: (B, 1, T) float32 in [-1, 1] -> (B, K) logits.

    With 10 classes and 16,000 samples it has 2,591,050 parameters, 2,560,010 of them in the linear layer,
    which has a weight for every time step: T is therefore fixed to `num_samples`, a multiple of 8.
    Raises ValueError on clips of another length.
    """

    def __init__(self, num_classes: int, num_samples: int = 16_000) -> None:
        super().__init__()
        self.num_samples = num_samples
        self.features = waveform_features()
        self.classifier = nn.Linear(CNN_CHANNELS * (num_samples // POOLING), num_classes)

    def forward(self, waveforms: Tensor) -> Tensor:
        return self.classifier(self._maps(waveforms).flatten(1))  # (B, 128 * T/8) -> (B, K)

    def embed(self, waveforms: Tensor) -> Tensor:
        """The maps of waveforms (B, 1, T), averaged over time: (B, 128)."""
        return self._maps(waveforms).mean(-1)

    def _maps(self, waveforms: Tensor) -> Tensor:
        """(B, 128, T/8)"""
        if waveforms.shape[-1] != self.num_samples:
            raise ValueError(
                f"clips of {waveforms.shape[-1]} samples: this model was built for num_samples={self.num_samples}; "
                "crop or pad the clips to it"
            )
        return self.features(waveforms)
