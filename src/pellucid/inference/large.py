"""Pictures too large for memory: read, restored and written a few rows at a time."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.imaging import to_float
from pellucid.imaging.strips import Strips, write_strips
from pellucid.inference.guard import Watch
from pellucid.inference.restorer import OnTile, Restorer


class _TakenForClean(Exception):
    """The result hardly differs from the picture, which is to be kept instead."""


def restore_strips(
    restorer: Restorer,
    strips: Strips,
    target: Path,
    *,
    quality: int | None = None,
    on_tile: OnTile | None = None,
    watch: Watch | None = None,
) -> None:
    """Restore a picture on disk to another file, with memory for a few rows of tiles only.

    Args:
        restorer: does the work, as ``Restorer.restore`` would.
        strips: the picture.
        target: where the result goes, as JPEG, PNG or TIFF.
        quality: as for ``write_photo``.
        on_tile, watch: as for ``Restorer.restore``.

    Raises:
        ImageError, RestoreError: as ``write_strips`` and ``Restorer.restore``; there is no new file then.
    """
    watch = watch or Watch()
    try:
        write_strips(strips.photo, _restored(restorer, strips, on_tile, watch), target, quality=quality)
    except _TakenForClean:
        watch.taken_for_clean = True
        write_strips(strips.photo, _untouched(strips), target, quality=quality)


def _restored(restorer: Restorer, strips: Strips, on_tile: OnTile | None, watch: Watch) -> Iterator[NDArray[Any]]:
    squares = 0.0
    for top, rows in restorer.restore_rows(strips, on_tile=on_tile, watch=watch):
        place = slice(top, top + len(rows))
        squares += float(np.square(to_float(rows) - to_float(strips[place])).sum(dtype=np.float64))
        yield _with_alpha(rows, strips, place)
    above = restorer.clean_above
    if above is not None and squares <= math.prod(strips.shape) * 10 ** (-above / 10):
        raise _TakenForClean


def _untouched(strips: Strips) -> Iterator[NDArray[Any]]:
    height = 256
    for top in range(0, len(strips), height):
        place = slice(top, top + height)
        yield _with_alpha(strips[place], strips, place)


def _with_alpha(rows: NDArray[Any], strips: Strips, place: slice) -> NDArray[Any]:
    alpha = strips.alpha(place)
    return rows if alpha is None else np.dstack([rows, alpha])
