"""What a module of ``formats`` declares: the files it knows, and what they can hold."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

from pellucid.imaging.picture import Picture, Timing
from pellucid.imaging.source import Source


@dataclass(frozen=True, kw_only=True)
class Saving:
    """Choices of whoever writes.

    Attributes:
        quality: 1 to 100, for lossy formats; None is the format's own choice.
        compression: a name that the format has, such as "deflate" or "lossless"; None is its own choice.
        background: red, green and blue, 0 to 255, below what is transparent where a format has no alpha.
    """

    quality: int | None = None
    compression: str | None = None
    background: tuple[int, int, int] = (255, 255, 255)


@dataclass(frozen=True, kw_only=True)
class Format:
    """A file format, and what its files can hold, by which sinks, warnings and the documentation go.

    Attributes:
        name: Pillow's.
        suffixes: lower-case endings, the usual one first.
        unwritten: those of them that name no file to be written.
        begins: tells files by their first 512 bytes, and their path where these do not suffice.
        open: looks into a file, decoding nothing.
        write: writes a picture that was made to fit; None of a format that is only read.
        require: fails where the format takes an extra that is not installed.
        lossy: compression costs detail each time.
        compressions: names for ``Saving.compression``.
        depths: bits of a sample that are held, or read where nothing is written; 32 is a float.
        grey: a picture of one channel stays one.
        alpha: transparency.
        half_transparent: it may be of any degree.
        carried: names of ``Carried``'s fields: of "exif", "icc", "cicp", "xmp", "iptc", "text" and "dpi".
        longest: the most bytes of some of them.
        comments_only: of texts, only those with the keyword "Comment".
        units: of a resolution; "none" is an aspect ratio.
        frames: "one" picture, an "animation" with timing, or "pages".
        timing: what an animation's becomes, whose durations and plays are counted in steps and end somewhere.
        longest_side: in pixels.
        models: colour models that are read, beside grey and RGB, and become RGB.
    """

    name: str
    suffixes: tuple[str, ...]
    unwritten: tuple[str, ...] = ()
    begins: Callable[[bytes, Path], bool]
    open: Callable[[Source], Picture]
    write: Callable[[Picture, IO[bytes], Saving], None] | None = None
    require: Callable[[], object] = lambda: None
    lossy: bool = False
    compressions: tuple[str, ...] = ()
    depths: tuple[int, ...]
    grey: bool = True
    alpha: bool = False
    half_transparent: bool = True
    carried: frozenset[str] = frozenset()
    longest: Mapping[str, int] = field(default_factory=dict[str, int])
    comments_only: bool = False
    units: tuple[Literal["inch", "cm", "none"], ...] = ()
    frames: Literal["one", "animation", "pages"] = "one"
    timing: Callable[[Timing], Timing] = lambda timing: timing
    longest_side: int = 2**31 - 1
    models: tuple[str, ...] = ()

    @property
    def written(self) -> tuple[str, ...]:
        """Endings of files that can be written."""
        return tuple(suffix for suffix in self.suffixes if suffix not in self.unwritten) if self.write else ()
