"""Where tokens lie on the time axis of a sound, followed through front end and stem."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class TokenTimes:
    """Frames or tokens of a crop on its time axis, in samples: the centre of number n is `centre + n * stride`.

    Each is computed from `width` samples around its centre, mostly more than `stride`: neighbours overlap.
    """

    stride: int
    width: int
    centre: float

    def centres(self, num_tokens: int) -> Tensor:
        """Centres of the tokens in samples from the start of the crop, (N,) float64."""
        return self.centre + self.stride * torch.arange(num_tokens, dtype=torch.float64)

    def after(self, kernel_size: int, stride: int, padding: int = 0) -> "TokenTimes":
        """Where the outputs of a convolution or pooling over these lie."""
        return TokenTimes(
            stride=self.stride * stride,
            width=self.width + (kernel_size - 1) * self.stride,
            centre=self.centre + ((kernel_size - 1) / 2 - padding) * self.stride,
        )

    def through(self, layers: Iterable[nn.Module]) -> "TokenTimes":
        """Where the outputs of all convolutions and poolings among `layers` lie; time is their last axis."""
        times = self
        for layer in layers:
            if hasattr(layer, "kernel_size"):
                times = times.after(*(_last(getattr(layer, name)) for name in ("kernel_size", "stride", "padding")))
        return times


SAMPLES = TokenTimes(stride=1, width=1, centre=0.0)


def _last(size: int | tuple[int, ...]) -> int:
    return size[-1] if isinstance(size, tuple) else size
