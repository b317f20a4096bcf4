"""Changing an image's size: padding to a multiple, and the learned ways down and up a U-Net."""

from functools import lru_cache

import torch
from torch import Tensor, nn

from pellucid.blocks.convolution import Convolution
from pellucid.kernels.convolution import products, upsample


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Grow (B, C, H, W) at the bottom and right, by reflection, until ``multiple`` divides H and W.

    Any H, W ≥ 1: where the padding exceeds the image, the reflection bounces back and forth, and a
    single row or column is repeated.
    """
    height, width = x.shape[-2:]
    if torch.compiler.is_exporting():  # sizes are symbols, which nothing may branch on and no cache may hold
        x = x.index_select(-2, _reflect(height, multiple, x.device))
        return x.index_select(-1, _reflect(width, multiple, x.device))
    if height % multiple:
        x = x.index_select(-2, _reflected_indices(height, multiple, x.device))
    if width % multiple:
        x = x.index_select(-1, _reflected_indices(width, multiple, x.device))
    return x


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # a cached inference tensor could not be used in training later
def _reflected_indices(size: int, multiple: int, device: torch.device) -> Tensor:
    return _reflect(size, multiple, device)


def _reflect(size: int, multiple: int, device: torch.device) -> Tensor:
    """Where to read each row of the padded image; a period of 1 reads one row again and again."""
    padded = (size + multiple - 1) // multiple * multiple  # ONNX rounds quotients towards 0, Python down
    period = torch.full((), 2 * (size - 1), device=device).clamp(min=1)
    phase = torch.arange(padded, device=device) % period
    return torch.minimum(phase, period - phase)


class Upsample(nn.ConvTranspose2d):
    """Double H and W by a 2×2 transposed convolution, and put what the encoder kept beside it: AST's way up.

    (B, C, H, W) and (B, S, 2H, 2W) → (B, D + S, 2H, 2W).
    """

    def __init__(self, dim: int, out_dim: int) -> None:
        super().__init__(dim, out_dim, 2, stride=2)

    def forward(self, input: Tensor, skip: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        if self.bias is not None and products.applies(input, self):
            return upsample.join(input, skip, self.weight, self.bias)
        return torch.cat([super().forward(input), skip], dim=1)


def shuffle_downsample(dim: int) -> nn.Sequential:
    """Halve H and W, double the channels: 3×3 convolution to dim/2, then pixel-unshuffle (Restormer §3)."""
    return nn.Sequential(Convolution(dim, dim // 2, 3, padding=1, bias=False), nn.PixelUnshuffle(2))


def shuffle_upsample(dim: int) -> nn.Sequential:
    """Double H and W, halve the channels: 3×3 convolution to 2·dim, then pixel-shuffle (Restormer §3)."""
    return nn.Sequential(Convolution(dim, 2 * dim, 3, padding=1, bias=False), nn.PixelShuffle(2))
