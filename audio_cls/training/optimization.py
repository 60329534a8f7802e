"""Optimiser, learning-rate schedule and moving average of the weights."""

import math

import torch
from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

OPTIMIZERS: dict[str, type[Adam]] = {"adam": Adam, "adamw": AdamW}


def make_optimizer(
    model: nn.Module, name: str, lr: float, weight_decay: float, *, fused: bool | None = None
) -> Optimizer:
    """Adam or AdamW. Weight decay acts on matrices and kernels of layers, not on biases, norms, positions or CLS.

    `fused` updates in one pass over the parameters; Lightning refuses to clip gradients then in mixed precision.
    """
    layers = (nn.Linear, nn.Conv1d, nn.Conv2d)
    decayed = {id(layer.weight) for layer in model.modules() if isinstance(layer, layers)}
    parameters = [parameter for parameter in _in_kept_order(model) if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if id(p) in decayed], "weight_decay": weight_decay},
        {"params": [p for p in parameters if id(p) not in decayed], "weight_decay": 0.0},
    ]
    return OPTIMIZERS[name]([group for group in groups if group["params"]], lr=lr, fused=fused)


def _in_kept_order(model: nn.Module) -> list[nn.Parameter]:
    """All parameters; of a transformer: CLS, stem, statistics, then the rest, each network before that of its segments.

    The norm that gradients are clipped by is a sum in this order. Published results were made in it; another one
    changes their seventh digit.
    """

    def place(named: tuple[str, nn.Parameter]) -> tuple[bool, int]:
        of_segments = named[0].startswith("segments.")
        name = named[0].removeprefix("segments.").removeprefix("transformer.")
        first = ("encoder.cls", "stem.", "statistics.")
        return of_segments, next((rank for rank, prefix in enumerate(first) if name.startswith(prefix)), len(first))

    return [parameter for _, parameter in sorted(model.named_parameters(), key=place)]


def make_schedule(optimizer: Optimizer, schedule: str, warmup_fraction: float, total_steps: int) -> LambdaLR:
    """Linear warm-up over a fraction of all steps, then constant or half a cosine to zero. Stepped once a batch."""
    warmup_steps = int(warmup_fraction * total_steps)

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        if schedule == "constant":
            return 1.0
        progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    return LambdaLR(optimizer, factor)


class EMA(WeightAveraging):
    """Exponential moving average of weights and buffers, evaluated and saved in place of the weights themselves.

    The first step's weights are taken as they are; then the decay grows to `decay` as (1 + n) / (10 + n) after n steps,
    so that a short run does not average in its start.
    """

    def __init__(self, decay: float) -> None:
        def update(averaged: list[Tensor], current: list[Tensor], num_averaged: Tensor | int) -> None:
            n = float(num_averaged)
            weight = 1 - min(decay, (1 + n) / (10 + n))
            if torch.is_floating_point(averaged[0]):
                torch._foreach_lerp_(averaged, current, weight)
            else:  # counters of batch normalisation
                torch._foreach_copy_(averaged, current)

        super().__init__(multi_avg_fn=torch.no_grad()(update))
