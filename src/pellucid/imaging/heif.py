"""AVIF and HEIC: one container, two codecs. 8-bit AVIF is Pillow's, deep AVIF libvips', HEIC an extra's."""

import logging
import struct
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pellucid.errors import MissingExtraError
from pellucid.imaging.color import planes_of, split
from pellucid.imaging.limits import refuse_huge
from pellucid.imaging.metadata import EXIF_PREFIX, collect
from pellucid.imaging.photo import Photo

_log = logging.getLogger(__name__)

HEIC_SUFFIXES = (".heic", ".heif", ".hif")
DEFAULT_QUALITY = 90
LONGEST_SIDE = 16384
_DEEPEST = 12
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs")
_AVIF_BRANDS = (b"avif", b"avis")
_DISPLAY_P3 = 12
_KEEP_EXIF, _KEEP_XMP_AND_ICC = 1, 2 | 8
_TIFF, _BLANK = b"II*\0", b"pellucid"


def codec_of(head: bytes) -> Literal["AVIF", "HEIC"] | None:
    """Tell by the brands that a file begins with."""
    if head[4:8] != b"ftyp":
        return None
    end = int.from_bytes(head[:4], "big")
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, min(end, len(head)), 4))]
    if any(brand in _AVIF_BRANDS for brand in brands):
        return "AVIF"
    return "HEIC" if any(brand in _HEIC_BRANDS for brand in brands) else None


def require_heic() -> Any:
    """Return the library that reads and writes HEIC.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import pillow_heif
    except ImportError:
        raise MissingExtraError("HEIC", "heic") from None
    return pillow_heif


def read_heic(file: IO[bytes], max_pixels: int) -> Photo:
    """Read the main picture, at its own depth.

    The container's turn is applied by the library, and EXIF's is not: it only repeats it.

    Raises:
        MissingExtraError: The library for it is not installed.
    """
    library: Any = require_heic()
    opened = library.open_heif(file, convert_hdr_to_8bit=False)
    width, height = opened.size
    refuse_huge(width, height, max_pixels)
    if len(opened) > 1:
        _log.warning("%s: holds %d pictures, of which only the main one is read", file.name, len(opened))
    info = dict(opened.info)
    _, fields = collect(info)
    nclx = info.get("nclx_profile") or {}
    if fields["icc"] is None and nclx.get("color_primaries") == _DISPLAY_P3:
        fields["icc"] = _display_p3()
    bits: int = info.get("bit_depth", 8)
    pixels, alpha = split(np.asarray(opened))
    deep = bits if bits > 8 else None
    return _stretched(pixels, alpha, fields | {"format": "HEIF"}, deep)


def deep_bits(path: Path) -> int | None:
    """How many bits a sample of an AVIF has, if more than 8, by its header."""
    import pyvips

    header: Any = pyvips.Image.heifload(str(path), revalidate=True)
    bits = int(header.get("bits-per-sample")) if header.get_typeof("bits-per-sample") else 8
    return bits if bits > 8 else None


def read_deep_avif(path: Path, image: Image.Image, bits: int) -> Photo:
    """Decode with libvips, which turns it upright, what Pillow would cut to 8 bits; the metadata is Pillow's."""
    import pyvips

    pixels, alpha = planes_of(pyvips.Image.heifload(str(path), fail_on="error", revalidate=True))
    _, fields = collect(image.info)
    return _stretched(pixels, alpha, fields | {"format": "AVIF"}, bits)


def write_avif(photo: Photo, file: IO[bytes], quality: int | None) -> None:
    """Write 8 bits, or of a deep photo as many as its source had, at most 12; deep grey is stored as colour."""
    encode = _encode_avif if photo.pixels.dtype == np.uint8 else _encode_deep_avif
    quality = quality or DEFAULT_QUALITY
    if photo.exif is None:
        file.write(encode(photo, quality))
        return
    # Both libraries would rebuild the EXIF and break its maker notes; so they get one of blanks, to be filled here
    payload = photo.exif.removeprefix(EXIF_PREFIX)
    blanks = _BLANK * (len(payload) // len(_BLANK) + 1)
    description = struct.pack("<IHHHIII", 8, 1, 0x010E, 2, len(blanks) + 1, 26, 0)
    blank = EXIF_PREFIX + _TIFF + description + blanks + b"\0"
    encoded = bytearray(encode(replace(photo, exif=blank), quality))
    end = encoded.index(blanks) + len(blanks)
    start = encoded.rindex(_TIFF, 0, end)
    encoded[start:end] = payload.ljust(end - start, b"\0")
    file.write(encoded)


def _encode_avif(photo: Photo, quality: int) -> bytes:
    options = {"exif": photo.exif, "icc_profile": photo.icc, "xmp": photo.xmp}
    present = {key: value for key, value in options.items() if value}
    subsampling = "4:0:0" if photo.channels == 1 and photo.alpha is None else "4:4:4"
    encoded = BytesIO()
    photo.to_pil().save(encoded, "AVIF", quality=quality, subsampling=subsampling, **present)
    return encoded.getvalue()


def _encode_deep_avif(photo: Photo, quality: int) -> bytes:
    import pyvips

    bits = _bits_to_write(photo, "AVIF")
    samples = _narrowed(photo.interleaved(), bits)
    bare = pyvips.Image.new_from_memory(samples.data, photo.width, photo.height, samples.shape[2], "ushort")
    image: Any = bare.copy(interpretation="grey16" if photo.channels == 1 else "rgb16")
    for name, value in (("exif-data", photo.exif), ("icc-profile-data", photo.icc), ("xmp-data", photo.xmp)):
        if value:
            image.set_type(pyvips.GValue.blob_type, name, value)
    keep = _KEEP_XMP_AND_ICC | _KEEP_EXIF * (photo.exif is not None)  # or libvips would make one up
    return image.heifsave_buffer(compression="av1", Q=quality, bitdepth=bits, subsample_mode="off", keep=keep)


def write_heic(photo: Photo, file: IO[bytes], quality: int | None) -> None:
    """Write 8 bits, or of a deep photo as many as its source had, at most 12."""
    library: Any = require_heic()
    samples = photo.interleaved()
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[samples.shape[2]]
    options: dict[str, Any] = {"quality": quality or DEFAULT_QUALITY, "chroma": 444}
    if samples.dtype == np.uint16:
        options["bit_depth"] = _bits_to_write(photo, "HEIC")
        samples, mode = _narrowed(samples, options["bit_depth"]), f"{mode};16"
    for name, value in (("exif", photo.exif), ("icc_profile", photo.icc), ("xmp", photo.xmp)):
        if value:
            options[name] = value
    encoded = BytesIO()
    library.encode(mode, (photo.width, photo.height), samples.tobytes(), encoded, **options)
    file.write(encoded.getbuffer())


def _bits_to_write(photo: Photo, name: str) -> int:
    if photo.bits is None:
        _log.warning("%s holds %d bits a sample, and the photo has 16", name, _DEEPEST)
    return min(photo.bits or _DEEPEST, _DEEPEST)


def _stretched(pixels: NDArray[Any], alpha: NDArray[Any] | None, fields: dict[str, Any], bits: int | None) -> Photo:
    """A photo whose samples reach the top of 16 bits, from ones that libheif put into the upper bits."""
    if bits is not None:
        pixels = _widened(pixels, bits)
        alpha = None if alpha is None else _widened(alpha, bits)
    return Photo(pixels=pixels, alpha=alpha, bits=bits, **fields)


def _widened(values: NDArray[np.uint16], bits: int) -> NDArray[np.uint16]:
    top = 2**bits - 1
    full = np.rint(np.arange(top + 1) * (65535 / top)).astype(np.uint16)
    return full[values >> (16 - bits)]


def _narrowed(values: NDArray[np.uint16], bits: int) -> NDArray[np.uint16]:
    """The nearest values of so many bits, in the upper ones."""
    top = 2**bits - 1
    few = np.rint(np.arange(65536) * (top / 65535)).astype(np.uint16) << (16 - bits)
    return few[values]


def _display_p3() -> bytes:
    import pyvips

    return bytes(pyvips.Image.profile_load("p3"))
