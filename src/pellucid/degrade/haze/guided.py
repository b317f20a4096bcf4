"""Coarse fields that take on the edges of a picture."""

import torch
import torch.nn.functional as F
from torch import Tensor

_RADIUS = 3  # of the window, in pixels of the coarse field
_EPSILON = 2e-3  # variance of grey that counts as an edge
_CROSS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
_LEAST = 1e-3  # weight of what is unlike, which decides where nothing is alike


def guided(field: Tensor, image: Tensor) -> Tensor:
    """Enlarge a field by the fast guided filter: its steps follow the edges of a picture (He & Sun 2015).

    Args:
        field: (B, 1, h, w) in [0, 1], a reduced copy of what belongs to the picture.
        image: (B, C, H, W) in [0, 1].

    Returns:
        (B, 1, H, W) float32 in [0, 1].
    """
    guide = image.float().mean(1, keepdim=True)
    g = F.interpolate(guide, field.shape[2:], mode="area")
    g_mean, f_mean = _box(g), _box(field)
    slope = (_box(g * field) - g_mean * f_mean) / (_box(g * g) - g_mean**2 + _EPSILON)
    offset = f_mean - slope * g_mean
    slope, offset = (F.interpolate(_box(a), guide.shape[2:], mode="bilinear") for a in (slope, offset))
    return (slope * guide + offset).clamp(0, 1)


def joint_bilateral(field: Tensor, image: Tensor, *, sigma: float) -> Tensor:
    """Enlarge a field with steps where the picture has edges, and without its texture (Kopf et al. 2007).

    Each pixel takes a mean over the field's nearest values, of those most whose grey is like its own.

    Args:
        field: (B, 1, h, w), a reduced copy of what belongs to the picture.
        image: (B, C, H, W) in [0, 1].
        sigma: difference of grey at which a value counts for less.

    Returns:
        (B, 1, H, W) float32, within the field's range.
    """
    guide = image.float().mean(1, keepdim=True)
    both = torch.cat([F.interpolate(guide, field.shape[2:], mode="area"), field], 1)
    both = F.pad(both, (1, 1, 1, 1), mode="replicate")
    total, weights = torch.zeros_like(guide), torch.zeros_like(guide)
    height, width = field.shape[2:]
    for down, across in _CROSS:
        shifted = both[:, :, 1 + down : 1 + down + height, 1 + across : 1 + across + width]
        grey, value = F.interpolate(shifted, guide.shape[2:], mode="bilinear").split(1, 1)
        weight = (-((grey - guide) ** 2) / (2 * sigma**2)).exp() + _LEAST
        total, weights = total + weight * value, weights + weight
    return total / weights


def reduced(values: Tensor, side: int) -> Tensor:
    """Shrink (B, C, H, W) by area to this many pixels on the longer side; what is smaller stays."""
    height, width = values.shape[2:]
    shrink = max(1.0, max(height, width) / side)
    return F.interpolate(values, (max(1, round(height / shrink)), max(1, round(width / shrink))), mode="area")


def _box(values: Tensor) -> Tensor:
    return F.avg_pool2d(values, 2 * _RADIUS + 1, 1, _RADIUS, count_include_pad=False)
