"""Condensed self-attention (CODE, CVPR 2023)."""

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from pellucid.blocks.convolution import Pointwise
from pellucid.blocks.resample import pad_to_multiple


class CondensedAttention(nn.Module):
    """Attention across channels, then across pixels, on a condensed image: (B, C, H, W) → (B, C, H, W).

    Channels are squeezed by a 1×1 convolution and space by a grouped one with kernel = stride, which
    gives the channels back; a 1×1 convolution and a pixel shuffle restore the size.

    Args:
        dim: channels C, shared out among ``heads`` in order.
        heads: number of heads; divides ``dim``.
        stride: how far space is condensed; CODE uses 16, 8, 4, 2 from the finest level down.
    """

    SQUEEZE = 4

    def __init__(self, dim: int, heads: int, *, stride: int) -> None:
        super().__init__()
        squeezed = max(dim // self.SQUEEZE, 1)
        self.heads = heads
        self.stride = stride
        self.squeeze = Pointwise(dim, squeezed)
        self.condense = nn.Conv2d(squeezed, squeezed * self.SQUEEZE, stride, stride=stride, groups=squeezed)
        self.channel_qkv = Pointwise(squeezed * self.SQUEEZE, 3 * dim)
        self.channel_temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.spatial_qkv = Pointwise(dim, 3 * dim)
        self.spatial_temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.expand = Pointwise(dim, squeezed * stride**2)
        self.project = Pointwise(squeezed, dim)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        x = self.condense(self.squeeze(pad_to_multiple(x, self.stride)))
        rows = x.shape[-2]

        q, k, v = rearrange(self.channel_qkv(x), "b (qkv h c) y x -> qkv b h c (y x)", qkv=3, h=self.heads)
        x = _cosine_attention(q, k, v, self.channel_temperature)
        x = rearrange(x, "b h c (y x) -> b (h c) y x", y=rows)

        q, k, v = rearrange(self.spatial_qkv(x), "b (qkv h c) y x -> qkv b h (y x) c", qkv=3, h=self.heads)
        x = _cosine_attention(q, k, v, self.spatial_temperature)
        x = rearrange(x, "b h (y x) c -> b (h c) y x", y=rows)

        x = F.pixel_shuffle(self.expand(x), self.stride)
        return self.project(x[..., :height, :width])


def _cosine_attention(q: Tensor, k: Tensor, v: Tensor, temperature: Tensor) -> Tensor:
    """softmax(cosine similarity · temperature) · v over the second-last axis, the last being features."""
    logits = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT * temperature
    return logits.softmax(dim=-1).to(v.dtype) @ v
