"""What an EXIF orientation does to pixels and to places among them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def turned(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Undo an orientation of an (H, W) or (H, W, C) array."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return np.ascontiguousarray(array)


def turned_point(x: float, y: float, orientation: int, size: tuple[float, float] = (1, 1)) -> tuple[float, float]:
    """Where a place lies once an orientation is undone; ``size`` is the width and height as stored."""
    width, height = size
    if orientation in (5, 6, 7, 8):
        x, y, width, height = y, x, height, width
    if orientation in (2, 3, 6, 7):
        x = width - x
    if orientation in (3, 4, 7, 8):
        y = height - y
    return x, y
