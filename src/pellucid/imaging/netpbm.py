"""PGM and PPM with any highest value up to 65535, in bytes or in digits."""

import re
from typing import IO

import numpy as np
from PIL import Image, ImageFile

from pellucid.errors import ImageError
from pellucid.imaging.photo import Photo

_HEADER = re.compile(rb"P([2356])" + rb"(?:\s|#[^\r\n]*[\r\n])+(\d{1,9})" * 3 + rb"\s")
_HEADER_BYTES = 4096


def is_ours(image: Image.Image) -> bool:
    """Whether an opened PNM has samples that Pillow would cut to 8 bits, or take minutes over."""
    if image.format != "PPM" or image.mode not in ("L", "RGB", "I") or not isinstance(image, ImageFile.ImageFile):
        return False
    return image.tile[0][0] != "raw" or image.mode == "I"


def read(file: IO[bytes]) -> Photo:
    """Read grey or colour; values are scaled to the full range of 8 bits, or 16 where the highest needs them.

    Raises:
        ImageError: It is cut short, or its header is.
    """
    file.seek(0)
    header = _HEADER.match(file.read(_HEADER_BYTES))
    if header is None:
        raise ImageError("is damaged or cut short (its header)")
    kind, width, height, highest = (int(value) for value in header.groups())
    file.seek(header.end())
    channels = 3 if kind in (3, 6) else 1
    count = width * height * channels
    if kind in (2, 3):
        digits = re.sub(rb"#[^\r\n]*", b"", file.read())
        values = np.array(digits.split(maxsplit=count)[:count], np.uint32)
    else:
        values = np.frombuffer(file.read(count * (1 if highest < 256 else 2)), ">u2" if highest > 255 else "u1")
    if len(values) < count:
        raise ImageError("is damaged or cut short (pixels are missing)")
    if not 0 < highest < 65536:
        raise ImageError(f"is damaged (its highest value is {highest}, and must be 1 to 65535)")
    top = 255 if highest < 256 else 65535
    scale = np.rint(np.arange(highest + 1) * (top / highest)).astype(np.uint8 if top == 255 else np.uint16)
    pixels = scale[np.minimum(values, highest)] if highest != top else values.astype(scale.dtype)
    return Photo(pixels=pixels.reshape(height, width, channels), format="PPM")


def write(photo: Photo, file: IO[bytes], _quality: int | None) -> None:
    """Write bytes, two for a sample of uint16."""
    highest = np.iinfo(photo.pixels.dtype).max
    file.write(f"P{5 if photo.channels == 1 else 6}\n{photo.width} {photo.height}\n{highest}\n".encode())
    file.write(np.ascontiguousarray(photo.pixels.astype(photo.pixels.dtype.newbyteorder(">"), copy=False)).data)
