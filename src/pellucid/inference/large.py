"""Pictures too large for memory: read, restored and written a few rows at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.imaging import Encoding, to_depth
from pellucid.imaging.strips import Strips, write_strips
from pellucid.inference.guard import Watch
from pellucid.inference.restorer import OnTile, Restorer


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

    As ``Restorer.restore`` does it, but that colours below full transparency are seen as they are.

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
    write_strips(strips.photo, _restored(restorer, strips, on_tile, watch), target, quality=quality)


@dataclass(frozen=True)
class _Encoded:
    """A picture on disk as networks are to see it."""

    strips: Strips
    encoding: Encoding
    dtype = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.strips.shape

    def __getitem__(self, place: slice | tuple[slice, slice]) -> NDArray[Any]:
        return self.encoding.to_working(self.strips[place])


def _restored(restorer: Restorer, strips: Strips, on_tile: OnTile | None, watch: Watch) -> Iterator[NDArray[Any]]:
    encoding = Encoding.of(strips.photo.icc, strips.photo.channels)
    seen = strips if encoding is None else _Encoded(strips, encoding)
    share = restorer.judge(seen, watch)
    if not share:
        yield from _untouched(strips, on_tile)
        return
    for top, rows in restorer.restore_rows(seen, share=share, on_tile=on_tile, watch=watch):
        place = slice(top, top + len(rows))
        if encoding is not None:
            source = strips[place]
            same = rows == encoding.to_working(source)
            rows = np.where(same, source, to_depth(encoding.from_working(rows), source.dtype))
        yield _with_alpha(rows, strips, place)


def _untouched(strips: Strips, on_tile: OnTile | None) -> Iterator[NDArray[Any]]:
    height = 256
    for top in range(0, len(strips), height):
        place = slice(top, top + height)
        rows = strips[place]
        yield _with_alpha(rows, strips, place)
        if on_tile:
            on_tile(rows.shape[0] * rows.shape[1])


def _with_alpha(rows: NDArray[Any], strips: Strips, place: slice) -> NDArray[Any]:
    alpha = strips.alpha(place)
    return rows if alpha is None else np.dstack([rows, alpha])
