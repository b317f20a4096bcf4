"""Attention among channels by PyTorch's operators."""

from collections.abc import Callable

from einops import rearrange
from torch import Tensor
from torch.nn import functional as F


def attend(qkv: Tensor, temperature: Tensor, weighting: Callable[[Tensor], Tensor], heads: int) -> Tensor:
    """Mix the values of each head by weighting(cosines of queries and keys · temperature).

    Args:
        qkv: (B, 3C, H, W), heads consecutive in each of queries, keys and values.
        temperature: (heads, 1, 1).
        weighting: from logits (B, heads, C/heads, C/heads) to weights.
        heads: divides C.

    Returns:
        (B, C, H, W).
    """
    height, width = qkv.shape[-2:]
    # contiguous along space, where PyTorch then adds pairwise: half the rounding error of strided sums
    q, k, v = rearrange(qkv, "b (qkv h c) y x -> qkv b h c (y x)", qkv=3, h=heads).contiguous()
    logits = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT * temperature
    mixed = weighting(logits).to(v.dtype) @ v
    return rearrange(mixed, "b h c (y x) -> b (h c) y x", y=height, x=width)
