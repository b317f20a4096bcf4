"""A scene bent by water: looked at through the slope of a map of water heights."""

import torch
from torch import Tensor
from torch.nn import functional as F


def slope(water: Tensor) -> Tensor:
    """Slope (B, 2, H, W) of the water in x and y, by central differences; at most 1."""
    padded = F.pad(water, (1, 1, 1, 1), mode="replicate")
    along_x = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    along_y = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    return (torch.cat((along_x, along_y), 1) / 2).clamp(-1, 1)


def displaced(image: Tensor, offset: Tensor) -> Tensor:
    """The image (B, C, h, w), looked up ``offset`` (B, 2, H, W) pixels in x and y away, mirrored beyond the border.

    The image may be smaller than the offsets: it is then stretched over their H and W.
    """
    height, width = offset.shape[2:]
    x = (2 * torch.arange(width, device=image.device) + 1 + 2 * offset[:, 0]) / width - 1
    y = (2 * torch.arange(height, device=image.device)[:, None] + 1 + 2 * offset[:, 1]) / height - 1
    grid = torch.stack((x, y), 3).to(image.dtype)
    return F.grid_sample(image, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
