import pytest
import torch
from torch import Tensor

from audio_cls.models.attention_maps import check_explainable, token_times
from audio_cls.models.late_fusion import PartsClassifier, make_transformer
from audio_cls.models.transformer import TransformerClassifier, combined
from audio_cls.training.augment import SpectrogramMask

RATE = 16_000
SMALL = {
    "num_classes": 5,
    "sample_rate": RATE,
    "num_samples": 3 * RATE,
    "num_heads": 2,
    "front_end": "log_mel_texture",
    "num_mels": 16,
    "n_fft": 256,
    "hop_length": 80,
    "stem_width": 4,
    "d_model": 24,
    "num_layers": 1,
    "d_feedforward": 32,
}


def build(**options: object) -> PartsClassifier:
    torch.manual_seed(0)
    return make_transformer(**(SMALL | {"num_parts": 3} | options))


def clips(num_clips: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(num_clips, 1, 3 * RATE, generator=generator)
    return noise * torch.rand(num_clips, 1, 30, generator=generator).repeat_interleave(RATE // 10, -1)


def settled(model: PartsClassifier) -> PartsClassifier:
    """In eval mode, with running means that have seen data."""
    with torch.no_grad():
        for _ in range(3):
            model.train()(clips())
    return model.eval()


def test_whole_and_parts_have_two_classifiers_each():
    model = build()
    opinions = model.opinions(model.features_of_waveforms(clips()))
    assert [logits.shape for logits in opinions] == [(4, 5), (4, 5), (4, 3, 5), (4, 3, 5)]


def test_the_whole_is_heard_as_without_parts():
    model = settled(build())
    alone = TransformerClassifier(**SMALL).eval()
    weights = {name: value for name, value in model.state_dict().items() if not name.startswith("parts.")}
    alone.load_state_dict(weights)
    features = model.features_of_waveforms(clips())
    for mine, theirs in zip(model.opinions(features)[:2], alone.opinions(alone.front_end(clips())), strict=True):
        torch.testing.assert_close(mine, theirs)
    for mine, theirs in zip(model.attention_weights(clips()), alone.attention_weights(clips()), strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize(("training", "starts"), [(True, (0, 200, 400)), (False, (0, 100, 200, 300, 400))])
def test_each_part_is_heard_alone_and_parts_overlap_at_evaluation(training, starts):
    model = settled(build())
    power = model.front_end.mel_power(clips())  # (4, 16, 601): 200 frames a part, one is left over
    expected = [model.parts.opinions(model.parts.front_end.from_power(power[..., n : n + 200])) for n in starts]
    model.training = training  # of the model itself, not of its layers, which go on as in evaluation
    found = model.opinions(model.features_of_power(power))[2:]
    for mine, theirs in zip(found, zip(*expected, strict=True), strict=True):
        torch.testing.assert_close(mine, torch.stack(theirs, dim=1), atol=1e-4, rtol=1e-4)


def test_what_audible_parts_say_is_averaged_before_it_joins_what_is_said_of_the_whole():
    model = settled(build())
    sounds = clips()
    sounds[0, :, RATE * 3 // 4 :] *= 1e-3  # 60 dB quieter from 0.75 s on
    *whole, encoder, statistics = model.opinions(model.features_of_waveforms(sounds))
    of_parts = [logits.softmax(-1)[0, :2].mean(0).log() for logits in (encoder, statistics)]  # at 0 s and at 0.5 s
    expected = torch.stack([*(logits[0].log_softmax(-1) for logits in whole), *of_parts]).mean(0).softmax(-1)
    torch.testing.assert_close(model(sounds)[0].softmax(-1), expected, atol=1e-4, rtol=1e-4)


def test_combined_averages_the_probabilities_of_parts_and_multiplies_those_of_classifiers():
    torch.manual_seed(0)
    whole, parts, weights = torch.randn(2, 5), torch.randn(2, 3, 5), torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    of_parts = (parts.softmax(-1) * weights.unsqueeze(-1)).sum(1)
    expected = (whole.softmax(-1) * of_parts).sqrt()
    expected = expected / expected.sum(-1, keepdim=True)
    torch.testing.assert_close(combined([whole, parts], weights).softmax(-1), expected)
    torch.testing.assert_close(combined([parts]).softmax(-1), parts.softmax(-1).mean(1))
    assert combined([whole]) is whole


def test_every_parameter_of_both_networks_is_trained():
    model = build()
    sum(logits.square().sum() for logits in model.opinions(model.features_of_waveforms(clips()))).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


def test_parts_are_masked_each_for_itself_in_training_only():
    model = build()
    features = model.features_of_waveforms(torch.randn(8, 1, 3 * RATE, generator=torch.Generator().manual_seed(2)))
    torch.manual_seed(3)
    masked = SpectrogramMask(1, 0.5)(features)
    assert masked.segment_weights is features.segment_weights
    assert len(masked.spectrogram) == 8 and len(masked.segments.spectrogram) == 24
    stripes = (masked.segments.spectrogram == 0).all(dim=-1)[:, 0]  # (24, M): bands that are covered in all frames
    assert stripes.any() and len({tuple(row.tolist()) for row in stripes}) > 8
    assert SpectrogramMask(1, 0.5).eval()(features) is features


def test_the_attention_of_the_whole_is_what_is_explained():
    model, alone = build(), TransformerClassifier(**SMALL)
    check_explainable(model)
    assert token_times(model) == token_times(alone)


def test_the_size_is_the_same_for_any_number_of_heads_and_parts():
    sizes = {
        sum(parameter.numel() for parameter in build(num_heads=heads, num_parts=parts).parts.blocks.parameters())
        for heads in (1, 2, 4)
        for parts in (2, 3)
    }
    assert len(sizes) == 1


def test_one_part_is_the_plain_transformer():
    assert type(make_transformer(**SMALL, num_parts=1)) is type(make_transformer(**SMALL)) is TransformerClassifier


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_parts": 0}, "num_parts=0: set num_parts to 2 or more"),
        ({"front_end": "log_mel"}, "num_parts=3 needs .*front_end=log_mel_texture"),
        ({"num_parts": 300}, "crops of 0.01 s: even the fastest modulation"),
    ],
)
def test_what_cannot_be_parted_is_refused_with_what_to_do(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)
