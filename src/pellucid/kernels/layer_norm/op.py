"""Layer normalisation over channels in one pass, forward and backward, that keeps the image's type.

Its specification is ``reference``.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from pellucid.kernels import dispatch
from pellucid.kernels.entry import Entry

SOURCE = "layer_norm"
applies = partial(dispatch.applies, SOURCE)

_READ = "pixels:integer channels:integer eps:number half:half x:image weight:floats"
_GRADS = "grad_x:image grad_weight:floats grad_bias:floats"
_forward = Entry(SOURCE, "forward", f"{_READ} bias:floats? out:image", on="x")
_backward = Entry(SOURCE, "backward", f"{_READ} grad:image {_GRADS}", on="x")
_add_backward = Entry(SOURCE, "add_backward", f"{_READ} grad:image added:image {_GRADS}", on="x")


def normalise(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """As ``reference.normalise``, channels-last, of x's type, float32 or bfloat16; arithmetic is float32."""
    result: Tensor = _Normalise.apply(x, weight, bias, eps)  # pyright: ignore[reportAssignmentType]
    return result


def divides(x: Tensor, weight: Tensor) -> bool:
    """Whether ``divide`` can do this: on CPUs, for it has no backward pass and no twin in Triton."""
    return not dispatch.on_gpu(x) and dispatch.is_inference(x, weight) and applies(x)


def divide(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """As ``reference.divide``, for inference alone, in the types of ``normalise``."""
    return forward(dispatch.channels_last(x), weight, None, eps)


def forward(x: Tensor, weight: Tensor, bias: Tensor | None, eps: float) -> Tensor:
    """What ``normalise`` gives or, if there is no bias, ``divide``, without gradients; x is channels-last."""
    weight, bias = weight.float().contiguous(), None if bias is None else bias.float().contiguous()
    for name, values in (("weight", weight), ("bias", bias)):
        if values is not None and values.shape != (x.shape[1],):
            raise ValueError(f"{name} {tuple(values.shape)} does not fit {tuple(x.shape)}")
    out = torch.empty_like(x)
    _forward(**_size(x), eps=eps, x=x, weight=weight, bias=bias, out=out)
    return out


def backward(
    x: Tensor, weight: Tensor, eps: float, grad: Tensor, *, added: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of x, weight and bias. On CPUs, that of x may be ``added`` to another; all are channels-last."""
    weight, grad = weight.float().contiguous(), dispatch.channels_last(grad.to(x.dtype))
    results = torch.empty_like(x), torch.zeros_like(weight), torch.zeros_like(weight)
    made = dict(zip(("grad_x", "grad_weight", "grad_bias"), results, strict=True))
    given = {**_size(x), "eps": eps, "x": x, "weight": weight, "grad": grad, **made}
    _backward(**given) if added is None else _add_backward(**given, added=added)
    return results


class _Normalise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        x = dispatch.channels_last(x)
        ctx.save_for_backward(x, weight)
        ctx.eps = eps
        return forward(x, weight, bias, eps)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        return *backward(x, weight, ctx.eps, grads[0]), None


def _size(x: Tensor) -> dict[str, int]:
    batch, channels, height, width = x.shape
    return {"pixels": batch * height * width, "channels": channels}
