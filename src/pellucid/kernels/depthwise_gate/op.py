"""A depthwise convolution and a gate in one pass, forward and backward; of those in C++ only AST's has a backward pass.

Its specification is ``reference.gate``.
"""

from typing import Any

import torch
from torch import Tensor

from pellucid.kernels import dispatch
from pellucid.kernels.depthwise_gate.reference import GATES, Gate
from pellucid.kernels.entry import Entry

SOURCE = "depthwise_gate"
TRAINED_ON_CPUS: Gate = "feature-refinement"

_READ = "shape:4 gate:integer half:half expanded:image weight:floats bias:floats"
_GRADS = "grad_expanded:image grad_weight:floats grad_bias:floats"
_forward = Entry(SOURCE, "forward", f"{_READ} out:image", on="expanded")
_backward = Entry(SOURCE, "backward", f"{_READ} grad:image {_GRADS}", on="expanded")


def applies(expanded: Tensor, weight: Tensor, kind: Gate) -> bool:
    """Whether a kernel can do this."""
    fits = dispatch.on_gpu(expanded) or kind == TRAINED_ON_CPUS or dispatch.is_inference(expanded, weight)
    return fits and dispatch.applies(SOURCE, expanded)


def gate(expanded: Tensor, weight: Tensor, bias: Tensor | None, kind: Gate) -> Tensor:
    """As ``reference.gate``, (B, 2E, H, W) → (B, E, H, W), channels-last, of the same type; arithmetic is float32.

    Args:
        expanded: float32 or bfloat16; on GPUs float16 too.
        weight, bias: of the convolution, (E, 1, 3, 3) and (E,); of 2E channels for ``gated-depthwise``.
        kind: which gate.
    """
    result: Tensor = _Gate.apply(expanded, weight, bias, kind)  # pyright: ignore[reportAssignmentType]
    return result


def forward(expanded: Tensor, weight: Tensor, bias: Tensor | None, kind: Gate) -> Tensor:
    """What ``gate`` gives, without gradients; ``expanded`` is channels-last."""
    given = _given(expanded, weight, bias, kind)
    batch, height, width, hidden = given["shape"]
    out = expanded.new_empty(batch, height, width, hidden).permute(0, 3, 1, 2)
    _forward(**given, out=out)
    return out


def backward(
    expanded: Tensor, weight: Tensor, bias: Tensor | None, kind: Gate, grad: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of ``expanded``, which is channels-last, weight and bias."""
    if kind != TRAINED_ON_CPUS and not dispatch.on_gpu(expanded):
        raise NotImplementedError(f"the gate {kind} has no backward pass on CPUs; see applies")
    given = _given(expanded, weight, bias, kind)
    grad = dispatch.channels_last(grad.to(expanded.dtype))
    results = torch.empty_like(expanded), torch.zeros_like(given["weight"]), torch.zeros_like(given["bias"])
    made = dict(zip(("grad_expanded", "grad_weight", "grad_bias"), results, strict=True))
    _backward(**given, grad=grad, **made)
    return results


def _given(expanded: Tensor, weight: Tensor, bias: Tensor | None, kind: Gate) -> dict[str, Any]:
    """What both passes take."""
    batch, channels, height, width = expanded.shape
    convolved = channels if kind == "gated-depthwise" else channels // 2
    weight = weight.float().contiguous()
    bias = weight.new_zeros(len(weight)) if bias is None else bias.float().contiguous()
    if channels % 2 or weight.shape != (convolved, 1, 3, 3) or bias.shape != weight.shape[:1]:
        raise ValueError(f"filters {tuple(weight.shape)} do not fit {kind} of {tuple(expanded.shape)}")
    shape = (batch, height, width, channels // 2)
    return {"shape": shape, "gate": GATES.index(kind), "expanded": expanded, "weight": weight, "bias": bias}


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, expanded: Tensor, weight: Tensor, bias: Tensor | None, kind: Gate) -> Tensor:
        expanded = dispatch.channels_last(expanded)
        ctx.save_for_backward(expanded, weight, bias)
        ctx.kind = kind
        return forward(expanded, weight, bias, kind)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        expanded, weight, bias = ctx.saved_tensors
        of_expanded, of_weight, of_bias = backward(expanded, weight, bias, ctx.kind, grads[0])
        return of_expanded, of_weight, None if bias is None else of_bias, None
