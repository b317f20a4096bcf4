"""What ``gpu.py`` checks and times: the Triton kernels at the sizes of networks, each beside its specification."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from pellucid.blocks.window import border_mask, pad_to_windows
from pellucid.kernels import depthwise_gate, layer_norm, window_attention
from pellucid.kernels.depthwise_gate.reference import GATES

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Case:
    """A kernel at one size: what it does, its specification, and the tensors that both take."""

    name: str
    kernel: Callable[..., Tensor]
    textbook: Callable[..., Tensor]
    tensors: tuple[Tensor, ...]
    operations: float  # of matrix products, forward

    @property
    def size(self) -> str:
        return "×".join(map(str, self.tensors[0].shape))


def cases(dtype: torch.dtype, *, tiny: bool) -> Iterator[Case]:
    """All kernels at the sizes of networks: AST's finest and a coarse stage, Restormer's and ASTv2's."""
    from pellucid.kernels.channel_attention import triton as channel_attention

    side = 13 if tiny else 512
    for dim, heads, shift in ((16, 1, 4),) if tiny else ((64, 2, 4), (256, 8, 0)):
        windows = window_attention.Windows(heads=heads, window=8, shift=shift)
        there = side if tiny else side * 64 // dim
        tensors = (image(dim, there, dtype), image(2 * dim, there, dtype), weights(heads, 64, 64), weights(2))
        yield Case(
            "window attention",
            lambda q, kv, b, m, w=windows: window_attention.attend(q, kv, b, m, w, squared=True),
            lambda q, kv, b, m, w=windows: textbook_windows(q, kv, b, m, w),
            tensors,
            4 * there**2 * 64 * dim,
        )
    for dim, heads in ((20, 2),) if tiny else ((48, 1), (96, 1), (384, 8)):
        there = side if tiny else 512 if dim < 100 else 64
        yield Case(
            "channel attention",
            lambda qkv, t, h=heads: channel_attention.attend(qkv, t, softmax, h),
            lambda qkv, t, h=heads: textbook_channels(qkv, t, h),
            (image(3 * dim, there, dtype), weights(heads, 1, 1)),
            4 * there**2 * dim * dim / heads,
        )
    for kind, hidden in zip(GATES, (128, 127, 192), strict=True):
        hidden = 16 if tiny else hidden
        count = hidden * 2 if kind == "gated-depthwise" else hidden
        yield Case(
            f"gate, {kind}",
            partial(depthwise_gate.gate, kind=kind),
            lambda x, w, b, g=kind: textbook_gate(x, w, b, g),
            (image(2 * hidden, side, dtype), weights(count, 1, 3, 3), weights(count)),
            0.0,
        )
    for dim in (7,) if tiny else (48, 256):
        yield Case(
            "layer norm",
            lambda x, w, b: layer_norm.normalise(x, w, b, 1e-5),
            lambda x, w, b: F.layer_norm(x.permute(0, 2, 3, 1), w.shape, w.to(x.dtype), b.to(x.dtype)).permute(
                0, 3, 1, 2
            ),
            (image(dim, side, dtype), weights(dim), weights(dim)),
            0.0,
        )


def image(channels: int, side: int, dtype: torch.dtype) -> Tensor:
    x = torch.randn(1, channels, side, side, device=DEVICE).to(dtype)
    return x.contiguous(memory_format=torch.channels_last).requires_grad_()


def weights(*shape: int) -> Tensor:
    return (0.5 * torch.randn(shape, device=DEVICE)).requires_grad_()


def softmax(logits: Tensor) -> Tensor:
    return logits.softmax(-1)


def textbook_windows(q: Tensor, kv: Tensor, bias: Tensor, mixture: Tensor, w: window_attention.Windows) -> Tensor:
    height, width = q.shape[-2:]
    x = pad_to_windows(torch.cat([q, kv], 1), w.window).roll((-w.shift, -w.shift), (2, 3))
    sides = {"i": w.window, "j": w.window, "h": w.heads}
    q, k, v = rearrange(x, "b (qkv h c) (y i) (x j) -> qkv b (y x) h (i j) c", qkv=3, **sides)
    logits = (q * q.shape[-1] ** -0.5) @ k.mT + bias.to(q.dtype)
    masked = border_mask(height, width, w.window, w.shift, q.device)
    if masked is not None:
        index, mask = masked
        logits = logits.index_add(1, index, mask[None, :, None].to(q.dtype).expand(len(q), -1, w.heads, -1, -1))
    dense, sparse = mixture.to(q.dtype)
    out = (dense * logits.softmax(-1) + sparse * logits.relu().square()) @ v
    rows = x.shape[2] // w.window
    out = rearrange(out, "b (y x) h (i j) c -> b (h c) (y i) (x j)", y=rows, **sides)
    return out.roll((w.shift, w.shift), (2, 3))[..., :height, :width]


def textbook_channels(qkv: Tensor, temperature: Tensor, heads: int) -> Tensor:
    height = qkv.shape[2]
    q, k, v = rearrange(qkv, "b (qkv h c) y x -> qkv b h c (y x)", qkv=3, h=heads).contiguous()
    logits = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT * temperature.to(q.dtype)
    return rearrange(logits.softmax(-1) @ v, "b h c (y x) -> b (h c) y x", y=height)


def textbook_gate(x: Tensor, weight: Tensor, bias: Tensor, kind: str) -> Tensor:
    if kind == "feature-refinement":
        x = F.gelu(x)
    weight, bias = weight.to(x.dtype), bias.to(x.dtype)
    if kind == "gated-depthwise":
        gate, value = F.conv2d(x, weight, bias, padding=1, groups=len(weight)).chunk(2, 1)
    else:
        gate, value = x.chunk(2, 1)
        gate = F.conv2d(gate, weight, bias, padding=1, groups=len(weight))
    return (gate if kind == "linear" else F.gelu(gate)) * value


def outcomes(function: Callable[..., Tensor], tensors: tuple[Tensor, ...]) -> list[Tensor]:
    """What a function gives, and its gradients."""
    y = function(*tensors)
    up = torch.randn(y.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float32).to(y)
    return [y.detach(), *torch.autograd.grad(y, tensors, up)]


def error(case: Case) -> float:
    """The largest difference from float64, of value or gradient, over the largest number there."""
    exact = outcomes(case.textbook, tuple(x.detach().double().requires_grad_() for x in case.tensors))
    differences = [
        (got.double() - wanted).abs().max() / wanted.abs().max()
        for got, wanted in zip(outcomes(case.kernel, case.tensors), exact, strict=True)
    ]
    return torch.stack(differences).nan_to_num(torch.inf).max().item()
