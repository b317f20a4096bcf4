"""Frames of an animation laid over each other as browsers do, for GIF, WebP and animated PNG."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import ImageError
from pellucid.imaging.carried import Carried, orientation_of
from pellucid.imaging.limits import refuse_huge
from pellucid.imaging.picture import Frame, Picture, Timing
from pellucid.imaging.rows import Rows, rows_at_once
from pellucid.imaging.source import Source
from pellucid.imaging.turning import turned


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


def animated(
    source: Source,
    carried: Carried,
    size: tuple[int, int],
    layers: Sequence[Layer],
    decode: Callable[[], Iterable[Rows]],
    *,
    plays: int = 1,
    transparent: bool,
) -> Picture:
    """The picture that layers make; in memory are the canvas and the frame that is asked for.

    Args:
        source: their file.
        carried: what each frame has beside it, as the file has it.
        size: width and height of the canvas.
        layers: in order.
        decode: gives the samples of one after the other, anew each time; what juts out of the canvas is cut off.
        plays: how often all are shown; 0 is for ever.
        transparent: a layer may be seen through, or taken away.

    Raises:
        ImageError: There is none, or the canvas or a layer is too large.
    """
    if not layers or 0 in size:
        raise ImageError("is damaged or cut short (no picture)")
    for width, height in (size, *((layer.width, layer.height) for layer in layers)):
        refuse_huge(width, height, source.max_pixels)
    orientation = orientation_of(carried.exif, carried.xmp)
    fields = vars(carried.upright(orientation, size))
    transparent = transparent or _show_through(layers, *size)

    def frames() -> Iterator[Frame]:
        for canvas in _laid_over(zip(layers, decode(), strict=True), *size):
            samples = turned(canvas if transparent else canvas[:, :, :-1], orientation)
            yield Frame(samples=samples.copy() if np.may_share_memory(samples, canvas) else samples, **fields)

    return Picture(
        format=carried.format,
        count=len(layers),
        size=size if orientation >= 5 else (size[1], size[0]),
        timing=Timing(durations=tuple(layer.duration for layer in layers), plays=plays) if len(layers) > 1 else None,
        path=source.path if orientation == 1 else None,
        decode=frames,
    )


def _show_through(layers: Sequence[Layer], width: int, height: int) -> bool:
    """Whether places may be left that no layer covers, even if each is opaque."""
    first = layers[0]
    covered = (first.left, first.top) == (0, 0) and first.width >= width and first.height >= height
    vanish = any(layer.after == "clear" for layer in layers[:-1]) or first.after == "restore"
    return not covered or (vanish and len(layers) > 1)


def _laid_over(layers: Iterable[tuple[Layer, Rows]], width: int, height: int) -> Iterator[NDArray[Any]]:
    """Draw one layer after the other, and give the canvas (H, W, bands), alpha last, as it is seen with each."""
    canvas: NDArray[Any] | None = None
    for layer, samples in layers:
        has_alpha = samples.shape[2] in (2, 4)
        if canvas is None:
            canvas = np.zeros((height, width, samples.shape[2] + (not has_alpha)), samples.dtype)
        target = canvas[layer.place]
        before = target.copy() if layer.after == "restore" else None
        for rows in rows_at_once(*target.shape[:2]):
            fresh = samples[rows, : target.shape[1]]
            if not has_alpha:
                target[rows, :, :-1], target[rows, :, -1] = fresh, np.iinfo(fresh.dtype).max
            else:
                target[rows] = _over(fresh, target[rows]) if layer.blends else fresh
        yield canvas
        if layer.after == "clear":
            target[:] = 0
        elif before is not None:
            target[:] = before


def _over(fresh: NDArray[Any], below: NDArray[Any]) -> NDArray[Any]:
    """Lay not premultiplied colours with alpha (last) over others."""
    top = np.float32(np.iinfo(fresh.dtype).max)
    alpha, under = fresh[:, :, -1:] / top, below[:, :, -1:] / top
    if ((alpha == 0) | (alpha == 1)).all():
        return np.where(alpha > 0, fresh, below)
    together = alpha + under * (1 - alpha)
    share = np.divide(alpha, together, out=np.zeros_like(alpha), where=together > 0)
    colours = fresh[:, :, :-1] * share + below[:, :, :-1] * (1 - share)
    return np.rint(np.dstack([colours, together * top])).astype(fresh.dtype)
