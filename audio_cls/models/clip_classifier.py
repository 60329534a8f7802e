"""From crops to the probabilities of their clip: the same code at validation, for new sounds and for attention.

Axis letters: B batch, C crops of a clip, T samples of a crop, D features, K classes.
"""

from typing import Any

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
        return self._averaged(self(crops.flatten(0, 1)).float().softmax(-1), crops)

    def clip_embeddings(self, crops: Tensor) -> Tensor:
        """What the network's last layers get, (B, D), of clips given as crops (B, C, 1, T), averaged likewise.

        Raises ValueError where the network has no method `embed(waveforms)`, or it returns something else.
        """
        name = type(self.network).__name__
        if not callable(getattr(type(self.network), "embed", None)):  # not a layer of that name
            raise ValueError(f"{name} gives no embeddings: add a method embed(waveforms (B, 1, T)) -> (B, D) to it")
        inputs = self.normalized(crops.flatten(0, 1))
        states: Any = self.network.embed(inputs)  # type: ignore[operator]
        if not isinstance(states, Tensor) or states.ndim != 2 or len(states) != len(inputs):
            found = tuple(states.shape) if isinstance(states, Tensor) else type(states).__name__
            raise ValueError(
                f"{name}.embed returned {found} for {len(inputs)} crops: it must return ({len(inputs)}, D)"
            )
        return self._averaged(states.float(), crops)

    def _averaged(self, values: Tensor, crops: Tensor) -> Tensor:
        """Values (B * C, D) of the crops (B, C, 1, T) of clips as (B, D), by what each crop counts."""
        return (values.unflatten(0, crops.shape[:2]) * self.crop_weights(crops).unsqueeze(-1)).sum(1)
