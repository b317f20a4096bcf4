"""The products of channels that transposed attention needs, in one pass: in C++ for inference, in Triton on GPUs.

Its specification is ``reference.attend``, of which these are the parts.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from pellucid.kernels import dispatch
from pellucid.kernels.entry import Entry

SOURCE = "channel_attention"
SHORTEST = 1e-12  # of the lengths by which is divided, as in F.normalize
NARROWEST = 32  # channels, for AMX: with fewer, most of a tile would be empty
WIDEST_ON_GPU = 128  # channels of a head
WIDEST = 192  # channels up to which the linear layer is quicker in the cache than by itself

_MADE = "weights:floats biases:floats? values:image results:floats lengths:floats"
_products = Entry(SOURCE, "products", f"shape:5 half:half qkv:image {_MADE}", on="qkv")
_project_products = Entry(
    SOURCE,
    "project_products",
    "shape:5 norm:floats norm_bias:floats? eps:number numbers:products x:image linear:floats "
    f"linear_bias:floats? {_MADE}",
    on="x",
    narrowest=NARROWEST,
)


def applies(x: Tensor, weight: Tensor) -> bool:
    """Whether ``cosines`` can be given what a convolution makes of this: on CPUs, for it has no backward pass."""
    is_for_it = not dispatch.on_gpu(x) and dispatch.is_inference(x, weight)
    return is_for_it and dispatch.applies(SOURCE, x, dispatch.after_convolution(x))


def attends(qkv: Tensor, heads: int) -> bool:
    """Whether ``attend`` can do this: on GPUs."""
    fits = dispatch.on_gpu(qkv) and qkv.shape[1] <= 3 * heads * WIDEST_ON_GPU
    return fits and dispatch.applies(SOURCE, qkv)


def attend(qkv: Tensor, temperature: Tensor, weighting: Callable[[Tensor], Tensor], heads: int) -> Tensor:
    """As ``reference.attend``, channels-last, of qkv's type; logits are float32."""
    from pellucid.kernels.channel_attention import triton  # needs Triton

    return triton.attend(qkv, temperature, weighting, heads)


def takes_linear(x: Tensor) -> bool:
    """Whether the linear layer, and a normalisation, are best done in the same pass."""
    return x.shape[1] <= WIDEST


def cosines(
    x: Tensor,
    linear: nn.Conv2d,
    depthwise: nn.Conv2d,
    heads: int,
    norm: dispatch.Norm | None = None,
    into: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Make queries, keys and values, and compare the channels of queries and keys.

    Args:
        x: (B, C, H, W), float32 or bfloat16; all but the linear layer of bfloat16 is done in float32,
            and the products of that layer as ``dispatch.numbers`` says.
        linear: a 1×1 convolution, C → 3C: queries, keys and values, with heads consecutive in each.
        depthwise: 3×3, of all 3C.
        heads: divides C.
        norm: of x, before all else: given where ``takes_linear``, and only there.
        into: what to write the values to.

    Returns:
        The values, (B, C, H, W), channels-last, of the type that ``linear`` gives, and the cosines between channels of
        queries (rows) and keys, over all pixels: (B, heads, C/heads, C/heads), float32.
    """
    batch, dim, height, width = x.shape
    if linear.weight.shape[:2] != (3 * dim, dim) or depthwise.weight.shape != (3 * dim, 1, 3, 3) or dim % heads:
        raise ValueError(f"{linear}, {depthwise} and {heads} heads do not fit {tuple(x.shape)}")
    shape = (batch, height, width, heads, dim // heads)
    results = torch.empty(batch, heads, dim // heads, dim // heads)
    lengths = torch.empty(batch, 2, heads, dim // heads)
    weights, biases = dispatch.weights_of(depthwise)
    given = {"shape": shape, "weights": weights, "biases": biases, "results": results, "lengths": lengths}
    if norm is not None:
        x = dispatch.channels_last(x.to(dispatch.after_convolution(x)))
        values = dispatch.result_for(x, into)
        layer, layer_bias = dispatch.weights_of(linear)
        norms = dispatch.weights_of_norm(norm)
        _project_products(**given, **norms, x=x, linear=layer, linear_bias=layer_bias, values=values)
    else:
        qkv = dispatch.channels_last(linear(x))
        values = dispatch.result_for(x, into, qkv.dtype)
        _products(**given, qkv=qkv, values=values)
    of_queries, of_keys = lengths.sqrt().clamp_min(SHORTEST).unbind(1)
    return values, results / (of_queries[..., :, None] * of_keys[..., None, :])
