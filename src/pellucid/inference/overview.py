"""What a network did to a small copy of a picture, done to the picture itself.

Haze is J = (I - A)/t + A, with a transmission t and an airlight A that hardly change from pixel to pixel: near each
place an affine function of the hazy picture, whatever its size. Drops on glass are the opposite: beside them nothing
changes, and what is behind them has nothing to do with what they show. Both need a look at the whole scene, small; then
each place's contrast is changed by as much as the network changed it, and its mean becomes what the network made of it.
No tile knows more than another, and detail that stays never passes through the network.

How contrast changed is the slope of the fast guided filter (He and Sun, "Fast Guided Filter", 2015), with the picture
as its own guide: near 1/t in haze, 1 beside drops and 0 in them.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from pellucid.imaging import to_float
from pellucid.imaging.rows import Rows, rows_at_once
from pellucid.inference.tiled import OnTile

RADIUS = 3  # pixels of the small copy: half the side of the windows in which the fit is made
TRUST = 1e-4  # variance of a window, (2.5 of 255)², from which on its own slope counts more than the picture's


def carry_over(
    pixels: Rows, before: NDArray[np.float32], after: NDArray[np.float32], on_tile: OnTile | None = None
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Strips of a picture (H, W, C), float32, with what was done to a small copy of it done to them.

    Args:
        pixels: the picture, of any depth.
        before, after: the small copy (h, w, C), untouched and restored.
        on_tile: called after each strip.

    Yields:
        The number of the first row, and the rows from there on.
    """
    slope = _local_slope(before, after)
    offset = after - slope * before  # shrunk again, the result is what the network gave
    height, width, _ = pixels.shape
    columns = _places(np.arange(width), width, slope.shape[1])
    for place in rows_at_once(height, width):
        strip = to_float(pixels[place])
        rows = _places(np.arange(place.start, place.stop), height, slope.shape[0])
        yield place.start, _enlarged(slope, rows, columns) * strip + _enlarged(offset, rows, columns)
        if on_tile:
            on_tile(strip.shape[0] * width)


def _local_slope(before: NDArray[np.float32], after: NDArray[np.float32]) -> NDArray[np.float32]:
    """By how much (h, w, C) contrast grew around each pixel: the slope of an affine fit of ``after`` to ``before``.

    A window without contrast says nothing: there it is the picture's as a whole.
    """
    x, y = (torch.from_numpy(image.astype(np.float64)).permute(2, 0, 1) for image in (before, after))
    x_mean, y_mean = _window_mean(x), _window_mean(y)
    variance = (_window_mean(x * x) - x_mean**2).clamp_min(0)
    covariance = _window_mean(x * y) - x_mean * y_mean
    x_all, y_all = (image - image.mean((1, 2), keepdim=True) for image in (x, y))
    overall = ((x_all * y_all).mean((1, 2)) + TRUST) / ((x_all**2).mean((1, 2)) + TRUST)
    slope = (covariance + TRUST * overall[:, None, None]) / (variance + TRUST)
    smooth: NDArray[np.float32] = _window_mean(slope).permute(1, 2, 0).float().numpy()
    return smooth


def _window_mean(image: Tensor) -> Tensor:
    return F.avg_pool2d(image[None], 2 * RADIUS + 1, 1, RADIUS, count_include_pad=False)[0]


def _places(positions: NDArray[Any], size: int, small: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """For each pixel along an axis, its two neighbours in the small copy, and how far it is from the first."""
    place = ((positions + 0.5) * small / size - 0.5).clip(0, small - 1)
    first = np.minimum(place.astype(int), max(small - 2, 0))
    return first, np.minimum(first + 1, small - 1), (place - first).astype(np.float32)


def _enlarged(small: NDArray[Any], rows: tuple[Any, ...], columns: tuple[Any, ...]) -> NDArray[np.float32]:
    """A map (h, w, C) at the places of a strip, bilinearly."""
    above, below, down = rows
    left, right, across = columns
    lines = small[above] + (small[below] - small[above]) * down[:, None, None]
    enlarged: NDArray[np.float32] = lines[:, left] + (lines[:, right] - lines[:, left]) * across[None, :, None]
    return enlarged
