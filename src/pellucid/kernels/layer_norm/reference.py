"""Layer normalisation over channels by PyTorch's operators: (B, C, H, W) and weights (C,) → (B, C, H, W)."""

import torch
from torch import Tensor
from torch.nn import functional as F


def normalise(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """(x - mean) / √(variance + eps) · weight + bias, over the channels of each pixel; eps keeps flat ones finite."""
    x = x.permute(0, 2, 3, 1)  # (B, H, W, C): a view when channels-last
    return F.layer_norm(x, weight.shape, weight, bias, eps).permute(0, 3, 1, 2)


def divide(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """X / √(variance + eps) · weight: the variance is around the mean, which stays in x."""
    variance = x.var(dim=1, keepdim=True, unbiased=False)
    return x * torch.rsqrt(variance + eps) * weight[:, None, None]
