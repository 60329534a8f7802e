import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from audio_cls.models.attention_maps import (
    NoAttention,
    cls_attention,
    rollout,
    sound_share,
    token_times,
    transformer_of,
)
from audio_cls.models.build import build_transformer
from audio_cls.models.cnn import WaveformCNN
from audio_cls.models.features import Features
from audio_cls.models.settings import TransformerSettings
from audio_cls.models.transformer import TransformerClassifier

RATE = 8_000
CLICK = 400  # samples
SMALL = {"num_mels": 24, "n_fft": 256, "hop_length": 32, "stem_width": 4, "d_model": 16, "d_feedforward": 32}
ON_WAVEFORMS = {"front_end": "waveform", "stem": "waveform"}
ON_FRAMES = {"front_end": "waveform", "stem": "frames", "d_model": 1024}
DEEPER_STEM = {"num_stem_layers": 5, "hop_length": 64}


def build(num_samples: int = 8_192, **options: object) -> TransformerClassifier:
    torch.manual_seed(1)
    sizes = {"num_classes": 2, "sample_rate": RATE, "num_samples": num_samples}
    return build_transformer(TransformerSettings(**sizes, **({"num_heads": 2, "num_layers": 2} | SMALL | options)))


def clicks(num_clips: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A second of noise with a click of 50 ms somewhere, low or high: waveforms, labels, the click's centre."""
    waveforms = torch.randn(num_clips, 1, 8_192, generator=generator)
    labels = torch.arange(num_clips) % 2
    starts = torch.randint(0, 8_192 - CLICK, (num_clips,), generator=generator)
    time = torch.arange(CLICK) / RATE
    for waveform, label, start in zip(waveforms, labels.tolist(), starts.tolist(), strict=True):
        tone = torch.sin(2 * math.pi * (500, 2_000)[label] * time)
        waveform[0, start : start + CLICK] += 3 * tone * torch.hann_window(CLICK)
    return waveforms, labels, starts + CLICK / 2


def tokens_off(attention: Tensor, network: TransformerClassifier, centres: Tensor) -> Tensor:
    """How many tokens lie between the peak of the attention (B, N) and the click."""
    times = token_times(network)
    peaks = times.centres(attention.shape[-1])[attention.argmax(dim=-1)]
    return (peaks - centres).abs() / times.stride


@pytest.fixture(scope="module")
def trained() -> TransformerClassifier:
    """A network that has learnt to tell low clicks from high ones, and was never told where they are."""
    network = build(dropout=0.0).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(1)
    for _ in range(100):
        waveforms, labels, _ = clicks(32, generator)
        optimizer.zero_grad()
        F.cross_entropy(network(waveforms), labels).backward()
        optimizer.step()
    return network.eval()


@pytest.fixture(scope="module")
def unseen() -> tuple[Tensor, Tensor, Tensor]:
    return clicks(100, torch.Generator().manual_seed(99))


@torch.no_grad()
def test_the_cls_token_of_a_trained_network_looks_at_the_click(trained, unseen):
    waveforms, labels, centres = unseen
    assert (trained(waveforms).argmax(dim=1) == labels).float().mean() > 0.95
    weights = trained.attention_weights(waveforms)
    attention = cls_attention(weights)
    assert attention.shape == (100, 2, 2, 33)
    assert tokens_off(attention.mean(dim=(1, 2)), trained, centres).median() < 2
    assert tokens_off(rollout(weights), trained, centres).median() < 2


@torch.no_grad()
def test_an_untrained_network_does_not_look_at_the_click(unseen):
    waveforms, _, centres = unseen
    network = build().eval()
    weights = network.attention_weights(waveforms)
    assert tokens_off(cls_attention(weights).mean(dim=(1, 2)), network, centres).median() > 4
    assert tokens_off(rollout(weights), network, centres).median() > 4


@torch.no_grad()
def test_asking_does_not_change_the_logits(trained, unseen):
    waveforms = unseen[0][:8]
    before = trained(waveforms)
    states, _ = trained.encoder(trained.stem(trained.extract(waveforms)), need_weights=True)
    with_weights = trained.classifier(trained.encoder.pooled(states))
    trained.attention_weights(waveforms)
    torch.testing.assert_close(trained(waveforms), before, rtol=0, atol=0)
    torch.testing.assert_close(with_weights, before)


def random_weights(num_layers: int = 3, num_heads: int = 4, num_tokens: int = 7) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(5, num_heads, num_tokens, num_tokens, generator=generator).softmax(-1) for _ in range(num_layers)
    ]


def test_rows_sum_to_one():
    weights = random_weights()
    torch.testing.assert_close(cls_attention(weights).sum(-1), torch.ones(5, 3, 4))
    torch.testing.assert_close(rollout(weights).sum(-1), torch.ones(5))


def test_attention_is_the_row_of_cls_without_itself():
    weights = random_weights()
    row = weights[1][3, 2, 0]
    torch.testing.assert_close(cls_attention(weights)[3, 1, 2], row[1:] / row[1:].sum())
    torch.testing.assert_close(sound_share(weights)[3, 1, 2], row[1:].sum())


def test_rollout_of_one_layer_is_the_mean_of_its_heads():
    weights = random_weights(num_layers=1)
    expected = weights[0].mean(dim=1)[:, 0, 1:]
    torch.testing.assert_close(rollout(weights), expected / expected.sum(dim=-1, keepdim=True))


def test_rollout_follows_attention_through_the_layers():
    # First the last token's content moves to token 1, then CLS looks at token 1.
    first, second = torch.eye(4).repeat(1, 2, 1, 1), torch.eye(4).repeat(1, 2, 1, 1)
    first[:, :, 1] = torch.tensor([0.0, 0.0, 0.0, 1.0])
    second[:, :, 0] = torch.tensor([0.0, 1.0, 0.0, 0.0])
    torch.testing.assert_close(rollout([first, second])[0], torch.tensor([0.5, 0.0, 0.5]))
    torch.testing.assert_close(rollout([second, first])[0], torch.tensor([1.0, 0.0, 0.0]))


def test_a_cls_token_that_looks_at_itself_alone_looks_evenly_at_the_sound():
    weights = [torch.eye(5).repeat(1, 2, 1, 1)]
    torch.testing.assert_close(cls_attention(weights), torch.full((1, 1, 2, 4), 0.25))
    torch.testing.assert_close(rollout(weights), torch.full((1, 4), 0.25))
    assert sound_share(weights).tolist() == [[[0.0, 0.0]]]


@pytest.mark.parametrize(
    "options", [{}, DEEPER_STEM, ON_WAVEFORMS, ON_FRAMES], ids=["spectrogram", "deeper", "waveform", "frames"]
)
def test_a_token_hears_what_its_times_say(options):
    network = build(num_samples=16_384, **options).eval()
    times = token_times(network)
    waveform = torch.randn(1, 1, 16_384, generator=torch.Generator().manual_seed(0))
    # The front end's mean and deviation, and with them every sample, reach every token: held as they are here.
    network.front_end = Frozen(network.front_end)
    waveform.requires_grad_()
    tokens = network.stem(network.front_end(waveform))
    token = tokens.shape[1] // 2
    (gradient,) = torch.autograd.grad(tokens[0, token].sum(), waveform)
    heard = gradient[0, 0].nonzero().flatten()
    centre = times.centres(tokens.shape[1])[token]
    assert heard.min() >= centre - times.width / 2 - 1
    assert heard.max() <= centre + times.width / 2 + 1
    # Not much wider than needed either; the spectrum's window is near zero at its ends.
    assert heard.max() - heard.min() > 0.9 * times.width - SMALL["n_fft"] / 2


class Frozen(torch.nn.Module):
    """A log-mel front end without its standardisation, which mixes all times; any other one as it is."""

    def __init__(self, front_end: torch.nn.Module) -> None:
        super().__init__()
        self.front_end = front_end

    def forward(self, waveforms: Tensor) -> Features | Tensor:
        if isinstance(self.front_end, torch.nn.Identity):
            return waveforms
        spectrum = torch.stft(
            waveforms[:, 0],
            self.front_end.n_fft,
            self.front_end.hop_length,
            window=self.front_end.window,
            return_complex=True,
        )
        return Features((self.front_end.mel_bands @ spectrum.abs().square()).log().unsqueeze(1))


def test_tokens_lie_eight_frames_apart_with_the_spectrogram_stem():
    times = token_times(build(num_samples=16_000, hop_length=256))
    assert (times.stride, times.centre) == (8 * 256, 0.0)
    assert times.centres(8).tolist() == [2048.0 * token for token in range(8)]


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (lambda: WaveformCNN(2, 800), "CNN has no attention"),
        (lambda: build(pool="mean"), "pool=mean has no CLS token"),
        (
            lambda: build(num_samples=800, front_end="waveform", stem="channels", d_model=100),
            "stem=channels are channels, not moments",
        ),
    ],
)
def test_networks_without_attention_to_moments_are_refused_with_the_reason(network, reason):
    for function in (token_times, transformer_of):
        with pytest.raises(NoAttention, match=reason):
            function(network())
