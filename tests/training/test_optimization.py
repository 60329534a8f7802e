import math
from itertools import pairwise

import lightning.pytorch as pl
import pytest
import torch
from support import tiny
from torch import nn
from torch.optim import SGD, Adam, AdamW

from audio_cls.training.optimization import EMA, make_optimizer, make_schedule


def names_by_decay(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[float, set[str]]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        group["weight_decay"]: {names[id(parameter)] for parameter in group["params"]}
        for group in optimizer.param_groups
    }


@pytest.mark.parametrize("make", [tiny.cnn, lambda: tiny.transformer(model={"positions": "learned"})])
def test_weight_decay_acts_on_matrices_and_kernels_alone_and_every_parameter_is_trained(make):
    network = make().network
    optimizer = make_optimizer(network, "adamw", 1e-3, 0.05)
    by_decay = names_by_decay(network, optimizer)
    assert set(by_decay) == {0.05, 0.0}
    assert by_decay[0.05] | by_decay[0.0] == {name for name, _ in network.named_parameters()}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(network.parameters()))
    norms = (nn.LayerNorm, nn.BatchNorm1d, nn.BatchNorm2d)
    of_norms = {f"{name}.weight" for name, module in network.named_modules() if isinstance(module, norms)}
    places = {"encoder.cls", "encoder.positions.vectors"}
    biases = {name for name, _ in network.named_parameters() if name.endswith("bias")}
    assert by_decay[0.0] == (of_norms | places | biases) & {name for name, _ in network.named_parameters()}


def test_learned_positions_and_the_cls_token_are_not_decayed():
    network = tiny.transformer(model={"positions": "learned"}).network
    spared = names_by_decay(network, make_optimizer(network, "adamw", 1e-3, 0.05))[0.0]
    assert {"encoder.cls", "encoder.positions.vectors"} <= spared


def test_parameters_keep_the_order_that_published_results_were_made_in():
    model = {"front_end": "log_mel_texture", "hop_length": 8, "positions": "learned", "num_segments": 2}
    network = tiny.transformer(model=model).network
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    for group in make_optimizer(network, "adamw", 1e-3, 0.05).param_groups:
        order = [names[id(parameter)].removeprefix("segments.") for parameter in group["params"]]
        whole, segments = order[: len(order) // 2], order[len(order) // 2 :]
        assert whole == segments
        parts = ("encoder.cls", ".stem.", "statistics.", "")
        places = [next(place for place, part in enumerate(parts) if part in name) for name in whole]
        assert places == sorted(places)
        assert whole[-1] == f"transformer.classifier.{'weight' if group['weight_decay'] else 'bias'}"


def test_the_name_chooses_the_optimizer_and_the_rate_is_set():
    network = tiny.cnn().network
    adam, adamw = make_optimizer(network, "adam", 0.5, 0.0), make_optimizer(network, "adamw", 0.25, 0.0)
    assert type(adam) is Adam
    assert type(adamw) is AdamW
    assert [group["lr"] for group in adam.param_groups + adamw.param_groups] == [0.5, 0.5, 0.25, 0.25]


def test_a_model_without_matrices_can_be_trained_too():
    assert len(make_optimizer(nn.LayerNorm(3), "adam", 0.1, 0.1).param_groups) == 1


def rates(schedule: str, warmup_fraction: float, total_steps: int) -> list[float]:
    """The rate of every step, and the one that a further step would have."""
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = make_schedule(optimizer, schedule, warmup_fraction, total_steps)
    found = []
    for _ in range(total_steps + 1):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_warm_up_rises_in_equal_steps_to_the_peak_and_a_constant_schedule_stays_there():
    assert rates("constant", 0.25, 16) == pytest.approx([0.5, 1.0, 1.5, 2.0] + 13 * [2.0])


def test_without_warm_up_the_first_step_has_the_peak_rate():
    assert rates("constant", 0.0, 5) == [2.0] * 6
    assert rates("cosine", 0.0, 5)[0] == 2.0


def test_the_cosine_falls_from_the_peak_through_half_of_it_to_zero():
    found = rates("cosine", 0.2, 50)
    assert max(found) == pytest.approx(2.0)
    assert found[9] == found[10] == pytest.approx(2.0)  # the last step of warm-up, the first of the cosine
    assert found[30] == pytest.approx(1.0)
    assert found[20] == pytest.approx(1 + math.cos(math.pi / 4))
    assert found[50] == pytest.approx(0.0, abs=1e-9)
    assert all(earlier > later for earlier, later in pairwise(found[10:]))
    assert min(found[:50]) > 0  # no step is lost


class OneWeight(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2))
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("num_batches", torch.tensor(0))


def averages(decay: float, values: list[float]) -> list[float]:
    """The average after each update with weights of these values; buffers follow the same rule."""
    module = OneWeight()
    callback = EMA(decay)
    callback.setup(None, module, "fit")
    averaged = callback._average_model
    found = []
    for step, value in enumerate(values):
        with torch.no_grad():
            module.weight.fill_(value)
            module.mean.fill_(value)
            module.num_batches.fill_(step)
        averaged.update_parameters(module)
        inner = averaged.module
        assert torch.equal(inner.weight, inner.mean.expand(2))
        assert inner.num_batches == step  # counted, not averaged
        found.append(inner.weight[0].item())
    return found


def test_the_average_starts_from_the_first_weights_and_its_decay_grows_to_the_one_asked_for():
    values = [5.0, 1.0, 2.0, 3.0, 4.0]
    expected = [5.0]
    for n, value in enumerate(values[1:], start=1):
        decay = min(0.3, (1 + n) / (10 + n))  # 0.18, 0.25, then 0.3
        expected.append(decay * expected[-1] + (1 - decay) * value)
    assert averages(0.3, values) == pytest.approx(expected)


def test_the_average_of_weights_that_stay_is_these_weights():
    assert averages(0.999, [0.1] * 20) == pytest.approx([0.1] * 20)


def test_a_short_run_is_not_held_back_by_its_random_start():
    assert averages(0.9999, [100.0] + [1.0] * 30)[-1] == pytest.approx(1.0, abs=0.01)
