import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from audio_cls.models.transformer import (
    EncoderBlock,
    MultiHeadSelfAttention,
    PositionalEncoding,
    scaled_dot_product_attention,
)

B, N, D = 3, 7, 24


@pytest.fixture(autouse=True)
def double_precision():
    """The references agree to rounding, so look closely; and with parameters that are not at their initial zeros."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def shake(module: nn.Module) -> nn.Module:
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)
    return module


def copy_attention(ours: MultiHeadSelfAttention, reference: nn.MultiheadAttention) -> None:
    projections = (ours.query, ours.key, ours.value)
    reference.in_proj_weight.data = torch.cat([projection.weight.data for projection in projections])
    reference.in_proj_bias.data = torch.cat([projection.bias.data for projection in projections])
    reference.out_proj.load_state_dict(ours.output.state_dict())


def torch_attention(ours: MultiHeadSelfAttention) -> nn.MultiheadAttention:
    reference = nn.MultiheadAttention(D, ours.num_heads, batch_first=True)
    copy_attention(ours, reference)
    return reference


def input_gradient(output: Tensor, x: Tensor) -> Tensor:
    return torch.autograd.grad(output.sin().sum(), x, retain_graph=True)[0]


@pytest.mark.parametrize("num_heads", [1, 2, 3, 4])
def test_attention_is_torchs_with_the_same_weights(num_heads):
    ours = shake(MultiHeadSelfAttention(D, num_heads))
    x = torch.randn(B, N, D, requires_grad=True)
    output, weights = ours(x, need_weights=True)
    expected_output, expected_weights = torch_attention(ours)(x, x, x, average_attn_weights=False)
    assert weights.shape == (B, num_heads, N, N)
    torch.testing.assert_close(output, expected_output)
    torch.testing.assert_close(weights, expected_weights)
    torch.testing.assert_close(ours(x)[0], expected_output)
    assert ours(x)[1] is None


@pytest.mark.parametrize("need_weights", [False, True])
def test_the_gradients_are_torchs_too(need_weights):
    ours = shake(MultiHeadSelfAttention(D, 4))
    reference = torch_attention(ours)
    x = torch.randn(B, N, D, requires_grad=True)
    output = ours(x, need_weights)[0]
    expected = reference(x, x, x)[0]
    torch.testing.assert_close(input_gradient(output, x), input_gradient(expected, x))
    output.sin().sum().backward()
    expected.sin().sum().backward()
    gradient = torch.cat([projection.weight.grad for projection in (ours.query, ours.key, ours.value)])
    torch.testing.assert_close(gradient, reference.in_proj_weight.grad)
    torch.testing.assert_close(ours.output.weight.grad, reference.out_proj.weight.grad)
    torch.testing.assert_close(ours.value.bias.grad, reference.in_proj_bias.grad[2 * D :])


def test_the_written_out_path_is_the_fused_one():
    query, key, value = torch.randn(3, B, 2, N, 5).unbind(0)
    output, _ = scaled_dot_product_attention(query, key, value)
    torch.testing.assert_close(output, nn.functional.scaled_dot_product_attention(query, key, value))


def test_two_tokens_by_hand():
    query = key = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]])
    value = torch.tensor([[1.0], [0.0]])
    same = math.exp(1 / 2) / (math.exp(1 / 2) + 1)  # the score with itself is 1 / sqrt(4), with the other 0
    output, weights = scaled_dot_product_attention(query, key, value)
    torch.testing.assert_close(weights, torch.tensor([[same, 1 - same], [1 - same, same]]))
    torch.testing.assert_close(output, torch.tensor([[same], [1 - same]]))


def test_each_row_of_the_weights_sums_to_1_in_training_too():
    attention = shake(MultiHeadSelfAttention(D, 4, dropout=0.5)).train()
    _, weights = attention(torch.randn(B, N, D), need_weights=True)
    torch.testing.assert_close(weights.sum(-1), torch.ones(B, 4, N))


@pytest.mark.parametrize("need_weights", [False, True])
def test_dropout_acts_on_the_weights_in_training_only(need_weights):
    attention = shake(MultiHeadSelfAttention(D, 4, dropout=0.5))
    x = torch.randn(1, N, D).expand(4_000, N, D)  # many draws at once

    def outputs() -> Tensor:
        return attention(x, need_weights)[0]

    drawn = outputs()
    attention.eval()
    assert torch.equal(outputs(), outputs())
    assert not torch.allclose(drawn[0], drawn[1])
    error_of_mean = drawn.std(0) / 4_000**0.5
    assert ((drawn.mean(0) - outputs()[0]).abs() < 5 * error_of_mean).all()  # what is left is scaled up


def test_the_number_of_heads_does_not_change_the_parameters():
    shapes = [[tuple(p.shape) for p in MultiHeadSelfAttention(D, heads).parameters()] for heads in (1, 2, 3, 4)]
    assert all(shape == shapes[0] for shape in shapes)
    assert sum(p.numel() for p in MultiHeadSelfAttention(D, 2).parameters()) == 4 * (D * D + D)


def test_the_number_of_heads_does_change_the_output():
    one, four = MultiHeadSelfAttention(D, 1), MultiHeadSelfAttention(D, 4)
    four.load_state_dict(one.state_dict())
    x = torch.randn(B, N, D)
    assert not torch.allclose(one(x)[0], four(x)[0])


def copy_block(ours: EncoderBlock, reference: nn.TransformerEncoderLayer) -> None:
    copy_attention(ours.attention, reference.self_attn)
    reference.linear1.load_state_dict(ours.feedforward[0].state_dict())
    reference.linear2.load_state_dict(ours.feedforward[3].state_dict())
    reference.norm1.load_state_dict(ours.attention_norm.state_dict())
    reference.norm2.load_state_dict(ours.feedforward_norm.state_dict())


@pytest.mark.parametrize(("norm", "activation"), [*itertools.product(("pre", "post"), ("gelu", "relu"))])
@pytest.mark.parametrize("training", [False, True])
def test_a_block_is_torchs_encoder_layer_with_the_same_weights(norm, activation, training):
    ours = shake(EncoderBlock(D, 4, 40, dropout=0.0, norm=norm, activation=activation)).train(training)
    reference = nn.TransformerEncoderLayer(
        D, 4, 40, dropout=0.0, activation=activation, batch_first=True, norm_first=norm == "pre"
    ).train(training)
    copy_block(ours, reference)
    x = torch.randn(B, N, D, requires_grad=True)
    torch.testing.assert_close(ours(x)[0], reference(x))
    torch.testing.assert_close(ours(x, need_weights=True)[0], reference(x))
    torch.testing.assert_close(input_gradient(ours(x)[0], x), input_gradient(reference(x), x))
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in reference.parameters())


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_block_drops_as_much_as_torchs_does(norm):
    block = EncoderBlock(D, 4, 40, dropout=0.1, norm=norm)
    reference = nn.TransformerEncoderLayer(D, 4, 40, 0.1, "gelu", batch_first=True, norm_first=norm == "pre")
    copy_block(block, reference)
    x = torch.randn(1, N, D).expand(2_000, N, D)  # many draws at once
    torch.testing.assert_close(block(x)[0].std(0), reference(x).std(0), atol=0.05, rtol=0.1)


def test_permuting_the_tokens_permutes_the_outputs():
    block = shake(EncoderBlock(D, 4, 40)).eval()
    x, order = torch.randn(B, N, D), torch.randperm(N)
    torch.testing.assert_close(block(x[:, order])[0], block(x)[0][:, order])


def test_every_token_influences_every_output():
    block = shake(EncoderBlock(D, 4, 40)).eval()
    x = torch.randn(1, N, D, requires_grad=True)
    for token in range(N):
        gradient = torch.autograd.grad(block(x)[0][0, token].sin().sum(), x)[0]
        assert (gradient[0].abs().amax(-1) > 0).all()


@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
def test_positions_are_added_along_the_tokens_and_not_along_the_batch(kind):
    positions = PositionalEncoding(kind, D, N)
    added = positions(torch.zeros(B, N, D, dtype=torch.float64))
    assert all(torch.equal(added[0], clip) for clip in added)
    for first, second in itertools.combinations(range(N), 2):
        assert not torch.allclose(added[0, first], added[0, second])


@pytest.mark.parametrize("d_model", [1, 5, 8])
def test_sinusoidal_positions_are_those_of_the_paper_for_odd_widths_too(d_model):
    added = PositionalEncoding("sinusoidal", d_model, N)(torch.zeros(1, 50, d_model))[0]
    for token, feature in itertools.product(range(50), range(d_model)):
        angle = token / 10_000 ** (feature // 2 * 2 / d_model)
        expected = math.cos(angle) if feature % 2 else math.sin(angle)
        assert added[token, feature].item() == pytest.approx(expected, abs=1e-5)


def test_positions_of_a_prefix_are_the_prefix_of_the_positions():
    for kind in ("sinusoidal", "learned", "none"):
        positions, x = PositionalEncoding(kind, D, N), torch.randn(B, N, D)
        assert torch.equal(positions(x)[:, :4], positions(x[:, :4]))


def test_more_tokens_than_positions_were_learned_for_are_refused():
    with pytest.raises(ValueError, match=f"8 tokens, but positions were learned for {N}: .*positions=sinusoidal"):
        PositionalEncoding("learned", D, N)(torch.zeros(1, 8, D))


@pytest.mark.parametrize("num_heads", [5, 0, -1])
def test_heads_that_do_not_divide_the_features_are_refused_with_those_that_do(num_heads):
    with pytest.raises(ValueError, match=f"num_heads={num_heads} .*d_model=24: choose num_heads from 1, 2, 3, 4, 6"):
        MultiHeadSelfAttention(D, num_heads)


def test_without_positions_the_tokens_stay_as_they_are():
    x = torch.randn(B, N, D)
    assert PositionalEncoding("none", D, N)(x) is x
