"""TIFF and BigTIFF, written a strip at a time; which of the two shows when all strips lie there."""

import struct
from fractions import Fraction
from io import BytesIO
from typing import IO, Any

import numpy as np
from PIL import Image

from pellucid.imaging.formats import tiff_tags as tags_of
from pellucid.imaging.formats.format import Saving
from pellucid.imaging.formats.tiff_restated import BY_PILLOW
from pellucid.imaging.picture import Frame, Picture
from pellucid.imaging.tags import LONG, LONG8, RATIONAL, SHORT, UNDEFINED, Entry, Placed, Tags, packed

COMPRESSIONS = {"none": 1, "deflate": 8, "lzw": 5, "zstd": 50000}
_CLASSIC_BYTES = 2**32 - 1  # offsets count in 32 bits
_HEAD_BYTES = 16
_MOST_VALUE = 2**32 - 1


def write(picture: Picture, file: IO[bytes], saving: Saving) -> None:
    """One page for each frame, which are asked for one by one; each keeps its own depth, size and metadata."""
    compression = COMPRESSIONS[saving.compression or "none"]
    file.write(bytes(_HEAD_BYTES))
    pages = [_page(frame, file, compression) for frame in picture.frames()]
    start = _end(file)
    big = start + sum(len(packed(page, 0, big=True)) for page in pages) > _CLASSIC_BYTES
    place = start
    for page in pages:
        place += file.write(packed(page, place, big=big, followed=page is not pages[-1]))
    file.seek(0)
    file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, start) if big else struct.pack("<2sHI", b"II", 42, start))


def pack(data: bytes, compression: int) -> bytes:
    """Bytes as a strip holds them."""
    if compression == COMPRESSIONS["none"]:
        return data
    buffer = BytesIO()
    image = Image.frombuffer("L", (len(data), 1), data)
    image.save(buffer, "TIFF", compression=BY_PILLOW[compression], strip_size=len(data))
    tags = Tags.first(buffer)
    start, size = tags.whole(273, 0), tags.whole(279, 0)
    return buffer.getvalue()[start : start + size]


def _page(frame: Frame, file: IO[bytes], compression: int) -> dict[int, Any]:
    """Write samples and long values; return what is to be told of them."""
    described = tags_of.tags_of_exif(frame.exif) if frame.exif else {}
    tags = described | dict(map(tags_of.tag_of, frame.native)) | _resolution(frame)
    for tag, kind, data in (
        (tags_of.ICC, UNDEFINED, frame.icc),
        (tags_of.XMP, 1, frame.xmp),
        (tags_of.IPTC, UNDEFINED, frame.iptc),
    ):
        if data:
            tags[tag] = Entry(kind, data)
    return {tag: _placed(value, file) for tag, value in (tags | _stored(frame, file, compression)).items()}


def _stored(frame: Frame, file: IO[bytes], compression: int) -> dict[int, Entry]:
    """Write the samples as strips, and tell how they lie there."""
    bands, bits = frame.samples.shape[2], 8 * frame.dtype.itemsize
    differences = compression != COMPRESSIONS["none"] and frame.dtype.kind == "u"
    offsets, sizes, rows = list[int](), list[int](), 0
    for strip in frame.strips():
        rows = rows or len(strip)
        samples = strip.astype(strip.dtype.newbyteorder("<"), copy=False)
        if differences:  # each sample less the one to its left packs better
            samples = np.diff(samples, axis=1, prepend=samples.dtype.type(0))
        data = pack(samples.tobytes(), compression)
        offsets.append(_end(file))
        sizes.append(file.write(data))
    tags = {
        256: Entry.of(LONG, frame.width),
        257: Entry.of(LONG, frame.height),
        258: Entry.of(SHORT, *(bits,) * bands),
        259: Entry.of(SHORT, compression),
        262: Entry.of(SHORT, 1 if frame.channels == 1 else 2),
        273: Entry.of(LONG if offsets[-1] <= _MOST_VALUE else LONG8, *offsets),
        277: Entry.of(SHORT, bands),
        278: Entry.of(LONG, rows),
        279: Entry.of(LONG, *sizes),
        284: Entry.of(SHORT, 1),
        339: Entry.of(SHORT, *(3 if frame.dtype.kind == "f" else 1,) * bands),
    }
    if frame.has_alpha:
        tags[338] = Entry.of(SHORT, 2)
    if differences:
        tags[317] = Entry.of(SHORT, 2)
    return tags


def _resolution(frame: Frame) -> dict[int, Entry]:
    across, down = frame.dpi or frame.aspect or (0, 0)
    if not across or not down:
        return {}
    unit, factor = tags_of.NO_UNIT, 1.0
    if frame.dpi:
        unit, factor = (tags_of.CENTIMETRE, 2.54) if frame.unit == "cm" else (tags_of.INCH, 1.0)
    parts = (Fraction(min(value / factor, _MOST_VALUE)).limit_denominator(10**6) for value in (across, down))
    entries = [Entry.of(RATIONAL, *_fitting(part)) for part in parts]
    return {
        tags_of.X_RESOLUTION: entries[0],
        tags_of.Y_RESOLUTION: entries[1],
        tags_of.RESOLUTION_UNIT: Entry.of(SHORT, unit),
    }


def _fitting(part: Fraction) -> tuple[int, int]:
    """Numerator and denominator of 32 bits."""
    if part.numerator > _MOST_VALUE:
        part = part.limit_denominator(max(1, _MOST_VALUE // int(part + 1)))
    return min(part.numerator, _MOST_VALUE), part.denominator


def _placed(value: Any, file: IO[bytes]) -> Any:
    """Long values are written at once, so that those of all pages are not held."""
    if not isinstance(value, Entry) or len(value.data) <= 8:
        return value
    place = _end(file)
    file.write(value.data)
    return Placed(value.kind, value.number, place)


def _end(file: IO[bytes]) -> int:
    """The next even place, as TIFF wants them."""
    file.write(bytes(file.tell() % 2))
    return file.tell()
