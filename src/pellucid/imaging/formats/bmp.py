"""BMP: read by Pillow, whole; written by rows."""

import struct
from collections.abc import Iterator
from os import SEEK_SET
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pellucid.errors import ImageError
from pellucid.imaging.carried import Carried, resolution
from pellucid.imaging.formats.format import Format, Saving
from pellucid.imaging.limits import refuse_huge
from pellucid.imaging.picture import Frame, Picture
from pellucid.imaging.rows import Streamed, rows_at_once
from pellucid.imaging.source import Source, quiet_pillow

_FILE_BYTES, _HEAD_BYTES = 14, 124  # of the header's fifth version, which may have a profile
_EMBEDDED, _WINDOWS = b"DEBM", b" niW"
_METRE = 1 / 0.0254  # inches
_GREYS = bytes(value for level in range(256) for value in (level, level, level, 0))


def _open(source: Source) -> Picture:
    def opened(file: IO[bytes]) -> Image.Image:
        try:
            with quiet_pillow(source.max_pixels):
                return Image.open(file, formats=("BMP",))
        except UnidentifiedImageError:
            raise ImageError("is damaged or cut short (its header)") from None

    image = opened(source.file)
    refuse_huge(image.width, image.height, source.max_pixels)
    mode = {"1": "L", "L": "L", "RGBA": "RGBA"}.get(image.mode, "RGB")

    def whole() -> Iterator[NDArray[Any]]:
        with source.path.open("rb") as file:
            samples = np.array(opened(file).convert(mode)).reshape(shape)
        yield from (samples[rows] for rows in rows_at_once(*shape[:2]))

    shape = image.height, image.width, len(mode)
    across, down = image.info.get("dpi", (0, 0))
    carried = Carried(icc=_profile(source.file), format="BMP", **resolution(across, down, "inch"))
    frame = Frame(samples=Streamed(shape, np.dtype(np.uint8), whole), **vars(carried))
    return Picture.of(frame, path=source.path)


def _profile(file: IO[bytes]) -> bytes | None:
    file.seek(_FILE_BYTES)
    head = file.read(_HEAD_BYTES)
    if len(head) < _HEAD_BYTES or head[0] != _HEAD_BYTES or head[56:60] != _EMBEDDED:
        return None
    place, size = struct.unpack_from("<II", head, 112)
    file.seek(_FILE_BYTES + place)
    return file.read(size) or None


def _write(picture: Picture, file: IO[bytes], _saving: Saving) -> None:
    frame = picture.first()
    row = -(-frame.width * frame.channels // 4) * 4
    palette = _GREYS if frame.channels == 1 else b""
    start, size = _FILE_BYTES + _HEAD_BYTES + len(palette), row * frame.height
    profile = frame.icc or b""
    if start + size + len(profile) >= 2**32:
        raise ImageError("the picture is more than the 4 GB that a BMP holds; choose .tif")
    metres = (min(round(dpi * _METRE), 2**31 - 1) for dpi in frame.dpi or (0, 0))
    file.write(struct.pack("<2sIII", b"BM", start + size + len(profile), 0, start))
    bits = 8 * frame.channels
    file.write(struct.pack("<IiiHHIIiiII", _HEAD_BYTES, frame.width, frame.height, 1, bits, 0, size, *metres, 0, 0))
    file.write(bytes(16) + (_EMBEDDED if profile else _WINDOWS) + bytes(48))
    places = (_HEAD_BYTES + len(palette) + size, len(profile)) if profile else (0, 0)
    file.write(struct.pack("<IIII", 4, *places, 0) + palette)  # intended for photographs
    for rows in rows_at_once(frame.height, frame.width):
        strip = frame.samples[rows][::-1, :, ::-1]  # bottom to top, blue to red
        lines = np.ascontiguousarray(strip).reshape(len(strip), -1)
        file.seek(start + row * (frame.height - rows.stop), SEEK_SET)
        file.write(np.pad(lines, ((0, 0), (0, row - lines.shape[1]))).data)
    file.seek(start + size)
    file.write(profile)


FORMAT = Format(
    name="BMP",
    suffixes=(".bmp", ".dib"),
    unwritten=(".dib",),
    begins=lambda head, _: head.startswith(b"BM"),
    depths=(8,),
    carried=frozenset({"icc", "dpi"}),
    units=("inch",),
    models=("palette",),
    open=_open,
    write=_write,
)
