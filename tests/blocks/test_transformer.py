"""Residual blocks: stochastic depth and gradient checkpointing."""

import pytest
import torch
from torch import nn

from pellucid.blocks.attention import TransposedAttention, WindowAttention
from pellucid.blocks.feedforward import DFN, FFN, FRFN, GDFN, GroupedFRFN, LeFF
from pellucid.blocks.memory import Memory
from pellucid.blocks.norm import LayerNorm
from pellucid.blocks.transformer import DropPath, Stage, TransformerBlock, hand_over, set_gradient_checkpointing
from pellucid.blocks.weighting import AdaptiveSparse, Softmax
from pellucid.kernels.dispatch import result_for, rounded_products
from pellucid.kernels.gated_feedforward import op as gated_feedforward
from pellucid.models.restormer import Restormer, RestormerConfig


class Constant(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, x):
        return torch.full_like(x, self.value)


@pytest.mark.parametrize(("rate", "training"), [(0.7, False), (0.0, True), (0.0, False)])
def test_drop_path_is_the_identity_in_eval_and_at_rate_zero(rate, training):
    x = torch.randn(3, 2, 2, 2)
    assert DropPath(rate).train(training)(x) is x


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_drop_path_drops_whole_samples_at_its_rate_and_keeps_the_mean(rate):
    torch.manual_seed(0)
    out = DropPath(rate).train()(torch.ones(4000, 2, 3, 3))
    dropped = (out == 0).flatten(1).all(1)
    torch.testing.assert_close(out[~dropped], torch.full_like(out[~dropped], 1 / (1 - rate)))
    assert dropped.float().mean().item() == pytest.approx(rate, abs=0.03)
    assert out.mean().item() == pytest.approx(1, abs=0.07)


def test_a_block_drops_both_branches_independently():
    torch.manual_seed(0)
    block = TransformerBlock(2, Constant(1), Constant(10), norm=LayerNorm, drop_path=0.5).train()
    out = block(torch.zeros(400, 2, 1, 1))[:, 0, 0, 0]
    values, counts = out.unique(return_counts=True)
    assert values.tolist() == [0, 2, 20, 22]
    assert counts.min() > 60


def test_a_block_adds_attention_then_feedforward(randomise):
    attention, feedforward = nn.Conv2d(4, 4, 1), FFN(4, 8)
    block = randomise(TransformerBlock(4, attention, feedforward, norm=LayerNorm))
    x = torch.randn(1, 4, 3, 3)
    middle = x + attention(block.norm1(x))
    torch.testing.assert_close(block(x), middle + feedforward(block.norm2(middle)))


def test_a_block_without_attention_has_one_norm(randomise):
    feedforward = FFN(4, 8)
    block = randomise(TransformerBlock(4, None, feedforward, norm=LayerNorm))
    x = torch.randn(1, 4, 3, 3)
    assert {name.split(".")[0] for name, _ in block.named_parameters()} == {"norm2", "feedforward"}
    torch.testing.assert_close(block(x), x + feedforward(block.norm2(x)))


def gradients(stage: Stage, x: torch.Tensor) -> list[torch.Tensor]:
    stage.zero_grad()
    torch.manual_seed(3)
    stage(x).square().sum().backward()
    return [parameter.grad.clone() for parameter in stage.parameters()]


def test_gradient_checkpointing_recomputes_and_gives_the_same_gradients(randomise):
    stage = Stage(TransformerBlock(4, None, FFN(4, 8), norm=LayerNorm, drop_path=0.4) for _ in range(3))
    randomise(stage).train()
    runs = []
    for block in stage:
        block.feedforward.register_forward_hook(lambda *_: runs.append(1))
    x = torch.randn(6, 4, 3, 3)

    expected = gradients(stage, x)
    assert len(runs) == 3
    set_gradient_checkpointing(stage)
    recomputed = gradients(stage, x)
    assert len(runs) == 3 + 6
    for ours, theirs in zip(recomputed, expected, strict=True):
        assert torch.equal(ours, theirs)

    stage.eval()(x)
    assert len(runs) == 9 + 3
    set_gradient_checkpointing(stage.train(), enabled=False)
    gradients(stage, x)
    assert len(runs) == 12 + 3


def block(attention: nn.Module | None) -> TransformerBlock:
    return TransformerBlock(32, attention, FRFN(32, 64), norm=LayerNorm)


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
@pytest.mark.parametrize(
    "attention",
    [
        lambda: WindowAttention(32, 2, AdaptiveSparse(), shift=4),
        lambda: TransposedAttention(32, 2, Softmax()),
        lambda: TransposedAttention(32, 2, Softmax(), bias=True),
        lambda: None,
    ],
)
def test_a_stage_goes_back_and_forth_between_two_images_and_leaves_its_input_alone(attention, dtype, randomise):
    stage = randomise(Stage(block(attention()) for _ in range(3))).eval()
    x = torch.randn(1, 32, 24, 40).contiguous(memory_format=torch.channels_last)
    before = x.clone()
    with torch.autocast("cpu", dtype, enabled=dtype is not None), torch.inference_mode():
        expected = x
        for each in stage:
            expected = each(expected.clone())
        assert torch.equal(stage(x), expected)
        assert torch.equal(x, before)
        hand_over([nn.Identity()], [stage])
        assert torch.equal(stage(x), expected)


def test_what_a_hook_has_kept_is_not_overwritten(randomise):
    stage = randomise(Stage(block(TransposedAttention(32, 2, Softmax())) for _ in range(3))).eval()
    kept = []
    stage[0].register_forward_hook(lambda _module, _inputs, output: kept.append((output, output.clone())))
    stage[2].register_forward_pre_hook(lambda _module, inputs: kept.append((inputs[0], inputs[0].clone())))
    with torch.inference_mode():
        stage(torch.randn(1, 32, 24, 40))
    assert len(kept) == 2
    assert all(torch.equal(now, then) for now, then in kept)


@pytest.mark.parametrize("watched", ["decoder.2", "decoder.2.0", "reduce.0", "reduce.2", "refinement.0", "encoder.0.0"])
def test_no_network_overwrites_what_a_hook_has_kept(watched, randomise):
    config = RestormerConfig(dim=16, num_blocks=(1, 1, 1, 1), num_heads=(1, 1, 1, 1), num_refinement_blocks=2)
    network = randomise(Restormer(config)).eval()
    kept = []
    network.get_submodule(watched).register_forward_hook(lambda _m, _i, output: kept.append((output, output.clone())))
    with torch.inference_mode(), rounded_products():
        network(torch.rand(1, 3, 32, 40))
    ((now, then),) = kept
    assert torch.equal(now, then)


@pytest.mark.parametrize("make", [FFN, LeFF, DFN, GDFN, FRFN, GroupedFRFN])
def test_large_images_pass_a_feedforward_in_strips_with_the_same_result(make, randomise, monkeypatch):
    monkeypatch.setattr(gated_feedforward, "WIDEST", 0)
    monkeypatch.setattr("pellucid.blocks.memory.STRIP_VALUES", 2**17)
    one = randomise(TransformerBlock(24, None, make(24, 32), norm=LayerNorm)).eval()
    x = torch.randn(1, 24, 203, 300)
    heights = []
    one.norm2.register_forward_pre_hook(lambda _module, inputs: heights.append(inputs[0].shape[2]))
    with torch.inference_mode():
        torch.testing.assert_close(one(x), x + one.feedforward(one.norm2(x)), atol=1e-5, rtol=1e-5)
    assert len(heights) > 3
    assert max(heights[:-1]) < 30


def test_training_and_gradients_know_no_strips(randomise, monkeypatch):
    monkeypatch.setattr("pellucid.blocks.memory.STRIP_VALUES", 2**14)
    one = randomise(TransformerBlock(4, None, LeFF(4, 8), norm=LayerNorm))
    x, heights = torch.randn(1, 4, 200, 300, requires_grad=True), []
    one.norm2.register_forward_pre_hook(lambda _module, inputs: heights.append(inputs[0].shape[2]))
    one.train()(x).sum().backward()
    one.eval()(x).sum().backward()
    assert heights == [200, 200]


@pytest.mark.parametrize(
    "into",
    [
        torch.empty(1, 32, 6, 7).contiguous(memory_format=torch.channels_last),
        torch.empty(1, 32, 6, 6),
        torch.empty(1, 32, 6, 6, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last),
    ],
)
def test_kernels_refuse_to_write_where_the_result_does_not_fit(into):
    x = torch.zeros(1, 32, 6, 6).contiguous(memory_format=torch.channels_last)
    assert result_for(x, x) is x
    with pytest.raises(ValueError, match="cannot hold"):
        result_for(x, into)


def test_a_memory_gives_what_fits():
    memory, x = Memory(), torch.zeros(1, 4, 6, 6).contiguous(memory_format=torch.channels_last)
    other = torch.zeros_like(x)
    assert memory.like(x) is not x
    memory.take_back(other)
    assert memory.like(torch.zeros(1, 4, 6, 7)) is not other
    assert Memory().over(x) is not x
    memory.owned = True
    assert memory.over(x) is x
    assert memory.like(x) is other
    assert memory.like(x) is not other
    memory.take_back(torch.zeros(1, 4, 6, 6))  # not channels-last
    assert memory.like(x).is_contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        assert memory.over(x).dtype == torch.bfloat16
