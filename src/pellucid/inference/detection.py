"""How much of what a network would change in a picture is to be changed: where to look, and the verdict."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from pellucid.imaging import shrink
from pellucid.imaging.rows import Rows
from pellucid.inference.guard import TileWatch
from pellucid.inference.runner import Runner
from pellucid.models.detector import Detector

VIEWS, VIEW = 6, 256  # how many, and of how many pixels a side, a picture is judged by
GOLDEN_RATIO = (5**0.5 - 1) / 2  # its multiples, modulo 1, are spread evenly


def judge(
    pictures: Iterable[Rows], runner: Runner, detector: Detector | None, working_side: int | None, watch: TileWatch
) -> float:
    """``Detector.share`` of pictures (H, W, C), one for all, of which the watch is told; 1 without a detector.

    Raises:
        RestoreError: a picture of other channels than the network takes.
    """
    features: list[Tensor] = []
    for pixels in pictures:
        runner.channels_out(pixels.shape[2])  # refuses what does not fit
        if detector is None:
            return 1.0
        features += [runner.features(view) for view in views(pixels, working_side)]
    assert detector is not None
    share = detector.share(detector.evidence(torch.cat(features)))
    watch.judge(share)
    return share


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
