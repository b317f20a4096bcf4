"""Pictures too large for memory, a few rows at a time: in from JPEG, PNG and TIFF, out to the same."""

import os
import shutil
import struct
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from pellucid.atomic import replacing
from pellucid.errors import ImageError
from pellucid.imaging import png, tiff
from pellucid.imaging.color import to_depth
from pellucid.imaging.metadata import JpegSettings, collect, photoshop_block, quiet_pillow
from pellucid.imaging.photo import Photo
from pellucid.imaging.write import fit

if TYPE_CHECKING:
    import pyvips

LARGE = 64_000_000
"""Pixels above which a picture is worth reading by rows."""

_DTYPES = {"uchar": np.uint8, "ushort": np.uint16, "float": np.float32}
_INTERPRETATIONS = ("b-w", "srgb", "rgb", "grey16", "rgb16")
# IJG's luminance table at quality 50, on which the usual scale of qualities rests
_LUMINANCE = (16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55)


class Rows(Protocol):
    """Pixels (H, W, C), all at once as an array or read from a file as they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, C)."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the pixels."""
        ...

    def __getitem__(self, place: slice | tuple[slice, slice], /) -> NDArray[Any]:
        """Some rows, or some columns of them."""
        ...


class UnreadableError(ImageError):
    """Samples that a picture's head promised cannot be had, which shows when they are asked for."""


class Strips:
    """A picture on disk that is read as it is asked for: ``strips[top:bottom, left:right]`` is (H, W, C).

    It stands where an array of pixels does, as long as rows are asked for from top to bottom; going back begins anew.

    Attributes:
        photo: everything but the pixels, which are a single zero spread over the picture's shape.
        path: of the file, for messages.
    """

    def __init__(self, start: "Callable[[], pyvips.Image]", photo: Photo, path: Path) -> None:
        self.photo = photo
        self.path = path
        self.shape: tuple[int, int, int] = (photo.height, photo.width, photo.channels)
        self.dtype = photo.pixels.dtype
        self._start = start
        self._begin()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, place: slice | tuple[slice, slice]) -> NDArray[Any]:
        rows, columns = place if isinstance(place, tuple) else (place, slice(None))
        return self._samples(rows)[:, columns, : self.shape[2]]

    def alpha(self, rows: slice) -> NDArray[Any] | None:
        """(H, W), or None when there is no transparency."""
        return None if self.photo.alpha is None else self._samples(rows)[:, :, self.shape[2]]

    def _begin(self) -> None:
        import pyvips

        self._image = self._start()
        self._region = pyvips.Region.new(self._image)
        self._top = 0
        self._held = np.empty((0, self.shape[1], self._image.bands), self.dtype)

    def _fetch(self, top: int, rows: int) -> Any:
        import pyvips

        try:
            return self._region.fetch(0, top, self.shape[1], rows)
        except pyvips.Error as error:
            raise UnreadableError(f"{self.path}: is damaged or cut short ({' '.join(str(error).split())})") from None

    def _samples(self, rows: slice) -> NDArray[Any]:
        """Rows with all bands; those above them are forgotten."""
        top, bottom, _ = rows.indices(self.shape[0])
        if top < self._top:
            self._begin()
        held = self._held[top - self._top :]
        missing = bottom - (top + len(held))
        if missing > 0:
            raw = self._fetch(top + len(held), missing)
            fresh = np.frombuffer(raw, self.dtype).reshape(missing, *self._held.shape[1:])
            if fresh.dtype.kind == "f" and not np.isfinite(fresh).all():
                raise UnreadableError(f"{self.path}: the picture holds infinite or undefined values")
            held = np.concatenate([held, fresh])
        self._top, self._held = top, held
        return held[: bottom - top]


def open_strips(path: Path) -> Strips | None:
    """A picture that is large enough, and stored in a way that can be read by rows; otherwise None.

    A turned picture is unpacked to a temporary file first, by libvips.
    """
    import pyvips

    try:
        with path.open("rb") as file, quiet_pillow():
            image = Image.open(file, formats=("JPEG", "PNG", "TIFF"))
            if image.width * image.height < LARGE or getattr(image, "n_frames", 1) > 1:
                return None
            is_tiff = isinstance(image, TiffImagePlugin.TiffImageFile)
            orientation, fields = collect(image.info, image.getexif() if is_tiff else None)
            jpeg, format = JpegSettings.of(image), image.format

        def start() -> pyvips.Image:
            access = "sequential" if orientation == 1 else "random"
            stored = pyvips.Image.new_from_file(str(path), access=access, fail_on="error")
            return _upright(stored, orientation)

        stored = start()
    # hostile bytes may raise anything, and reading the file whole says better what is wrong with it
    except Exception:
        return None
    if str(stored.format) not in _DTYPES or stored.interpretation not in _INTERPRETATIONS or stored.bands > 4:
        return None
    colours = 1 if stored.bands < 3 else 3
    zero = np.zeros((), _DTYPES[str(stored.format)])
    plane = np.broadcast_to(zero, (stored.height, stored.width))
    pixels = np.broadcast_to(zero, (*plane.shape, colours))
    if orientation >= 5 and fields["dpi"]:
        across, down = fields["dpi"]
        fields["dpi"] = (down, across)
    alpha = plane if stored.bands > colours else None
    return Strips(start, Photo(pixels=pixels, alpha=alpha, format=format, jpeg=jpeg, **fields), path)


def write_strips(photo: Photo, strips: Iterable[NDArray[Any]], path: Path, *, quality: int | None = None) -> None:
    """Write a picture from rows as they come, atomically, in the format that the file's ending names.

    Args:
        photo: everything but the pixels.
        strips: (H, W, bands) of it from top to bottom, alpha last, in the photo's depth.
        path: ending in a suffix of JPEG, PNG or TIFF.
        quality: as for ``write_photo``.

    Raises:
        ImageError: another format, or it cannot be written; the path is then as it was before.
    """
    import pyvips

    kinds = {"jpg": _write_jpeg, "jpeg": _write_jpeg, "png": _write_png, "tif": _write_tiff, "tiff": _write_tiff}
    write = kinds.get(path.suffix.lower().removeprefix("."))
    if write is None:
        raise ImageError(f"{path}: a picture this large can be written as JPEG, PNG or TIFF only")
    try:
        photo = _fitted(photo, path)
        with replacing(path) as unfinished:
            write(photo, strips, unfinished, quality)
    except UnreadableError:
        raise
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be written ({error.strerror or error})") from error
    except pyvips.Error as error:
        raise ImageError(f"{path}: cannot be written ({' '.join(str(error).split())})") from error


def _fitted(photo: Photo, path: Path) -> Photo:
    """The photo without what its format cannot hold, and that said; by one pixel of it, as all are alike."""
    corner = (slice(1), slice(1))
    alpha = None if photo.alpha is None else photo.alpha[corner]
    (fitting,) = fit([replace(photo, pixels=photo.pixels[corner], alpha=alpha)], path)
    return replace(fitting, pixels=photo.pixels, alpha=photo.alpha)


def _write_jpeg(photo: Photo, strips: Iterable[NDArray[Any]], path: Path, quality: int | None) -> None:
    source = photo.jpeg
    finest = source is None or source.subsampling == 0
    options: dict[str, Any] = {
        "Q": quality or (95 if source is None else quality_of(source)),
        "subsample_mode": "off" if finest or quality else "on",
    }
    only = (strip[:, :, : photo.channels] for strip in strips)
    with _unpacked(photo, only, path, np.dtype(np.uint8)) as image, _beside(path) as bare:
        image.jpegsave(str(bare), keep=0, **options)
        with bare.open("rb") as encoded, path.open("xb") as file:
            file.write(encoded.read(2))  # start of image
            _skip_jfif(encoded)
            for segment in _jpeg_segments(photo):
                file.write(segment)
            shutil.copyfileobj(encoded, file)


def quality_of(jpeg: JpegSettings) -> int:
    """The quality, 1 to 100, that comes nearest to a JPEG's luminance table on the usual scale; 95 without a table."""
    if not jpeg.tables or not any(jpeg.tables[0]):
        return 95
    ratio = 100 * sum(jpeg.tables[0][: len(_LUMINANCE)]) / sum(_LUMINANCE)
    return min(max(round((200 - ratio) / 2 if ratio <= 100 else 5000 / ratio), 1), 100)


def _skip_jfif(encoded: IO[bytes]) -> None:
    """Pass over the segment in which libvips tells a resolution of its own."""
    marker, length = struct.unpack(">2sH", encoded.read(4))
    encoded.seek(length - 2 if marker == b"\xff\xe0" else -4, os.SEEK_CUR)


def _jpeg_segments(photo: Photo) -> Iterator[bytes]:
    """Resolution, EXIF, XMP and ICC profile, each behind its marker."""
    across, down = (1, 1) if photo.dpi is None else (round(dpi) for dpi in photo.dpi)
    unit = int(photo.dpi is not None)
    if not (1 <= across < 2**16 and 1 <= down < 2**16):  # no such number has a place
        unit, across, down = 0, 1, 1
    payloads = [(0xE0, struct.pack(">5sHBHHBB", b"JFIF", 0x0102, unit, across, down, 0, 0))]
    if photo.exif is not None:
        payloads.append((0xE1, photo.exif))
    if photo.xmp is not None:
        payloads.append((0xE1, b"http://ns.adobe.com/xap/1.0/\0" + photo.xmp))
    if photo.iptc is not None:
        payloads.append((0xED, b"Photoshop 3.0\0" + photoshop_block(photo.iptc)))
    if photo.icc is not None:
        parts = [photo.icc[start : start + 65000] for start in range(0, len(photo.icc), 65000)]
        payloads += [(0xE2, b"ICC_PROFILE\0" + bytes((i, len(parts))) + part) for i, part in enumerate(parts, 1)]
    for marker, payload in payloads:
        yield struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def _write_png(photo: Photo, strips: Iterable[NDArray[Any]], path: Path, _quality: int | None) -> None:
    depth = np.dtype(np.uint8 if photo.pixels.dtype == np.uint8 else np.uint16)
    with _unpacked(photo, strips, path, depth) as image, _beside(path) as bare:
        image.pngsave(str(bare), compression=png.COMPRESSION, bitdepth=8 * depth.itemsize, keep=0)
        with bare.open("rb") as encoded, path.open("xb") as file:
            file.write(encoded.read(png.HEAD_BYTES))
            for name, data in png.chunks_of(photo):
                png.put_chunk(file, name, data)
            head = encoded.read(4096)
            file.write(head[head.index(b"IDAT") - 4 :])  # after the resolution that libvips believes in
            shutil.copyfileobj(encoded, file)


def _write_tiff(photo: Photo, strips: Iterable[NDArray[Any]], path: Path, _quality: int | None) -> None:
    with path.open("xb") as file:
        tiff.write_rows(photo, strips, file)


@contextmanager
def _beside(path: Path) -> Generator[Path]:
    """A name next to this one for something that is gone in the end."""
    other = path.with_name(f"{path.stem}-bare{path.suffix}")
    try:
        yield other
    finally:
        other.unlink(missing_ok=True)


@contextmanager
def _unpacked(
    photo: Photo, strips: Iterable[NDArray[Any]], path: Path, depth: np.dtype[Any]
) -> "Generator[pyvips.Image]":
    """The rows as a picture of libvips', by way of a file next to the one to be written: its encoders pull."""
    import pyvips

    raw, bands = path.with_suffix(".raw"), 0
    try:
        with raw.open("xb") as file:
            for strip in strips:
                bands = strip.shape[2]
                file.write(np.ascontiguousarray(to_depth(strip, depth)).data)
        image = pyvips.Image.rawload(
            str(raw),
            photo.width,
            photo.height,
            bands,
            format="uchar" if depth == np.uint8 else "ushort",
            interpretation=("b-w" if depth == np.uint8 else "grey16")
            if photo.channels == 1
            else ("srgb" if depth == np.uint8 else "rgb16"),
            access="sequential",
        )
        yield image
    finally:
        raw.unlink(missing_ok=True)


def _upright(image: "pyvips.Image", orientation: int) -> "pyvips.Image":
    """Undo an EXIF orientation."""
    if orientation in (5, 6, 7, 8):
        image = image.rot90().fliphor()  # transposed
    if orientation in (2, 3, 6, 7):
        image = image.fliphor()
    return image.flipver() if orientation in (3, 4, 7, 8) else image
