"""What a service asks of its workers, and what they tell: plain values that go through a pipe."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Look:
    """Look into a file, decoding nothing."""

    source: Path
    megapixels: float


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a file says that it holds.

    Attributes:
        format: Pillow's name.
        width, height: of a frame, upright, in pixels.
        frames: how many.
        suffix: the usual ending of such files.
        mime: of what is restored from it, where no other format is asked for.
    """

    format: str
    width: int
    height: int
    frames: int
    suffix: str
    mime: str

    @property
    def megapixels(self) -> float:
        """Of all frames together."""
        return self.width * self.height * self.frames / 1e6


@dataclass(frozen=True, kw_only=True)
class Restoration:
    """Restore a file.

    Attributes:
        source: what a client sent, under a name of ours.
        folder: where the result goes.
        task, model, format, quality, compression: as the command's options; None is as the command has it.
        shows: what is made is told of, row by row, and pictures for a screen are made.
    """

    source: Path
    folder: Path
    task: str | None = None
    model: str | None = None
    format: str | None = None
    quality: int | None = None
    compression: str | None = None
    shows: bool = False


@dataclass(frozen=True, kw_only=True)
class Show:
    """Make a JPEG of a picture's first frame, for browsers that cannot show its format.

    Attributes:
        source, target: the picture, and the JPEG.
        longest: side of the JPEG, in pixels.
    """

    source: Path
    target: Path
    longest: int


@dataclass(frozen=True, kw_only=True)
class Warm:
    """Load the default weights and restore a tile."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why an order cannot be carried out: a status of HTTP, and a sentence."""

    status: int
    detail: str


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A file was read: how many pixels are to be restored."""

    pixels: int


@dataclass(frozen=True, kw_only=True)
class Advanced:
    """So many pixels more are finished."""

    pixels: int


@dataclass(frozen=True, kw_only=True)
class Strip:
    """Rows of the result, made small enough for a screen.

    Attributes:
        top, height: in pixels of the small picture.
        width, whole: of the small picture: its width and height.
        jpeg: an image of these rows.
    """

    top: int
    height: int
    width: int
    whole: int
    jpeg: bytes


@dataclass(frozen=True, kw_only=True)
class Restored:
    """A result.

    Attributes:
        target: the file.
        mime: of it.
        receipt: what was done, for people and programs.
    """

    target: Path
    mime: str
    receipt: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The JPEG that was asked for is there."""

    path: Path


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A tile was restored: megapixels a second."""

    rate: float


STOP = "stop"  # ends the restoration that is going on

Order = Look | Restoration | Show | Warm
Progress = Begun | Advanced | Strip
Answer = Facts | Restored | Shown | Ready | Refusal
