"""What lies below full transparency: often garbage, which a network would carry over the edge of what is seen."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.imaging.color import to_depth, to_float
from pellucid.imaging.rows import rows_at_once


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
    strips = list(rows_at_once(*alpha.shape))
    halves = [_halved(to_float(pixels[strip]), visible[strip]) for strip in strips]
    half = _filled(*(np.concatenate(parts) for parts in zip(*halves, strict=True)))
    filled = pixels.copy()
    for strip in strips:
        hidden = ~visible[strip]
        near = _doubled(half[strip.start // 2 : -(-strip.stop // 2)], hidden.shape)
        filled[strip][hidden] = to_depth(near[hidden], pixels.dtype)
    return filled


def _filled(values: NDArray[Any], known: NDArray[np.bool_]) -> NDArray[Any]:
    """Fill what is not known from the picture at half the size."""
    if known.all():
        return values
    half = _filled(*_halved(values, known))
    return np.where(known[:, :, None], values, _doubled(half, known.shape))


def _halved(values: NDArray[Any], known: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Half the size: the mean of what is known of every square of two by two, and where that is anything."""
    height, width = known.shape
    odd = ((0, height % 2), (0, width % 2))
    counts = _squares(np.pad(known, odd)[:, :, None].astype(np.float32))
    sums = _squares(np.pad(np.where(known[:, :, None], values, 0), (*odd, (0, 0))))
    return sums / np.maximum(counts, 1), counts[:, :, 0] > 0


def _squares(values: NDArray[Any]) -> NDArray[Any]:
    """Sums over squares of two by two."""
    height, width, channels = values.shape
    return values.reshape(height // 2, 2, width // 2, 2, channels).sum((1, 3))


def _doubled(half: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Every pixel as a square of two by two, cut to a height and width."""
    return half.repeat(2, 0).repeat(2, 1)[: shape[0], : shape[1]]
