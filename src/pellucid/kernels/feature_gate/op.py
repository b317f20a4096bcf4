"""The middle of AST's feed-forward network in one pass, forward and backward: GELUs, depthwise convolution, gate.

Its specification is ``reference.gate``.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from pellucid.kernels import dispatch
from pellucid.kernels.entry import FLOATS, HALF, IMAGE, Entry, integers

SOURCE = "feature_gate"
applies = partial(dispatch.applies, SOURCE)

_READ = {"shape": integers(4), "half": HALF, "expanded": IMAGE, "weight": FLOATS, "bias": FLOATS}
_forward = Entry(SOURCE, "forward", on="expanded", **_READ, out=IMAGE)
_GRADS = {"grad_expanded": IMAGE, "grad_weight": FLOATS, "grad_bias": FLOATS}
_backward = Entry(SOURCE, "backward", on="expanded", **_READ, grad=IMAGE, **_GRADS)


def gate(expanded: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """gelu(depthwise(gelu(a))) · gelu(b), with a and b the halves of ``expanded``.

    Args:
        expanded: (B, 2E, H, W), float32 or bfloat16; arithmetic is float32.
        weight, bias: (E, 1, 3, 3) and (E,), of the depthwise convolution.

    Returns:
        (B, E, H, W), channels-last, of the same type.
    """
    result: Tensor = _Gate.apply(expanded, weight, bias)  # pyright: ignore[reportAssignmentType]
    return result


def forward(expanded: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """What ``gate`` gives, without gradients; ``expanded`` is channels-last."""
    weight, bias = weight.float().contiguous(), bias.float().contiguous()
    batch, channels, height, width = expanded.shape
    if channels % 2 or weight.shape != (channels // 2, 1, 3, 3) or bias.shape != weight.shape[:1]:
        raise ValueError(f"filters {tuple(weight.shape)} do not fit the halves of {tuple(expanded.shape)}")
    out = expanded.new_empty(batch, height, width, channels // 2).permute(0, 3, 1, 2)
    _forward(shape=_shape(expanded), expanded=expanded, weight=weight, bias=bias, out=out)
    return out


def backward(expanded: Tensor, weight: Tensor, bias: Tensor, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of ``expanded``, which is channels-last, weight and bias."""
    weight, bias = weight.float().contiguous(), bias.float().contiguous()
    grad = dispatch.channels_last(grad.to(expanded.dtype))
    results = torch.empty_like(expanded), torch.zeros_like(weight), torch.zeros_like(bias)
    read = {"expanded": expanded, "weight": weight, "bias": bias, "grad": grad}
    _backward(shape=_shape(expanded), **read, **dict(zip(_GRADS, results, strict=True)))
    return results


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, expanded: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        expanded = dispatch.channels_last(expanded)
        ctx.save_for_backward(expanded, weight, bias)
        return forward(expanded, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        expanded, weight, bias = ctx.saved_tensors
        return backward(expanded, weight, bias, grads[0])


def _shape(expanded: Tensor) -> tuple[int, ...]:
    batch, channels, height, width = expanded.shape
    return batch, height, width, channels // 2
