"""A picture file, whatever its size or kind: frames, usually one, each asked for by rows."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import ImageError
from pellucid.imaging.carried import Carried
from pellucid.imaging.rows import LARGE, Rows, Streamed, rows_at_once

DTYPES = (np.dtype("uint8"), np.dtype("uint16"), np.dtype("float32"))


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame(Carried):
    """One picture of a file: its samples, and everything that must survive beside them.

    Attributes:
        samples: (H, W, bands): grey, grey and alpha, RGB, or RGB and alpha, which is not premultiplied; upright; uint8,
            uint16 or float32 (nominally 0 to 1). An array, or read and made as rows are asked for, top to bottom.
    """

    samples: Rows = field(repr=False)

    @property
    def height(self) -> int:
        """Rows."""
        return self.samples.shape[0]

    @property
    def width(self) -> int:
        """Columns."""
        return self.samples.shape[1]

    @property
    def channels(self) -> int:
        """1 for grey, 3 for RGB; alpha is not counted."""
        return 1 if self.samples.shape[2] < 3 else 3

    @property
    def has_alpha(self) -> bool:
        """Whether parts may be transparent."""
        return self.samples.shape[2] in (2, 4)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the samples."""
        return self.samples.dtype

    @property
    def is_large(self) -> bool:
        """Whether it is not to be held whole."""
        return self.height * self.width > LARGE

    def strips(self) -> Iterator[NDArray[Any]]:
        """All samples, a few rows at a time, (h, W, bands)."""
        return (self.samples[rows] for rows in rows_at_once(self.height, self.width))

    def array(self) -> NDArray[Any]:
        """All samples, (H, W, bands), contiguous."""
        if isinstance(self.samples, np.ndarray):
            return np.ascontiguousarray(self.samples)
        whole = np.empty(self.samples.shape, self.dtype)
        for rows, strip in zip(rows_at_once(self.height, self.width), self.strips(), strict=True):
            whole[rows] = strip
        return whole

    def mapped(
        self, change: Callable[[NDArray[Any]], NDArray[Any]], bands: int, dtype: np.dtype[Any], **carried: Any
    ) -> "Frame":
        """The same picture with strips (h, W, bands) changed as they are asked for, and other things carried."""
        samples = Streamed((self.height, self.width, bands), dtype, lambda: map(change, self.strips()))
        return self.with_samples(samples, **carried)

    def with_samples(self, samples: Rows, **carried: Any) -> "Frame":
        """The same picture with other samples, and other things carried."""
        return Frame(samples=samples, **{**self.carried(), **carried})

    def carried(self) -> dict[str, Any]:
        """All that is carried, by the names of ``Carried``'s fields."""
        return {each.name: getattr(self, each.name) for each in fields(Carried)}


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How an animation is shown: milliseconds of each frame, and how often all is played, 0 for ever."""

    durations: tuple[float, ...]
    plays: int = 0


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What a file holds: one picture, the frames of an animation, or pages.

    Attributes:
        format: Pillow's name of the file's; None if it came from an array.
        count: how many frames.
        size: height and width of a frame, upright, where its samples would have to be decoded to tell.
        timing: an animation's; pages are photographs of their own, and have none.
        path: of the file, which is copied where nothing was changed; None where its bytes would not do: it was turned,
            or came from no file.
        modified: when the file was, in nanoseconds since 1970; the result's date if it is not None.
        decode: gives one frame after the other, anew each time it is called.
    """

    format: str | None = None
    count: int = 1
    size: tuple[int, int] | None = None
    timing: Timing | None = None
    path: Path | None = None
    modified: int | None = None
    decode: Callable[[], Iterable[Frame]] = field(repr=False)

    @classmethod
    def of(cls, *frames: Frame, path: Path | None = None) -> Self:
        """Frames that are there already, or are decoded by rows; several are pages."""
        return cls(format=frames[0].format, count=len(frames), path=path, decode=lambda: frames)

    def frames(self) -> Iterator[Frame]:
        """Decode one after the other, each upright and as it is seen: whole, with what it carries.

        Raises:
            ImageError: One of them is damaged, too large, or of a kind not supported; or there are more or fewer than
                there should be; or those of an animation differ in size.
        """
        number, size = 0, None
        for number, frame in enumerate(self.decode(), 1):
            size = size or frame.samples.shape[:2]
            if self.timing and frame.samples.shape[:2] != size:
                raise ImageError("the frames differ in size, which no animation can hold")
            if number > self.count:
                break
            yield frame
        if number != self.count:
            found = f"more than {self.count}" if number > self.count else f"{number} of {self.count}"
            raise ImageError(f"{found} pictures were given to be written")

    def first(self) -> Frame:
        """The first frame, or the only one."""
        return next(self.frames())

    def within(self, context: Callable[[], AbstractContextManager[None]]) -> "Picture":
        """The same picture, whose frames and rows are made in a context, such as one that names what goes wrong."""

        def frames() -> Iterator[Frame]:
            with context():
                for frame in self.decode():
                    samples = frame.samples
                    yield frame.with_samples(samples.within(context)) if isinstance(samples, Streamed) else frame

        return replace(self, decode=frames)

    def mapped(self, change: Callable[[Frame], Frame]) -> "Picture":
        """The same picture with every frame changed, one at a time, as they are asked for."""
        return replace(self, decode=lambda: map(change, self.frames()))
