"""Self-ensemble: the mean of what a network makes of a picture's eight symmetries (Timofte et al., CVPR 2016)."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.imaging import to_depth


def self_ensemble(restore: Callable[[NDArray[Any]], NDArray[Any]], pixels: NDArray[Any]) -> NDArray[Any]:
    """Restore (H, W, C) pixels in each of their flips and quarter turns, turn the results back, and take the mean.

    AST-B+ is AST-B tested so. It costs eight times as much.

    Args:
        restore: from float32 (H, W, C) to the same, neither clipped nor rounded, such as ``Restorer.restore_array``.
        pixels: integers, or floats around [0, 1].

    Returns:
        The mean, in the depth of ``pixels``: integers are rounded once, floats are not clipped.
    """
    floats = pixels if pixels.dtype.kind == "f" else to_depth(pixels, np.float32)
    mean = np.zeros((), np.float32)
    for turns, flip in product(range(4), (False, True)):
        mean = mean + _turned_back(restore(_turned(floats, turns, flip)), turns, flip) / 8
    return mean if pixels.dtype.kind == "f" else to_depth(mean, pixels.dtype)


def _turned(image: NDArray[Any], turns: int, flip: bool) -> NDArray[Any]:
    return np.ascontiguousarray(np.rot90(image[:, ::-1] if flip else image, turns))


def _turned_back(image: NDArray[Any], turns: int, flip: bool) -> NDArray[Any]:
    back = np.rot90(image, -turns)
    return back[:, ::-1] if flip else back
