"""Frames of an animation laid over each other, as GIF and animated PNG store them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pellucid.imaging.rows import rows_at_once


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A frame's place, timing, and how it meets the others.

    Attributes:
        left, top, width, height: on the canvas.
        duration: in milliseconds.
        after: what becomes of its place before the next one: nothing, transparency, or what was there before.
        blends: lets what lies below shine through; otherwise replaces it.
    """

    left: int
    top: int
    width: int
    height: int
    duration: float
    after: Literal["keep", "clear", "restore"]
    blends: bool

    @property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


def show_through(layers: Iterable[Layer], width: int, height: int) -> bool:
    """Whether places may be left that no layer covers, even if each is opaque."""
    layers = tuple(layers)
    first = layers[0]
    covered = (first.left, first.top) == (0, 0) and first.width >= width and first.height >= height
    return not covered or first.after == "restore" or any(layer.after == "clear" for layer in layers)


def laid_over(
    layers: Iterable[tuple[Layer, NDArray[Any], NDArray[Any] | None]], width: int, height: int
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Draw one layer after the other.

    Args:
        layers: each with its pixels (h, w, C) and alpha (h, w) of whole numbers; what juts out is cut off.
        width, height: of the canvas.

    Yields:
        Pixels and alpha of the whole, as it is seen with each layer.
    """
    canvas: NDArray[Any] | None = None
    for layer, pixels, alpha in layers:
        opaque = np.full(pixels.shape[:2], np.iinfo(pixels.dtype).max, pixels.dtype)
        fresh = np.dstack([pixels, opaque if alpha is None else alpha])
        if canvas is None:
            canvas = np.zeros((height, width, fresh.shape[2]), fresh.dtype)
        before = canvas.copy() if layer.after == "restore" else None
        target = canvas[layer.place]
        fresh = fresh[: target.shape[0], : target.shape[1]]
        for rows in rows_at_once(*target.shape[:2]):
            target[rows] = _over(fresh[rows], target[rows]) if layer.blends else fresh[rows]
        yield canvas[:, :, :-1].copy(), canvas[:, :, -1].copy()
        if layer.after == "clear":
            target[:] = 0
        elif before is not None:
            canvas = before


def _over(fresh: NDArray[Any], below: NDArray[Any]) -> NDArray[Any]:
    """Lay not premultiplied colours with alpha (last) over others."""
    top = float(np.iinfo(fresh.dtype).max)
    alpha, under = fresh[:, :, -1:] / top, below[:, :, -1:] / top
    together = alpha + under * (1 - alpha)
    share = np.divide(alpha, together, out=np.zeros_like(alpha), where=together > 0)
    colours = fresh[:, :, :-1] * share + below[:, :, :-1] * (1 - share)
    return np.rint(np.dstack([colours, together * top])).astype(fresh.dtype)
