"""What networks are shown of a picture, and the way back to all that it is."""

import logging
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import ImageError
from pellucid.imaging import Encoding, Frame, to_depth, to_float
from pellucid.imaging.transparency import CELL, fill, means_of_cells

log = logging.getLogger(__name__)

BRIGHTEST = 64.0  # of highlights in floats; beyond, white is probably at 255
NARROWER = (255, 1023, 4095, 16383)  # where white may be in 16 bits


class Shown:
    """The pixels of a frame (H, W, C) as a network is to see them, in parts, rows asked for from top to bottom.

    There is no alpha; what is fully transparent, or known to be unknown, has the colours of what is seen nearby; white
    is at 1 (or full); and tones are encoded for the eye, whatever encoding they have (``imaging.Encoding``).
    """

    def __init__(self, frame: Frame) -> None:
        """Look at nothing yet."""
        self._frame = frame
        self._encoding = Encoding.of(frame, frame.channels)
        self.shape = (frame.height, frame.width, frame.channels)
        self._brightest = 0.0
        self._hides = frame.has_alpha or frame.no_data is not None
        self._recodes = self._encoding is not None or frame.white is not None
        self.dtype = np.dtype(np.float32) if self._recodes else frame.dtype

    def __getitem__(self, place: slice | tuple[slice, slice]) -> NDArray[Any]:
        rows, columns = place if isinstance(place, tuple) else (place, slice(None))
        if self._means is None:
            pixels = self._frame.samples[rows, columns][:, :, : self.shape[2]]
        else:
            pixels = self._filled(_span(rows, self.shape[0]), _span(columns, self.shape[1]))
        if self._frame.white is None and pixels.dtype != np.uint8:
            self._measure(float(pixels.max()))
        return self._shown(pixels)

    def back(self, rows: NDArray[Any], place: slice) -> NDArray[Any]:
        """The frame's samples (h, W, bands) with pixels (h, W, C) that were restored in place of those at a place.

        Where nothing became of a pixel, or nobody could see it, it is as it was, bit by bit; alpha always is.
        """
        frame = self._frame
        if not self._hides and not self._recodes:
            return rows
        top, bottom = _span(place, self.shape[0])
        # from the cell's first row on, as decoders do not go back
        samples = frame.samples[top - top % CELL : bottom][top % CELL :]
        pixels = samples[:, :, : self.shape[2]]
        if self._recodes:
            rows = np.where(rows == self._shown(pixels), pixels, self._stored(rows))
        if self._means is not None:
            rows = np.where(self._visible(samples)[:, :, None], rows, pixels)
        return np.concatenate([rows, samples[:, :, self.shape[2] :]], axis=2)

    def check_white(self) -> None:
        """Warn if all that was asked for is so dark that white is probably elsewhere than at the top."""
        near = next((top for top in NARROWER if self._brightest <= top), None)
        told = self._frame.white is not None or self._frame.bits is not None
        if self._frame.dtype == np.uint16 and not told and near is not None and self._brightest > 0:
            log.warning("nothing is brighter than %d of 65535; if white is at %d, `white=%d` says so", near, near, near)

    def _measure(self, brightest: float) -> None:
        is_first = self._brightest <= BRIGHTEST < brightest
        if self._frame.dtype.kind == "f" and is_first:
            log.warning("floats of up to %.4g: white is expected at 1; `white` tells where else it is", brightest)
        self._brightest = max(self._brightest, brightest)

    def _shown(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """White at 1 or full, and the tones of the eye."""
        if self._frame.white is not None:
            pixels = pixels.astype(np.float32) / np.float32(self._frame.white)
        if self._encoding is not None:
            pixels = self._encoding.to_working(pixels)
        if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
            raise ImageError("the picture holds infinite or undefined values")
        return pixels

    def _stored(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Undo ``_shown``."""
        values = to_float(rows) if self._encoding is None else self._encoding.from_working(rows)
        if self._frame.white is None:
            return to_depth(values, self._frame.dtype) if self._frame.dtype.kind == "u" else values
        values = values * np.float32(self._frame.white)
        if self._frame.dtype.kind == "u":
            values = np.rint(values).clip(0, np.iinfo(self._frame.dtype).max)
        return values.astype(self._frame.dtype)

    def _visible(self, samples: NDArray[Any]) -> NDArray[np.bool_]:
        """Which pixels (h, W) of samples (h, W, bands) are seen and known."""
        frame, pixels = self._frame, samples[:, :, : self.shape[2]]
        visible = samples[:, :, -1] > 0 if frame.has_alpha else np.ones(samples.shape[:2], np.bool_)
        if frame.no_data is None:
            return visible
        unknown = np.isnan(pixels) if np.isnan(frame.no_data) else pixels == frame.no_data
        # what may be a colour's part means that nothing is known only where it is all of it
        in_range = frame.dtype.kind == "u" or 0 <= frame.no_data <= (frame.white or 1)
        return visible & ~(unknown.all(2) if in_range else unknown.any(2))

    def _filled(self, rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[Any]:
        """A part with nearby colours where nothing is seen."""
        assert self._means is not None
        cells = [slice(start // CELL, -(-stop // CELL)) for start, stop in (rows, columns)]
        whole = tuple(slice(cell.start * CELL, cell.stop * CELL) for cell in cells)
        samples = self._frame.samples[whole[0], whole[1]]
        pixels = fill(samples[:, :, : self.shape[2]], self._visible(samples), self._means[cells[0], cells[1]])
        top, left = rows[0] - whole[0].start, columns[0] - whole[1].start
        return pixels[top : top + rows[1] - rows[0], left : left + columns[1] - columns[0]]

    @cached_property
    def _means(self) -> NDArray[np.float32] | None:
        """What hidden parts are filled from; None where there are none."""
        if not self._hides:
            return None
        strips = self._frame.strips()
        return means_of_cells((samples[:, :, : self.shape[2]], self._visible(samples)) for samples in strips)


def _span(place: slice, size: int) -> tuple[int, int]:
    start, stop, _ = place.indices(size)
    return start, stop
