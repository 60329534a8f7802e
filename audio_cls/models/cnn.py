"""The baseline: a three-layer 1-D CNN on the raw waveform.

Axis letters: B batch, T samples, K classes.
"""

from torch import Tensor, nn

NUM_CHANNELS = 128  # of the last convolution
POOLING = 8  # three poolings by 2: samples to one feature step


def waveform_features() -> nn.Sequential:
    """The convolutions: (B, 1, T) -> (B, 128, T // 8). 31,040 parameters."""
    return nn.Sequential(
        nn.Conv1d(1, 32, kernel_size=3, padding=1),  # (B, 32, T)
        nn.ReLU(),
        nn.MaxPool1d(2),  # (B, 32, T/2)
        nn.Conv1d(32, 64, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool1d(2),  # (B, 64, T/4)
        nn.Conv1d(64, NUM_CHANNELS, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.AvgPool1d(2),  # (B, 128, T/8)
    )


def check_num_samples(num_samples: int) -> None:
    """Raise ValueError unless the poolings divide `num_samples` without a rest."""
    if num_samples < POOLING or num_samples % POOLING:
        nearest = max(POOLING, round(num_samples / POOLING) * POOLING)
        raise ValueError(
            f"num_samples={num_samples}: three poolings by 2 need a multiple of {POOLING}; set num_samples={nearest}"
        )


class WaveformCNN(nn.Module):
    """Three convolutions and one linear layer: (B, 1, T) float32 in [-1, 1] -> (B, K) logits.

    With 10 classes and 16,000 samples it has 2,591,050 parameters, 2,560,010 of them in the linear layer,
    which sees every sample at its own place: T is therefore fixed to `num_samples`.

    Raises ValueError when `num_samples` is not a multiple of 8, and on clips of another length.
    """

    def __init__(self, num_classes: int, num_samples: int = 16_000) -> None:
        super().__init__()
        check_num_samples(num_samples)
        self.num_samples = num_samples
        self.front_end = nn.Identity()  # the waveform as it stands
        self.features = waveform_features()
        self.classifier = nn.Linear(NUM_CHANNELS * (num_samples // POOLING), num_classes)

    def forward(self, waveforms: Tensor) -> Tensor:
        return self.forward_features(self.features_of_waveforms(waveforms))

    def features_of_waveforms(self, waveforms: Tensor) -> Tensor:
        """The waveforms as they stand."""
        return self.front_end(waveforms)

    def forward_features(self, features: Tensor) -> Tensor:
        """Logits (B, K) from what the front end returned, here the waveforms (B, 1, T)."""
        return self.opinions(features)[0]

    def opinions(self, features: Tensor) -> tuple[Tensor]:
        """The logits of each classifier in the network: here of the only one."""
        if features.shape[-1] != self.num_samples:
            raise ValueError(
                f"clips of {features.shape[-1]} samples: this model was built for num_samples={self.num_samples}; "
                "crop or pad the clips to it"
            )
        x = self.features(features)  # (B, 128, T/8)
        return (self.classifier(x.flatten(1)),)  # (B, 128 * T/8) -> (B, K)
