"""What only training takes: half blocks at once, linear layers and convolutions as matrix products."""

from collections.abc import Callable
from functools import partial
from unittest.mock import patch

import pytest
import torch
from torch import Tensor, nn

from pellucid.blocks.attention import WindowAttention
from pellucid.blocks.convolution import Convolution, Pointwise
from pellucid.blocks.feedforward import FFN, FRFN
from pellucid.blocks.norm import BiasFreeLayerNorm, LayerNorm
from pellucid.blocks.resample import Upsample
from pellucid.blocks.transformer import Stage, TransformerBlock, set_gradient_checkpointing
from pellucid.blocks.weighting import AdaptiveSparse, Softmax
from pellucid.kernels import dispatch
from pellucid.kernels.compiler import library
from pellucid.kernels.convolution import patches, products, upsample
from pellucid.kernels.gated_feedforward import training as feedforward_branch
from pellucid.kernels.window_attention import training as attention_branch

needs_compiler = pytest.mark.skipif(library("layer_norm") is None, reason="no C++ compiler")
SIZES = ((8, 8), (1, 1), (3, 30), (13, 17))
TOLERANCE = 2e-5


def outcomes(block: nn.Module, *images: Tensor) -> list[Tensor]:
    """What a block gives, and the gradients of its inputs and weights for a fixed gradient of the result."""
    inputs = [x.clone().requires_grad_() for x in images]
    block.zero_grad()
    y = block(*inputs)
    y.double().backward(torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).double())
    return [g.detach() for g in (y, *(x.grad for x in inputs), *(p.grad for p in block.parameters())) if g is not None]


def compare(block: nn.Module, function: object, name: str, *images: Tensor) -> None:
    """Outcomes by what is called ``name`` against those of PyTorch's operators in float64; outputs begin as NaN."""
    torch.manual_seed(0)
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.3)
    block.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    empty_like, new_empty = torch.empty_like, Tensor.new_empty
    with (
        patch.object(function, name, wraps=getattr(function, name)) as called,
        patch.object(torch, "empty_like", lambda *a, **k: empty_like(*a, **k).fill_(torch.nan)),
        patch.object(Tensor, "new_empty", lambda *a, **k: new_empty(*a, **k).fill_(torch.nan)),
    ):
        got = outcomes(block, *images)
    assert called.call_count == 1
    with patch.object(dispatch, "library", lambda _: None):
        wanted = outcomes(block.double(), *(x.double() for x in images))
    for ours, theirs in zip(got, wanted, strict=True):
        bound = TOLERANCE * max(theirs.abs().max().item(), 1e-3)
        torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=bound)


def picture(channels: int, size: tuple[int, int]) -> Tensor:
    return torch.randn(2, channels, *size, generator=torch.Generator().manual_seed(channels + size[0]))


@needs_compiler
class TestHalfBlocks:
    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("shift", [0, 4])
    def test_attention(self, size: tuple[int, int], shift: int) -> None:
        attention = WindowAttention(20, 2, AdaptiveSparse(), shift=shift)
        block = TransformerBlock(20, attention, FFN(20, 4), norm=LayerNorm)
        compare(block, attention_branch, "add", picture(20, size))

    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("hidden", [16, 21])
    def test_feed_forward(self, size: tuple[int, int], hidden: int) -> None:
        block = TransformerBlock(12, None, FRFN(12, hidden), norm=LayerNorm)
        compare(block, feedforward_branch, "add", picture(12, size))

    def test_feed_forward_of_one_pixel(self) -> None:
        compare(
            TransformerBlock(12, None, FRFN(12, 16), norm=LayerNorm), feedforward_branch, "add", picture(12, (1, 1))[:1]
        )

    @pytest.mark.parametrize(
        "branch",
        [
            lambda: (WindowAttention(16, 1, Softmax()), FRFN(16, 16), BiasFreeLayerNorm, 0.0),
            lambda: (WindowAttention(16, 1, Softmax()), FRFN(16, 16, partial=False), LayerNorm, 0.5),
        ],
        ids=["a norm without a mean", "stochastic depth"],
    )
    def test_others_go_step_by_step(self, branch: Callable[[], tuple[nn.Module, nn.Module, type, float]]) -> None:
        attention, feedforward, norm, drop = branch()
        block = TransformerBlock(16, attention, feedforward, norm=norm, drop_path=drop)
        with patch.object(attention_branch, "add", side_effect=AssertionError):
            assert block(picture(16, (9, 8))).requires_grad

    def test_checkpoints_recompute_them(self) -> None:
        stage = Stage([TransformerBlock(16, WindowAttention(16, 1, Softmax()), FRFN(16, 16), norm=LayerNorm)])
        plain = outcomes(stage, picture(16, (9, 8)))
        set_gradient_checkpointing(stage)
        for ours, theirs in zip(outcomes(stage, picture(16, (9, 8))), plain, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


class TestLayers:
    @pytest.mark.parametrize("bias", [False, True])
    def test_linear(self, bias: bool) -> None:
        compare(Pointwise(5, 7, bias=bias), products, "linear", picture(5, (3, 4)))

    @pytest.mark.parametrize("size", [(1, 1), (3, 5)])
    def test_ways_up(self, size: tuple[int, int]) -> None:
        x, skip = picture(6, size), picture(3, (2 * size[0], 2 * size[1]))
        compare(Upsample(6, 4), upsample, "join", x, skip)

    @pytest.mark.parametrize("size", [(2, 2), (3, 5), (4, 7)])
    @pytest.mark.parametrize(
        "layer",
        [
            partial(Convolution, 8, 16, 4, stride=2, padding=1),
            partial(Convolution, 8, 32, 3, padding=1),
            partial(Convolution, 8, 32, 2, stride=3, padding=(1, 0)),
        ],
    )
    def test_patches(self, layer: Callable[[], nn.Module], size: tuple[int, int]) -> None:
        compare(layer(), patches, "convolve", picture(8, size))

    def test_patches_where_weights_are_many(self) -> None:
        layer = Convolution(8, 16, 4, stride=2, padding=1)
        assert patches.applies(picture(8, (4, 4)), layer)
        assert not patches.applies(picture(8, (16, 16)), layer)
        assert not patches.applies(picture(8, (4, 4)), Convolution(8, 16, 4, dilation=2))

    def test_only_in_training_and_in_float32(self) -> None:
        layer, x = Pointwise(4, 4), picture(4, (3, 3))
        assert products.applies(x, layer)
        assert not products.applies(x.double(), layer)
        with torch.no_grad():
            assert not products.applies(x, layer)
        with torch.autocast("cpu", torch.bfloat16):
            assert not products.applies(x, layer)
