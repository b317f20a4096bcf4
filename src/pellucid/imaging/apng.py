"""Animated PNG: its frames laid over each other at their own depth, and a writer that holds one at a time."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from os import SEEK_END
from typing import IO, Any

from numpy.typing import NDArray

from pellucid.errors import ImageError
from pellucid.imaging.layers import Layer, laid_over, show_through
from pellucid.imaging.photo import Photo
from pellucid.imaging.png import SIGNATURE, chunks_of, decode, encode, put_chunk

_CLEAR, _RESTORE = 1, 2
_OVER = 1
_COLOURS_WITH_ALPHA = (4, 6)
# An animation repeats these before its frames; the rest is of the picture that other readers show
_OF_EVERY_FRAME = (b"PLTE", b"tRNS")
_OF_THE_ANIMATION = (b"acTL", b"fcTL", b"fdAT")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the chunks of an animated PNG tell.

    Attributes:
        frames: in order; a default picture that is no part of the animation is not among them.
        plays: 0 is for ever.
        transparent: its frames have alpha.
        head: the data of IHDR.
        shared: chunks that each frame is decoded with.
    """

    frames: tuple[Layer, ...]
    plays: int
    transparent: bool
    head: bytes
    shared: tuple[tuple[bytes, bytes], ...]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole."""
        width, height = struct.unpack_from(">II", self.head)
        return width, height

    @property
    def durations(self) -> tuple[float, ...]:
        """Of each frame in milliseconds."""
        return tuple(frame.duration for frame in self.frames)


def read_facts(file: IO[bytes]) -> Facts | None:
    """Walk over the chunks, decoding nothing; None when the PNG is not animated.

    Raises:
        ImageError: A frame lies outside the picture, or a chunk is too short.
    """
    head, plays, frames, shared = b"", None, list[Layer](), list[tuple[bytes, bytes]]()
    try:
        for name, size in _chunks(file):
            if name == b"IDAT" and plays is None:
                return None
            if name == b"IHDR":
                head = file.read(min(size, 13))
            elif name == b"acTL":
                (plays,) = struct.unpack(">4xI", file.read(8))
            elif name == b"fcTL":
                frames.append(_frame(file.read(26), head))
            elif name in _OF_EVERY_FRAME:
                shared.append((name, file.read(size)))
        transparent = head[9] in _COLOURS_WITH_ALPHA or any(name == b"tRNS" for name, _ in shared)
    except (struct.error, IndexError):
        raise ImageError("is damaged or cut short (a chunk of its animation)") from None
    if plays is None or not frames:
        return None
    width, height = struct.unpack_from(">II", head)
    transparent = transparent or show_through(frames, width, height)
    return Facts(frames=tuple(frames), plays=plays, transparent=transparent, head=head, shared=tuple(shared))


def still(file: IO[bytes]) -> BytesIO:
    """The PNG without its animation: the default picture, and all that describes it."""
    bare = BytesIO(SIGNATURE)
    bare.seek(0, 2)
    for name, size in _chunks(file):
        if name not in _OF_THE_ANIMATION:
            put_chunk(bare, name, file.read(size))
    bare.seek(0)
    return bare


def read_frames(file: IO[bytes], facts: Facts) -> Iterator[tuple[NDArray[Any], NDArray[Any] | None]]:
    """Decode one frame after the other and lay it over what the last one left; pixels and alpha, whole."""
    layers = ((frame, *decode(_as_png(frame, data, facts))) for frame, data in _frame_data(file, facts))
    for pixels, alpha in laid_over(layers, *facts.size):
        yield pixels, alpha if facts.transparent else None


def write_animation(photos: Iterator[Photo], durations: tuple[float, ...], plays: int, file: IO[bytes]) -> None:
    """Write whole frames as they come; metadata is the first one's.

    Args:
        photos: uint8 or uint16, all of one size, depth and number of channels.
        durations: of each in milliseconds.
        plays: 0 is for ever.
        file: at its start.
    """
    head, sequence = None, 0
    for index, (photo, duration) in enumerate(zip(photos, durations, strict=True)):
        encoded = BytesIO(encode(photo))
        chunks = [(name, encoded.read(size)) for name, size in _chunks(encoded)]
        if head is None:
            head = chunks[0][1]
            file.write(SIGNATURE)
            put_chunk(file, b"IHDR", head)
            for name, data in chunks_of(photo):
                put_chunk(file, name, data)
            put_chunk(file, b"acTL", struct.pack(">II", len(durations), plays))
        elif chunks[0][1] != head:
            raise ImageError("the frames differ in size, depth or channels, which an animated PNG cannot hold")
        put_chunk(file, b"fcTL", _control(sequence, photo, duration))
        sequence += 1
        for data in (data for name, data in chunks if name == b"IDAT"):
            if index == 0:
                put_chunk(file, b"IDAT", data)
                continue
            put_chunk(file, b"fdAT", struct.pack(">I", sequence) + data)
            sequence += 1
    put_chunk(file, b"IEND", b"")


def _control(sequence: int, photo: Photo, duration: float) -> bytes:
    """A frame control chunk: all of the picture, in place of what was there."""
    seconds = Fraction(duration / 1000).limit_denominator(1000)
    if seconds.numerator > 65535:
        seconds = Fraction(min(round(duration / 1000), 65535))
    return struct.pack(
        ">IIIIIHHBB", sequence, photo.width, photo.height, 0, 0, seconds.numerator, seconds.denominator, 0, 0
    )


def _frame(data: bytes, head: bytes) -> Layer:
    _, width, height, left, top, numerator, denominator, disposal, blending = struct.unpack(">IIIIIHHBB", data)
    whole_width, whole_height = struct.unpack_from(">II", head)
    if not (0 < width <= whole_width - left and 0 < height <= whole_height - top):
        raise ImageError("is damaged (a frame lies outside the picture)")
    return Layer(
        left=left,
        top=top,
        width=width,
        height=height,
        duration=1000 * numerator / (denominator or 100),
        after="clear" if disposal == _CLEAR else "restore" if disposal == _RESTORE else "keep",
        blends=blending == _OVER,
    )


def _frame_data(file: IO[bytes], facts: Facts) -> Iterator[tuple[Layer, bytes]]:
    """The frames in order, each with its compressed samples."""
    frames, data = iter(facts.frames), list[bytes]()
    frame = None  # before the first control chunk, samples are of a picture outside the animation
    for name, size in _chunks(file):
        if name in (b"fcTL", b"IEND"):
            if frame is not None:
                yield frame, b"".join(data)
            frame, data = next(frames, None), []
        elif frame is not None and name == b"IDAT":
            data.append(file.read(size))
        elif frame is not None and name == b"fdAT":
            data.append(file.read(size)[4:])
    if frame is not None or next(frames, None) is not None:
        raise ImageError("is damaged or cut short (frames are missing)")


def _as_png(frame: Layer, data: bytes, facts: Facts) -> bytes:
    alone = BytesIO(SIGNATURE)
    alone.seek(0, 2)
    put_chunk(alone, b"IHDR", struct.pack(">II", frame.width, frame.height) + facts.head[8:])
    for name, content in (*facts.shared, (b"IDAT", data), (b"IEND", b"")):
        put_chunk(alone, name, content)
    return alone.getvalue()


def _chunks(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Name and size of each chunk, the file placed at its data; what is cut short ends there."""
    at, end = len(SIGNATURE), file.seek(0, SEEK_END)
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        size, name = struct.unpack(">I4s", head)
        yield name, min(size, end - at - 8)  # a few bytes can claim gigabytes
        at += 12 + size
