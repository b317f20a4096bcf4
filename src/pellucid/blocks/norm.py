"""Layer normalisation over the channels of an image."""

import torch
from torch import Tensor, nn

from pellucid.kernels import layer_norm
from pellucid.kernels.layer_norm import reference

EPS = 1e-5


class LayerNorm(nn.Module):
    """Normalise each pixel over its channels, then scale and shift: (B, C, H, W) → (B, C, H, W).

    Restormer's code calls it ``WithBias``.
    """

    eps = EPS
    kernel = layer_norm

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        if self.kernel.applies(x):
            return self.kernel.normalise(x, self.weight, self.bias, self.eps)
        return reference.normalise(x, self.weight, self.bias, self.eps)


class BiasFreeLayerNorm(nn.Module):
    """Divide each pixel by the standard deviation of its channels: (B, C, H, W) → (B, C, H, W).

    The variance is taken around the mean, yet the mean stays in the numerator, so a pixel keeps its
    brightness: Restormer's choice for denoising (``BiasFree``).
    """

    eps = EPS
    bias = None
    kernel = layer_norm

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        if self.kernel.divides(x, self.weight):
            return self.kernel.divide(x, self.weight, self.eps)
        return reference.divide(x, self.weight, self.eps)


Norm = LayerNorm | BiasFreeLayerNorm
