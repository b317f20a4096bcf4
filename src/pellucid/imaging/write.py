"""From a Photo to a picture file, whole or not at all."""

import logging
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin, TiffTags
from PIL import TiffImagePlugin as tiff

from pellucid.atomic import replacing
from pellucid.errors import ConfigError, ImageError, did_you_mean
from pellucid.imaging.color import to_depth
from pellucid.imaging.metadata import EXIF_PREFIX, STORAGE_TAGS, quiet_pillow
from pellucid.imaging.photo import Photo

_log = logging.getLogger(__name__)

_DEFAULT_QUALITY = 95
# Fast, and within a few percent of the smallest; photographs hardly compress
_PNG_COMPRESSION = 4
# An APP1 segment counts its length in 16 bits, with what it begins with included
_JPEG_SEGMENT = {"exif": 65533, "xmp": 65533 - 29}
_STRIP_BYTES = 2**20


@dataclass(frozen=True)
class _Container:
    """A file format: what it can hold of a Photo, and how it is written."""

    name: str
    suffixes: tuple[str, ...]
    dtypes: tuple[np.dtype[Any], ...]
    holds: frozenset[str]
    write: Callable[[Photo, IO[bytes], int | None], None]
    longest_side: int = 2**31 - 1


def check_writable_suffix(path: str | os.PathLike[str]) -> str:
    """Refuse a file name whose ending names no writable format, before any work is done for it.

    Returns:
        The format's name in Pillow's spelling, such as ``"JPEG"``.

    Raises:
        ImageError: The ending is unknown or missing; the message proposes one.
    """
    return _container(Path(path)).name


def write_photo(
    photo: Photo, path: str | os.PathLike[str], *, quality: int | None = None, overwrite: bool = True
) -> None:
    """Write a photo in the format that the file's ending names, atomically: whole or not at all.

    What the format cannot hold (depth, transparency, EXIF, ...) is left out with a logged warning; depth is
    rounded to the nearest step. PNG and TIFF are lossless. A JPEG that came from a JPEG keeps its
    quantisation tables and subsampling.

    Args:
        photo: what to write.
        path: ending in one of `WRITABLE_SUFFIXES`, in a folder that exists.
        quality: 1 to 100 for JPEG (4:4:4) and WebP (lossy), otherwise ignored; None is as the source JPEG,
            or 95.
        overwrite: replace a file of that name.

    Raises:
        ImageError: It cannot be written; the path is then as it was before.
        ConfigError: The quality is not 1 to 100.
    """
    path = Path(path)
    container = _container(path)
    if quality is not None and not 1 <= quality <= 100:
        raise ConfigError(f"Quality must be 1 to 100, got {quality}.")
    try:
        _refuse_target(path, overwrite)
        fitting = _fit(photo, container, path)
        _write_whole(path, lambda file: container.write(fitting, file, quality))
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be written ({error.strerror or _line(error)})") from error
    # The encoders raise errors of many kinds, and one photo must never end a batch
    except Exception as error:
        raise ImageError(f"{path}: cannot be written as {container.name} ({_line(error)})") from error


def _refuse_target(path: Path, overwrite: bool) -> None:
    if path.is_dir():
        raise ImageError("is a folder; name a file in it")
    if not path.parent.is_dir():
        raise ImageError(f"the folder {path.parent} does not exist; create it first")
    if not overwrite and os.path.lexists(path):  # a dangling link is somebody's too
        raise ImageError("exists already, and overwriting was not asked for")


def _write_whole(path: Path, write: Callable[[IO[bytes]], None]) -> None:
    """Fill a hidden neighbour and rename it, so that no one ever finds half a picture under ``path``."""
    with replacing(path) as unfinished, unfinished.open("xb") as file:
        write(file)


def _container(path: Path) -> _Container:
    suffix = path.suffix.lower()
    if suffix not in _BY_SUFFIX:
        found = f"no format is called '{suffix}'." if suffix else "the name has no ending that tells the format."
        raise ImageError(f"{path}: {found}{did_you_mean(suffix, _BY_SUFFIX)}")
    return _BY_SUFFIX[suffix]


def _fit(photo: Photo, container: _Container, path: Path) -> Photo:
    """Reduce a photo to what a format can hold, and say what that costs."""
    if max(photo.height, photo.width) > container.longest_side:
        raise ImageError(f"{container.name} holds at most {container.longest_side} pixels a side; choose .tif")
    limits = _JPEG_SEGMENT if container.name == "JPEG" else {}
    lost = [
        name
        for name in ("alpha", "exif", "icc", "xmp")
        if (value := getattr(photo, name)) is not None
        and (name not in container.holds or len(value) > limits.get(name, len(value)))
    ]
    changes: dict[str, Any] = dict.fromkeys(lost)
    if photo.pixels.dtype not in container.dtypes:
        deepest = container.dtypes[-1]
        lost.append(f"{photo.pixels.dtype} depth")
        changes["pixels"] = to_depth(photo.pixels, deepest)
        if photo.alpha is not None and "alpha" not in lost:
            changes["alpha"] = to_depth(photo.alpha, deepest)
    if lost:
        _log.warning("%s: %s cannot hold its %s", path, container.name, ", ".join(lost))
    return replace(photo, **changes)


def _write_jpeg(photo: Photo, file: IO[bytes], quality: int | None) -> None:
    source = photo.jpeg
    if quality is None and source is not None and source.channels == photo.channels:
        how = {"qtables": [list(table) for table in source.tables], "subsampling": source.subsampling}
    else:
        how = {"quality": quality or _DEFAULT_QUALITY, "subsampling": 0}
    photo.to_pil().save(file, "JPEG", **how, **_present(photo, "exif", "icc", "xmp", "dpi"))


def _write_webp(photo: Photo, file: IO[bytes], quality: int | None) -> None:
    image = photo.to_pil()
    image.save(file, "WEBP", quality=quality or _DEFAULT_QUALITY, **_present(photo, "exif", "icc", "xmp"))


def _write_bmp(photo: Photo, file: IO[bytes], _quality: int | None) -> None:
    photo.to_pil().save(file, "BMP", **_present(photo, "dpi"))


def _write_ppm(photo: Photo, file: IO[bytes], _quality: int | None) -> None:
    photo.to_pil().save(file, "PPM")


def _write_png(photo: Photo, file: IO[bytes], _quality: int | None) -> None:
    chunks = PngImagePlugin.PngInfo()
    if photo.xmp is not None:
        chunks.add_itxt("XML:com.adobe.xmp", photo.xmp.decode("utf-8", "replace"))
    if photo.pixels.dtype == np.uint8:
        options = _present(photo, "exif", "icc", "dpi")
        photo.to_pil().save(file, "PNG", compress_level=_PNG_COMPRESSION, pnginfo=chunks, **options)
        return
    # libvips would write a profile only where it agrees with it, and an EXIF of its own making
    if photo.icc is not None:
        chunks.add(b"iCCP", b"ICC Profile\0\0" + zlib.compress(photo.icc))
    if photo.exif is not None:
        chunks.add(b"eXIf", photo.exif.removeprefix(EXIF_PREFIX))
    if photo.dpi is not None:
        chunks.add(b"pHYs", struct.pack(">IIB", *(round(dpi / 0.0254) for dpi in photo.dpi), 1))
    encoded = _deep_png(photo)
    # signature and IHDR; libvips lets the resolution it believes in follow them
    file.write(encoded[: 8 + 25])
    for name, data, *_ in chunks.chunks:
        PngImagePlugin.putchunk(file, name, data)
    file.write(encoded[encoded.index(b"IDAT") - 4 :])


def _deep_png(photo: Photo) -> bytes:
    """Encode 16-bit pixels and alpha, which Pillow cannot, without any metadata."""
    import pyvips

    samples = photo.interleaved()
    image = pyvips.Image.new_from_memory(samples.tobytes(), photo.width, photo.height, samples.shape[2], "ushort")
    image = image.copy(interpretation="grey16" if photo.channels == 1 else "rgb16")
    return image.pngsave_buffer(compression=_PNG_COMPRESSION, bitdepth=16, keep=0)


def _write_tiff(photo: Photo, file: IO[bytes], _quality: int | None) -> None:
    """Write an uncompressed TIFF: a directory of Pillow's making before the bare samples.

    Pillow's own writer has no 16-bit colour, libvips' has no EXIF.
    """
    samples = photo.interleaved()
    samples = samples.astype(samples.dtype.newbyteorder("<"), copy=False)
    bands, stride = samples.shape[2], samples[0].nbytes
    rows = max(1, _STRIP_BYTES // stride)
    offsets = tuple(range(0, samples.nbytes, rows * stride))
    tags: dict[int, Any] = {
        tiff.IMAGEWIDTH: photo.width,
        tiff.IMAGELENGTH: photo.height,
        tiff.BITSPERSAMPLE: (samples.itemsize * 8,) * bands,
        tiff.SAMPLEFORMAT: (3 if samples.dtype.kind == "f" else 1,) * bands,
        tiff.SAMPLESPERPIXEL: bands,
        tiff.PHOTOMETRIC_INTERPRETATION: 1 if photo.channels == 1 else 2,
        tiff.PLANAR_CONFIGURATION: 1,
        tiff.COMPRESSION: 1,
        tiff.ROWSPERSTRIP: rows,
        tiff.STRIPOFFSETS: offsets,
        tiff.STRIPBYTECOUNTS: tuple(min(rows * stride, samples.nbytes - start) for start in offsets),
        tiff.EXTRASAMPLES: None if photo.alpha is None else 2,
        tiff.ICCPROFILE: photo.icc,
        tiff.XMP: photo.xmp,
    }
    if photo.dpi is not None:
        tags |= {tiff.RESOLUTION_UNIT: 2, tiff.X_RESOLUTION: photo.dpi[0], tiff.Y_RESOLUTION: photo.dpi[1]}
    try:
        header = _tiff_header(_exif_tags(photo.exif) | tags)
    # Pillow raises errors of many kinds on tags of odd types, and the picture matters more
    except Exception as error:
        _log.warning("The EXIF cannot be understood and is left out (%s)", _line(error))
        header = _tiff_header(tags)
    file.write(header)
    file.write(samples.tobytes())


def _tiff_header(tags: dict[int, Any]) -> bytes:
    directory = tiff.ImageFileDirectory_v2()
    for tag, value in tags.items():
        if value is not None:
            directory[tag] = value
    # Pillow would count small strips in 16 bits, and cannot move their offsets beyond that
    directory.tagtype[tiff.STRIPOFFSETS] = directory.tagtype[tiff.STRIPBYTECOUNTS] = TiffTags.LONG
    header = BytesIO()
    directory.save(header)
    return header.getvalue()


def _exif_tags(payload: bytes | None) -> dict[int, Any]:
    """Unfold an EXIF payload into the tags, and directories of tags, that a TIFF holds by itself."""
    if payload is None:
        return {}
    exif = Image.Exif()
    with quiet_pillow():
        exif.load(payload)
        tags = {
            tag: exif.get_ifd(tag) if tag in TiffTags.TAGS_V2_GROUPS else value
            for tag, value in exif.items()
            if tag not in STORAGE_TAGS
        }
        details = tags.get(ExifTags.IFD.Exif, {})
        if ExifTags.IFD.Interop in details:
            details[ExifTags.IFD.Interop] = exif.get_ifd(ExifTags.IFD.Interop)
    return tags


def _present(photo: Photo, *names: str) -> dict[str, Any]:
    """Return Pillow's save arguments for the fields that a photo has."""
    values = {name: getattr(photo, name) for name in names}
    return {"icc_profile" if name == "icc" else name: value for name, value in values.items() if value}


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


_ALL = frozenset({"alpha", "exif", "icc", "xmp"})
_U8, _U16, _F32 = np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32)
_CONTAINERS = (
    _Container("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), (_U8,), _ALL - {"alpha"}, _write_jpeg, 65535),
    _Container("PNG", (".png",), (_U8, _U16), _ALL, _write_png),
    _Container("TIFF", (".tif", ".tiff"), (_U8, _U16, _F32), _ALL, _write_tiff),
    _Container("WEBP", (".webp",), (_U8,), _ALL, _write_webp, 16383),
    _Container("BMP", (".bmp",), (_U8,), frozenset(), _write_bmp),
    _Container("PPM", (".ppm", ".pgm", ".pnm"), (_U8,), frozenset(), _write_ppm),
)
_BY_SUFFIX = {suffix: container for container in _CONTAINERS for suffix in container.suffixes}
WRITABLE_SUFFIXES = frozenset(_BY_SUFFIX)
"""Lower-case file name endings that `write_photo` accepts."""
