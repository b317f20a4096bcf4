"""Pictures a few rows at a time, where whole ones would take too much memory."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

LARGE = 64_000_000
"""Pixels above which a picture is not held whole."""
PIXELS_AT_ONCE = 2**18  # as wide as pictures may be, few of them: in floats of three channels, 3 MiB
MOST_ROWS = 256


def rows_at_once(height: int, width: int) -> Iterator[slice]:
    """Spans of rows, top to bottom, of few enough pixels to be held as floats, each from a multiple of 8 on."""
    step = min(max(PIXELS_AT_ONCE // max(width, 1) // 8 * 8, 8), MOST_ROWS)
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))


class Rows(Protocol):
    """Samples (H, W, bands): an array, or what makes them as they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, bands)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the samples."""
        ...

    def __getitem__(self, place: slice | tuple[slice, slice], /) -> NDArray[Any]:
        """Some rows, or some columns of them."""
        ...


class Streamed:
    """Rows that come one after the other, of a decoder or a network; those above the ones asked for are forgotten.

    It stands where an array does, as long as rows are asked for from top to bottom; going back begins anew.
    """

    def __init__(
        self, shape: tuple[int, int, int], dtype: np.dtype[Any], start: Callable[[], Iterator[NDArray[Any]]]
    ) -> None:
        """Take what gives all rows, in pieces (h, W, bands) of any height, each time it is called."""
        self.shape = shape
        self.dtype = dtype
        self._start = start
        self._begin()

    def within(self, context: Callable[[], AbstractContextManager[None]]) -> "Streamed":
        """The same rows, made in a context, such as one that names what goes wrong."""

        def start() -> Iterator[NDArray[Any]]:
            with context():
                yield from self._start()

        return Streamed(self.shape, self.dtype, start)

    def _begin(self) -> None:
        self._coming = self._start()
        self._top = 0
        self._held = np.empty((0, *self.shape[1:]), self.dtype)

    def __getitem__(self, place: slice | tuple[slice, slice]) -> NDArray[Any]:
        rows, columns = place if isinstance(place, tuple) else (place, slice(None))
        top, bottom, _ = rows.indices(self.shape[0])
        if top < self._top:
            self._begin()
        pieces, end = [self._held], self._top + len(self._held)
        while end < bottom:
            piece = next(self._coming)
            end += len(piece)
            pieces = [*pieces, piece] if end > top else []
        if end >= self.shape[0]:
            next(self._coming, None)  # whoever makes them may have something to say in the end
        held = np.concatenate(pieces) if len(pieces) > 1 else pieces[0] if pieces else self._held
        self._held = held[top - end :] if end > top else held[:0]
        self._top = top
        return self._held[: bottom - top, columns]


class Beside:
    """Pixels (H, W, C) and alpha (H, W) of the same depth as one: (H, W, C + 1)."""

    def __init__(self, pixels: NDArray[Any], alpha: NDArray[Any]) -> None:
        """Take both as they are, without a copy."""
        self.shape = (*pixels.shape[:2], pixels.shape[2] + 1)
        self.dtype = pixels.dtype
        self._pixels, self._alpha = pixels, alpha

    def __getitem__(self, place: slice | tuple[slice, slice]) -> NDArray[Any]:
        return np.dstack([self._pixels[place], self._alpha[place]])
