"""PNG: 16 bits by libvips, for which Pillow has no modes, and every chunk that describes a photograph."""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from numpy.typing import NDArray
from PIL import Image, ImageFile, PngImagePlugin

from pellucid.imaging.color import planes, planes_of
from pellucid.imaging.metadata import EXIF_PREFIX, collect, photoshop_block, png_profile
from pellucid.imaging.photo import Photo

COMPRESSION = 4
"""Fast, and within a few percent of the smallest; photographs hardly compress."""
SIGNATURE = b"\x89PNG\r\n\x1a\n"
HEAD_BYTES = len(SIGNATURE) + 25
"""Signature and IHDR."""


def is_deep(image: Image.Image) -> bool:
    """Whether an opened PNG has 16 bits a sample, in a way that Pillow would cut to 8."""
    how = image.tile[0].args if isinstance(image, ImageFile.ImageFile) and image.tile else None
    return str(how).endswith(";16B")


def read_deep(path: Path, image: Image.Image) -> Photo:
    """Decode with libvips what Pillow has opened; the metadata is Pillow's."""
    import pyvips

    pixels, alpha = planes_of(pyvips.Image.pngload(str(path), fail_on="error", revalidate=True))
    # Pillow reads the chunks behind the pixels, where EXIF may lie, only when it decodes
    image.load()
    orientation, fields = collect(image.info)
    return Photo.from_stored(pixels, alpha, orientation, fields, format="PNG")


def decode(data: bytes) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Pixels and alpha of a PNG in memory, at its own depth."""
    from io import BytesIO

    import pyvips

    image = Image.open(BytesIO(data), formats=("PNG",))
    if is_deep(image):
        return planes_of(pyvips.Image.pngload_buffer(data, fail_on="error"))
    image.load()
    pixels, alpha, _ = planes(image)
    return pixels, alpha


def encode(photo: Photo) -> bytes:
    """Encode uint8 or uint16 pixels and alpha, without any metadata."""
    import pyvips

    samples = photo.interleaved()
    deep = samples.itemsize == 2
    image = pyvips.Image.new_from_memory(
        samples.data, photo.width, photo.height, samples.shape[2], "ushort" if deep else "uchar"
    )
    if photo.channels == 1:
        image = image.copy(interpretation="grey16" if deep else "b-w")
    else:
        image = image.copy(interpretation="rgb16" if deep else "srgb")
    return image.pngsave_buffer(compression=COMPRESSION, bitdepth=16 if deep else 8, keep=0)


def write(photo: Photo, file: IO[bytes], _quality: int | None) -> None:
    """Write uint8 or uint16.

    libvips would write a profile only where it agrees with it, and an EXIF of its own making; so its chunks
    are left out and ours put in their place.
    """
    encoded = encode(photo)
    file.write(encoded[:HEAD_BYTES])
    for name, data in chunks_of(photo):
        put_chunk(file, name, data)
    # libvips lets the resolution it believes in follow the IHDR
    file.write(encoded[encoded.index(b"IDAT", HEAD_BYTES) - 4 :])


def chunks_of(photo: Photo) -> Iterator[tuple[bytes, bytes]]:
    """What a photo has beside its pixels, in the order in which it goes before them."""
    if photo.icc is not None:
        yield b"iCCP", b"ICC Profile\0\0" + zlib.compress(photo.icc)
    if photo.dpi is not None:
        yield b"pHYs", struct.pack(">IIB", *(round(dpi / 0.0254) for dpi in photo.dpi), 1)
    if photo.exif is not None:
        yield b"eXIf", photo.exif.removeprefix(EXIF_PREFIX)
    if photo.xmp is not None:
        yield b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + photo.xmp
    if photo.iptc is not None:
        text = png_profile("iptc", photoshop_block(photo.iptc)).encode()
        yield b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(text)


def put_chunk(file: IO[bytes], name: bytes, data: bytes) -> None:
    """Write a chunk with its length and checksum."""
    PngImagePlugin.putchunk(file, name, data)
