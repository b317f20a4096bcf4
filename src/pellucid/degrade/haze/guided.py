"""The fast guided filter: a coarse field takes on the edges of a picture."""

import torch.nn.functional as F
from torch import Tensor

_RADIUS = 3  # of the window, in pixels of the coarse field


def guided(field: Tensor, image: Tensor, *, epsilon: float = 2e-3) -> Tensor:
    """Enlarge a field so that its steps follow the edges of a picture (He et al. 2010; He & Sun 2015).

    Args:
        field: (B, 1, h, w) in [0, 1], a reduced copy of what belongs to the picture.
        image: (B, C, H, W) in [0, 1].
        epsilon: variance of the picture's grey that counts as an edge.

    Returns:
        (B, 1, H, W) float32 in [0, 1].
    """
    guide = image.float().mean(1, keepdim=True)
    g = F.interpolate(guide, field.shape[2:], mode="area")
    g_mean, f_mean = _box(g), _box(field)
    slope = (_box(g * field) - g_mean * f_mean) / (_box(g * g) - g_mean**2 + epsilon)
    offset = f_mean - slope * g_mean
    slope, offset = (F.interpolate(_box(a), guide.shape[2:], mode="bilinear") for a in (slope, offset))
    return (slope * guide + offset).clamp(0, 1)


def reduced(values: Tensor, side: int) -> Tensor:
    """Shrink (B, C, H, W) by area to this many pixels on the longer side; what is smaller stays."""
    height, width = values.shape[2:]
    shrink = max(1.0, max(height, width) / side)
    return F.interpolate(values, (max(1, round(height / shrink)), max(1, round(width / shrink))), mode="area")


def _box(values: Tensor) -> Tensor:
    return F.avg_pool2d(values, 2 * _RADIUS + 1, 1, _RADIUS, count_include_pad=False)
