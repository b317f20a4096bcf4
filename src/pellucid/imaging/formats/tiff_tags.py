"""Tags of TIFF's that describe a picture: what becomes of each, and their way to EXIF and back."""

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from pellucid.imaging import exif as exif_of
from pellucid.imaging import iptc as iptc_of
from pellucid.imaging.carried import Native
from pellucid.imaging.tags import EXIF, GPS, Entry, Tags, packed

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, LAB = 0, 1, 2, 3, 5, 6, 8
"""TIFF's numbers of what samples mean, its photometric interpretations."""
NO_UNIT, INCH, CENTIMETRE = 1, 2, 3
ORIENTATION, XMP, IPTC, PHOTOSHOP, ICC, NO_DATA = 274, 700, 33723, 34377, 34675, 42113
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
WHITES = (341, 281)
"""SMaxSampleValue, which may be a fraction, and MaxSampleValue."""
LEFT_OUT = {37724: "layers", 330: "further sizes or pictures"}
"""Tags of what no result can hold."""

# What describes a photograph in EXIF's first directory too, wherever the file goes
_DESCRIBING = frozenset(
    {*range(269, 273), ORIENTATION, 285, 286, 287, 297, 305, 306, 315, 316, 318, 319, 18246, 18249, 33432, 50341}
    | {*range(33434, 33438), *range(34850, 34870), *range(36864, 37523), *range(40091, 40096), *range(40960, 42112)}
    | {EXIF, GPS}
)
# How samples are stored, what is carried otherwise, and what was true of the samples of before
STORAGE = frozenset(
    {*range(254, 267), 273, *range(277, 285), *range(288, 294), 296, 300, 317, *range(320, 329), *LEFT_OUT}
    | {*range(332, 343), 346, 347, 351, *range(512, 522), *range(529, 533), 559, XMP, IPTC, ICC}
) - frozenset(WHITES)
_NAMES = {
    301: "transfer function",
    343: "clip path",
    42112: "GDAL metadata",
    NO_DATA: "no-data value",
    **dict.fromkeys((33550, 33922, 34264, 34735, 34736, 34737), "GeoTIFF tags"),
    **dict.fromkeys((50838, 50839), "ImageJ metadata"),
    **dict.fromkeys(WHITES, "white point"),
}
PLACED = frozenset({33550, 33922, 34264, 343, PHOTOSHOP})
"""Tags that tell places in the picture, and are wrong once it is turned."""


def exif_of_tags(tags: Tags) -> bytes | None:
    """An EXIF payload of what describes the photograph in a TIFF's directory; resolutions are told elsewhere."""
    directory = tags.tree(tag for tag in tags.places if tag in _DESCRIBING)
    return exif_of.PREFIX + b"II*\0\x08\0\0\0" + packed(directory, 8, big=False) if directory else None


def tags_of_exif(exif: bytes) -> dict[int, Any]:
    """What an EXIF payload's first directory tells, and those that hang on it; nothing if it is damaged."""
    try:
        tags = Tags.first(BytesIO(exif.removeprefix(exif_of.PREFIX)))
    except (KeyError, struct.error):
        return {}
    return tags.tree(tag for tag in tags.places if tag not in STORAGE)


def natives(tags: Tags) -> Iterator[Native]:
    """Tags that only a TIFF can hold."""
    for tag, (kind, _, _) in tags.places.items():
        if tag in STORAGE or tag in _DESCRIBING or kind in (13, 18):  # which point to directories
            continue
        data = tags.data(tag)
        name = _NAMES.get(tag, f"tag {tag}")
        if tag == PHOTOSHOP and data is not None:
            data, name = iptc_of.others(data), "Photoshop resources"
        if data:
            yield native(tag, Entry(kind, data), name)


def native(tag: int, entry: Entry, name: str) -> Native:
    """A tag that is carried as it is."""
    return Native("TIFF", name, struct.pack("<HH", tag, entry.kind), entry.data)


def tag_of(part: Native) -> tuple[int, Entry]:
    """Undo ``native``."""
    tag, kind = struct.unpack("<HH", part.key)
    return tag, Entry(kind, part.data)
