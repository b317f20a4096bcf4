"""What was read from a file, and what became of it."""

from dataclasses import dataclass

from pellucid.imaging import Frame
from pellucid.inference.guard import TileWatch


@dataclass(frozen=True, kw_only=True)
class PictureFacts:
    """What was read from a file.

    Attributes:
        format: Pillow's name of it.
        width, height: in pixels, upright.
        channels: 1 for grey, 3 for colour.
        depth: of a channel: "uint8", "uint16" or "float32".
        alpha: whether parts may be transparent.
        carried: names of what else was found and goes into the result, as far as its format holds it.
        frames: how many frames or pages; all else is of the first.
    """

    format: str | None
    width: int
    height: int
    channels: int
    depth: str
    alpha: bool
    carried: tuple[str, ...]
    frames: int = 1

    @classmethod
    def of(cls, frame: Frame, frames: int = 1) -> "PictureFacts":
        """Of a frame that was read, the first of so many."""
        return cls(
            format=frame.format,
            width=frame.width,
            height=frame.height,
            channels=frame.channels,
            depth=frame.dtype.name,
            alpha=frame.has_alpha,
            carried=tuple(name for name in frame.names() if name),
            frames=frames,
        )

    def __str__(self) -> str:
        parts = [
            f"{self.format or 'picture'} of {self.width}x{self.height}",
            f"{self.channels} channels of {self.depth}",
        ]
        parts += ["alpha"] * self.alpha + [f"{self.frames} frames"] * (self.frames > 1) + list(self.carried)
        return ", ".join(parts)

    @property
    def pixels(self) -> int:
        """How many there are to restore, if all frames are of a size."""
        return self.width * self.height * self.frames


@dataclass(frozen=True, kw_only=True)
class FileResult:
    """What became of one input.

    Attributes:
        source: the file, or the argument that named none.
        target: where the restored picture is; None if it failed.
        error: why it failed, in one line; None if it did not.
        skipped: the result was there already, and was not made again.
        read: what the file held; None if it was not or could not be read.
        watch: what happened to its tiles; None if it did not come to that.
        frames: what happened to each frame's tiles instead, where there are several.
        warnings: what was logged about it.
        seconds: from opening to having written.
        peak_bytes: the most memory the process has held so far.
    """

    source: str
    target: str | None = None
    error: str | None = None
    skipped: bool = False
    read: PictureFacts | None = None
    watch: TileWatch | None = None
    frames: tuple[TileWatch, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    peak_bytes: int = 0
