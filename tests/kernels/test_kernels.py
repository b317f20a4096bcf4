"""Every fused operation against the block that is its specification, in values and gradients.

More than 300 lines: each kernel meets the same odd sizes and shapes.
"""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from pellucid.blocks.attention import TransposedAttention, WindowAttention
from pellucid.blocks.convolution import Convolution, Pointwise
from pellucid.blocks.feedforward import FFN, FRFN, GDFN, GroupedFRFN
from pellucid.blocks.norm import BiasFreeLayerNorm, LayerNorm
from pellucid.blocks.transformer import TransformerBlock
from pellucid.blocks.weighting import AdaptiveSparse, Mixture, Modulated, Softmax, Sparse
from pellucid.kernels import (
    channel_attention,
    convolution,
    depthwise_gate,
    dispatch,
    entry,
    gated_feedforward,
    layer_norm,
    window_attention,
)
from pellucid.kernels.compiler import library

pytestmark = pytest.mark.skipif(library("layer_norm") is None, reason="no C++ compiler")

SIZES = ((8, 8), (16, 24), (1, 1), (3, 30), (13, 17), (33, 5))
TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 2e-2}


def outcomes(block: nn.Module, x: Tensor) -> list[Tensor]:
    """What a block gives, and the gradients of its input and weights for a fixed gradient of the result."""
    x = x.clone().requires_grad_()
    block.zero_grad()
    y = block(x)
    y.double().backward(torch.randn(y.shape, generator=torch.Generator().manual_seed(1)).double())
    assert x.grad is not None
    return [y.detach(), x.grad, *(p.grad for p in block.parameters() if p.grad is not None)]


def compare(monkeypatch: pytest.MonkeyPatch, block: nn.Module, kernel: str, x: Tensor) -> None:
    """The kernel's outcomes against those of PyTorch's operators in float64; its outputs begin as NaN."""
    block.to(x.dtype)
    calls: list[str] = []
    run, empty_like, new_empty = entry.run, torch.empty_like, Tensor.new_empty

    def counted(name: str, *arguments: object) -> None:
        calls.append(name)
        run(name, *arguments)  # pyright: ignore[reportArgumentType]

    with monkeypatch.context() as patch:
        patch.setattr(entry, "run", counted)
        patch.setattr(torch, "empty_like", lambda *a, **k: empty_like(*a, **k).fill_(torch.nan))
        patch.setattr(Tensor, "new_empty", lambda *a, **k: new_empty(*a, **k).fill_(torch.nan))
        got = outcomes(block, x)
    assert calls.count(kernel) == 2, "forward and backward"

    block.double()
    monkeypatch.setattr(dispatch, "library", lambda name: None)
    wanted = outcomes(block, x.double())
    monkeypatch.undo()
    for ours, theirs in zip(got, wanted, strict=True):
        torch.testing.assert_close(
            ours.double(), theirs, rtol=0, atol=TOLERANCE[x.dtype] * max(theirs.abs().max().item(), 1e-3)
        )


def compare_inference(
    monkeypatch: pytest.MonkeyPatch, block: nn.Module, kernels: list[str], x: Tensor, tolerance: float | None = None
) -> None:
    """What comes out without gradients, against PyTorch's operators in float64; the kernels' outputs begin as NaN."""
    block.to(x.dtype).eval()
    calls: list[str] = []
    run, empty, new_empty = entry.run, torch.empty, Tensor.new_empty

    def counted(name: str, *arguments: object) -> None:
        calls.append(name)
        run(name, *arguments)  # pyright: ignore[reportArgumentType]

    with monkeypatch.context() as patch, torch.inference_mode():
        patch.setattr(entry, "run", counted)
        patch.setattr(torch, "empty", lambda *a, **k: empty(*a, **k).fill_(torch.nan))
        patch.setattr(Tensor, "new_empty", lambda *a, **k: new_empty(*a, **k).fill_(torch.nan))
        ours = block(x)
    assert calls == kernels
    block.double()
    with monkeypatch.context() as patch, torch.inference_mode():
        patch.setattr(dispatch, "library", lambda name: None)
        theirs = block(x.double())
    assert ours.dtype == x.dtype and ours.shape == theirs.shape
    bound = (tolerance or TOLERANCE[x.dtype]) * max(theirs.abs().max().item(), 1e-3)
    torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=bound)


def image(channels: int, size: tuple[int, int], dtype: torch.dtype = torch.float32, batch: int = 2) -> Tensor:
    rng = torch.Generator().manual_seed(channels + size[0])
    return torch.randn(batch, channels, *size, generator=rng).to(dtype)


@pytest.fixture(params=[1, 3], ids=["one thread", "three threads"])
def threads(request: pytest.FixtureRequest):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def lively(block: nn.Module) -> nn.Module:
    """With weights large enough that every branch matters."""
    torch.manual_seed(0)
    for parameter in block.parameters():
        nn.init.normal_(parameter, std=0.3)
    return block


@pytest.mark.usefixtures("threads")
class TestWindowAttention:
    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("shift", [0, 4])
    def test_any_size(self, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], shift: int) -> None:
        block = lively(WindowAttention(32, 2, AdaptiveSparse(), shift=shift))
        compare(monkeypatch, block, "window_attention", image(32, size))

    @pytest.mark.parametrize(
        "weighting",
        [Softmax, Sparse, AdaptiveSparse, lambda: AdaptiveSparse(squared=False)],
        ids=["softmax", "sparse", "adaptive", "adaptive-relu"],
    )
    def test_weightings(self, monkeypatch: pytest.MonkeyPatch, weighting: Callable[[], Mixture]) -> None:
        block = lively(WindowAttention(16, 1, weighting(), shift=4))
        compare(monkeypatch, block, "window_attention", image(16, (20, 19)))

    @pytest.mark.parametrize(
        ("channels", "heads", "window"), [(8, 1, 8), (12, 4, 7), (64, 1, 4), (40, 2, 8), (3, 3, 1)]
    )
    def test_heads_and_windows(self, monkeypatch: pytest.MonkeyPatch, channels: int, heads: int, window: int) -> None:
        block = lively(WindowAttention(channels, heads, AdaptiveSparse(), window=window, shift=window // 2))
        compare(monkeypatch, block, "window_attention", image(channels, (21, 18)))

    def test_bfloat16(self, monkeypatch: pytest.MonkeyPatch) -> None:
        block = WindowAttention(32, 2, AdaptiveSparse(), shift=4)
        compare(monkeypatch, block, "window_attention", image(32, (20, 19), torch.bfloat16))

    def test_undefined_values_stay_undefined(self) -> None:
        x = image(32, (16, 16))
        x[0, 0, 3, 4] = torch.nan
        y = WindowAttention(32, 2, AdaptiveSparse())(x)
        assert y[0, :, :8, :8].isnan().all() and y[0, :, 8:].isfinite().all() and y[1].isfinite().all()

    def test_what_does_not_fit_is_refused(self) -> None:
        windows = window_attention.Windows(heads=2, window=8, shift=0)
        q, kv, mixture = torch.ones(1, 4, 8, 8), torch.ones(1, 8, 8, 8), torch.ones(2)
        for keys, bias in ((kv[:, 1:], torch.ones(2, 64, 64)), (kv, torch.ones(1, 64, 64)), (kv.double(), kv)):
            with pytest.raises(ValueError, match="fit"):
                window_attention.attend(q, keys, bias, mixture, windows, squared=True)


@pytest.mark.usefixtures("threads")
class TestLayerNorm:
    @pytest.mark.parametrize("channels", [1, 7, 16, 20, 48])
    @pytest.mark.parametrize("dtype", list(TOLERANCE))
    def test_against_pytorch(self, monkeypatch: pytest.MonkeyPatch, channels: int, dtype: torch.dtype) -> None:
        compare(monkeypatch, lively(LayerNorm(channels)), "layer_norm", image(channels, (13, 17), dtype))

    def test_far_from_zero(self, monkeypatch: pytest.MonkeyPatch) -> None:
        compare(monkeypatch, lively(LayerNorm(20)), "layer_norm", image(20, (9, 5)) + 30)

    def test_what_does_not_fit_is_refused(self) -> None:
        with pytest.raises(ValueError, match="fit"):
            layer_norm.normalise(torch.ones(1, 4, 2, 2), torch.ones(3), torch.ones(3), 1e-5)


@pytest.mark.usefixtures("threads")
class TestGate:
    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("hidden", [16, 21])
    def test_any_size(self, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], hidden: int) -> None:
        compare(monkeypatch, lively(FRFN(8, hidden)), "depthwise_gate", image(8, size))

    def test_bfloat16(self, monkeypatch: pytest.MonkeyPatch) -> None:
        compare(monkeypatch, FRFN(16, 32), "depthwise_gate", image(16, (13, 17), torch.bfloat16))

    def test_gelu_is_exact_far_out(self) -> None:
        x = torch.cat([torch.linspace(-12, 12, 4001), torch.tensor([-1e4, 1e4, 0.0])])
        centre = torch.zeros(1, 1, 3, 3)
        expanded = torch.stack([torch.full_like(x, 40.0), x])[None, :, None]
        got = depthwise_gate.gate(expanded, centre, torch.full((1,), 40.0), "feature-refinement")[0, 0, 0] / 40
        wanted = nn.functional.gelu(x.double())
        assert (got - wanted).abs().le(7e-7 * x.abs().clamp_min(1)).all()

    def test_undefined_values_stay_undefined(self) -> None:
        x = image(8, (9, 9))
        x[0, 5, 4, 4] = torch.nan
        y = FRFN(8, 16)(x)
        assert y[0, :, 3:6, 3:6].isnan().all() and y[0, :, :3].isfinite().all()

    def test_what_does_not_fit_is_refused(self) -> None:
        with pytest.raises(ValueError, match="fit"):
            depthwise_gate.gate(torch.ones(1, 6, 4, 4), torch.ones(2, 1, 3, 3), torch.ones(2), "feature-refinement")


NORMS: list[type[nn.Module]] = [LayerNorm, BiasFreeLayerNorm]


@pytest.mark.usefixtures("threads")
class TestGatedFeedForward:
    """Half a transformer block at once; where that does not pay, its middle."""

    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize(("dim", "hidden"), [(24, 21), (72, 64)])
    @pytest.mark.parametrize("branch", [FRFN, GDFN, partial(GDFN, bias=True), GroupedFRFN], ids=str)
    def test_any_size(
        self,
        monkeypatch: pytest.MonkeyPatch,
        branch: Callable[..., nn.Module],
        dim: int,
        hidden: int,
        size: tuple[int, int],
    ) -> None:
        block = TransformerBlock(dim, None, lively(branch(dim, hidden)), norm=LayerNorm)
        compare_inference(monkeypatch, block, ["gated_feedforward"], image(dim, size))

    @pytest.mark.parametrize("norm", NORMS)
    @pytest.mark.parametrize("branch", [partial(FRFN, partial=False), partial(GroupedFRFN, bias=True)], ids=str)
    def test_variants(
        self, monkeypatch: pytest.MonkeyPatch, branch: Callable[..., nn.Module], norm: type[nn.Module]
    ) -> None:
        block = lively(TransformerBlock(24, None, branch(24, 50), norm=norm))
        compare_inference(monkeypatch, block, ["gated_feedforward"], 5 + image(24, (13, 17)))

    @pytest.mark.parametrize("branch", [FRFN, GDFN, GroupedFRFN])
    def test_columns_in_several_parts(self, monkeypatch: pytest.MonkeyPatch, branch: Callable[..., nn.Module]) -> None:
        block = TransformerBlock(96, None, lively(branch(96, 255)), norm=LayerNorm)
        compare_inference(monkeypatch, block, ["gated_feedforward"], image(96, (5, 250), batch=1))

    @pytest.mark.parametrize("norm", NORMS)
    @pytest.mark.parametrize("branch", [GDFN, partial(GDFN, bias=True), GroupedFRFN], ids=str)
    def test_wide_ones_by_steps(
        self, monkeypatch: pytest.MonkeyPatch, branch: Callable[..., nn.Module], norm: type[nn.Module]
    ) -> None:
        block = TransformerBlock(144, None, lively(branch(144, 77)), norm=norm)
        compare_inference(monkeypatch, block, ["layer_norm", "depthwise_gate"], image(144, (9, 21)))

    @pytest.mark.parametrize("size", [(13, 17), (3, 130)])
    @pytest.mark.parametrize("branch", [FRFN, GDFN, partial(GDFN, bias=True), GroupedFRFN], ids=str)
    def test_bfloat16(
        self, monkeypatch: pytest.MonkeyPatch, branch: Callable[..., nn.Module], size: tuple[int, int]
    ) -> None:
        block = TransformerBlock(24, None, branch(24, 75), norm=LayerNorm)
        compare_inference(monkeypatch, block, ["gated_feedforward"], image(24, size, torch.bfloat16))

    @pytest.mark.parametrize("branch", [GDFN, partial(GDFN, bias=True), GroupedFRFN], ids=str)
    def test_bfloat16_by_steps(self, monkeypatch: pytest.MonkeyPatch, branch: Callable[..., nn.Module]) -> None:
        compare_inference(monkeypatch, branch(24, 40), ["depthwise_gate"], image(24, (13, 17), torch.bfloat16))

    def test_columns_in_several_parts_by_steps(self, monkeypatch: pytest.MonkeyPatch) -> None:
        compare_inference(monkeypatch, lively(GDFN(144, 1021)), ["depthwise_gate"], image(144, (3, 90), batch=1))

    def test_training_has_its_gradients(self) -> None:
        x = image(24, (6, 5)).requires_grad_()
        TransformerBlock(24, None, GDFN(24, 30), norm=LayerNorm).eval()(x).sum().backward()
        assert x.grad is not None and x.grad.abs().max() > 0

    @pytest.mark.parametrize("branch", [FRFN, GDFN, GroupedFRFN])
    def test_undefined_values_stay_undefined(self, branch: Callable[..., nn.Module]) -> None:
        x = image(24, (12, 9))
        x[0, 5, 6, 4] = torch.nan
        with torch.inference_mode():
            y = TransformerBlock(24, None, branch(24, 30), norm=LayerNorm).eval()(x)
        assert y[0, :, 6, 4].isnan().all() and y[0, :, :3].isfinite().all() and y[1].isfinite().all()

    def test_what_does_not_fit_is_refused(self) -> None:
        block, norm, x = GDFN(24, 30), LayerNorm(24), image(16, (4, 4))
        assert isinstance(block.depthwise, nn.Conv2d)
        with pytest.raises(ValueError, match="fit"):
            gated_feedforward.add(x, norm, block.expand, block.depthwise, block.project, gate="gated-depthwise")
        with pytest.raises(ValueError, match="fit"):
            depthwise_gate.gate(x, block.depthwise.weight, None, block.gate)

    def test_gradients_that_no_kernel_has_are_refused(self) -> None:
        x, weight = image(32, (4, 4)), torch.ones(32, 1, 3, 3, requires_grad=True)
        assert not depthwise_gate.applies(x, weight, "gated-depthwise")
        y = depthwise_gate.gate(x, weight, None, "gated-depthwise")
        with pytest.raises(NotImplementedError, match="no backward pass on CPUs"):
            y.sum().backward()


def with_attention(attention: nn.Module, dim: int, norm: type[nn.Module] = LayerNorm) -> TransformerBlock:
    """Half of its kernels' work is the attention's; the other half has none but the normalisation's."""
    return TransformerBlock(dim, attention, FFN(dim, 4), norm=norm)


@pytest.mark.usefixtures("threads")
class TestChannelAttention:
    KERNELS = ("channel_attention", "layer_norm")

    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("bias", [False, True])
    def test_any_size(self, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], bias: bool) -> None:
        block = lively(with_attention(TransposedAttention(32, 2, Softmax(), bias=bias), 32))
        compare_inference(monkeypatch, block, [*self.KERNELS], image(32, size))

    @pytest.mark.parametrize(("dim", "heads"), [(48, 1), (21, 3), (96, 2)])
    @pytest.mark.parametrize("norm", NORMS)
    def test_heads(self, monkeypatch: pytest.MonkeyPatch, dim: int, heads: int, norm: type[nn.Module]) -> None:
        block = lively(with_attention(TransposedAttention(dim, heads, Softmax()), dim, norm))
        compare_inference(monkeypatch, block, [*self.KERNELS], image(dim, (11, 70)))

    @pytest.mark.parametrize(("dim", "heads"), [(216, 4), (240, 5)])
    def test_wide_ones_by_steps(self, monkeypatch: pytest.MonkeyPatch, dim: int, heads: int) -> None:
        block = lively(with_attention(TransposedAttention(dim, heads, Softmax()), dim))
        compare_inference(monkeypatch, block, ["layer_norm", *self.KERNELS], image(dim, (11, 70)))

    def test_other_weightings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        block = lively(with_attention(TransposedAttention(24, 2, Modulated(12)), 24))
        compare_inference(monkeypatch, block, [*self.KERNELS], image(24, (13, 9)))

    def test_bfloat16(self, monkeypatch: pytest.MonkeyPatch) -> None:
        block = with_attention(TransposedAttention(32, 2, Softmax()), 32)
        compare_inference(monkeypatch, block, [*self.KERNELS], image(32, (20, 19), torch.bfloat16))

    def test_long_sums_are_exact(self, monkeypatch: pytest.MonkeyPatch) -> None:
        block = lively(with_attention(TransposedAttention(8, 1, Softmax()), 8))
        compare_inference(monkeypatch, block, [*self.KERNELS], image(8, (100, 300), batch=1))

    def test_training_has_its_gradients(self) -> None:
        x = image(16, (6, 5)).requires_grad_()
        with_attention(TransposedAttention(16, 2, Softmax()), 16).eval()(x).sum().backward()
        assert x.grad is not None and x.grad.abs().max() > 0

    def test_what_does_not_fit_is_refused(self) -> None:
        block = TransposedAttention(16, 2, Softmax())
        with pytest.raises(ValueError, match="fit"):
            channel_attention.cosines(image(8, (4, 4)), block.qkv, block.qkv_depthwise, 2)


@pytest.mark.usefixtures("threads")
class TestWindowAttentionAtOnce:
    """With normalisation and linear layers around it."""

    KERNELS = ("window_attention", "layer_norm")

    @pytest.mark.parametrize("size", SIZES)
    @pytest.mark.parametrize("shift", [0, 4])
    def test_any_size(self, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int], shift: int) -> None:
        block = lively(with_attention(WindowAttention(32, 2, AdaptiveSparse(), shift=shift), 32))
        compare_inference(monkeypatch, block, [*self.KERNELS], image(32, size))

    @pytest.mark.parametrize(
        "weighting",
        [Softmax, Sparse, lambda: AdaptiveSparse(squared=False)],
        ids=["softmax", "sparse", "adaptive-relu"],
    )
    @pytest.mark.parametrize("norm", NORMS)
    def test_variants(
        self, monkeypatch: pytest.MonkeyPatch, weighting: Callable[[], Mixture], norm: type[nn.Module]
    ) -> None:
        block = lively(with_attention(WindowAttention(64, 2, weighting(), window=4, shift=2), 64, norm))
        compare_inference(monkeypatch, block, [*self.KERNELS], image(64, (21, 18)))

    def test_bfloat16(self, monkeypatch: pytest.MonkeyPatch) -> None:
        block = with_attention(WindowAttention(48, 3, AdaptiveSparse(), shift=4), 48)
        compare_inference(monkeypatch, block, [*self.KERNELS], image(48, (20, 19), torch.bfloat16))

    def test_autocast_of_floats(self) -> None:
        block, x = with_attention(WindowAttention(48, 3, AdaptiveSparse(), shift=4), 48).eval(), image(48, (20, 19))
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            half = block(x)
        with torch.inference_mode():
            torch.testing.assert_close(half.float(), block(x), rtol=0, atol=0.05)

    @pytest.mark.parametrize(("channels", "heads"), [(24, 3), (288, 18)])
    def test_by_steps_where_heads_are_odd_or_many(
        self, monkeypatch: pytest.MonkeyPatch, channels: int, heads: int
    ) -> None:
        block = lively(with_attention(WindowAttention(channels, heads, AdaptiveSparse(), shift=4), channels))
        compare_inference(monkeypatch, block, ["layer_norm", *self.KERNELS], image(channels, (9, 12)))

    def test_undefined_values_stay_undefined(self) -> None:
        x = image(32, (16, 16))
        x[0, 0, 3, 4] = torch.nan
        with torch.inference_mode():
            y = with_attention(WindowAttention(32, 2, AdaptiveSparse()), 32).eval()(x)
        assert y[0, :, :8, :8].isnan().all() and y[0, :, 8:].isfinite().all() and y[1].isfinite().all()

    def test_what_does_not_fit_is_refused(self) -> None:
        block, norm, mixture = WindowAttention(32, 2, AdaptiveSparse()), LayerNorm(32), torch.ones(2)
        layers = block.query, block.key_value, block.project
        windows = window_attention.Windows(heads=2, window=8, shift=0)
        for x, bias in ((image(16, (8, 8)), torch.ones(2, 64, 64)), (image(32, (8, 8)), torch.ones(1, 64, 64))):
            with pytest.raises(ValueError, match="fit"):
                window_attention.add(x, norm, *layers, bias, mixture, windows, squared=True)


class TestWhereTheyApply:
    def test_not_to_other_types_or_places(self) -> None:
        assert layer_norm.applies(torch.ones(1, 1, 1, 1))
        assert not layer_norm.applies(torch.ones(1, 1, 1, 1, dtype=torch.float64))
        assert not layer_norm.applies(torch.ones(1, 1, 1, 1, device="meta"))

    def test_by_what_autocast_makes_of_it(self) -> None:
        x = torch.ones(1, 4, 8, 8)
        with torch.autocast("cpu", torch.float16):
            assert not window_attention.applies(x, 1)
        with torch.autocast("cpu", torch.bfloat16):
            assert window_attention.applies(x, 1)

    def test_not_in_a_traced_network(self) -> None:
        block = FRFN(8, 16).eval()
        x = image(8, (5, 6))
        exported = torch.export.export(block, (x,)).module()
        torch.testing.assert_close(exported(x), block(x), rtol=0, atol=1e-5)


def has_tiles() -> bool:
    kernel = library("convolution")
    return kernel is not None and bool(kernel.convolution_has_tiles())


@pytest.mark.usefixtures("threads")
@pytest.mark.skipif(not has_tiles(), reason="the processor has no AMX")
class TestRoundedProducts:
    """Floats in two parts of bfloat16: 16 bits of each number, where one part alone would leave 2e-3."""

    TOLERANCE = 3e-5

    @pytest.fixture(autouse=True)
    def _rounded(self):
        with dispatch.rounded_products():
            yield

    @pytest.mark.parametrize(
        ("block", "channels"),
        [
            (lambda: Pointwise(50, 70), 50),
            (lambda: Pointwise(130, 48, bias=False), 130),
            (lambda: Convolution(48, 56, 3, padding=1), 48),
            (lambda: Convolution(64, 128, 4, stride=2, padding=1), 64),
        ],
    )
    @pytest.mark.parametrize("size", [(2, 2), (3, 30), (13, 17), (40, 33)])
    def test_convolutions(
        self, monkeypatch: pytest.MonkeyPatch, block: Callable[[], nn.Module], channels: int, size: tuple[int, int]
    ) -> None:
        compare_inference(monkeypatch, lively(block()), ["convolution"], image(channels, size), self.TOLERANCE)

    @pytest.mark.parametrize("branch", [FRFN, GDFN, partial(GDFN, bias=True), GroupedFRFN], ids=str)
    @pytest.mark.parametrize("hidden", [40, 128])
    def test_feed_forward(self, monkeypatch: pytest.MonkeyPatch, branch: Callable[..., nn.Module], hidden: int) -> None:
        block = TransformerBlock(48, None, lively(branch(48, hidden)), norm=LayerNorm)
        compare_inference(monkeypatch, block, ["gated_feedforward"], image(48, (13, 37)), self.TOLERANCE)

    @pytest.mark.parametrize(("dim", "heads"), [(48, 1), (96, 4), (240, 5)])
    def test_transposed_attention(self, monkeypatch: pytest.MonkeyPatch, dim: int, heads: int) -> None:
        block = lively(with_attention(TransposedAttention(dim, heads, Softmax()), dim))
        wide = ["layer_norm", "convolution"] if dim > channel_attention.WIDEST else []
        kernels = [*wide, "channel_attention", "convolution", "convolution", "layer_norm"]
        compare_inference(monkeypatch, block, kernels, image(dim, (11, 70)), self.TOLERANCE)

    def test_window_attention(self, monkeypatch: pytest.MonkeyPatch) -> None:
        block = lively(with_attention(WindowAttention(64, 4, AdaptiveSparse(), shift=4), 64))
        kernels = ["window_attention", "layer_norm"]
        compare_inference(monkeypatch, block, kernels, image(64, (21, 13)), self.TOLERANCE)

    def test_an_image_of_zeros_gives_the_biases(self) -> None:
        layer = Convolution(48, 48, 3, padding=1)
        with torch.inference_mode():
            out = layer(torch.zeros(1, 48, 5, 5))
            torch.testing.assert_close(out, layer.bias[:, None, None].expand_as(out), rtol=0, atol=0)

    def test_training_is_left_to_pytorch(self) -> None:
        weight = torch.zeros(64, 64)
        with torch.inference_mode():
            assert convolution.applies(image(64, (8, 8)), weight)
        assert not convolution.applies(image(64, (8, 8)), weight.requires_grad_())

    def test_what_does_not_fit_is_refused(self) -> None:
        with pytest.raises(ValueError, match="does not fit"):
            convolution.convolve(image(40, (8, 8)), Convolution(48, 48, 3))
        with pytest.raises(ValueError, match="does not fit"):
            convolution.convolve(image(48, (2, 8)), Convolution(48, 48, 3))
        with pytest.raises(ValueError, match="does not fit"):
            convolution.add_product(image(48, (8, 8)), torch.zeros(2, 48, 40), image(48, (8, 8)))
        with pytest.raises(ValueError, match="does not fit"):
            convolution.convolve(image(48, (8, 8)), Convolution(48, 48, 3, dilation=2))


def test_exact_products_are_the_default_and_come_back() -> None:
    x = image(64, (8, 8))
    assert dispatch.numbers(x) == dispatch.FLOATS
    with pytest.raises(ValueError, match="inside"), dispatch.rounded_products():
        assert dispatch.numbers(x) == dispatch.SPLIT_FLOATS
        assert dispatch.numbers(x, narrowest=65) == dispatch.FLOATS
        assert dispatch.numbers(x.bfloat16()) == dispatch.BFLOATS
        raise ValueError("inside")
    assert dispatch.numbers(x) == dispatch.FLOATS


def test_dense_convolutions_leave_compilers_one_graph() -> None:
    layer, x = Convolution(48, 48, 3, padding=1), image(48, (8, 8))
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    with torch.inference_mode(), dispatch.rounded_products():
        torch.testing.assert_close(compiled(x), nn.Conv2d.forward(layer, x))
