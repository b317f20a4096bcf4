"""Smaller pictures, by averaging areas: nothing aliases, and only a few rows at a time are held as floats."""

from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from pellucid.imaging.color import to_float
from pellucid.imaging.rows import Rows


def shrunk_size(height: int, width: int, longest: int) -> tuple[int, int]:
    """(height, width) of a picture whose longer side is brought down to ``longest``; smaller ones stay as they are."""
    ratio = min(1.0, longest / max(height, width))
    return max(1, round(height * ratio)), max(1, round(width * ratio))


def shrink(pixels: Rows, longest: int) -> NDArray[np.float32]:
    """A picture (H, W, C) of any depth as float32, integers in [0, 1], its longer side at most ``longest``.

    Each pixel is the mean over the area it covers.
    """
    height, width = pixels.shape[:2]
    small_height, small_width = shrunk_size(height, width, longest)
    small = np.empty((small_height, small_width, pixels.shape[2]), np.float32)
    edges = np.linspace(0, width, small_width + 1)
    for row in range(small_height):
        top, bottom = row * height / small_height, (row + 1) * height / small_height
        rows = np.arange(floor(top), min(ceil(bottom), height))
        shares = np.minimum(rows + 1, bottom) - np.maximum(rows, top)
        band = to_float(pixels[rows[0] : rows[-1] + 1])
        small[row] = _mean_between(edges, np.tensordot(shares / shares.sum(), band, 1))
    return small


def _mean_between(edges: NDArray[np.float64], line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of a line (W, C) over [edges[i], edges[i + 1])."""
    integral = np.concatenate([np.zeros((1, line.shape[1])), line.cumsum(0)])
    places = np.arange(len(integral))
    at_edges = np.stack([np.interp(edges, places, channel) for channel in integral.T], axis=1)
    return np.diff(at_edges, axis=0) / np.diff(edges)[:, None]
