"""TIFF and BigTIFF: pages one by one, deep samples by libvips, and a writer that holds one strip at a time."""

import logging
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, TiffTags, UnidentifiedImageError
from PIL import TiffImagePlugin as tags_of

from pellucid.errors import ImageError
from pellucid.imaging.color import planes_of, srgb_profile
from pellucid.imaging.limits import refuse_huge
from pellucid.imaging.metadata import IPTC_TAG, STORAGE_TAGS, collect, quiet_pillow
from pellucid.imaging.photo import Photo

if TYPE_CHECKING:
    pass

if TYPE_CHECKING:
    import pyvips

_log = logging.getLogger(__name__)

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MOST_PAGES = 10_000
_NEW_SUBFILE_TYPE, _REDUCED, _MASK = 254, 1, 4
_DNG_VERSION = 50706
_IPTC_MARK = b"\x1c"
_LONG8 = 16
_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_WHOLE_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _PALETTE, _CMYK, _LAB = 0, 1, 3, 5, 8
_KINDS = (_WHITE_IS_ZERO, _BLACK_IS_ZERO, 2, _PALETTE, _CMYK, 6, _LAB)
_DEPTHS = (1, 2, 4, 8, 16, 32)
_STRIP_BYTES = 2**20
# Offsets count in 32 bits; directories and metadata want room too
_CLASSIC_BYTES = 2**32 - 2**26


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a directory says of its page.

    Attributes:
        index: its place in the chain of directories.
        offset: of the directory in the file.
        width, height: as stored, before any turning.
        bits: of a sample.
        sample_format: 1 for whole numbers, 2 for signed ones, 3 for floats.
        photometric: what the samples mean, by TIFF's numbers.
        bands: samples of a pixel as they will be written again, at most.
        is_photo: neither a preview nor a mask of another page.
        is_dng: a camera's raw file in this container.
        iptc: records of IPTC, which Pillow misreads where they are called numbers.
    """

    index: int
    offset: int
    width: int
    height: int
    bits: int
    sample_format: int
    photometric: int
    bands: int
    is_photo: bool
    is_dng: bool
    iptc: bytes | None

    @property
    def bytes(self) -> int:
        """Size of the samples, when written without compression."""
        return self.width * self.height * self.bands * (1 if self.bits <= 8 else 2 if self.bits <= 16 else 4)


def read_pages(file: IO[bytes]) -> list[Page]:
    """Every page, by the directories alone.

    Raises:
        ImageError: The chain of directories is broken or far too long.
    """
    order, big, offset = _start(file)
    pages: list[Page] = []
    seen: set[int] = set()
    try:
        while offset and offset not in seen:  # a chain that bites its tail has ended
            if len(pages) == _MOST_PAGES:
                raise ImageError(f"holds more than {_MOST_PAGES} pages; split it first")
            seen.add(offset)
            tags, following = _directory(file, offset, order, big)
            pages.append(_page(file, len(pages), offset, order, tags))
            offset = following
    except (struct.error, OSError, OverflowError):
        raise ImageError("is damaged or cut short (its directory of pages)") from None
    if not pages:
        raise ImageError("is damaged or cut short (no page)")
    return pages


def open_with_pillow(file: IO[bytes]) -> Image.Image | None:
    """Open it lazily; None where Pillow does not know the kind of the first page's samples."""
    file.seek(0)
    try:
        with quiet_pillow():
            return Image.open(file, formats=("TIFF",))
    except UnidentifiedImageError:
        return None


def read_page(path: Path, file: IO[bytes], image: Image.Image | None, page: Page, max_pixels: int) -> Photo:
    """Decode one page with its metadata: what is deeper than 8 bits with libvips, and all else with Pillow.

    Args:
        path: of the file, which libvips opens by itself.
        file: the same, opened.
        image: from ``open_with_pillow(file)``.
        page: which one.
        max_pixels: the most that is decoded.
    """
    refuse_huge(page.width, page.height, max_pixels)
    _refuse_odd(page)
    if image is None or page.bits > 8:
        photo = _read_with_vips(path, _tags(file, page.offset), page.index, max_pixels)
    else:
        # Pillow looks at a TIFF's tags and size once more while it decodes
        with quiet_pillow(max_pixels):
            image.seek(page.index)
            photo = Photo.from_pil(image)
    return replace(photo, iptc=page.iptc)


def _refuse_odd(page: Page) -> None:
    """Refuse what the decoders would take for something else, or describe badly."""
    if page.photometric not in _KINDS:
        raise ImageError(f"holds colours of a rare kind (photometric {page.photometric}); save it as RGB first")
    if page.bits not in _DEPTHS:
        raise ImageError(f"has {page.bits} bits a sample; save it with 8, 16, or 32 as floats first")
    if page.photometric == _PALETTE and page.bits > 8:
        raise ImageError("has a palette of more than 256 colours; save it as RGB first")
    if page.photometric == _WHITE_IS_ZERO and page.sample_format != 1:
        raise ImageError("has zero for white in numbers without a top; save it with zero for black first")


def needs_big(size: int) -> bool:
    """Whether samples of so many bytes need 64-bit offsets."""
    return size > _CLASSIC_BYTES


def write_pages(photos: Iterable[Photo], file: IO[bytes], *, big: bool) -> None:
    """Write an uncompressed TIFF, one page for each photo, consuming them one by one.

    Pillow's own writer has no 16-bit colour, libvips' has no EXIF.

    Args:
        photos: each keeps its own depth, size and metadata.
        file: at its start.
        big: BigTIFF, with 64-bit offsets.
    """
    writer = _Writer(file, big=big)
    for photo in photos:
        writer.add(photo, _strips(photo))


def write_rows(photo: Photo, rows: Iterable[NDArray[Any]], file: IO[bytes]) -> None:
    """Write one page from (h, W, bands) samples as they come, top to bottom, alpha last.

    Args:
        photo: everything but the samples: shape, depth, metadata; its pixels are not looked at.
        rows: all the rows of it, in pieces of any height.
        file: at its start.
    """
    _Writer(file, big=needs_big(_size(photo))).add(photo, rows)


class _Writer:
    """A chain of directories, each before its samples."""

    def __init__(self, file: IO[bytes], *, big: bool) -> None:
        self._file, self._big = file, big
        self._offset_type, self._link = ("<Q", 8) if big else ("<I", 4)
        file.write(b"II+\0\x08\0\0\0" + bytes(8) if big else b"II*\0" + bytes(4))

    def add(self, photo: Photo, rows: Iterable[NDArray[Any]]) -> None:
        file = self._file
        start = file.tell() + file.tell() % 2
        if not self._big and start + _size(photo) > 2**32 - 1:
            raise ImageError("the pages are more than the 4 GB that this TIFF was begun for")
        directory = self._directory(photo, start)
        file.seek(self._link)
        file.write(struct.pack(self._offset_type, start))
        file.seek(start)
        file.write(directory)
        count, count_size, entry_size = (
            (int.from_bytes(directory[:8], "little"), 8, 20)
            if self._big
            else (int.from_bytes(directory[:2], "little"), 2, 12)
        )
        self._link = start + count_size + count * entry_size
        for samples in rows:
            little_endian = samples.astype(samples.dtype.newbyteorder("<"), copy=False)
            file.write(np.ascontiguousarray(little_endian).data)

    def _directory(self, photo: Photo, start: int) -> bytes:
        tags = _storage_tags(photo) | {
            tags_of.ICCPROFILE: photo.icc,
            tags_of.XMP: photo.xmp,
            IPTC_TAG: photo.iptc,
        }
        if photo.dpi is not None:
            across, down = photo.dpi
            tags |= {tags_of.RESOLUTION_UNIT: 2, tags_of.X_RESOLUTION: across, tags_of.Y_RESOLUTION: down}
        try:
            return self._packed(exif_tags(photo.exif) | tags, start)
        # Pillow raises errors of many kinds on tags of odd types, and the picture matters more
        except Exception as error:
            line = " ".join(str(error).split())
            _log.warning("The EXIF cannot be understood and is left out (%s)", line or type(error).__name__)
            return self._packed(tags, start)

    def _packed(self, tags: dict[int, Any], start: int) -> bytes:
        head = b"II+\0\x08\0\0\0" + struct.pack("<Q", 16) if self._big else b"II*\0" + struct.pack("<I", 8)
        directory = tags_of.ImageFileDirectory_v2(head)
        for tag, value in tags.items():
            if value is not None:
                directory[tag] = value
        # Pillow would count small strips in 16 bits, and cannot move their offsets beyond that
        for tag in (tags_of.STRIPOFFSETS, tags_of.STRIPBYTECOUNTS):
            directory.tagtype[tag] = _LONG8 if self._big else TiffTags.LONG
        return directory.tobytes(start)


def exif_tags(payload: bytes | None) -> dict[int, Any]:
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


def _bands(photo: Photo) -> int:
    return photo.channels + (photo.alpha is not None)


def _stride(photo: Photo) -> int:
    return photo.width * _bands(photo) * photo.pixels.itemsize


def _size(photo: Photo) -> int:
    return photo.height * _stride(photo)


def _rows_of_a_strip(photo: Photo) -> int:
    return max(1, _STRIP_BYTES // _stride(photo))


def _strips(photo: Photo) -> Iterator[NDArray[Any]]:
    """Pixels and alpha side by side, a strip at a time: a large photo is not copied whole."""
    rows = _rows_of_a_strip(photo)
    for top in range(0, photo.height, rows):
        place = slice(top, top + rows)
        pixels = photo.pixels[place]
        yield pixels if photo.alpha is None else np.dstack([pixels, photo.alpha[place]])


def _storage_tags(photo: Photo) -> dict[int, Any]:
    """How the samples lie behind the directory; offsets are counted from its end."""
    bands, stride, size = _bands(photo), _stride(photo), _size(photo)
    rows, dtype = _rows_of_a_strip(photo), photo.pixels.dtype
    offsets = range(0, size, rows * stride)
    return {
        tags_of.IMAGEWIDTH: photo.width,
        tags_of.IMAGELENGTH: photo.height,
        tags_of.BITSPERSAMPLE: (dtype.itemsize * 8,) * bands,
        tags_of.SAMPLEFORMAT: (3 if dtype.kind == "f" else 1,) * bands,
        tags_of.SAMPLESPERPIXEL: bands,
        tags_of.PHOTOMETRIC_INTERPRETATION: 1 if photo.channels == 1 else 2,
        tags_of.PLANAR_CONFIGURATION: 1,
        tags_of.COMPRESSION: 1,
        tags_of.ROWSPERSTRIP: rows,
        tags_of.STRIPOFFSETS: tuple(offsets),
        tags_of.STRIPBYTECOUNTS: tuple(min(rows * stride, size - start) for start in offsets),
        tags_of.EXTRASAMPLES: None if photo.alpha is None else 2,
    }


def _start(file: IO[bytes]) -> tuple[str, bool, int]:
    """Byte order, whether offsets have 64 bits, and the first directory's."""
    file.seek(0)
    head = file.read(16)
    order, big = "<" if head.startswith(b"II") else ">", head[:4] in MAGIC[2:]
    try:
        (offset,) = struct.unpack_from(f"{order}Q" if big else f"{order}I", head, 8 if big else 4)
    except struct.error:
        raise ImageError("is damaged or cut short (no page)") from None
    return order, big, offset


@dataclass(frozen=True)
class _Values:
    """Where a tag's values lie in the file."""

    place: int
    number: int
    kind: int

    @property
    def size(self) -> int:
        """In bytes."""
        return self.number * _TYPE_SIZES.get(self.kind, 1)

    def first(self, file: IO[bytes], order: str) -> int:
        """The first of whole numbers; 0 of others."""
        code = _WHOLE_NUMBERS.get(self.kind)
        if code is None:
            return 0
        file.seek(self.place)
        (value,) = struct.unpack(f"{order}{code}", file.read(_TYPE_SIZES[self.kind]))
        return value


def _directory(file: IO[bytes], offset: int, order: str, big: bool) -> tuple[dict[int, _Values], int]:
    """The tags of a page, and the offset of the next directory."""
    count_type, entry_type, word = ("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")
    file.seek(offset)
    (count,) = struct.unpack(f"{order}{count_type}", file.read(struct.calcsize(f"={count_type}")))
    start, size = file.tell(), struct.calcsize(f"={entry_type}")
    entries = struct.iter_unpack(f"{order}{entry_type}", file.read(min(count, 65536) * size))
    (following,) = struct.unpack(f"{order}{word}", file.read(struct.calcsize(f"={word}")))
    tags: dict[int, _Values] = {}
    for index, (tag, kind, number, content) in enumerate(entries):
        inside = _Values(start + (index + 1) * size - len(content), number, kind)
        (elsewhere,) = struct.unpack(f"{order}{word}", content)
        tags[tag] = inside if inside.size <= len(content) else replace(inside, place=elsewhere)
    return tags, following


def _page(file: IO[bytes], index: int, offset: int, order: str, tags: dict[int, _Values]) -> Page:
    def first(tag: int, otherwise: int) -> int:
        return tags[tag].first(file, order) if tag in tags else otherwise

    iptc = tags.get(IPTC_TAG)
    return Page(
        index=index,
        offset=offset,
        width=first(tags_of.IMAGEWIDTH, 0),
        height=first(tags_of.IMAGELENGTH, 0),
        bits=first(tags_of.BITSPERSAMPLE, 1),
        sample_format=first(tags_of.SAMPLEFORMAT, 1),
        photometric=first(tags_of.PHOTOMETRIC_INTERPRETATION, _BLACK_IS_ZERO),
        bands=4 if tags_of.EXTRASAMPLES in tags else 3,
        is_photo=not first(_NEW_SUBFILE_TYPE, 0) & (_REDUCED | _MASK),
        is_dng=_DNG_VERSION in tags,
        iptc=_iptc(file, iptc) if iptc else None,
    )


def _iptc(file: IO[bytes], values: _Values) -> bytes | None:
    """The records, which are called bytes by some, and 32-bit numbers by Photoshop."""
    rest = file.seek(0, os.SEEK_END) - values.place  # more than there is cannot be read, but would take memory
    file.seek(values.place)
    records = file.read(min(values.size, max(rest, 0)))
    return records if records.startswith(_IPTC_MARK) else None


def _tags(file: IO[bytes], offset: int) -> Image.Exif:
    """The directory of a page, with those that hang from it."""
    order, big, _ = _start(file)
    tags = Image.Exif()
    tags.endian, tags.bigtiff = order, big
    with quiet_pillow():
        tags.load_from_fp(file, offset)
    return tags


def _read_with_vips(path: Path, tags: Image.Exif, index: int, max_pixels: int) -> Photo:
    import pyvips

    stored = pyvips.Image.tiffload(str(path), page=index, fail_on="error", revalidate=True)
    refuse_huge(stored.width, stored.height, max_pixels)
    info: dict[str, Any] = {}
    for name, key in (("icc-profile-data", "icc_profile"), ("xmp-data", "xmp")):
        if stored.get_typeof(name):
            info[key] = stored.get(name)
    if tags_of.X_RESOLUTION in tags:
        info["dpi"] = (stored.xres * 25.4, stored.yres * 25.4)
    orientation, fields = collect(info, tags)
    if stored.interpretation in ("cmyk", "lab", "labs"):
        stored = _to_srgb(stored)
        fields["icc"] = srgb_profile()
    pixels, alpha = planes_of(stored)
    return Photo.from_stored(pixels, alpha, orientation, fields, format="TIFF")


def _to_srgb(stored: "pyvips.Image") -> "pyvips.Image":
    """Convert as the 8-bit kinds are: CMYK through its profile, where it has one, and LAB with Adobe's white, D50."""
    how: dict[str, Any] = {"intent": "relative", "black_point_compensation": True, "depth": 16}
    if stored.interpretation != "cmyk":
        return stored.colourspace("lab").icc_export(output_profile="srgb", **how)
    if stored.get_typeof("icc-profile-data"):
        return stored.icc_transform("srgb", embedded=True, **how)
    inks: Any = stored.cast("float") / 65535
    paper: Any = 1 - inks
    light = paper.extract_band(0, n=3) * paper.extract_band(3) * 65535
    return light.rint().cast("ushort").copy(interpretation="rgb16")
