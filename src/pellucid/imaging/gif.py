"""GIF: its frames laid over each other as browsers do, and a writer that holds one at a time."""

import logging
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image

from pellucid.errors import ImageError
from pellucid.imaging.color import split
from pellucid.imaging.layers import Layer, laid_over, show_through
from pellucid.imaging.limits import refuse_huge
from pellucid.imaging.metadata import quiet_pillow
from pellucid.imaging.photo import Photo

_log = logging.getLogger(__name__)

LONGEST_SIDE = 65535
_EXTENSION, _IMAGE, _CONTROL, _APPLICATION = 0x21, 0x2C, 0xF9, 0xFF
_LOOPERS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_KEEP, _CLEAR, _RESTORE = 1, 2, 3
_HEAD_BYTES = 13
_XMP = b"XMP DataXMP"
# A reader that knows no XMP takes its text for lengths of blocks; from wherever it lands, this leads to the end
_XMP_TAIL = b"\1" + bytes(range(255, -1, -1)) + b"\0"


@dataclass(frozen=True, kw_only=True)
class _Stored:
    """Where a frame lies in the file.

    Attributes:
        layer: where it is seen.
        control: the block that has its transparent colour; empty if there is none.
        flags: of its own palette, and whether rows are interlaced.
        start, end: of its palette and samples.
    """

    layer: Layer
    control: bytes
    flags: int
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the blocks of a GIF tell.

    Attributes:
        head: the beginning, with the palette of frames that have none.
        size: width and height of the canvas.
        frames: in order.
        plays: how often all are shown; 0 is for ever.
        transparent: something may be seen through.
        xmp: packet, or None.
    """

    head: bytes
    size: tuple[int, int]
    frames: tuple[_Stored, ...]
    plays: int
    transparent: bool
    xmp: bytes | None

    @property
    def durations(self) -> tuple[float, ...]:
        """Of each frame in milliseconds."""
        return tuple(frame.layer.duration for frame in self.frames)


def read_facts(file: IO[bytes]) -> Facts:
    """Walk over the blocks, decoding nothing; what is cut short ends there."""
    file.seek(0)
    head = file.read(_HEAD_BYTES).ljust(_HEAD_BYTES, b"\0")
    head += file.read(_bytes_of_palette(head[10]))
    frames: list[_Stored] = []
    plays, control, xmp = 1, b"", None
    try:
        while (kind := file.read(1)[0]) in (_EXTENSION, _IMAGE):
            if kind == _IMAGE:
                frames.append(_stored(file, control))
                control = b""
                continue
            label, blocks = file.read(1)[0], _blocks(file)
            first = next(blocks, b"")
            start = file.tell()
            if label == _CONTROL and len(first) == 4:
                control = first
            second = next(blocks, b"")
            if label == _APPLICATION and first in _LOOPERS and len(second) >= 3:
                (repeats,) = struct.unpack_from("<xH", second)
                plays = repeats + 1 if repeats else 0
            for _ in blocks:
                pass
            if label == _APPLICATION and first == _XMP:
                end = file.tell()
                file.seek(start)
                xmp = file.read(max(0, end - start - len(_XMP_TAIL))) or None
                file.seek(end)
    except (IndexError, struct.error):
        pass
    width, height = struct.unpack_from("<HH", head, 6)
    layers = [frame.layer for frame in frames]
    transparent = any(frame.control[:1] and frame.control[0] & 1 for frame in frames)
    return Facts(
        head=head,
        size=(width, height),
        frames=tuple(frames),
        plays=plays,
        transparent=transparent or (bool(layers) and show_through(layers, width, height)),
        xmp=xmp,
    )


def read_frames(file: IO[bytes], facts: Facts, max_pixels: int) -> Iterator[tuple[NDArray[Any], NDArray[Any] | None]]:
    """Decode one frame after the other and lay it over what the last one left; pixels and alpha, whole."""
    layers = ((frame.layer, *_decode(file, frame, facts.head, max_pixels)) for frame in facts.frames)
    for pixels, alpha in laid_over(layers, *facts.size):
        yield pixels, alpha if facts.transparent else None


def _stored(file: IO[bytes], control: bytes) -> _Stored:
    """The frame whose descriptor comes next; the file is placed behind it."""
    left, top, width, height, flags = struct.unpack("<HHHHB", file.read(9))
    start = file.tell()
    file.seek(_bytes_of_palette(flags) + 1, 1)
    for _ in _blocks(file):
        pass
    method, hundredths = struct.unpack_from("<BH", control.ljust(4, b"\0"))
    disposal = method >> 2 & 7
    layer = Layer(
        left=left,
        top=top,
        width=width,
        height=height,
        duration=10.0 * hundredths,
        after="clear" if disposal == _CLEAR else "restore" if disposal == _RESTORE else "keep",
        blends=True,
    )
    return _Stored(layer=layer, control=control, flags=flags, start=start, end=file.tell())


def _decode(file: IO[bytes], frame: _Stored, head: bytes, max_pixels: int) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """A frame by itself, as a GIF of one picture."""
    refuse_huge(frame.layer.width, frame.layer.height, max_pixels)
    size = struct.pack("<HH", frame.layer.width, frame.layer.height)
    control = bytes((_EXTENSION, _CONTROL, 4)) + frame.control + b"\0" if frame.control else b""
    descriptor = bytes((_IMAGE, 0, 0, 0, 0)) + size + bytes((frame.flags,))
    file.seek(frame.start)
    samples = file.read(frame.end - frame.start)
    alone = BytesIO(head[:6] + size + head[10:] + control + descriptor + samples + b";")
    with quiet_pillow(max_pixels):
        image = Image.open(alone, formats=("GIF",)).convert("RGBA")
    return split(np.array(image))


def write(photo: Photo, file: IO[bytes], _quality: int | None) -> None:
    """Write one uint8 picture."""
    write_animation(iter([photo]), (0.0,), 1, file)


def write_animation(photos: Iterator[Photo], durations: tuple[float, ...], plays: int, file: IO[bytes]) -> None:
    """Write whole frames as they come; metadata is the first one's.

    A frame of at most 256 colours is kept as it is, others are reduced and dithered. Transparency is all or nothing.

    Args:
        photos: uint8, all of one size.
        durations: of each in milliseconds.
        plays: 0 is for ever.
        file: at its start.
    """
    coming = next(photos)
    file.write(b"GIF89a" + struct.pack("<HHBBB", coming.width, coming.height, 0x70, 0, 0))
    if plays != 1:
        repeats = struct.pack("<BBHB", 3, 1, min(max(plays - 1, 0), 65535), 0)
        file.write(bytes((_EXTENSION, _APPLICATION, 11)) + _LOOPERS[0] + repeats)
    if coming.xmp is not None:
        file.write(bytes((_EXTENSION, _APPLICATION, 11)) + _XMP + coming.xmp + _XMP_TAIL)
    reduced = False
    for index, duration in enumerate(durations):
        photo, following = coming, next(photos, None)
        if (following is None) != (index == len(durations) - 1):
            raise ImageError(f"there were to be {len(durations)} frames, and there are others")
        # a frame lies over the one before it, which must not shine through where it is transparent
        clear = following is not None and _hidden(following) is not None
        image, transparency, exact = _indexed(photo, with_transparency=clear)
        options: dict[str, Any] = {} if transparency is None else {"transparency": transparency}
        for part in GifImagePlugin.getdata(
            image,
            duration=10 * min(round(duration / 10), 65535),
            disposal=_CLEAR if clear else _KEEP,
            include_color_table=True,
            **options,
        ):
            file.write(part)
        reduced = reduced or not exact
        coming = following or photo
    file.write(b";")
    if reduced:
        _log.warning("GIF holds 256 colours a frame; those in between are dithered")


def _indexed(photo: Photo, *, with_transparency: bool) -> tuple[Image.Image, int | None, bool]:
    """A palette picture, its transparent colour if it needs one, and whether all colours are exact."""
    hidden = _hidden(photo)
    with_transparency = with_transparency or hidden is not None
    if photo.channels == 1 and not with_transparency:  # as a grey picture's palette is known by
        return Image.fromarray(photo.pixels[:, :, 0]), None, True
    room = 256 - with_transparency
    colours = np.ascontiguousarray(np.broadcast_to(photo.pixels, (photo.height, photo.width, 3)))
    codes = colours[:, :, 2].astype(np.uint32)
    for channel, shift in ((0, 16), (1, 8)):
        codes |= colours[:, :, channel].astype(np.uint32) << shift
    if hidden is not None:
        codes[hidden] = codes[~hidden][0] if not hidden.all() else 0
    palette = np.unique(codes)
    exact = len(palette) <= room
    if exact:
        indices = np.searchsorted(palette, codes).astype(np.uint8)
        entries = np.stack([palette >> 16, palette >> 8, palette], axis=1).astype(np.uint8).tobytes()
    else:
        rgb = Image.fromarray(colours)
        reduced = rgb.quantize(room)
        indices = np.array(rgb.quantize(palette=reduced, dither=Image.Dither.FLOYDSTEINBERG))
        entries = bytes(reduced.getpalette() or ())[: 3 * room]
    transparency = len(entries) // 3 if with_transparency else None
    if hidden is not None and transparency is not None:
        indices[hidden] = transparency
        entries += bytes(3)
    image = Image.frombytes("P", (photo.width, photo.height), indices.tobytes())
    image.putpalette(entries)
    return image, transparency, exact


def _hidden(photo: Photo) -> NDArray[np.bool_] | None:
    """Where a photo is more transparent than not; None when it is nowhere."""
    hidden = None if photo.alpha is None else photo.alpha < 128
    return hidden if hidden is not None and hidden.any() else None


def _bytes_of_palette(flags: int) -> int:
    return 3 << (flags % 8 + 1) if flags & 0x80 else 0


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while size := file.read(1)[0]:
        yield file.read(size)
