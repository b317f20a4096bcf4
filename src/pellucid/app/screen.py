"""Pictures as a browser shows them: 8 bits, not too many pixels, in the colours of their profile."""

from collections.abc import Callable
from io import BytesIO
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pellucid.app.orders import Strip
from pellucid.imaging import Frame, to_depth

WIDEST = 2048  # pixels of the longer side, of what is shown while it is made
QUALITY = 90


class Screen:
    """Takes the rows of a picture, top to bottom, and gives small ones, as many at a time as are there."""

    def __init__(self, frame: Frame, show: Callable[[Strip], None], longest: int = WIDEST) -> None:
        """Make rows of a frame smaller.

        Args:
            frame: whose size, depth and profile they have.
            show: is given the rows as they are there.
            longest: side of the small picture.
        """
        self._show = show
        self._icc = frame.icc
        self._step = ceil(max(frame.width, frame.height) / longest)
        self._width, self._height = frame.width // self._step or 1, frame.height // self._step or 1
        self._top = 0
        self._held: NDArray[Any] | None = None

    def add(self, top: int, rows: NDArray[Any]) -> None:
        """Take rows (h, W, bands) from ``top`` on."""
        if top == 0:
            self._top, self._held = 0, None
        rows = rows if self._held is None else np.concatenate([self._held, rows])
        whole = len(rows) // self._step
        self._held = rows[whole * self._step :]
        whole = min(whole, self._height - self._top)
        if whole < 1:
            return
        small = rows[: whole * self._step : self._step, : self._width * self._step : self._step]
        jpeg = as_jpeg(small, self._icc)
        self._show(Strip(top=self._top, height=whole, width=self._width, whole=self._height, jpeg=jpeg))
        self._top += whole


def as_jpeg(samples: NDArray[Any], icc: bytes | None) -> bytes:
    """An image of samples (H, W, bands), laid over white where they are transparent."""
    bands = samples.shape[2]
    pixels = to_depth(samples, np.dtype("uint8"))
    if bands in (2, 4):
        alpha = pixels[..., -1:].astype(np.uint16)
        pixels = ((pixels[..., :-1] * alpha + 255 * (255 - alpha)) // 255).astype(np.uint8)
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    file = BytesIO()
    # a profile of colours would not fit grey
    image.save(file, "JPEG", quality=QUALITY, subsampling=0, icc_profile=icc if image.mode == "RGB" else None)
    return file.getvalue()
