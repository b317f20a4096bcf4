"""The Triton kernels, in its interpreter, against blocks and functions that are their specification."""

import importlib.util
import logging
from collections.abc import Callable

import pytest
import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.blocks.attention import TransposedAttention, WindowAttention
from pellucid.blocks.feedforward import FRFN, GDFN, GroupedFRFN
from pellucid.blocks.norm import LayerNorm
from pellucid.blocks.weighting import AdaptiveSparse, Modulated, Softmax, Sparse
from pellucid.kernels import dispatch, entry, layer_norm

if importlib.util.find_spec("triton") is None:
    pytest.skip("Triton is not installed (it is for Linux only)", allow_module_level=True)

from pellucid.kernels.channel_attention import triton as channel_attention
from pellucid.kernels.depthwise_gate import gate
from pellucid.kernels.depthwise_gate import triton as depthwise_gate
from pellucid.kernels.layer_norm import triton as gpu_layer_norm
from pellucid.kernels.window_attention import triton as window_attention

TOLERANCE = {torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 2e-2}  # the interpreter cuts to bfloat16


@pytest.fixture(autouse=True)
def interpreted(monkeypatch: pytest.MonkeyPatch):
    """CPU tensors go where those on a GPU would, and results begin as NaN."""
    empty_like, new_empty = torch.empty_like, Tensor.new_empty
    monkeypatch.setattr(dispatch, "on_gpu", lambda x: True)
    monkeypatch.setattr(dispatch, "works_on_gpu", lambda name, dtype, device: True)
    monkeypatch.setattr(torch, "empty_like", lambda *a, **k: empty_like(*a, **k).fill_(torch.nan))
    monkeypatch.setattr(Tensor, "new_empty", lambda *a, **k: new_empty(*a, **k).fill_(torch.nan))


def outcomes(block: nn.Module, x: Tensor, run: Callable[[Tensor], Tensor] | None = None) -> list[Tensor]:
    """What a block gives, and the gradients of its input and weights for a fixed gradient of the result."""
    x = x.clone().requires_grad_()
    block.zero_grad()
    y = (run or block)(x)
    y.double().backward(torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).double())
    assert x.grad is not None
    return [y.detach(), x.grad, *(p.grad for p in block.parameters() if p.grad is not None)]


def compare(block: nn.Module, x: Tensor, run: Callable[[Tensor], Tensor] | None = None) -> None:
    """A block's outcomes, or those of what ``run`` makes of it, against the block on PyTorch's operators in float64."""
    block.to(x.dtype)
    got = outcomes(block, x, run)
    block.double()
    for ours, theirs in zip(got, outcomes(block, x.double()), strict=True):
        tolerance = TOLERANCE[x.dtype] * max(theirs.abs().max().item(), 1e-3)
        torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=tolerance)


def image(channels: int, size: tuple[int, int], dtype: torch.dtype = torch.float32, batch: int = 2) -> Tensor:
    rng = torch.Generator().manual_seed(channels + size[0])
    return torch.randn(batch, channels, *size, generator=rng).to(dtype)


def lively(block: nn.Module) -> nn.Module:
    """With weights large enough that every branch matters."""
    torch.manual_seed(0)
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.3)
    return block


class TestWindowAttention:
    @pytest.mark.parametrize(
        ("channels", "heads", "window", "shift", "size"),
        [
            (16, 2, 8, 4, (13, 7)),
            (20, 1, 8, 0, (3, 11)),
            (12, 4, 4, 2, (7, 3)),
            (24, 1, 7, 3, (11, 13)),
            (8, 1, 12, 6, (13, 2)),
            (48, 1, 8, 4, (1, 1)),
            (3, 3, 1, 0, (2, 3)),
        ],
    )
    def test_heads_windows_and_sizes(
        self, channels: int, heads: int, window: int, shift: int, size: tuple[int, int]
    ) -> None:
        block = lively(WindowAttention(channels, heads, AdaptiveSparse(), window=window, shift=shift))
        compare(block, image(channels, size))

    @pytest.mark.parametrize(
        "weighting",
        [Softmax, Sparse, lambda: AdaptiveSparse(squared=False)],
        ids=["softmax", "sparse", "adaptive-relu"],
    )
    def test_weightings(self, weighting: Callable[[], nn.Module]) -> None:
        compare(lively(WindowAttention(16, 1, weighting(), window=4, shift=2)), image(16, (5, 9), batch=1))

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_short_numbers(self, dtype: torch.dtype) -> None:
        torch.manual_seed(0)
        compare(WindowAttention(32, 2, AdaptiveSparse(), shift=4), image(32, (11, 13), dtype))

    def test_undefined_values_stay_undefined(self) -> None:
        x = image(16, (8, 8))
        x[0, 0, 1, 2] = torch.nan
        y = WindowAttention(16, 1, AdaptiveSparse(), window=4)(x)
        assert y[0, :, :4, :4].isnan().all() and y[0, :, 4:].isfinite().all() and y[1].isfinite().all()

    def test_wide_heads_are_left_to_pytorch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(entry, "run", None)
        WindowAttention(80, 1, AdaptiveSparse(), window=4)(image(80, (4, 4)))


class TestLayerNorm:
    @pytest.mark.parametrize("channels", [1, 7, 48, 100])
    def test_against_pytorch(self, channels: int) -> None:
        compare(lively(LayerNorm(channels)), image(channels, (13, 7)) + 3)

    def test_bfloat16(self) -> None:
        compare(lively(LayerNorm(20)), image(20, (5, 3), torch.bfloat16))


class TestDepthwiseGate:
    @pytest.fixture(autouse=True)
    def low_strips(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(depthwise_gate, "FORWARD_ROWS", 4)
        monkeypatch.setattr(depthwise_gate, "BACKWARD_ROWS", 5)

    @pytest.mark.parametrize(("hidden", "size"), [(16, (7, 3)), (21, (5, 11)), (70, (1, 1))])
    def test_frfn(self, hidden: int, size: tuple[int, int]) -> None:
        compare(lively(FRFN(8, hidden)), image(8, size))

    def test_frfn_in_bfloat16(self) -> None:
        torch.manual_seed(0)
        compare(FRFN(16, 32), image(16, (7, 5), torch.bfloat16))

    @pytest.mark.parametrize("bias", [False, True])
    @pytest.mark.parametrize("size", [(7, 3), (2, 11)])
    def test_gdfn(self, size: tuple[int, int], bias: bool) -> None:
        compare(lively(GDFN(8, 21, bias=bias)), image(8, size))

    def test_grouped_frfn(self) -> None:
        compare(lively(GroupedFRFN(24, 33)), image(24, (5, 7)))

    def test_what_does_not_fit_is_refused(self) -> None:
        with pytest.raises(ValueError, match="fit"):
            gate(torch.ones(1, 6, 4, 4), torch.ones(3, 1, 3, 3), None, "gated-depthwise")


class TestChannelAttention:
    @pytest.mark.parametrize(
        ("channels", "heads", "size", "dtype"),
        [
            (20, 2, (13, 7), torch.float32),
            (48, 1, (5, 3), torch.float32),
            (96, 1, (7, 11), torch.float32),
            (24, 3, (17, 9), torch.bfloat16),
        ],
    )
    @pytest.mark.parametrize("modulated", [False, True])
    def test_transposed_attention(
        self, channels: int, heads: int, size: tuple[int, int], dtype: torch.dtype, modulated: bool
    ) -> None:
        torch.manual_seed(0)
        block = TransposedAttention(channels, heads, Modulated(channels // heads) if modulated else Softmax())

        def fused(x: Tensor) -> Tensor:
            qkv = block.qkv_depthwise(block.qkv(x))
            return block.project(channel_attention.attend(qkv, block.temperature, weigh, heads))

        def weigh(logits: Tensor) -> Tensor:
            return block.weighting(logits.to(block.temperature.dtype))

        compare(block, image(channels, size, dtype), fused)

    def test_channels_of_no_length(self) -> None:
        qkv = image(24, (3, 5))
        qkv[:, 1] = 0
        qkv.requires_grad_()
        logits = channel_attention.cosines(qkv[:, :16], 2)
        q, k = rearrange(qkv[:, :16], "b (qk h c) y x -> qk b h c (y x)", qk=2, h=2)
        torch.testing.assert_close(logits, F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT)
        (grad,) = torch.autograd.grad(logits.square().sum(), qkv)
        assert grad.isfinite().all()

    def test_what_does_not_fit_is_refused(self) -> None:
        with pytest.raises(ValueError, match="fit"):
            channel_attention.mix(torch.ones(1, 2, 4, 4), torch.ones(1, 9, 3, 3))
        with pytest.raises(ValueError, match="fit"):
            channel_attention.cosines(torch.ones(1, 300, 3, 3), 1)


@pytest.mark.parametrize(
    ("block", "module", "function"),
    [
        (TransposedAttention(8, 2, Softmax()), channel_attention, "attend"),
        (FRFN(8, 5), depthwise_gate, "forward"),
        (GDFN(8, 5), depthwise_gate, "forward"),
        (GroupedFRFN(24, 5), depthwise_gate, "forward"),
    ],
    ids=["TransposedAttention", "FRFN", "GDFN", "GroupedFRFN"],
)
def test_blocks_call_them(monkeypatch: pytest.MonkeyPatch, block: nn.Module, module: object, function: str) -> None:
    called: list[str] = []
    kernel = getattr(module, function)
    monkeypatch.setattr(module, function, lambda *a, **k: called.append(function) or kernel(*a, **k))
    channels = 24 if isinstance(block, GroupedFRFN) else 8
    compare(lively(block), image(channels, (5, 7)))
    assert called == [function], "once, and not for the float64 that it is compared with"


class TestWhereTheyApply:
    @pytest.fixture(autouse=True)
    def afresh(self, interpreted: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.undo()
        dispatch.works_on_gpu.cache_clear()
        monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)

    @pytest.mark.parametrize("module", [window_attention, gpu_layer_norm, depthwise_gate, channel_attention])
    def test_each_can_be_tried(self, module: object) -> None:
        name = module.__name__.split(".")[-2]
        assert dispatch.works_on_gpu(name, torch.float32, torch.device("cpu"))

    def test_switched_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(dispatch.SWITCH, "0")
        assert not dispatch.works_on_gpu("layer_norm", torch.float32, torch.device("cpu"))

    def test_a_failing_triton_is_told_once(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*arguments: object) -> None:
            raise RuntimeError("no ptxas for this GPU")

        monkeypatch.setattr(gpu_layer_norm, "trial", fail)
        monkeypatch.setattr(dispatch, "on_gpu", lambda x: True)
        with caplog.at_level(logging.INFO):
            for _ in range(2):
                assert not layer_norm.applies(torch.ones(1, 4, 3, 3))
        assert caplog.text.count("no ptxas for this GPU") == 1
