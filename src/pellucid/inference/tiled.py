"""A picture of any size through a network: in rows of tiles, whose changes are blended where they overlap."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pellucid.imaging import to_float
from pellucid.imaging.rows import Rows, rows_at_once
from pellucid.inference.guard import Box
from pellucid.inference.tiling import Axis, Span, cover

OnTile = Callable[[int], None]
"""Is told how many pixels are finished."""
RestoreTiles = Callable[[NDArray[Any], list[Box]], Iterable[Tensor]]
"""From tiles (N, H, W, C) of any depth, and where they lie, to restored ones (H, W, C), float32 on the CPU."""


def bands(
    pixels: Rows,
    restore: RestoreTiles,
    *,
    tile: int,
    overlap: int,
    stride: int,
    alignment: int,
    channels: int,
    batch: int = 1,
    share: float = 1.0,
    on_tile: OnTile | None = None,
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Rows of the result as they are finished, top to bottom, as float32.

    Only one row of tiles is ever held as floats, so memory hardly grows with the image. Changes are blended and not
    results: where nothing changes, floats come back bit by bit.

    Args:
        pixels: (H, W, C).
        restore: does so with some tiles of one row, as many as ``batch`` and equally large.
        tile: their longest side.
        overlap: of neighbours, in pixels; at most a third of a tile is used.
        stride, alignment: of the network: tiles begin at multiples of the one or, where they can, of the other.
        channels: of the result.
        batch: the most tiles at once.
        share: how much of the changes to make; results of other channels are taken as they are.
        on_tile: called after each tile.

    Yields:
        The number of the first row, and the rows from there on, (h, W, channels).
    """
    overlap = min(overlap, tile // 3 // stride * stride)
    align = alignment if tile >= alignment + overlap else stride
    rows, columns = (cover(size, tile=tile, overlap=overlap, align=align) for size in pixels.shape[:2])
    width, blends_changes = pixels.shape[1], channels == pixels.shape[2]
    carried = np.zeros((0, width, channels), np.float32)  # what the next row of tiles still adds to
    for row, ((top, bottom), row_weight) in enumerate(zip(rows.spans, rows.weights, strict=True)):
        band = np.zeros((bottom - top, width, channels), np.float32)
        band[: len(carried)] = carried
        for group in _equally_long(columns.spans, batch):
            tiles = np.stack([pixels[top:bottom, slice(*columns.spans[i])] for i in group])
            results = restore(tiles, [(columns.spans[i][0], top, columns.spans[i][1], bottom) for i in group])
            for i, before, restored in zip(group, tiles, results, strict=True):
                weight = row_weight[:, None, None] * columns.weights[i][None, :, None]
                change = share * (restored.numpy() - to_float(before)) if blends_changes else restored.numpy()
                band[:, slice(*columns.spans[i])] += change * weight.numpy()
                if on_tile:
                    on_tile(_new_pixels(rows, row) * _new_pixels(columns, i))
        finished = rows.spans[row + 1][0] - top if row + 1 < len(rows.spans) else len(band)
        for rows_done in rows_at_once(finished, width):
            place, done = top + rows_done.start, band[rows_done]
            yield place, done + to_float(pixels[place : place + len(done)]) if blends_changes else done
        carried = band[finished:]


def _equally_long(spans: tuple[Span, ...], most: int) -> Iterator[list[int]]:
    """Indices of neighbouring spans of equal length, in groups of at most ``most``."""
    for _, run in groupby(range(len(spans)), key=lambda i: spans[i][1] - spans[i][0]):
        while group := list(islice(run, most)):
            yield group


def _new_pixels(axis: Axis, index: int) -> int:
    """How many positions along an axis no later span will touch once this one is done."""
    start, stop = axis.spans[index]
    return (axis.spans[index + 1][0] if index + 1 < len(axis.spans) else stop) - start
