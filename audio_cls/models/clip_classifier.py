"""From crops to the probabilities of their clip: the same code at validation, for new sounds and for attention.

Axis letters: B batch, C crops of a clip, T samples of a crop, K classes.
"""

from torch import Tensor, nn

from audio_cls.models.crops import audible_weights, unit_rms


class ClipClassifier(nn.Module):
    """A network and how its crops are prepared and averaged: crops (B, 1, T) -> logits (B, K).

    Args:
        normalize: scale each crop to unit RMS.
        silence_db: crops this much quieter than their clip's loudest one do not count; 0: all count.
    """

    def __init__(self, network: nn.Module, normalize: bool, silence_db: float) -> None:
        super().__init__()
        self.network = network
        self.normalize = normalize
        self.silence_db = silence_db

    def forward(self, crops: Tensor) -> Tensor:
        return self.network(self.normalized(crops))

    def normalized(self, crops: Tensor) -> Tensor:
        """What the network gets."""
        return unit_rms(crops) if self.normalize else crops

    def crop_weights(self, crops: Tensor) -> Tensor:
        """What each of the crops (B, C, 1, T) counts for its clip, (B, C) with rows that sum to 1."""
        return audible_weights(crops.square().mean((-2, -1)), self.silence_db)

    def clip_probabilities(self, crops: Tensor) -> Tensor:
        """Probabilities (B, K) of clips given as crops (B, C, 1, T), averaged over the crops that are not silent."""
        num_clips, num_crops = crops.shape[:2]
        probabilities = self(crops.flatten(0, 1)).float().softmax(-1).view(num_clips, num_crops, -1)  # (B, C, K)
        return (probabilities * self.crop_weights(crops).unsqueeze(-1)).sum(1)
