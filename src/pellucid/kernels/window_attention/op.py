"""Attention inside windows in one pass, forward and backward, with no scores in memory.

Its specification is ``reference.attend``, with the cutting, padding and shifting around it of ``blocks.attention``.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pellucid.kernels import dispatch
from pellucid.kernels.entry import Entry

SOURCE = "window_attention"
WIDEST = 256  # channels up to which linear layers are quicker in the cache than by themselves
NARROWEST = 64  # channels, for AMX: with fewer, most of a tile would be empty
WIDEST_ON_GPU = 64  # channels of a head, which a program holds in registers there

_CUT = "shape:7 mixture:floats squared:integer"
_add = Entry(
    SOURCE,
    "add",
    f"{_CUT} norm:floats norm_bias:floats? eps:number numbers:products x:image project_in:floats "
    "project_in_bias:floats bias:floats project_out:floats project_out_bias:floats? out:image",
    on="x",
    narrowest=NARROWEST,
)
_READ = f"{_CUT} half:half q:image kv:image bias:floats"
_GRADS = "grad_q:image grad_kv:image grad_bias:floats grad_mixture:floats"
_forward = Entry(SOURCE, "forward", f"{_READ} out:image", on="q")
_backward = Entry(SOURCE, "backward", f"{_READ} grad:image {_GRADS}", on="q")


@dataclass(frozen=True, kw_only=True)
class Windows:
    """How an image is cut: windows of ``window``² pixels, displaced by ``shift`` up and left, and its heads."""

    heads: int
    window: int
    shift: int


def applies(x: Tensor, heads: int) -> bool:
    """Whether ``attend`` can be given what a convolution makes of this, with so many heads."""
    if dispatch.on_gpu(x) and x.shape[1] > heads * WIDEST_ON_GPU:
        return False
    return dispatch.applies(SOURCE, x, dispatch.after_convolution(x))


def adds(x: Tensor, query: nn.Conv2d, windows: Windows) -> bool:
    """Whether ``add`` can do this, and is quicker: on CPUs, for it has no backward pass and no twin in Triton."""
    fits = x.shape[1] <= WIDEST and x.shape[1] // windows.heads % 16 == 0
    return fits and not dispatch.on_gpu(x) and dispatch.is_inference(x, query.weight) and applies(x, windows.heads)


def add(
    x: Tensor,
    norm: dispatch.Norm,
    query: nn.Conv2d,
    key_value: nn.Conv2d,
    project: nn.Conv2d,
    bias: Tensor,
    mixture: Tensor,
    windows: Windows,
    *,
    squared: bool,
    into: Tensor | None = None,
) -> Tensor:
    """X + project(attend(query(norm(x)), key_value(norm(x)), ...)), for inference.

    Args:
        x: (B, C, H, W), float32 or bfloat16, with heads of multiples of 16 channels; all but
            the linear layers' products (``dispatch.numbers``) is done in float32.
        query, key_value, project: 1×1 convolutions, C → C, C → 2C, C → C.
        bias, mixture, windows, squared: as for ``attend``.
        into: what to write the result to, which may be x: no two windows read the same pixel.

    Returns:
        (B, C, H, W), channels-last, of the type that ``query`` gives.
    """
    x = dispatch.channels_last(x.to(dispatch.after_convolution(x)))
    batch, dim, height, width = x.shape
    tokens, head_dim = windows.window**2, dim // windows.heads
    if query.weight.shape[:2] != (dim, dim) or key_value.weight.shape[:2] != (2 * dim, dim):
        raise ValueError(f"{query} and {key_value} do not fit {tuple(x.shape)}")
    if head_dim * windows.heads != dim or head_dim % 16 or bias.shape != (windows.heads, tokens, tokens):
        raise ValueError(f"a bias {tuple(bias.shape)} and {dim} channels do not fit {windows}")
    scale = head_dim**-0.5
    weights = torch.cat([query.weight * scale, key_value.weight]).float()
    biases = torch.cat([_bias_of(query) * scale, _bias_of(key_value)]).float()
    out = dispatch.result_for(x, into)
    shape = (batch, height, width, windows.heads, head_dim, windows.window, windows.shift)
    project_out, project_out_bias = dispatch.weights_of(project)
    layers: dict[str, Tensor | None] = {"project_in": weights, "project_in_bias": biases}
    layers |= {"project_out": project_out, "project_out_bias": project_out_bias}
    bias, mixture = bias.float().contiguous(), mixture.float().contiguous()
    norms = dispatch.weights_of_norm(norm)
    _add(shape=shape, mixture=mixture, squared=squared, **norms, x=x, **layers, bias=bias, out=out)
    return out


def _bias_of(layer: nn.Conv2d) -> Tensor:
    return layer.weight.new_zeros(layer.out_channels) if layer.bias is None else layer.bias


def attend(q: Tensor, kv: Tensor, bias: Tensor, mixture: Tensor, windows: Windows, *, squared: bool) -> Tensor:
    """Mix the values of each window by d · softmax(l) + s · relu(l)^p, with l = q·kᵀ/√(C/heads) + bias.

    Pixels that the shift brought together from opposite edges have 100 taken from their l. Outside of the image
    there is nothing to be seen.

    Args:
        q: (B, C, H, W), of a type that ``dispatch.DTYPES`` lists, with heads consecutive in C.
        kv: (B, 2C, H, W), of the same type, keys before values.
        bias: (heads, N, N), N = window².
        mixture: d and s, (2,).
        squared: whether p is 2, not 1.

    Returns:
        (B, C, H, W), channels-last, of q's type. Arithmetic is float32; on GPUs products are of numbers of q's type.
    """
    result: Tensor = _Attend.apply(q, kv, bias, mixture, windows, squared)  # pyright: ignore[reportAssignmentType]
    return result


def forward(q: Tensor, kv: Tensor, bias: Tensor, mixture: Tensor, windows: Windows, *, squared: bool) -> Tensor:
    """What ``attend`` gives, without gradients; images are channels-last, the rest float32."""
    out = torch.empty_like(q)
    _forward(shape=_shape(q, kv, bias, windows), mixture=mixture, squared=squared, q=q, kv=kv, bias=bias, out=out)
    return out


def backward(
    q: Tensor, kv: Tensor, bias: Tensor, mixture: Tensor, grad: Tensor, windows: Windows, *, squared: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of q, kv, bias and mixture."""
    grad = dispatch.channels_last(grad.to(q.dtype))
    read = {"mixture": mixture, "squared": squared, "q": q, "kv": kv, "bias": bias, "grad": grad}
    made = {"grad_q": torch.empty_like(q), "grad_kv": torch.empty_like(kv)}
    made |= {"grad_bias": torch.zeros_like(bias), "grad_mixture": torch.zeros_like(mixture)}
    _backward(shape=_shape(q, kv, bias, windows), **read, **made)
    return made["grad_q"], made["grad_kv"], made["grad_bias"], made["grad_mixture"]


class _Attend(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, q: Tensor, kv: Tensor, bias: Tensor, mixture: Tensor, windows: Windows, squared: bool
    ) -> Tensor:
        q, kv = dispatch.channels_last(q), dispatch.channels_last(kv)
        bias, mixture = bias.float().contiguous(), mixture.to(q.device, torch.float32).contiguous()
        ctx.save_for_backward(q, kv, bias, mixture)
        ctx.windows, ctx.squared = windows, squared
        return forward(q, kv, bias, mixture, windows, squared=squared)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        q, kv, bias, mixture = ctx.saved_tensors
        return *backward(q, kv, bias, mixture, grads[0], ctx.windows, squared=ctx.squared), None, None


def _shape(q: Tensor, kv: Tensor, bias: Tensor, windows: Windows) -> tuple[int, ...]:
    batch, channels, height, width = q.shape
    heads, tokens = windows.heads, windows.window**2
    if kv.shape != (batch, 2 * channels, height, width) or kv.dtype != q.dtype:
        raise ValueError(f"keys and values {tuple(kv.shape)} do not fit queries {tuple(q.shape)}")
    if channels % heads or bias.shape != (heads, tokens, tokens):
        raise ValueError(f"a bias {tuple(bias.shape)} and {channels} channels do not fit {windows}")
    return (batch, height, width, heads, channels // heads, windows.window, windows.shift)
