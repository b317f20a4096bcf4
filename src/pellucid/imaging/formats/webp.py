"""WebP: every chunk of the file, libvips' codec, and chunks of ours around what it encodes."""

import struct
from collections.abc import Iterator
from functools import partial
from itertools import chain
from os import SEEK_END
from typing import IO, Any

import pyvips

from pellucid.errors import ImageError
from pellucid.imaging import exif as exif_of
from pellucid.imaging.carried import Gathered, Native, behind
from pellucid.imaging.encode import encoded
from pellucid.imaging.formats.format import Format, Saving
from pellucid.imaging.formats.layers import Layer, animated
from pellucid.imaging.picture import Picture, Timing
from pellucid.imaging.rows import Streamed
from pellucid.imaging.source import Source, of_bytes

DEFAULT_QUALITY = 95
_RIFF_BYTES, _FRAME_BYTES = 12, 16
_ICC, _ALPHA, _EXIF, _XMP, _ANIMATION = 0x20, 0x10, 0x08, 0x04, 0x02
_DISPOSE, _DO_NOT_BLEND = 1, 2
_BITSTREAM = (b"ALPH", b"VP8 ", b"VP8L")


class _Found(Gathered):
    """What the chunks of a file tell; nothing is decoded.

    Raises:
        ImageError: It ends within a chunk, or a frame lies outside the picture.
    """

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__("WEBP")
        self.size, self.plays, self.transparent = (0, 0), 1, False
        self.layers: list[Layer] = []
        self.places: list[tuple[int, int]] = []
        kinds = set[bytes]()
        whole = file.seek(0, SEEK_END)
        file.seek(4)
        told = 8 + _number(file.read(4))
        end = min(told, whole)
        for name, place, size in _chunks(file, _RIFF_BYTES, end):
            match name:
                case b"VP8X":
                    flags, width, height = struct.unpack("<B3x3s3s", file.read(10))
                    self.size = _number(width) + 1, _number(height) + 1
                    self.transparent = bool(flags & _ALPHA)
                case b"ANIM":
                    (self.plays,) = struct.unpack("<4xH", file.read(6))
                case b"ANMF":
                    self.layers.append(_layer(file.read(_FRAME_BYTES), self.size))
                    self.places.append((place + _FRAME_BYTES, place + size))
                    kinds.update(kind for kind, _, _ in _chunks(file, *self.places[-1]))
                case b"ICCP":
                    self.told["icc"] = file.read(size)
                case b"EXIF":
                    self.told["exif"] = exif_of.PREFIX + file.read(size).removeprefix(exif_of.PREFIX)
                case b"XMP ":
                    self.told["xmp"] = file.read(size)
                case _ if name in _BITSTREAM:
                    kinds.add(name)
                case _:
                    title = f"{name.decode('latin-1').strip()} chunk"
                    self.native.append(Native("WEBP", title, name, file.read(size)))
        if self.layers and end < told - 1:  # but for padding
            raise ImageError(f"is damaged or cut short (behind frame {len(self.layers)})")
        file.seek(end)
        self.left_out += behind(file.read(2**16), whole - end)
        self.transparent = self.transparent or b"ALPH" in kinds
        self.told["lossless"] = b"VP8L" in kinds and b"VP8 " not in kinds


def _chunks(file: IO[bytes], start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and size of each chunk, the file placed at its data."""
    while start + 8 <= end:
        file.seek(start)
        name, size = struct.unpack("<4sI", file.read(8))
        if start + 8 + size > end:
            raise ImageError("is damaged or cut short (a chunk is)")
        yield name, start + 8, size
        start += 8 + size + size % 2


def _layer(head: bytes, canvas: tuple[int, int]) -> Layer:
    *numbers, flags = struct.unpack("<3s3s3s3s3sB", head)
    left, top, width, height, duration = map(_number, numbers)
    layer = Layer(
        left=2 * left,
        top=2 * top,
        width=width + 1,
        height=height + 1,
        duration=float(duration),
        after="clear" if flags & _DISPOSE else "keep",
        blends=not flags & _DO_NOT_BLEND,
    )
    if layer.left + layer.width > canvas[0] or layer.top + layer.height > canvas[1]:
        raise ImageError("is damaged (a frame lies outside the picture)")
    return layer


def _open(source: Source) -> Picture:
    found = _Found(source.file)
    carried = found.carried()
    if not found.layers:
        return source.picture(pyvips.Image.webpload_source, carried)
    decode, through = partial(_decode, source, found), found.transparent
    return animated(source, carried, found.size, found.layers, decode, plays=found.plays, transparent=through)


def _decode(source: Source, found: _Found) -> Iterator[Streamed]:
    """The frames of an animation, each as a picture by itself with alpha."""
    for layer, place in zip(found.layers, found.places, strict=True):
        with source.path.open("rb") as file:
            stored = [(name, file.read(size)) for name, _, size in _chunks(file, *place) if name in _BITSTREAM]
        head = bytes((_ALPHA, 0, 0, 0)) + _uint24(layer.width - 1) + _uint24(layer.height - 1)
        body = b"WEBP" + b"".join(_chunk(*each) for each in ((b"VP8X", head), *stored))
        yield source.streamed(of_bytes(pyvips.Image.webpload_buffer, _chunk(b"RIFF", body)))


def _timing(timing: Timing) -> Timing:
    durations = (float(min(round(duration), 2**24 - 1)) for duration in timing.durations)
    return Timing(durations=tuple(durations), plays=min(timing.plays, 65535))


def _write(picture: Picture, file: IO[bytes], saving: Saving) -> None:
    """Whole frames as they come; what is beside them is the first one's."""
    frames = picture.frames()
    first = next(frames)
    finest = saving.compression == "lossless" or (first.lossless and saving.quality is None)
    # colours below full transparency too
    options: dict[str, Any] = {"lossless": True, "exact": True} if finest else {"Q": saving.quality or DEFAULT_QUALITY}

    def save(image: pyvips.Image, target: pyvips.Target) -> None:
        image.webpsave_target(target, keep=0, **options)

    flags = _ANIMATION * bool(picture.timing) | _ALPHA * first.has_alpha
    flags |= _ICC * bool(first.icc) | _EXIF * bool(first.exif) | _XMP * bool(first.xmp)
    size = _uint24(first.width - 1) + _uint24(first.height - 1)
    file.write(b"RIFF\0\0\0\0WEBP" + _chunk(b"VP8X", bytes((flags, 0, 0, 0)) + size))
    if first.icc:
        file.write(_chunk(b"ICCP", first.icc))
    if picture.timing:
        file.write(_chunk(b"ANIM", struct.pack("<IH", 0, picture.timing.plays)))
    for index, frame in enumerate(chain((first,), frames)):
        with encoded(frame, save, file) as bare:
            found = _chunks(bare, _RIFF_BYTES, bare.seek(0, SEEK_END))
            bitstream = b"".join(_chunk(name, bare.read(length)) for name, _, length in found if name in _BITSTREAM)
        if picture.timing:
            duration = _uint24(int(picture.timing.durations[index]))
            bitstream = _chunk(b"ANMF", bytes(6) + size + duration + bytes((_DO_NOT_BLEND,)) + bitstream)
        file.write(bitstream)
    if first.exif:
        file.write(_chunk(b"EXIF", first.exif.removeprefix(exif_of.PREFIX)))
    if first.xmp:
        file.write(_chunk(b"XMP ", first.xmp))
    file.writelines(_chunk(part.key, part.data) for part in first.native)
    length = file.tell() - 8
    if length >= 2**32:
        raise ImageError("the frames are more than the 4 GB that a WebP holds")
    file.seek(4)
    file.write(struct.pack("<I", length))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack("<4sI", name, len(data)) + data + bytes(len(data) % 2)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _uint24(value: int) -> bytes:
    return value.to_bytes(3, "little")


FORMAT = Format(
    name="WEBP",
    suffixes=(".webp",),
    begins=lambda head, _: head.startswith(b"RIFF") and head[8:12] == b"WEBP",
    depths=(8,),
    grey=False,
    alpha=True,
    carried=frozenset({"exif", "icc", "xmp"}),
    frames="animation",
    timing=_timing,
    longest_side=16383,
    open=_open,
    write=_write,
    lossy=True,
    compressions=("lossless",),
)
