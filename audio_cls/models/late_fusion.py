"""A transformer that hears a clip twice: as a whole, and in parts.

Axis letters: B batch, T samples, M mel bands, F frames, P parts, K classes.
"""

from typing import Any

from torch import Tensor

from audio_cls.models.crops import audible_weights
from audio_cls.models.features import Features
from audio_cls.models.texture import LogMelTexture
from audio_cls.models.transformer import TransformerClassifier, combined

SILENCE_DB = 30.0  # a part this much quieter than the loudest one of its crop does not count


class PartsClassifier(TransformerClassifier):
    """`TransformerClassifier` on whole crops, and beside it a second one of the same kind on equal parts of them.

    What takes seconds, as a clock that ticks, cannot be told by a part of one; what lasts a moment is drowned in the
    statistics of five. Each part is trained on for itself, as a short crop is. At evaluation parts overlap by half, and
    what they say is averaged before it joins what is said of the whole.

    Shape:
        waveforms (B, 1, T) float32 in [-1, 1] -> (B, K) logits

    Arguments are those of `TransformerClassifier`, with front_end='log_mel_texture', and `num_parts`.
    Raises ValueError as that does, and where there is nothing to part.
    """

    def __init__(
        self, num_classes: int, sample_rate: int, num_samples: int, num_heads: int, *, num_parts: int, **model: Any
    ) -> None:
        if num_parts < 2:
            raise ValueError(f"num_parts={num_parts}: set num_parts to 2 or more, or use TransformerClassifier")
        super().__init__(num_classes, sample_rate, num_samples, num_heads, **model)
        if not isinstance(self.front_end, LogMelTexture):
            raise ValueError(f"num_parts={num_parts} needs the power of front_end=log_mel_texture; set that")
        self.parts = TransformerClassifier(num_classes, sample_rate, num_samples // num_parts, num_heads, **model)
        self.num_parts = num_parts

    def features_of_waveforms(self, waveforms: Tensor) -> Features:
        return self.features_of_power(self.front_end.mel_power(waveforms))

    def features_of_power(self, power: Tensor) -> Features:
        """Features of crops given as the power of their mel bands (B, M, F), and of their parts, which have a loudest
        point each: what is quiet in the whole is seen in its part."""
        size = power.shape[-1] // self.num_parts
        parts = power.unfold(-1, size, size if self.training else max(1, size // 2)).transpose(1, 2)  # (B, P, M, F / P)
        weights = audible_weights(parts.mean((2, 3)), SILENCE_DB)
        whole = super().features_of_power(power)
        return whole._replace(segments=self.parts.features_of_power(parts.flatten(0, 1)), segment_weights=weights)

    def forward_features(self, features: Features) -> Tensor:
        return combined(self.opinions(features), features.segment_weights)

    def opinions(self, features: Features) -> tuple[Tensor, ...]:
        """Logits of the classifiers of whole crops, (B, K), and of those of parts, (B, P, K)."""
        shape = features.segment_weights.shape
        of_parts = [logits.unflatten(0, shape) for logits in self.parts.opinions(features.segments)]
        return *super().opinions(features), *of_parts


def make_transformer(*, num_parts: int = 1, **settings: Any) -> TransformerClassifier:
    """`PartsClassifier` where there are several parts, `TransformerClassifier` otherwise."""
    if num_parts == 1:
        return TransformerClassifier(**settings)
    return PartsClassifier(num_parts=num_parts, **settings)
