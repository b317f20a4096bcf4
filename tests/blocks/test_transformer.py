"""Residual blocks: stochastic depth and gradient checkpointing."""

import pytest
import torch
from torch import nn

from pellucid.blocks.feedforward import FFN
from pellucid.blocks.norm import LayerNorm
from pellucid.blocks.transformer import DropPath, Stage, TransformerBlock, set_gradient_checkpointing


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
