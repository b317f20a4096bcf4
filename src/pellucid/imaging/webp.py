"""WebP: what its chunks tell without decoding, and animations of whole frames."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any

from pellucid.errors import ImageError
from pellucid.imaging.metadata import EXIF_PREFIX
from pellucid.imaging.photo import Photo

DEFAULT_QUALITY = 95
LONGEST_SIDE = 16383
_FRAME_HEADER = 16
_ICC, _ALPHA, _EXIF, _XMP, _ANIMATION = 0x20, 0x10, 0x08, 0x04, 0x02
_DO_NOT_BLEND = 2


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the chunks of a WebP tell.

    Attributes:
        size: width and height of an animation's canvas; zeros for one picture.
        durations: of each frame of an animation in milliseconds; empty for one picture.
        plays: of the animation; 0 is for ever.
        lossless: every frame is stored without loss.
    """

    size: tuple[int, int]
    durations: tuple[float, ...]
    plays: int
    lossless: bool


def read_facts(file: IO[bytes]) -> Facts:
    """Walk over the chunks, decoding nothing."""
    durations: list[float] = []
    size, plays, kinds = (0, 0), 1, set[bytes]()
    for name, length in _chunks(file, 12, None):
        if name == b"VP8X":
            head = file.read(10)
            size = (int.from_bytes(head[4:7], "little") + 1, int.from_bytes(head[7:10], "little") + 1)
        elif name == b"ANIM":
            plays = int.from_bytes(file.read(6)[4:], "little")
        elif name == b"ANMF":
            durations.append(float(int.from_bytes(file.read(_FRAME_HEADER)[12:15], "little")))
            start = file.tell()
            kinds.update(kind for kind, _ in _chunks(file, start, start + length - _FRAME_HEADER))
        else:
            kinds.add(name)
    lossless = b"VP8L" in kinds and b"VP8 " not in kinds
    return Facts(size=size, durations=tuple(durations), plays=plays, lossless=lossless)


def write(photo: Photo, file: IO[bytes], quality: int | None) -> None:
    """Write one picture: without loss if its source was, unless a quality is asked for."""
    options = {"exif": photo.exif, "icc_profile": photo.icc, "xmp": photo.xmp}
    _save(photo, file, quality, {key: value for key, value in options.items() if value})


def write_animation(
    photos: Iterator[Photo], durations: tuple[float, ...], plays: int, file: IO[bytes], quality: int | None
) -> None:
    """Write whole frames as they come; metadata is the first one's.

    Args:
        photos: uint8, all of one size.
        durations: of each in milliseconds.
        plays: 0 is for ever.
        file: at its start.
        quality: as for ``write``.
    """
    first = next(photos)
    has_alpha = first.alpha is not None
    flags = _ANIMATION | _ALPHA * has_alpha | _ICC * bool(first.icc) | _EXIF * bool(first.exif) | _XMP * bool(first.xmp)
    file.write(b"RIFF\0\0\0\0WEBP")
    _put(file, b"VP8X", bytes((flags, 0, 0, 0)) + _uint24(first.width - 1) + _uint24(first.height - 1))
    if first.icc:
        _put(file, b"ICCP", first.icc)
    _put(file, b"ANIM", struct.pack("<IH", 0, min(plays, 65535)))
    _put_frame(file, first, durations[0], quality)
    for photo, duration in zip(photos, durations[1:], strict=True):
        _put_frame(file, photo, duration, quality)
    if first.exif:
        _put(file, b"EXIF", first.exif.removeprefix(EXIF_PREFIX))
    if first.xmp:
        _put(file, b"XMP ", first.xmp)
    size = file.tell() - 8
    if size >= 2**32:
        raise ImageError("the frames are more than the 4 GB that a WebP holds")
    file.seek(4)
    file.write(struct.pack("<I", size))


def _put_frame(file: IO[bytes], photo: Photo, duration: float, quality: int | None) -> None:
    encoded = BytesIO()
    _save(photo, encoded, quality, {})
    place = bytes(6) + _uint24(photo.width - 1) + _uint24(photo.height - 1)
    timing = _uint24(min(round(duration), 2**24 - 1)) + bytes((_DO_NOT_BLEND,))
    bitstream = b""
    for name, size in _chunks(encoded, 12, None):
        if name in (b"ALPH", b"VP8 ", b"VP8L"):
            encoded.seek(-8, 1)
            bitstream += encoded.read(8 + size + size % 2)
    _put(file, b"ANMF", place + timing + bitstream)


def _save(photo: Photo, file: IO[bytes], quality: int | None, options: dict[str, Any]) -> None:
    if photo.lossless and quality is None:
        # colours below full transparency too
        photo.to_pil().save(file, "WEBP", lossless=True, exact=True, **options)
    else:
        photo.to_pil().save(file, "WEBP", quality=quality or DEFAULT_QUALITY, **options)


def _chunks(file: IO[bytes], start: int, end: int | None) -> Iterator[tuple[bytes, int]]:
    """Name and size of each chunk, the file placed at its data."""
    while end is None or start + 8 <= end:
        file.seek(start)
        head = file.read(8)
        if len(head) < 8:
            return
        name, size = struct.unpack("<4sI", head)
        yield name, size
        start += 8 + size + size % 2


def _put(file: IO[bytes], name: bytes, data: bytes) -> None:
    file.write(struct.pack("<4sI", name, len(data)) + data + bytes(len(data) % 2))


def _uint24(value: int) -> bytes:
    return value.to_bytes(3, "little")
