"""What ``nn.Conv2d``, which specifies the rest, does not do, by PyTorch's operators."""

import torch
from einops import rearrange
from torch import Tensor


def add_product(x: Tensor, matrix: Tensor, y: Tensor) -> Tensor:
    """X + matrix·y at every pixel: (B, D, H, W), (B, D, C) and (B, C, H, W) → (B, D, H, W)."""
    pixels = "b c y x -> b (y x) c"
    added = torch.baddbmm(rearrange(x, pixels), rearrange(y, pixels), matrix.mT)
    return rearrange(added, "b (y x) c -> b c y x", y=y.shape[-2])
