"""The middle of AST's feed-forward network in one pass, forward and backward: GELUs, depthwise convolution, gate.

Its specification is ``reference.gate``.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from pellucid.kernels import dispatch
from pellucid.kernels.entry import Entry

SOURCE = "feature_gate"
applies = partial(dispatch.applies, SOURCE)

_READ = "shape:4 half:half expanded:image weight:floats bias:floats"
_GRADS = "grad_expanded:image grad_weight:floats grad_bias:floats"
_forward = Entry(SOURCE, "forward", f"{_READ} out:image", on="expanded")
_backward = Entry(SOURCE, "backward", f"{_READ} grad:image {_GRADS}", on="expanded")


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
    made = dict(zip(("grad_expanded", "grad_weight", "grad_bias"), results, strict=True))
    _backward(shape=_shape(expanded), expanded=expanded, weight=weight, bias=bias, grad=grad, **made)
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
