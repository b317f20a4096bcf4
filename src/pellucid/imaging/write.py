"""From a Photo to a picture file, whole or not at all."""

import logging
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from pellucid.atomic import replacing
from pellucid.errors import ConfigError, ImageError, did_you_mean
from pellucid.imaging import gif, heif, netpbm, png, tiff, webp
from pellucid.imaging.color import to_depth
from pellucid.imaging.metadata import photoshop_block
from pellucid.imaging.photo import Photo

_log = logging.getLogger(__name__)

_DEFAULT_QUALITY = 95
# An APP1 segment counts its length in 16 bits, with what it begins with included
_JPEG_SEGMENT = {"exif": 65533, "xmp": 65533 - 29, "iptc": 65533 - 27}


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
        MissingExtraError: The format takes an extra that is not installed.
    """
    name = _container(Path(path)).name
    if name == "HEIF":
        heif.require_heic()
    return name


def write_photo(
    photo: Photo, path: str | os.PathLike[str], *, quality: int | None = None, overwrite: bool = True
) -> None:
    """Write a photo in the format that the file's ending names, atomically: whole or not at all.

    What the format cannot hold (depth, transparency, EXIF, ...) is left out with a logged warning; depth is
    rounded to the nearest step. PNG, TIFF and PPM are lossless. A JPEG that came from a JPEG keeps its
    quantisation tables and subsampling, a WebP that came from one without loss loses none, and AVIF and HEIC keep
    the bits of their source.

    Args:
        photo: what to write.
        path: ending in one of `WRITABLE_SUFFIXES`, in a folder that exists.
        quality: 1 to 100 for JPEG (4:4:4), WebP (lossy), AVIF and HEIC, otherwise ignored; None is as the source
            JPEG or WebP, or 95, for AVIF and HEIC 90.
        overwrite: replace a file of that name.

    Raises:
        ImageError: It cannot be written; the path is then as it was before.
        ConfigError: The quality is not 1 to 100.
    """
    path = Path(path)
    container = _container(path)
    write_whole(
        path,
        lambda file: container.write(_fit(photo, container, path), file, quality),
        quality=quality,
        overwrite=overwrite,
    )


def write_whole(path: Path, write: Callable[[IO[bytes]], None], *, quality: int | None, overwrite: bool) -> None:
    """Fill a hidden neighbour and rename it, so that no one ever finds half a picture under ``path``.

    Raises:
        ImageError: It cannot be written, whatever the encoder raised; the path is then as it was before.
        ConfigError: The quality is not 1 to 100.
    """
    if quality is not None and not 1 <= quality <= 100:
        raise ConfigError(f"Quality must be 1 to 100, got {quality}.")
    try:
        _refuse_target(path, overwrite)
        with replacing(path) as unfinished, unfinished.open("xb") as file:
            write(file)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be written ({error.strerror or _line(error)})") from error
    # The encoders raise errors of many kinds, and one photo must never end a batch
    except Exception as error:
        raise ImageError(f"{path}: cannot be written as {_container(path).name} ({_line(error)})") from error


def fit(photos: Iterable[Photo], path: Path) -> Iterator[Photo]:
    """Reduce photos to what the format that a file's ending names can hold, and say once what that costs."""
    container = _container(path)
    for index, photo in enumerate(photos):
        yield _fit(photo, container, path, say=index == 0)


def _refuse_target(path: Path, overwrite: bool) -> None:
    if path.is_dir():
        raise ImageError("is a folder; name a file in it")
    if not path.parent.is_dir():
        raise ImageError(f"the folder {path.parent} does not exist; create it first")
    if not overwrite and os.path.lexists(path):  # a dangling link is somebody's too
        raise ImageError("exists already, and overwriting was not asked for")


def _container(path: Path) -> _Container:
    suffix = path.suffix.lower()
    if suffix not in _BY_SUFFIX:
        found = f"no format is called '{suffix}'." if suffix else "the name has no ending that tells the format."
        raise ImageError(f"{path}: {found}{did_you_mean(suffix, _BY_SUFFIX)}")
    return _BY_SUFFIX[suffix]


def _fit(photo: Photo, container: _Container, path: Path, *, say: bool = True) -> Photo:
    """Reduce a photo to what a format can hold, and say what that costs."""
    if max(photo.height, photo.width) > container.longest_side:
        raise ImageError(f"{container.name} holds at most {container.longest_side} pixels a side; choose .tif")
    limits = _JPEG_SEGMENT if container.name == "JPEG" else {}
    lost = [
        name
        for name in ("alpha", "exif", "icc", "xmp", "iptc")
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
    if lost and say:
        _log.warning("%s: %s cannot hold its %s", path, container.name, ", ".join(lost))
    return replace(photo, **changes)


def _write_jpeg(photo: Photo, file: IO[bytes], quality: int | None) -> None:
    source = photo.jpeg
    how: dict[str, Any]
    if quality is None and source is not None and source.channels == photo.channels:
        how = {"qtables": [list(table) for table in source.tables], "subsampling": source.subsampling}
    else:
        how = {"quality": quality or _DEFAULT_QUALITY, "subsampling": 0}
    if photo.iptc is not None:
        block = b"Photoshop 3.0\0" + photoshop_block(photo.iptc)
        how["extra"] = b"\xff\xed" + struct.pack(">H", len(block) + 2) + block
    photo.to_pil().save(file, "JPEG", **how, **_present(photo, "exif", "icc", "xmp", "dpi"))


def _write_bmp(photo: Photo, file: IO[bytes], _quality: int | None) -> None:
    photo.to_pil().save(file, "BMP", **_present(photo, "dpi"))


def _write_tiff(photo: Photo, file: IO[bytes], _quality: int | None) -> None:
    samples = photo.pixels.nbytes + (0 if photo.alpha is None else photo.alpha.nbytes)
    tiff.write_pages([photo], file, big=tiff.needs_big(samples))


def _present(photo: Photo, *names: str) -> dict[str, Any]:
    """Return Pillow's save arguments for the fields that a photo has."""
    values = {name: getattr(photo, name) for name in names}
    return {"icc_profile" if name == "icc" else name: value for name, value in values.items() if value}


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


_DESCRIPTION = frozenset({"exif", "icc", "xmp"})
_ALL = _DESCRIPTION | {"alpha", "iptc"}
_U8, _U16, _F32 = np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32)
_CONTAINERS = (
    _Container("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), (_U8,), _ALL - {"alpha"}, _write_jpeg, 65535),
    _Container("PNG", (".png", ".apng"), (_U8, _U16), _ALL, png.write),
    _Container("TIFF", (".tif", ".tiff"), (_U8, _U16, _F32), _ALL, _write_tiff),
    _Container("WEBP", (".webp",), (_U8,), _DESCRIPTION | {"alpha"}, webp.write, webp.LONGEST_SIDE),
    _Container("BMP", (".bmp",), (_U8,), frozenset(), _write_bmp),
    _Container("PPM", (".ppm", ".pgm", ".pnm"), (_U8, _U16), frozenset(), netpbm.write),
    _Container("GIF", (".gif",), (_U8,), frozenset({"alpha", "xmp"}), gif.write, gif.LONGEST_SIDE),
    _Container("AVIF", (".avif",), (_U8, _U16), _DESCRIPTION | {"alpha"}, heif.write_avif, heif.LONGEST_SIDE),
    _Container("HEIF", heif.HEIC_SUFFIXES, (_U8, _U16), _DESCRIPTION | {"alpha"}, heif.write_heic, heif.LONGEST_SIDE),
)
_BY_SUFFIX = {suffix: container for container in _CONTAINERS for suffix in container.suffixes}
WRITABLE_SUFFIXES = frozenset(_BY_SUFFIX)
"""Lower-case file name endings that `write_photo` accepts, some with an extra only."""
