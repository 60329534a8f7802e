"""The transformer's training step against torch's own encoder, its memory at many tokens, and what each setting"
" buys."""

import copy
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from audio_cls.models.attention_maps import transformer_of
from audio_cls.models.transformer import MultiHeadSelfAttention, TransformerEncoder
from audio_cls.training.allocator import keep_freed_memory
from benchmarks import data
from benchmarks.bare import BareTraining
from benchmarks.machine import resident_mib
from benchmarks.processes import isolated
from benchmarks.section import BenchmarkError, Numbers, Options, Target, milliseconds, table
from benchmarks.timing import Ratio, interleaved, median, ratio

TITLE = "Training step"
LIMIT_SECONDS = 420
HEADS = (1, 2, 4)
ENCODER_TOKENS = (5, 256)  # of a one-second crop with the default stem, CLS among them; many
MANY_TOKENS = 4096
SAME_SPEED = 1.02  # ratios up to this count as equal: runs of the same code differ by as much


def measure(options: Options) -> Numbers:
    quick = options.quick
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        source = data.arguments(Path(folder), quick=quick)
        jobs = [[*source, f"heads={heads}"] for heads in HEADS]
        trainings = {
            str(heads): BareTraining(data.make_jobs(job, Path(folder) / "outputs")[0])
            for heads, job in zip(HEADS, jobs, strict=True)
        }
        numbers: Numbers = {"step": {}, "encoder": {}}
        for heads, training in trainings.items():
            numbers["step"][heads] = _compare_steps(training, quick)
            numbers["encoder"][heads] = {
                str(tokens): _compare_encoders(encoder_of(training), tokens, quick) for tokens in ENCODER_TOKENS
            }
        numbers["settings"] = _settings(trainings["4"], quick)
        numbers["domain"] = _domains([*source, "experiment=best"], Path(folder) / "outputs", quick)
        numbers["kept_memory"] = _kept_memory(quick, jobs[-1])
    numbers["memory"] = _memory(quick)
    return numbers


# Against torch's encoder


def encoder_of(training: BareTraining) -> TransformerEncoder:
    return transformer_of(training.module.network).encoder


def torch_encoder(ours: TransformerEncoder, job_model: dict[str, Any]) -> nn.TransformerEncoder:
    """torch's encoder with the weights of ours."""
    layer = nn.TransformerEncoderLayer(
        job_model["d_model"],
        job_model["num_heads"],
        job_model["d_feedforward"],
        job_model["dropout"],
        job_model["activation"],
        batch_first=True,
        norm_first=job_model["norm"] == "pre",
    )
    encoder = nn.TransformerEncoder(layer, job_model["num_layers"], enable_nested_tensor=False)
    with torch.no_grad():
        for theirs, block in zip(encoder.layers, ours.blocks, strict=True):
            projections = (block.attention.query, block.attention.key, block.attention.value)
            theirs.self_attn.in_proj_weight.copy_(torch.cat([projection.weight for projection in projections]))
            theirs.self_attn.in_proj_bias.copy_(torch.cat([projection.bias for projection in projections]))
            theirs.self_attn.out_proj.load_state_dict(block.attention.output.state_dict())
            theirs.linear1.load_state_dict(block.feedforward[0].state_dict())
            theirs.linear2.load_state_dict(block.feedforward[3].state_dict())
            theirs.norm1.load_state_dict(block.attention_norm.state_dict())
            theirs.norm2.load_state_dict(block.feedforward_norm.state_dict())
    return encoder


class Block(nn.Module):
    """torch's encoder in the place of our blocks."""

    def __init__(self, encoder: nn.TransformerEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: Tensor, need_weights: bool = False) -> tuple[Tensor, None]:
        return self.encoder(x), None


def _with_torch_encoder(training: BareTraining) -> BareTraining:
    """The same training with torch's encoder in place of our blocks."""
    other = BareTraining(training.job)
    network = other.module.network
    network.load_state_dict(training.module.network.state_dict())
    encoder = encoder_of(other)
    encoder.blocks = nn.ModuleList([Block(torch_encoder(encoder, training.job.config.model.model_dump()))])
    return _with_new_optimizer(other)


def _with_new_optimizer(training: BareTraining, **settings: Any) -> BareTraining:
    """With an optimizer and an average of the network as it is now; `settings` go to AdamW."""
    groups = training.optimizer.param_groups
    settings = {"lr": groups[0]["lr"], "weight_decay": groups[0]["weight_decay"], "fused": True, **settings}
    training.optimizer = torch.optim.AdamW(training.module.network.parameters(), **settings)
    training.schedule = torch.optim.lr_scheduler.LambdaLR(training.optimizer, lambda step: 1.0)
    if training.average is not None:
        training.average = type(training.average)(training.module.network, training.average.decay)
    return training


def _compare_steps(training: BareTraining, quick: bool) -> dict[str, list[float]]:
    ours, theirs = _with_new_optimizer(training), _with_torch_encoder(training)
    batch = next(iter(training.batches))
    _check_equal(training.module, theirs.module, batch["waveform"][..., : training.datamodule.crop_samples])
    return _interleaved_steps({"audio_cls": ours, "torch": theirs}, batch, quick)


def _check_equal(ours: nn.Module, theirs: nn.Module, waveforms: Tensor) -> None:
    with torch.no_grad():
        difference = (ours.eval()(waveforms) - theirs.eval()(waveforms)).abs().max().item()
    ours.train()
    theirs.train()
    if difference > 1e-4:
        raise BenchmarkError(
            f"the two networks differ by {difference:g}: they are not the same, so their times mean nothing"
        )


def _interleaved_steps(trainings: dict[str, BareTraining], batch: dict[str, Tensor], quick: bool) -> dict[str, list]:
    calls = {name: lambda training=training: training.step(batch) for name, training in trainings.items()}
    return interleaved(
        calls, seconds=0 if quick else 5, min_rounds=2 if quick else 7, max_rounds=60, warm_up=1 if quick else 3
    )


def _compare_encoders(encoder: TransformerEncoder, num_tokens: int, quick: bool) -> dict[str, list[float]]:
    """Forward and backward of the blocks alone, in training mode."""
    blocks = copy.deepcopy(encoder.blocks).train()
    first = encoder.blocks[0]
    model = {
        "d_model": first.attention_norm.normalized_shape[0],
        "num_heads": first.attention.num_heads,
        "d_feedforward": first.feedforward[0].out_features,
        "dropout": first.dropout.p,
        "activation": "gelu",
        "norm": first.norm,
        "num_layers": len(encoder.blocks),
    }
    theirs = torch_encoder(encoder, model).train()

    def ours(x: Tensor) -> Tensor:
        for block in blocks:
            x, _ = block(x)
        return x

    x = torch.randn(32 if num_tokens < 100 and not quick else 4, num_tokens, model["d_model"], requires_grad=True)
    calls = {name: lambda it=it: it(x).sum().backward() for name, it in {"audio_cls": ours, "torch": theirs}.items()}
    return interleaved(
        calls, seconds=0 if quick else 3, min_rounds=1 if quick else 7, max_rounds=60, warm_up=1 if quick else 3
    )


# What each setting buys


def _settings(training: BareTraining, quick: bool) -> Numbers:
    """Seconds of a step as it is and with one thing changed, in turns."""
    batch = next(iter(training.batches))
    usual = _with_new_optimizer(training)

    def changed(change: Callable[[BareTraining], object], **settings: Any) -> BareTraining:
        other = BareTraining(training.job)
        change(other)
        return _with_new_optimizer(other, **settings)

    def without_average(other: BareTraining) -> None:
        other.average = None

    def contiguous(other: BareTraining) -> None:
        """Channels outermost is torch's default; layers keep the format of what the first of them is given."""
        for layers in transformer_of(other.module.network).stem.children():
            if isinstance(layers, nn.Sequential):
                # A copy: of a tensor with one channel, contiguous() would change nothing.
                layers.register_forward_pre_hook(
                    lambda _, inputs: (inputs[0].clone(memory_format=torch.contiguous_format),)
                )

    others = {
        "channels outermost in the convolutions": changed(contiguous),
        "their weights with channels innermost, too": changed(
            lambda other: transformer_of(other.module.network).stem.to(memory_format=torch.channels_last)
        ),
        "AdamW over lists of tensors (foreach)": changed(lambda _: None, fused=False, foreach=True),
        "AdamW tensor by tensor": changed(lambda _: None, fused=False, foreach=False),
        "no moving average of the weights": changed(without_average),
    }
    found = {
        name: _interleaved_steps({"usual": usual, "changed": other}, batch, quick) for name, other in others.items()
    }
    cores = os.cpu_count() or 1
    if cores > 1 and not quick:
        found[f"1 thread in place of {cores}"] = _with_threads(usual, batch, cores)
    return found


def _domains(overrides: list[str], output: Path, quick: bool) -> dict[str, list[float]]:
    """Reading a batch and a step on it: mel power that was made before, and waveforms."""

    def steps(domain: str) -> Callable[[], object]:
        job = data.make_jobs([*overrides, f"augment.domain={domain}"], output)[0]
        training = BareTraining(job)
        return lambda: training.step(next(iter(training.batches)))

    return interleaved(
        {"usual": steps("power"), "changed": steps("waveform")}, seconds=0 if quick else 8, min_rounds=1 if quick else 7
    )


def _with_threads(training: BareTraining, batch: dict[str, Tensor], cores: int) -> dict[str, list[float]]:
    def steps(threads: int) -> Callable[[], object]:
        def call() -> None:
            torch.set_num_threads(threads)
            training.step(batch)

        return call

    try:
        return interleaved({"usual": steps(cores), "changed": steps(1)}, seconds=6)
    finally:
        torch.set_num_threads(cores)


def step_seconds(overrides: list[str], kept: bool, seconds: float) -> float:
    """The median step of a fresh process; `kept`: with freed memory kept."""
    if kept:
        keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        training = BareTraining(data.make_jobs(overrides, Path(folder))[0])
    batch = next(iter(training.batches))
    return median(interleaved({"step": lambda: training.step(batch)}, seconds=seconds, min_rounds=1, warm_up=3)["step"])


def _kept_memory(quick: bool, overrides: list[str]) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {"usual": [], "changed": []}
    for _ in range(1 if quick else 2):
        for name in found:
            found[name].append(
                isolated(step_seconds, overrides, name == "usual", 0 if quick else 4, limit_seconds=60, here=quick)
            )
    return found


# Memory at many tokens


def attention_memory(way: str, num_tokens: int, dropout: float) -> float:
    """MiB that a forward and a backward pass of one attention layer take beyond those of a few tokens."""
    layer = {
        "audio_cls": MultiHeadSelfAttention(96, 4, dropout),
        "written out": MultiHeadSelfAttention(96, 4, dropout),
        "torch": nn.MultiheadAttention(96, 4, dropout, batch_first=True),
    }[way]

    def train(x: Tensor) -> None:
        if way == "torch":
            output, _ = layer(x, x, x, need_weights=False)
        else:
            output, _ = layer(x, need_weights=way == "written out")
        output.sum().backward()

    train(torch.randn(1, 16, 96))
    before = resident_mib()
    train(torch.randn(1, num_tokens, 96))
    return resident_mib()["highest"] - before.get("resident", before["highest"])


def _memory(quick: bool) -> Numbers:
    tokens = 32 if quick else MANY_TOKENS
    return {
        str(dropout): {
            way: isolated(attention_memory, way, tokens, dropout, limit_seconds=60, here=quick)
            for way in ("audio_cls", "torch", "written out")
        }
        for dropout in (0.0, 0.1)
    }


# The document


def targets(numbers: Numbers) -> list[Target]:
    found = []
    for heads, seconds in numbers["step"].items():
        times = ratio(seconds["torch"], seconds["audio_cls"])
        found.append(
            Target(
                f"step at {heads} head{'s' * (heads != '1')}: at least as fast as with nn.TransformerEncoder",
                f"{times} times as fast",
                times.median * SAME_SPEED >= 1,
            )
        )
    memory = numbers["memory"]["0.0"]
    found.append(
        Target(
            f"attention over {MANY_TOKENS} tokens: less memory than written out",
            f"{memory['audio_cls']:,.0f} against {memory['written out']:,.0f} MiB",
            memory["audio_cls"] < memory["written out"],
        )
    )
    return found


def describe(numbers: Numbers) -> str:
    rows = []
    for heads, step in numbers["step"].items():
        encoders = [str(_faster(numbers["encoder"][heads][str(tokens)])) for tokens in ENCODER_TOKENS]
        whole = [milliseconds(median(step[name])) for name in ("audio_cls", "torch")]
        rows.append([heads, *whole, str(_faster(step)), *encoders])
    columns = ["heads", "audio_cls", "nn.TransformerEncoder", "faster by"]
    columns += [f"encoder alone, {tokens} tokens" for tokens in ENCODER_TOKENS]
    changes = {**numbers["settings"], "freed memory given back to the system": numbers["kept_memory"]}
    changes["experiment=best on waveforms in place of power (augment.domain)"] = numbers["domain"]
    settings = [
        [name, *(milliseconds(median(seconds[way])) for way in ("usual", "changed")), str(_slower(seconds))]
        for name, seconds in changes.items()
    ]
    memory = [
        [dropout, *(f"{found[way]:,.0f}" for way in ("audio_cls", "torch", "written out"))]
        for dropout, found in numbers["memory"].items()
    ]
    return "\n\n".join(
        [
            "A training step of the default transformer (augmentation, front end, forward, backward, AdamW, moving"
            " average) against the same network with torch's encoder and the same weights; before, both were seen to"
            " give the same logits.",
            table(columns, rows),
            "One thing changed at a time (4 heads); above 1 the change makes a step slower, so the project is better"
            " off as it is:",
            table(["change", "as it is", "changed", "slower by"], settings),
            f"Memory in MiB of a forward and backward pass of one attention layer over {MANY_TOKENS} tokens (width"
            " 96, 4 heads, one clip). torch's fused kernel for the CPU knows no dropout of the weights; with dropout"
            " it holds all of them, as any other way does.",
            table(["dropout", "audio_cls", "nn.MultiheadAttention", "softmax(QK)V written out"], memory),
        ]
    )


def _faster(seconds: dict[str, list[float]]) -> Ratio:
    return ratio(seconds["torch"], seconds["audio_cls"])


def _slower(seconds: dict[str, list[float]]) -> Ratio:
    return ratio(seconds["changed"], seconds["usual"])
