import math

import pytest
import torch
import yaml
from lightning.pytorch.callbacks import Callback
from support import tiny
from torch import Tensor, nn

from audio_cls.models.attention_maps import transformer_of
from audio_cls.models.clip_classifier import ClipClassifier
from audio_cls.models.features import Features
from audio_cls.serving.load import load_classifier
from audio_cls.training.augment import input_samples
from audio_cls.training.checkpoint import EpochCheckpoint
from audio_cls.training.modules import (
    ClassifierModule,
    CNNModule,
    TrainingDiverged,
    TransformerModule,
    module_class,
)
from audio_cls.training.optimization import EMA, make_optimizer

TEN = [f"class {k}" for k in range(10)]
TEXTURE = {"front_end": "log_mel_texture", "hop_length": 8}
SEGMENTS = TEXTURE | {"num_segments": 2}
MODULES = {"cnn": tiny.cnn, "transformer": tiny.transformer, "segments": lambda: tiny.transformer(model=SEGMENTS)}


class Sure(nn.Module):
    """Logits (B, K) of the class that the first sample of the waveform numbers, as sure as can be."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes

    def forward(self, waveforms: Tensor) -> Tensor:
        return 1e4 * torch.eye(self.num_classes)[waveforms[:, 0, 0].long()]


def loss_of(module: ClassifierModule, batch: dict[str, Tensor]) -> float:
    return module.training_step(batch, 0).item()


@pytest.mark.parametrize("make", MODULES.values(), ids=MODULES)
def test_one_batch_can_be_overfitted(make):
    module, batch = make(), tiny.batch()
    optimizer = make_optimizer(module.network, "adamw", 1e-2, 0.0)
    for _ in range(30):
        optimizer.zero_grad()
        module.training_step(batch, 0).backward()
        optimizer.step()
    module.eval()
    probabilities = module.clip_classifier.clip_probabilities(batch["waveform"].unsqueeze(1))
    assert torch.equal(probabilities.argmax(1), batch["label"])
    assert probabilities.gather(1, batch["label"][:, None]).min() > 0.8


def with_power(batch: dict[str, Tensor], module: ClassifierModule) -> dict[str, Tensor]:
    """The same sounds, given as their power."""
    sounds = {"power": transformer_of(module.network).front_end.mel_power(batch["waveform"])}
    return sounds | {key: batch[key] for key in ("label", "clip")}


@pytest.mark.parametrize("front_end", [{}, TEXTURE, SEGMENTS], ids=["mel", "texture", "segments"])
def test_without_augmentation_power_is_learned_from_as_its_waveform_is(front_end):
    module = tiny.transformer(model=front_end | {"dropout": 0.0})
    batch = tiny.batch()
    losses = []
    for sounds in (batch, with_power(batch, module)):
        torch.manual_seed(0)  # the same moments are dropped
        losses.append(loss_of(module, sounds))
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)


def test_power_is_mixed_and_masked():
    module = tiny.transformer(model={"dropout": 0.0}, augment=tiny.AUGMENT)
    batch = with_power(tiny.batch(), module)
    torch.manual_seed(0)
    seen: list[Features] = []
    module.mask.register_forward_hook(lambda mask, inputs, masked: seen.append(masked))
    _, targets = module._augmented_logits(batch, torch.eye(3)[batch["label"]])
    assert (targets.max(1).values < 1).any()
    masked = seen[0].spectrogram == 0
    assert masked.all(dim=2).any() and not masked.all()
    torch.testing.assert_close(targets.sum(1), torch.ones(len(targets)))


def test_the_first_loss_of_the_transformer_is_near_that_of_a_guess():
    assert loss_of(tiny.transformer(TEN), tiny.batch(40, 10)) == pytest.approx(math.log(10), abs=0.15)


def test_with_the_loss_on_probabilities_even_sure_answers_cost_what_the_softmax_leaves():
    batch = tiny.batch(20, 10)
    batch["waveform"] = batch["label"].float().view(-1, 1, 1).expand(-1, 1, tiny.CROP)
    on_logits, on_probabilities = (tiny.cnn(TEN, loss_on=loss_on) for loss_on in ("logits", "probabilities"))
    for module in (on_logits, on_probabilities):
        module.clip_classifier = ClipClassifier(Sure(10), normalize=False, silence_db=0.0)
    assert loss_of(on_logits, batch) == 0
    floor = math.log(math.e + 9) - 1
    assert loss_of(on_probabilities, batch) == pytest.approx(floor, abs=1e-5)
    assert floor == pytest.approx(1.461, abs=5e-4)


def test_a_class_weighs_in_the_loss_by_its_weight_also_in_mixed_labels():
    module, logits = tiny.cnn(), torch.randn(4, 3)
    alone = torch.stack([module._loss(logits, torch.eye(3)[[k]].expand(4, 3)) for k in range(3)])
    weights = torch.tensor([0.5, 1.0, 1.5])
    module.class_weights = weights
    for k in range(3):
        torch.testing.assert_close(module._loss(logits, torch.eye(3)[[k]].expand(4, 3)), weights[k] * alone[k])
    mixed = torch.tensor([[0.7, 0.3, 0.0]]).expand(4, 3)
    torch.testing.assert_close(module._loss(logits, mixed), 0.7 * 0.5 * alone[0] + 0.3 * alone[1])
    assert "class_weights" not in module.state_dict()


def test_each_segment_of_a_crop_has_the_same_share_of_the_loss():
    module, targets = tiny.transformer(), torch.eye(3)[[0, 2]]
    segments = torch.randn(2, 4, 3)
    expected = torch.stack([module._loss(segments[:, number], targets) for number in range(4)]).mean()
    torch.testing.assert_close(module._loss(segments, targets), expected)


@pytest.mark.parametrize("make", MODULES.values(), ids=MODULES)
def test_normalisation_makes_logits_independent_of_the_level_and_keeps_silence_finite(make):
    module = make().eval()
    waveforms = tiny.batch()["waveform"]
    assert torch.allclose(module(waveforms), module(0.01 * waveforms), atol=1e-4)
    assert module(torch.zeros(2, 1, tiny.CROP)).isfinite().all()


def test_without_normalisation_the_level_counts():
    module = tiny.cnn(normalize=False).eval()
    waveforms = tiny.batch()["waveform"]
    assert not torch.allclose(module(waveforms), module(0.01 * waveforms), atol=1e-3)


def test_the_probabilities_of_a_clip_are_the_mean_over_its_crops():
    module = tiny.transformer().eval()
    crops = torch.randn(4, 5, 1, tiny.CROP)
    expected = torch.stack([module(crops[:, crop]).softmax(1) for crop in range(5)]).mean(0)
    found = module.clip_classifier.clip_probabilities(crops)
    assert torch.allclose(found, expected, atol=1e-6)
    assert torch.allclose(found.sum(1), torch.ones(4))


def test_silent_crops_of_a_clip_do_not_count_and_a_clip_of_silence_alone_still_does():
    module = tiny.transformer(silence_db=30.0).eval()
    crops = torch.randn(3, 4, 1, tiny.CROP)
    crops[0, 1:3] *= 0.02  # 34 dB quieter
    crops[1, 1:3] *= 0.05  # 26 dB quieter
    crops[2] = 0
    found = module.clip_classifier.clip_probabilities(crops)
    each = torch.stack([module(crops[:, crop]).softmax(1) for crop in range(4)])  # (crops, clips, classes)
    assert torch.allclose(found[0], each[[0, 3], 0].mean(0), atol=1e-6)
    assert torch.allclose(found[1:], each[:, 1:].mean(0), atol=1e-6)


class Watch(Callback):
    """Notes what the steps of training draw, and in which mode augmentation and network are used."""

    def __init__(self, module: ClassifierModule) -> None:
        self.augmenting, self.validating, self.drawn, self.losses = [], [], [], []
        module.augment.register_forward_hook(lambda part, *_: self.augmenting.append(part.training))
        if isinstance(module, TransformerModule):
            module.mask.register_forward_hook(lambda part, *_: self.augmenting.append(part.training))

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        self.state = torch.get_rng_state()

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.losses.append(outputs["loss"].item())

    def on_validation_batch_start(self, trainer, module, *_):
        self.validating.append(module.training or module.network.training or module.augment.training)


def test_augmentation_is_used_in_every_step_of_training_and_never_in_validation(tmp_path):
    module = tiny.transformer(augment=tiny.AUGMENT)
    data = tiny.datamodule(tmp_path, train_samples=input_samples(tiny.CROP, 1.1))
    watch = Watch(module)
    tiny.trainer(2, [watch]).fit(module, data)
    assert watch.augmenting == [True] * 2 * 2 * 4  # both parts, two epochs of four batches
    assert watch.validating == [False] * 2


def test_validation_scores_the_clips_as_they_are_with_the_averaged_weights(tmp_path):
    module = tiny.transformer(augment=tiny.AUGMENT)
    data = tiny.datamodule(tmp_path, train_samples=input_samples(tiny.CROP, 1.1))
    trainer = tiny.trainer(3, [EMA(0.9)])
    trainer.fit(module, data)
    logged = trainer.callback_metrics
    module.eval()  # fitting leaves the averaged weights in the module
    (batch,) = data.val_dataloader()
    with torch.no_grad():
        probabilities = module.clip_classifier.clip_probabilities(batch["waveform"])
    chosen = probabilities.gather(1, batch["label"][:, None])
    assert logged["val_loss"].item() == pytest.approx(-chosen.log().mean().item(), abs=1e-5)
    correct = (probabilities.argmax(1) == batch["label"]).float().mean().item()
    assert logged["val_accuracy"].item() == pytest.approx(correct)
    assert {"val_f1_macro", "val_auroc_macro"} <= set(logged)


def test_the_training_loss_of_an_epoch_is_the_mean_of_its_steps_and_the_rate_that_of_its_last(tmp_path):
    module = tiny.cnn(optimizer=tiny.OPTIMIZER | {"warmup_fraction": 0.0})
    watch = Watch(module)
    trainer = tiny.trainer(2, [watch])
    trainer.fit(module, tiny.datamodule(tmp_path))
    assert len(watch.losses) == 8
    assert trainer.callback_metrics["train_loss"].item() == pytest.approx(sum(watch.losses[4:]) / 4, rel=1e-5)
    assert 0 <= trainer.callback_metrics["train_accuracy"].item() <= 1
    last = 0.5 * (1 + math.cos(math.pi * 7 / 8))  # not that of the step after it, which would be 0
    assert trainer.callback_metrics["lr"].item() == pytest.approx(tiny.OPTIMIZER["lr"] * last)


def drawn_at(seed: int, step: int, monkeypatch) -> list[float]:
    """Random numbers of a training step."""
    module = tiny.cnn(seed=seed)
    monkeypatch.setattr(ClassifierModule, "global_step", step)
    monkeypatch.setattr(ClassifierModule, "optimizers", lambda _: make_optimizer(module.network, "adam", 1e-3, 0.0))
    module.on_train_batch_start({}, 0)
    return torch.rand(4).tolist()


def test_a_step_draws_the_same_whatever_was_drawn_before_and_other_steps_and_seeds_draw_otherwise(monkeypatch):
    places = [(seed, step) for seed in (0, 1, 2, 2**32 - 1) for step in (0, 1, 2, 1000)]
    drawn = {place: drawn_at(*place, monkeypatch) for place in places}
    torch.rand(17)
    assert all(drawn_at(*place, monkeypatch) == numbers for place, numbers in drawn.items())
    assert len({tuple(numbers) for numbers in drawn.values()}) == len(places)


def test_a_loss_that_is_not_finite_ends_training_with_the_remedy(tmp_path):
    module = tiny.cnn(
        optimizer=tiny.OPTIMIZER | {"lr": 1e30, "warmup_fraction": 0.0},
    )
    with pytest.raises(TrainingDiverged, match=r"not finite in epoch 0; lower optimizer\.lr \(now 1e\+30\)"):
        tiny.trainer(2, []).fit(module, tiny.datamodule(tmp_path))


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_gradients_can_be_clipped_in_every_precision(tmp_path, precision):
    trainer = tiny.trainer(1, [EMA(0.9)], precision=precision, gradient_clip_val=1.0)
    trainer.fit(tiny.transformer(), tiny.datamodule(tmp_path))
    assert trainer.callback_metrics["val_loss"].isfinite()


def test_the_protocols_without_validation_train_too(tmp_path):
    trainer = tiny.trainer(1, [EMA(0.9)])
    trainer.fit(tiny.cnn(), tiny.datamodule(tmp_path, protocol="all"))
    assert not any(name.startswith("val") for name in trainer.callback_metrics)
    assert "train_loss" in trainer.callback_metrics


class Plain(nn.Module):
    """A network (B, 1, T) -> (B, K) that knows nothing of this project."""

    def __init__(self, num_classes: int, width: int) -> None:
        super().__init__()
        convolutions = nn.Conv1d(1, width, 32, stride=8), nn.ReLU(), nn.AdaptiveAvgPool1d(1)
        self.layers = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(width, num_classes))

    def forward(self, waveforms: Tensor) -> Tensor:
        return self.layers(waveforms)


def test_a_module_of_someone_else_is_trained_and_its_checkpoint_predicts(tmp_path):
    model = {"name": "plain", "_target_": f"{__name__}.Plain", "width": 8}
    recipe = {"normalize": True, "augment": tiny.AUGMENT, "optimizer": tiny.OPTIMIZER}
    module = ClassifierModule(tiny.CLASSES, tiny.CROP, tiny.RATE, model, **recipe)
    before = module.network.layers[0].weight.clone()
    data = tiny.datamodule(tmp_path, train_samples=input_samples(tiny.CROP, 1.1))
    checkpoint = EpochCheckpoint(tmp_path / "checkpoints", "last")
    trainer = tiny.trainer(1, [EMA(0.9), checkpoint], enable_checkpointing=True)
    trainer.fit(module, data)
    assert not torch.equal(module.network.layers[0].weight, before)
    assert trainer.callback_metrics["val_loss"].isfinite()

    config = {"fold": 0, "seed": 0, "data": {}, "model": model, "trainer": {"weights": "last"}}
    config["input"] = {"sample_rate": tiny.RATE, "eval_crops": 2}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    loaded = load_classifier(tmp_path)
    assert isinstance(loaded.module.network, Plain) and loaded.classes == tuple(tiny.CLASSES)
    module.eval()
    (batch,) = data.val_dataloader()
    with torch.no_grad():
        expected = module.clip_classifier.clip_probabilities(batch["waveform"])
    for clip, row in zip(batch["clip"], expected, strict=True):
        torch.testing.assert_close(loaded.probabilities(data.store.waveform(int(clip))), row, atol=1e-6, rtol=0)


class WithFeatures(Plain):
    def extract(self, waveforms: Tensor) -> Tensor:
        return waveforms

    def branch_logits(self, features: Tensor) -> tuple[Tensor]:
        return (self(features),)


def test_each_network_has_its_module():
    assert module_class({"name": "cnn"}) is CNNModule
    assert module_class({"name": "transformer"}) is TransformerModule
    assert module_class({"name": "plain", "_target_": f"{__name__}.Plain"}) is ClassifierModule
    assert module_class({"name": "features", "_target_": f"{__name__}.WithFeatures"}) is TransformerModule
