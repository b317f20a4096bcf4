"""What lies below full transparency: often garbage, which a network would carry over the edge of what is seen."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.imaging.color import to_depth, to_float


def fill_transparent(pixels: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    """Put colours of nearby visible pixels in place of those below full transparency, for a network to look at.

    Whoever restores the result puts the original colours back where alpha is 0: nobody sees them, but they are
    part of the file.

    Args:
        pixels: (H, W, C).
        alpha: (H, W); 0 is fully transparent.

    Returns:
        The same array where there is nothing to fill or to fill with, otherwise a copy.
    """
    visible = alpha > 0
    if visible.all() or not visible.any():
        return pixels
    filled = _filled(to_float(pixels), visible)
    return np.where(visible[:, :, None], pixels, to_depth(filled, pixels.dtype))


def _filled(values: NDArray[Any], known: NDArray[np.bool_]) -> NDArray[Any]:
    """Fill what is not known from the picture at half the size, where every square has the mean of what is known."""
    if known.all():
        return values
    height, width = known.shape
    odd = ((0, height % 2), (0, width % 2))
    weights = _squares(np.pad(known, odd)[:, :, None].astype(np.float32))
    sums = _squares(np.pad(np.where(known[:, :, None], values, 0), (*odd, (0, 0))))
    half = _filled(sums / np.maximum(weights, 1), weights[:, :, 0] > 0)
    return np.where(known[:, :, None], values, half.repeat(2, 0).repeat(2, 1)[:height, :width])


def _squares(values: NDArray[Any]) -> NDArray[Any]:
    """Sums over squares of two by two."""
    height, width, channels = values.shape
    return values.reshape(height // 2, 2, width // 2, 2, channels).sum((1, 3))
