import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from audio_cls.models.build import build_network, build_transformer, check_network
from audio_cls.models.cnn import WaveformCNN
from audio_cls.models.features import Features
from audio_cls.models.settings import TransformerSettings
from audio_cls.models.transformer import TransformerClassifier

SMALL = {"num_mels": 16, "n_fft": 256, "hop_length": 128, "stem_width": 4, "d_model": 24, "d_feedforward": 32}
ON_WAVEFORMS = {"front_end": "waveform", "stem": "waveform"}
ORIGINAL = {
    "front_end": "waveform",
    "stem": "channels",
    "d_model": 2000,
    "num_layers": 2,
    "d_feedforward": 2048,
    "norm": "post",
    "activation": "relu",
}
SMALL_ORIGINAL = ORIGINAL | {"num_samples": 800, "d_model": 100, "d_feedforward": 64}
SMALL_FRAMES = SMALL_ORIGINAL | {"stem": "frames", "d_model": 256}
EVERY_KIND = {
    "spectrogram": {},
    "post-norm": {"norm": "post", "activation": "relu"},
    "learned positions": {"positions": "learned"},
    "no positions": {"positions": "none"},
    "mean pooling": {"pool": "mean"},
    "no encoder": {"pool": "mean", "num_layers": 0, "num_stem_layers": 4},
    "waveform": ON_WAVEFORMS,
    "original": SMALL_ORIGINAL,
    "frames": SMALL_FRAMES,
}
every_kind = pytest.mark.parametrize("options", EVERY_KIND.values(), ids=EVERY_KIND.keys())
SOME_KINDS = ("spectrogram", "no encoder", "waveform", "original")  # positions and norms make no difference there
some_kinds = pytest.mark.parametrize("options", [EVERY_KIND[kind] for kind in SOME_KINDS], ids=SOME_KINDS)


def build(seed: int = 0, **options: object) -> TransformerClassifier:
    torch.manual_seed(seed)
    arguments = {"num_classes": 10, "sample_rate": 16_000, "num_samples": 8_000, "num_heads": 2, "num_layers": 2}
    return build_transformer(TransformerSettings(**(arguments | SMALL | options)))


def clips(num_clips: int = 4, num_samples: int = 8_000) -> Tensor:
    return 0.1 * torch.randn(num_clips, 1, num_samples, generator=torch.Generator().manual_seed(1))


def length(options: dict[str, object]) -> int:
    return options.get("num_samples", 8_000)


def build_and_settle(**options: object) -> TransformerClassifier:
    """A model in eval mode whose BatchNorm has seen data: before that, signals fade on their way through the stem."""
    model = build(**options)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(clips(8, length(options)))
    return model.eval()


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def count_without_building(**options: object) -> int:
    with torch.device("meta"):
        settings = TransformerSettings(num_classes=10, sample_rate=16_000, num_samples=16_000, **options)
        return count(build_transformer(settings))


# Sizes


@pytest.mark.parametrize("num_heads", [1, 2, 4])
def test_the_original_model_has_its_48_477_146_parameters_for_1_2_and_4_heads(num_heads):
    assert count_without_building(num_heads=num_heads, **ORIGINAL) == 48_477_146


def test_frames_as_tokens_change_the_originals_size_by_their_width_alone():
    wide = ORIGINAL | {"stem": "frames", "d_model": 2048}
    blocks = 2 * (4 * (2048**2 + 2048) + 2 * 2048 * 2048 + 2048 + 2048 + 4 * 2048)
    assert count_without_building(num_heads=4, **wide) == 31_040 + 2048 + blocks + 10 * 2048 + 10


def test_the_original_model_refuses_3_heads():
    with pytest.raises(ValueError, match=r"heads=3 does not divide model.d_model=2000; use heads=1\|2\|4\|5"):
        count_without_building(num_heads=3, **ORIGINAL)


def test_parameters_and_their_names_are_the_same_for_every_number_of_heads():
    models = [build(num_heads=num_heads) for num_heads in (1, 2, 3, 4)]
    shapes = [{name: value.shape for name, value in model.state_dict().items()} for model in models]
    assert all(shape == shapes[0] for shape in shapes)


def test_models_with_one_seed_start_from_the_same_weights_whatever_their_number_of_heads():
    one, four = build(num_heads=1), build(num_heads=4)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), four.parameters(), strict=True))
    assert not torch.allclose(one.eval()(clips()), four.eval()(clips()))


@every_kind
def test_every_kind_gives_one_logit_a_class_and_trains_all_its_parameters(options):
    model = build(**options)
    logits = model(clips(4, length(options)))
    assert logits.shape == (4, 10)
    logits.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


def test_a_final_norm_stands_after_pre_norm_blocks_only():
    assert isinstance(build(norm="pre").encoder.norm, nn.LayerNorm)
    assert isinstance(build(norm="post").encoder.norm, nn.Identity)


# Attention


@some_kinds
def test_attention_weights_come_for_every_block_and_their_rows_sum_to_1(options):
    model = build_and_settle(**options)
    weights = model.attention_weights(clips(4, length(options)))
    tokens = model.stem(model.front_end(clips(4, length(options)))).shape[1] + (model.encoder.cls is not None)
    assert isinstance(weights, tuple) and len(weights) == len(model.encoder.blocks)
    for layer in weights:
        assert layer.shape == (4, 2, tokens, tokens)
        torch.testing.assert_close(layer.sum(-1), torch.ones(4, 2, tokens))


@some_kinds
def test_asking_for_attention_weights_does_not_change_the_logits(options):
    model = build_and_settle(**options)
    before = model(clips(4, length(options)))
    states, _ = model.encoder(model.stem(model.front_end(clips(4, length(options)))), need_weights=True)
    torch.testing.assert_close(model.classifier(model.encoder.pooled(states)), before)
    model.attention_weights(clips(4, length(options)))
    assert torch.equal(model(clips(4, length(options))), before)


def test_the_encoder_is_torchs_with_the_same_weights():
    encoder = build(norm="pre", dropout=0.0).eval().encoder
    layer = nn.TransformerEncoderLayer(24, 2, 32, 0.0, "gelu", batch_first=True, norm_first=True)
    reference = nn.TransformerEncoder(layer, 2, nn.LayerNorm(24), enable_nested_tensor=False).eval()
    for theirs, ours in zip(reference.layers, encoder.blocks, strict=True):
        attention = ours.attention
        theirs.self_attn.in_proj_weight.data = torch.cat(
            [attention.query.weight.data, attention.key.weight.data, attention.value.weight.data]
        )
        theirs.self_attn.out_proj.load_state_dict(attention.output.state_dict())
        theirs.linear1.load_state_dict(ours.feedforward[0].state_dict())
        theirs.linear2.load_state_dict(ours.feedforward[3].state_dict())
    tokens = torch.randn(3, 5, 24)
    x = encoder.positions(torch.cat([encoder.cls.expand(3, -1, -1), tokens], dim=1))
    torch.testing.assert_close(encoder(tokens)[0], reference(x), atol=1e-5, rtol=1e-5)


# Time and batch


def test_permuting_tokens_permutes_their_states_and_leaves_the_class_without_positions():
    model = build_and_settle(positions="none")
    tokens, order = torch.randn(3, 8, 24), torch.tensor([3, 1, 7, 0, 2, 6, 5, 4])
    states, permuted = model.encoder(tokens)[0], model.encoder(tokens[:, order])[0]
    torch.testing.assert_close(permuted[:, 1:], states[:, 1:][:, order], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(permuted[:, 0], states[:, 0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_permuting_tokens_changes_the_class_with_positions(positions):
    model = build_and_settle(positions=positions)
    tokens = torch.randn(3, 7, 24)
    cls_state, of_flipped = (model.encoder(order)[0][:, 0] for order in (tokens, tokens.flip(1)))
    assert (of_flipped - cls_state).abs().amax() > 1e-5


@some_kinds
def test_a_clip_has_the_same_logits_anywhere_in_a_batch(options):
    model = build_and_settle(**options)
    clip = clips(1, length(options))
    alone = model(clip)
    for place in range(4):
        batch = clips(4, length(options))
        batch[place] = clip[0]
        torch.testing.assert_close(model(batch)[place], alone[0], atol=1e-5, rtol=1e-4)


@every_kind
def test_every_frame_influences_the_logits(options):
    model = build_and_settle(**options)
    features = model.front_end(clips(1, length(options)))
    heard = (features.spectrogram if isinstance(features, Features) else features).requires_grad_()
    model.branch_logits(features)[0][0, 3].backward()
    gradient = heard.grad.abs().sum(dim=(0, 1))
    if options in (
        SMALL_ORIGINAL,
        SMALL_FRAMES,
    ):  # their maximum poolings and ReLUs stop single samples, not stretches of them
        gradient = gradient.unfold(0, 50, 50).sum(-1)
    elif heard.ndim == 4:
        gradient = gradient.sum(0)  # over the bands of a frame
    assert (gradient > 0).all()


@pytest.mark.parametrize("options", [{}, ON_WAVEFORMS], ids=str)
@pytest.mark.parametrize("num_samples", [4_001, 12_345])
def test_clips_of_any_length_are_classified(options, num_samples):
    assert build_and_settle(**options)(clips(2, num_samples)).isfinite().all()


def test_learned_positions_take_crops_up_to_the_length_they_were_made_for():
    model = build_and_settle(positions="learned")
    assert model(clips(1, 8_000)).isfinite().all() and model(clips(1, 4_000)).isfinite().all()
    assert len(model.encoder.positions.vectors) == model.attention_weights(clips(1, 8_000))[0].shape[-1]
    with pytest.raises(ValueError, match="larger num_samples"):
        model(clips(1, 16_000))


@pytest.mark.parametrize(
    ("options", "num_samples", "message"),
    [
        ({}, 255, "n_fft=256"),
        (ON_WAVEFORMS, 1_000, "one token takes 1024"),
        (SMALL_ORIGINAL, 400, "num_samples=800"),
        (SMALL_FRAMES, 8, "takes 16"),
    ],
)
def test_clips_too_short_for_the_model_are_refused(options, num_samples, message):
    with pytest.raises(ValueError, match=f"clips of {num_samples} samples.*{message}"):
        build(**options)(clips(1, num_samples))


# Learning


@every_kind
def test_the_first_loss_is_near_log_num_classes(options):
    waveforms, labels = clips(10, length(options)), torch.arange(10)
    losses = [F.cross_entropy(build(seed, **options)(waveforms), labels).item() for seed in range(3)]
    assert sum(losses) / 3 == pytest.approx(math.log(10), abs=0.1)


@pytest.mark.parametrize("kind", ["spectrogram", "post-norm", "no encoder", "waveform"])
def test_one_batch_can_be_overfitted(kind):
    model = build(dropout=0.0, **EVERY_KIND[kind]).train()
    waveforms, labels = clips(6), torch.arange(6)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(60):
        loss = F.cross_entropy(model(waveforms), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


@some_kinds
def test_evaluation_is_deterministic_and_training_is_not(options):
    model = build(dropout=0.5, **options)
    assert not torch.equal(model(clips(4, length(options))), model(clips(4, length(options))))
    model.eval()
    assert torch.equal(model(clips(4, length(options))), model(clips(4, length(options))))


@some_kinds
def test_a_model_comes_back_from_its_state(options):
    trained, fresh = build(0, **options), build(1, **options)
    trained(clips(4, length(options)))  # moves the running statistics
    fresh.load_state_dict(trained.state_dict())
    assert torch.equal(fresh.eval()(clips(4, length(options))), trained.eval()(clips(4, length(options))))


def test_a_mask_between_front_end_and_stem_reaches_the_logits():
    model = build_and_settle()
    features = model.extract(clips())
    assert torch.equal(*model.branch_logits(features), model(clips()))
    masked = features.spectrogram.clone()
    masked[..., 10:20] = 0
    assert not torch.allclose(*model.branch_logits(Features(masked)), model(clips()))


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_heads": 5}, r"heads=5 does not divide model.d_model=24; use heads=1\|2\|3\|4\|6\|8\|12 or"),
        ({"num_heads": 0}, "num_heads=0: use 1 or more"),
        ({"num_classes": 0}, "num_classes=0: use 1 or more"),
        ({"stem_width": 0}, "stem_width=0: use 1 or more"),
        ({"d_feedforward": 0}, "d_feedforward=0: use 1 or more"),
        ({"num_layers": 0}, "num_layers=0: .*pool=mean"),
        ({"num_layers": -1, "pool": "mean"}, "num_layers=-1: "),
        ({"dropout": 1.0}, "dropout=1.0: use at least 0 and less than 1"),
        ({"dropout": -0.1}, "dropout=-0.1: "),
        ({"norm": "batch"}, "norm='batch': use pre or post"),
        ({"activation": "tanh"}, "activation='tanh': use gelu or relu"),
        ({"positions": "rotary"}, "positions='rotary': use sinusoidal, learned or none"),
        ({"pool": "max"}, "pool='max': use cls or mean"),
        ({"stem": "patches"}, "stem='patches': use spectrogram, waveform, channels or frames"),
        ({"front_end": "mfcc"}, "front_end='mfcc': use log_mel, log_mel_texture or waveform"),
        ({"stem": "waveform"}, "stem=waveform does not fit model.front_end=log_mel; use model.stem=spectrogram"),
        ({"stem": "channels"}, "stem=channels does not fit model.front_end=log_mel; use model.stem=spectrogram"),
        ({"stem": "frames"}, "stem=frames does not fit model.front_end=log_mel; use model.stem=spectrogram"),
        (
            {"front_end": "waveform"},
            "stem=spectrogram does not fit model.front_end=waveform; use model.stem=waveform",
        ),
        (SMALL_ORIGINAL | {"d_model": 96}, "so model.d_model=100"),
        (SMALL_FRAMES | {"d_model": 250}, r"d_model=250: .*use model.d_model=.*256"),
        (SMALL_FRAMES | {"d_model": 96}, "d_model=96: model.stem=frames joins the 128 channels of whole time steps"),
        (SMALL_FRAMES | {"d_model": 1152}, "d_model=1152: model.stem=frames needs whole tokens; .* 100 time steps"),
        (SMALL_ORIGINAL | {"num_samples": 801}, "801 samples; model.stem=channels pools by 8, so .* multiple of 8"),
        (SMALL_FRAMES | {"num_samples": 801}, "801 samples; model.stem=frames pools by 8, so .* multiple of 8"),
        ({"num_stem_layers": 2}, "num_stem_layers=2: use 3 or more"),
        ({"num_mels": 200}, "num_mels=200 leaves mel bands empty at model.n_fft=256"),
        ({"hop_length": 0}, "hop_length=0: use 1 or more"),
        ({"hop_length": 257}, "hop_length=257 skips samples: it must not exceed model.n_fft=256"),
        ({"front_end": "log_mel_texture", "num_mels": 12}, "num_mels=12 does not fit .* a multiple of 8"),
        (
            {"front_end": "log_mel_texture", "num_samples": 1_500, "n_fft": 1024, "hop_length": 512},
            "hop_length=512 .* too long to show",
        ),
    ],
    ids=str,
)
def test_a_combination_that_makes_no_model_is_refused_in_one_line(options, message):
    with pytest.raises(ValueError, match=message) as error:
        build(**options)
    assert "\n" not in str(error.value)


# Networks by name or import path


class Foreign(nn.Module):
    """A network that knows nothing of this project."""

    def __init__(self, num_samples: int, num_classes: int, width: int = 3) -> None:
        super().__init__()
        self.num_samples, self.width = num_samples, width
        self.linear = nn.Linear(num_samples, num_classes)

    def forward(self, waveforms: Tensor) -> Tensor:
        return self.linear(waveforms.squeeze(1))


SIZES = {"num_classes": 5, "sample_rate": 16_000, "num_samples": 800}


def test_a_name_gives_our_networks():
    assert isinstance(build_network({"name": "cnn"}, **SIZES), WaveformCNN)
    settings = SMALL | {"num_heads": 2, "num_layers": 1}
    assert isinstance(build_network({"name": "transformer", **settings}, **SIZES), TransformerClassifier)
    with pytest.raises(ValueError, match="model.name=rnn is no model of ours; add model._target_"):
        build_network({"name": "rnn"}, **SIZES)


def test_an_import_path_gives_that_class_with_its_keys_and_the_sizes_that_it_names():
    network = build_network({"name": "mine", "_target_": f"{__name__}.Foreign", "width": 7}, **SIZES)
    assert isinstance(network, Foreign) and (network.num_samples, network.width) == (800, 7)
    assert network(clips(2, 800)).shape == (2, 5)
    assert isinstance(build_network({"_target_": "torch.nn.Identity"}, **SIZES), nn.Identity)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"_target_": "nowhere.Network"}, "_target_=nowhere.Network cannot be imported"),
        ({"_target_": "torch.nn.Nothing"}, "_target_=torch.nn.Nothing: torch.nn has no Nothing"),
        ({"_target_": "Network"}, "_target_=Network is no name of a class"),
        ({"_target_": "os.system"}, "_target_=os.system is no subclass of torch.nn.Module"),
        ({"_target_": "pathlib.Path"}, "_target_=pathlib.Path is no subclass of torch.nn.Module"),
        ({"_target_": f"{__name__}.Foreign", "depth": 2}, "depth is no argument of Foreign"),
        ({"_target_": "torch.nn.Linear"}, "in_features is missing: Linear needs it"),
    ],
)
def test_what_is_no_network_is_refused_in_one_line_and_not_called(model, message):
    with pytest.raises(ValueError, match=message) as error:
        build_network(model, **SIZES)
    assert "\n" not in str(error.value)


class Exits(nn.Module):
    def __init__(self) -> None:
        raise SystemExit(0)


def test_a_constructor_that_exits_is_an_error_and_no_interruption():
    with pytest.raises(ValueError, match="Exits raised SystemExit: 0"):
        build_network({"_target_": f"{__name__}.Exits"}, **SIZES)


class Returns(nn.Module):
    """Logits of crops (B, 1, T), changed by a function."""

    def __init__(self, change):
        super().__init__()
        self.linear, self.change = nn.Linear(800, 5), change

    def forward(self, waveforms: Tensor) -> Tensor:
        return self.change(self.linear(waveforms.squeeze(1)))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            Returns(lambda logits: logits[:, :3]),
            r"Returns returned \(2, 3\) torch.float32 for waveforms \(2, 1, 800\)",
        ),
        (
            Returns(lambda logits: logits.unsqueeze(-1)),
            r"returned \(2, 5, 1\) .*; it must return logits \(2, 5\)",
        ),
        (Returns(lambda logits: logits.mean(0, keepdim=True)), r"returned \(1, 5\) torch.float32"),
        (Returns(lambda logits: logits.argmax(1)), r"returned \(2,\) torch.int64"),
        (Returns(lambda logits: (logits, None)), "returned tuple for"),
        (Returns(torch.detach), r"returned \(2, 5\) torch.float32 without gradients for"),
        (
            Returns(torch.abs).requires_grad_(False),
            r"\(2, 5\) torch.float32 without gradients .*computed with parameters that can be",
        ),
        (nn.Flatten(), r"Flatten returned \(2, 800\) torch.float32 without gradients"),
    ],
)
def test_a_network_that_cannot_be_trained_is_told_with_what_it_must_return(network, message):
    with pytest.raises(ValueError, match=message) as error:
        check_network(network, 5, 800)
    assert "\n" not in str(error.value)


def test_a_network_that_was_tried_is_ready_to_train_also_with_lazy_layers():
    network = nn.Sequential(nn.Flatten(), nn.LazyLinear(5))
    with torch.no_grad():
        check_network(network, 5, 800)
    assert network.training
    assert network[1].weight.shape == (5, 800)


@some_kinds
def test_an_embedding_is_the_state_that_the_linear_layer_gets(options):
    model, waveforms = build_and_settle(**options), clips(num_samples=length(options))
    embedding = model.embed(waveforms)
    assert embedding.shape == (4, model.encoder.d_model)
    torch.testing.assert_close(model.classifier(embedding), model(waveforms))
