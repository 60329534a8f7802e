import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from audio_cls.models.build import build_network
from audio_cls.models.cnn import WaveformCNN


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_it_has_the_parameters_of_the_published_network():
    model = WaveformCNN(10, 16_000)
    assert count(model.features) == 31_040
    assert count(model.classifier) == 2_560_010
    assert count(model) == 2_591_050


def test_it_gives_one_logit_a_class_and_features_of_an_eighth_of_the_length():
    model = WaveformCNN(7, 800)
    waveforms = torch.randn(3, 1, 800)
    assert model(waveforms).shape == (3, 7)
    assert model.features(waveforms).shape == (3, 128, 100)


def test_it_computes_what_the_figure_says():
    model = WaveformCNN(4, 80)
    x = waveforms = torch.randn(2, 1, 80)
    convolutions = [layer for layer in model.features if isinstance(layer, nn.Conv1d)]
    for convolution, pool in zip(convolutions, (F.max_pool1d, F.max_pool1d, F.avg_pool1d), strict=True):
        x = pool(F.conv1d(x, convolution.weight, convolution.bias, stride=1, padding=1).relu(), 2)
    expected = x.reshape(2, -1) @ model.classifier.weight.T + model.classifier.bias
    torch.testing.assert_close(model(waveforms), expected)


def test_every_stretch_of_the_clip_influences_the_logits():
    torch.manual_seed(0)
    model = WaveformCNN(4, 160)
    for parameter in model.features.parameters():
        parameter.data.abs_()  # keeps every ReLU open, so that only the wiring is tested
    waveforms = torch.rand(1, 1, 160, requires_grad=True)
    model(waveforms).square().sum().backward()
    gradient = waveforms.grad[0, 0].abs()
    assert (gradient.unfold(0, 4, 4).sum(-1) > 0).all()  # two maximum poolings let through one sample of four at least


def test_the_first_loss_is_near_log_num_classes():
    torch.manual_seed(0)
    loss = F.cross_entropy(WaveformCNN(10)(torch.randn(8, 1, 16_000)), torch.arange(8))
    assert loss.item() == pytest.approx(math.log(10), abs=0.1)


def test_one_batch_can_be_overfitted():
    torch.manual_seed(0)
    model = WaveformCNN(4, 80)
    waveforms, labels = torch.randn(8, 1, 80), torch.arange(8) % 4
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(30):
        loss = F.cross_entropy(model(waveforms), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


@pytest.mark.parametrize("num_samples", [0, 4, 16_001])
def test_a_length_that_the_poolings_do_not_divide_is_refused_with_the_nearest_that_they_do(num_samples):
    nearest = max(8, num_samples // 8 * 8) / 16_000
    with pytest.raises(ValueError, match=f"{num_samples} samples; .*multiple of 8: try input.crop_seconds={nearest:g}"):
        build_network({"name": "cnn"}, num_classes=10, sample_rate=16_000, num_samples=num_samples)


def test_clips_of_another_length_are_refused():
    with pytest.raises(ValueError, match="clips of 808 samples.*num_samples=800"):
        WaveformCNN(10, 800)(torch.zeros(1, 1, 808))


def test_an_embedding_is_the_mean_of_the_maps_over_time():
    model, waveforms = WaveformCNN(4, 80), torch.randn(3, 1, 80)
    torch.testing.assert_close(model.embed(waveforms), model.features(waveforms).mean(-1))
    assert model.embed(waveforms).shape == (3, 128)
