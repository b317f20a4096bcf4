"""What lies below full transparency: often garbage, which a network would carry over the edge of what is seen.

For it to look at, colours of nearby visible pixels stand there: each hidden pixel's is the mean of what is visible in
the smallest square around it that holds anything visible, of squares whose sides are powers of two.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.imaging.color import to_depth, to_float

_LEVELS = 3
CELL = 2**_LEVELS
"""Parts of a picture that are filled by themselves begin at multiples of it."""


def means_of_cells(strips: Iterable[tuple[NDArray[Any], NDArray[np.bool_]]]) -> NDArray[np.float32] | None:
    """What is visible in each cell of a picture, or near it where nothing is: what ``fill`` takes for larger holes.

    Args:
        strips: pixels (h, W, C) of any depth, and which of them are visible (h, W), from top to bottom; all but the
            last of a multiple of CELL rows.

    Returns:
        (ceil(H / CELL), ceil(W / CELL), C); None where there is nothing to fill or to fill with.
    """
    parts: list[tuple[NDArray[Any], NDArray[np.bool_]]] = []
    anything_hidden = False
    for pixels, visible in strips:
        anything_hidden |= not visible.all()
        values = to_float(pixels)
        for _ in range(_LEVELS):
            values, visible = _halved(values, visible)
        parts.append((values, visible))
    means, known = (np.concatenate(each) for each in zip(*parts, strict=True))
    return _filled(means, known) if anything_hidden and known.any() else None


def fill(pixels: NDArray[Any], visible: NDArray[np.bool_], means: NDArray[np.float32]) -> NDArray[Any]:
    """Put nearby colours in place of hidden ones.

    Args:
        pixels: (h, w, C), a part of a picture that begins at a cell's corner and ends at one or at the picture's edge.
        visible: (h, w).
        means: of the part's cells.
    """
    if visible.all():
        return pixels
    near = _doubled(_filled(*_halved(to_float(pixels), visible), means, _LEVELS - 1), visible.shape)
    return np.where(visible[:, :, None], pixels, to_depth(near, pixels.dtype))


def _filled(
    values: NDArray[Any], known: NDArray[np.bool_], means: NDArray[Any] | None = None, levels: int = 0
) -> NDArray[Any]:
    """Fill what is not known from the picture at half the size, and so on; so many times halved, it may be given."""
    if known.all():
        return values
    half = means if means is not None and levels == 1 else _filled(*_halved(values, known), means, levels - 1)
    return np.where(known[:, :, None], values, _doubled(half, known.shape))


def _halved(values: NDArray[Any], known: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Half the size: the mean of what is known of every square of two by two, and where that is anything."""
    height, width = known.shape
    odd = ((0, height % 2), (0, width % 2))
    counts = _squares(np.pad(known, odd)[:, :, None].astype(np.float32))
    sums = _squares(np.pad(np.where(known[:, :, None], values, 0), (*odd, (0, 0))))
    return sums / np.maximum(counts, 1), counts[:, :, 0] > 0


def _squares(values: NDArray[Any]) -> NDArray[Any]:
    """Sums over squares of two by two, always in the same order: parts of a picture give what the whole gives."""
    return values[::2, ::2] + values[::2, 1::2] + values[1::2, ::2] + values[1::2, 1::2]


def _doubled(half: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Every pixel as a square of two by two, cut to a height and width."""
    return half.repeat(2, 0).repeat(2, 1)[: shape[0], : shape[1]]
