"""The products of channels that transposed attention needs, in one pass (``channel_attention.cpp``), for inference.

Its specification is ``blocks.attention.TransposedAttention``, which runs on PyTorch's operators wherever this does not.
"""

import torch
from torch import Tensor, nn

from pellucid.kernels import dispatch

SOURCE = "channel_attention"
SHORTEST = 1e-12  # of the lengths by which is divided, as in F.normalize
WIDEST = 96  # channels up to which the linear layer is quicker in the cache than by itself


def applies(x: Tensor, weight: Tensor) -> bool:
    """Whether the kernel can be given what a convolution makes of this; it has no backward pass."""
    return dispatch.is_inference(x, weight) and dispatch.applies(SOURCE, x, dispatch.after_convolution(x))


def cosines(x: Tensor, linear: nn.Conv2d, depthwise: nn.Conv2d, heads: int) -> tuple[Tensor, Tensor]:
    """Make queries, keys and values, and compare the channels of queries and keys.

    Args:
        x: (B, C, H, W), float32 or bfloat16; arithmetic is float32.
        linear: a 1×1 convolution, C → 3C: queries, keys and values, with heads consecutive in each.
        depthwise: 3×3, of all 3C.
        heads: divides C.

    Returns:
        The values, (B, C, H, W), channels-last, of the type that ``linear`` gives, and the cosines between channels of
        queries (rows) and keys, over all pixels: (B, heads, C/heads, C/heads), float32.
    """
    batch, dim, height, width = x.shape
    if linear.weight.shape[:2] != (3 * dim, dim) or depthwise.weight.shape != (3 * dim, 1, 3, 3) or dim % heads:
        raise ValueError(f"{linear}, {depthwise} and {heads} heads do not fit {tuple(x.shape)}")
    shape = (batch, height, width, heads, dim // heads)
    products = torch.empty(batch, heads, dim // heads, dim // heads)
    squares = torch.empty(batch, 2, heads, dim // heads)
    if dim <= WIDEST and dispatch.after_convolution(x) == torch.float32:
        x = dispatch.channels_last(x)
        values = x.new_empty(batch, height, width, dim).permute(0, 3, 1, 2)
        arrays = (x, *_filters(linear), *_filters(depthwise), values, products, squares)
        dispatch.run(SOURCE, "project_products", shape, *arrays)
    else:
        qkv = dispatch.channels_last(linear(x))
        values = qkv.new_empty(batch, height, width, dim).permute(0, 3, 1, 2)
        arrays = (qkv, *_filters(depthwise), values, products, squares)
        dispatch.run(SOURCE, "products", shape, qkv.dtype == torch.bfloat16, *arrays)
    of_queries, of_keys = squares.sqrt().clamp_min(SHORTEST).unbind(1)
    return values, products / (of_queries[..., :, None] * of_keys[..., None, :])


def _filters(layer: nn.Conv2d) -> tuple[Tensor, Tensor | None]:
    return layer.weight.float().contiguous(), None if layer.bias is None else layer.bias.float().contiguous()
