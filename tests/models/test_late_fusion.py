import pytest
import torch
from torch import Tensor

from audio_cls.models.attention_maps import token_times, transformer_of
from audio_cls.models.build import build_transformer
from audio_cls.models.late_fusion import LateFusion, geometric_mean
from audio_cls.models.settings import TransformerSettings
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


def build(**options: object) -> LateFusion:
    torch.manual_seed(0)
    return build_transformer(TransformerSettings(**(SMALL | {"num_segments": 3} | options)))


def clips(num_clips: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(num_clips, 1, 3 * RATE, generator=generator)
    return noise * torch.rand(num_clips, 1, 30, generator=generator).repeat_interleave(RATE // 10, -1)


def settled(model: LateFusion) -> LateFusion:
    """In eval mode, with running means that have seen data."""
    with torch.no_grad():
        for _ in range(3):
            model.train()(clips())
    return model.eval()


def test_whole_and_segments_have_two_branches_each():
    model = build()
    branch_logits = model.branch_logits(model.extract(clips()))
    assert [logits.shape for logits in branch_logits] == [(4, 5), (4, 5), (4, 3, 5), (4, 3, 5)]


def test_the_whole_is_classified_as_without_segments():
    model = settled(build())
    alone = build(num_segments=1).eval()
    weights = {name: value for name, value in model.state_dict().items() if not name.startswith("segments.")}
    alone.load_state_dict(weights)
    whole, expected = model.branch_logits(model.extract(clips()))[:2], alone.branch_logits(alone.extract(clips()))
    for mine, theirs in zip(whole, expected, strict=True):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize(("training", "starts"), [(True, (0, 200, 400)), (False, (0, 100, 200, 300, 400))])
def test_each_segment_is_classified_alone_and_segments_overlap_at_evaluation(training, starts):
    model = settled(build())
    power = model.transformer.front_end.mel_power(clips())  # (4, 16, 601): 200 frames a segment, one is left over
    segments = model.segments
    expected = [segments.branch_logits(segments.extract_from_power(power[..., n : n + 200])) for n in starts]
    model.training = training  # of the model itself, not of its layers, which go on as in evaluation
    found = model.branch_logits(model.extract_from_power(power))[2:]
    for mine, theirs in zip(found, zip(*expected, strict=True), strict=True):
        torch.testing.assert_close(mine, torch.stack(theirs, dim=1), atol=1e-4, rtol=1e-4)


def test_probabilities_of_audible_segments_are_averaged_before_they_join_those_of_the_whole():
    model = settled(build())
    sounds = clips()
    sounds[0, :, RATE * 3 // 4 :] *= 1e-3  # 60 dB quieter from 0.75 s on
    *whole, encoder, statistics = model.branch_logits(model.extract(sounds))
    of_segments = [logits.softmax(-1)[0, :2].mean(0).log() for logits in (encoder, statistics)]  # at 0 s and at 0.5 s
    expected = torch.stack([*(logits[0].log_softmax(-1) for logits in whole), *of_segments]).mean(0).softmax(-1)
    torch.testing.assert_close(model(sounds)[0].softmax(-1), expected, atol=1e-4, rtol=1e-4)


def test_the_geometric_mean_averages_the_probabilities_of_segments_and_multiplies_those_of_branches():
    torch.manual_seed(0)
    whole, segments, weights = torch.randn(2, 5), torch.randn(2, 3, 5), torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    of_segments = (segments.softmax(-1) * weights.unsqueeze(-1)).sum(1)
    expected = (whole.softmax(-1) * of_segments).sqrt()
    expected = expected / expected.sum(-1, keepdim=True)
    torch.testing.assert_close(geometric_mean([whole, segments], weights).softmax(-1), expected)
    torch.testing.assert_close(geometric_mean([segments]).softmax(-1), segments.softmax(-1).mean(1))
    assert geometric_mean([whole]) is whole


def test_every_parameter_of_both_networks_is_trained():
    model = build()
    sum(logits.square().sum() for logits in model.branch_logits(model.extract(clips()))).backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


def test_segments_are_masked_each_for_itself_in_training_only():
    model = build()
    features = model.extract(torch.randn(8, 1, 3 * RATE, generator=torch.Generator().manual_seed(2)))
    torch.manual_seed(3)
    masked = SpectrogramMask(1, 0.5)(features)
    assert masked.segment_weights is features.segment_weights
    assert len(masked.spectrogram) == 8 and len(masked.segments.spectrogram) == 24
    stripes = (masked.segments.spectrogram == 0).all(dim=-1)[:, 0]  # (24, M): bands that are covered in all frames
    assert stripes.any() and len({tuple(row.tolist()) for row in stripes}) > 8
    assert SpectrogramMask(1, 0.5).eval()(features) is features


def test_the_attention_of_the_whole_is_what_is_explained():
    model = build()
    assert transformer_of(model) is model.transformer
    assert token_times(model) == token_times(build(num_segments=1))


def test_the_size_is_the_same_for_any_number_of_heads_and_segments():
    sizes = {
        sum(p.numel() for p in build(num_heads=heads, num_segments=count).segments.transformer.encoder.parameters())
        for heads in (1, 2, 4)
        for count in (2, 3)
    }
    assert len(sizes) == 1


def test_one_segment_is_no_second_network():
    assert build(num_segments=1).segments is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_segments": 0}, "num_segments=0: use 1 or more"),
        ({"front_end": "log_mel"}, "num_segments=3 needs .*front_end=log_mel_texture"),
        ({"num_segments": 300}, "num_segments=300 leaves segments of 0.01 s, .*; use model.num_segments=192 or less"),
    ],
)
def test_what_has_no_segments_is_refused_with_what_to_do(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_an_embedding_is_what_the_last_layers_of_all_branches_get():
    model = settled(build())
    d_model, width, sounds = SMALL["d_model"], 256, clips()
    embedding = model.embed(sounds)
    assert embedding.shape == (4, 2 * (d_model + width))
    encoder, statistics, *_ = model.branch_logits(model.extract(sounds))
    torch.testing.assert_close(model.transformer.classifier(embedding[:, :d_model]), encoder)
    torch.testing.assert_close(model.statistics.layers[-1](embedding[:, d_model : d_model + width]), statistics)


def test_the_embeddings_of_segments_are_averaged_without_silent_ones():
    model = settled(build())
    sounds = clips()
    sounds[0, :, RATE * 3 // 4 :] *= 1e-3  # 60 dB quieter from 0.75 s on
    power = model.transformer.front_end.mel_power(sounds)
    of_segments = model.segments.embed_features(model.extract_from_power(power).segments).unflatten(0, (4, -1))
    expected = of_segments[0, :2].mean(0)  # those at 0 s and at 0.5 s
    torch.testing.assert_close(model.embed(sounds)[0, -len(expected) :], expected, atol=1e-4, rtol=1e-4)
