"""Where to look at a picture to judge whether there is anything to mend."""

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from pellucid.imaging import shrink
from pellucid.imaging.rows import Rows

VIEWS, VIEW = 6, 256  # how many, and of how many pixels a side, a picture is judged by
GOLDEN_RATIO = (5**0.5 - 1) / 2  # its multiples, modulo 1, are spread evenly


def views(pixels: Rows, working_side: int | None) -> Iterator[NDArray[Any]]:
    """What a picture is judged by: the small copy that the network works on, or a few parts, from top to bottom."""
    if working_side:
        yield shrink(pixels, working_side)
    else:
        yield from (pixels[box] for box in view_boxes(*pixels.shape[:2]))


def view_boxes(height: int, width: int) -> list[tuple[slice, slice]]:
    """Where to look to judge a picture of this size: rows and columns, from top to bottom, scattered over its width."""
    tall, wide = max(height - VIEW, 0), max(width - VIEW, 0)
    places = {(round(tall * (i + 0.5) / VIEWS), round(wide * ((0.5 + i * GOLDEN_RATIO) % 1))) for i in range(VIEWS)}
    return [(slice(top, top + VIEW), slice(left, left + VIEW)) for top, left in sorted(places)]
