"""Directories of tags, as TIFF files and EXIF payloads have them; values stay the bytes that they are."""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from os import SEEK_END
from typing import IO, Any

import numpy as np

from pellucid.imaging import exif as exif_of
from pellucid.imaging import iptc as iptc_of
from pellucid.imaging.carried import Native

MAGIC = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
"""How files begin: their byte order, and whether offsets have 64 bits."""
ASCII, SHORT, LONG, RATIONAL, UNDEFINED, FLOAT, LONG8 = 2, 3, 4, 5, 7, 11, 16
ORIENTATION, XMP, IPTC, PHOTOSHOP, ICC, NO_DATA = 274, 700, 33723, 34377, 34675, 42113
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 282, 283, 296
WHITES = (341, 281)
"""SMaxSampleValue, which may be a fraction, and MaxSampleValue."""
_LAYERS, _SUB_IMAGES, _EXIF, _GPS, _INTEROP = 37724, 330, 0x8769, 0x8825, 0xA005
_POINTERS = frozenset({_EXIF, _GPS, _INTEROP})
_UNITS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 1, 7: 1, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_CODES: dict[int, str] = dict(zip((1, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 16, 17, 18), "BHIIbhiifdIQqQ", strict=True))
_RATIONALS = (5, 10)
_MOST_TAGS = 4096

# What describes a photograph in EXIF's first directory too, wherever the file goes
_DESCRIBING = frozenset(
    {*range(269, 273), ORIENTATION, 285, 286, 287, 297, 305, 306, 315, 316, 318, 319, 18246, 18249, 33432, 50341}
    | {*range(33434, 33438), *range(34850, 34870), *range(36864, 37523), *range(40091, 40096), *range(40960, 42112)}
    | {_EXIF, _GPS}
)
# How samples are stored, what is carried otherwise, and what was true of the samples of before
STORAGE = frozenset(
    {*range(254, 267), 273, *range(277, 285), *range(288, 294), 296, 300, 317, *range(320, 329), _SUB_IMAGES}
    | {*range(332, 343), 346, 347, 351, *range(512, 522), *range(529, 533), 559, XMP, IPTC, ICC, _LAYERS}
) - frozenset(WHITES)
_NAMES = {
    301: "transfer function",
    343: "clip path",
    33550: "GeoTIFF tags",
    33922: "GeoTIFF tags",
    34264: "GeoTIFF tags",
    34735: "GeoTIFF tags",
    34736: "GeoTIFF tags",
    34737: "GeoTIFF tags",
    42112: "GDAL metadata",
    NO_DATA: "no-data value",
    50838: "ImageJ metadata",
    50839: "ImageJ metadata",
} | dict.fromkeys(WHITES, "white point")
PLACED = frozenset({33550, 33922, 34264, 343, PHOTOSHOP})
"""Tags that tell places in the picture, and are wrong once it is turned."""


@dataclass(frozen=True)
class Entry:
    """Values of a tag: TIFF's number of their type, and their bytes, the lowest first."""

    kind: int
    data: bytes = field(repr=False)

    @classmethod
    def of(cls, kind: int, *values: float) -> "Entry":
        """Numbers of a type; of fractions both parts."""
        return cls(kind, struct.pack(f"<{len(values)}{_CODES[kind]}", *values))

    @property
    def number(self) -> int:
        """Of its values."""
        return len(self.data) // _size(self.kind)


@dataclass(frozen=True)
class Placed:
    """Values that lie in the file already."""

    kind: int
    number: int
    place: int


Directory = Mapping[int, Any]
"""Entries, placed values and further directories by their tags."""


@dataclass(frozen=True)
class Tags:
    """One directory of a file, whose values are read when they are asked for.

    Attributes:
        places: type, number and place of the values of each tag.
        following: the offset of the next directory; 0 after the last.
    """

    file: IO[bytes]
    order: str
    big: bool
    places: Mapping[int, tuple[int, int, int]]
    following: int

    @classmethod
    def at(cls, file: IO[bytes], offset: int, order: str, *, big: bool) -> "Tags":
        """Read the directory that lies there.

        Raises:
            struct.error: It is cut short.
        """
        count_type, entry_type, word = ("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")
        file.seek(offset)
        (count,) = struct.unpack(f"{order}{count_type}", file.read(struct.calcsize(f"={count_type}")))
        start, size = file.tell(), struct.calcsize(f"={entry_type}")
        entries = struct.iter_unpack(f"{order}{entry_type}", file.read(min(count, _MOST_TAGS) * size))
        places: dict[int, tuple[int, int, int]] = {}
        for index, (tag, kind, number, content) in enumerate(entries):
            if kind in _UNITS:
                inside = number * _size(kind) <= len(content)
                (elsewhere,) = struct.unpack(f"{order}{word}", content)
                place = start + (index + 1) * size - len(content) if inside else elsewhere
                places.setdefault(tag, (kind, number, place))
        file.seek(start + count * size)
        (following,) = struct.unpack(f"{order}{word}", file.read(struct.calcsize(f"={word}")))
        return cls(file, order, big, places, following)

    def entry(self, tag: int) -> Entry | None:
        """Its values; None if it is absent, or claims more than the file has."""
        kind, number, place = self.places.get(tag, (1, 0, 0))
        size = number * _size(kind)
        if not size or size > self.file.seek(0, SEEK_END) - place:
            return None
        self.file.seek(place)
        data = self.file.read(size)
        return Entry(kind, data if self.order == "<" else swapped(data, kind))

    def data(self, tag: int) -> bytes | None:
        """Its bytes, as ``entry``."""
        entry = self.entry(tag)
        return entry.data if entry else None

    def numbers(self, tag: int) -> tuple[float, ...]:
        """Its numbers; none if it is absent or has others."""
        entry = self.entry(tag)
        if entry is None or entry.kind not in _CODES:
            return ()
        values = struct.unpack(f"<{len(entry.data) // _UNITS[entry.kind]}{_CODES[entry.kind]}", entry.data)
        if entry.kind not in _RATIONALS:
            return values
        return tuple(above / below if below else 0 for above, below in zip(values[::2], values[1::2], strict=True))

    def whole(self, tag: int, otherwise: int) -> int:
        """The first of its numbers."""
        return int((self.numbers(tag) or (otherwise,))[0])

    def tree(self, chosen: Iterable[int]) -> dict[int, Any]:
        """These tags with the directories that EXIF hangs on them; what cannot be read is absent."""
        found: dict[int, Any] = {}
        for tag in chosen:
            found[tag] = self._child(tag) if tag in _POINTERS else self.entry(tag)
        return {tag: value for tag, value in sorted(found.items()) if value}

    def _child(self, tag: int) -> dict[int, Any] | None:
        try:
            child = Tags.at(self.file, self.whole(tag, 0), self.order, big=self.big)
        except (struct.error, OSError, OverflowError):
            return None
        # only the interoperability's hangs on another, so that none hangs on itself
        return child.tree(key for key in child.places if key not in (_EXIF, _GPS, tag))


def packed(directory: Directory, start: int, order: str = "<", *, big: bool, followed: bool = False) -> bytes:
    """A directory that lies at an offset, with the values behind it that do not lie elsewhere.

    Args:
        directory: what it tells.
        start: the offset, which is even.
        order: of its bytes.
        big: offsets have 64 bits.
        followed: another directory comes at once behind all this.
    """
    count_type, entry_type, word, inside = ("Q", "HHQ", "Q", 8) if big else ("H", "HHI", "I", 4)
    head, behind = struct.pack(f"{order}{count_type}", len(directory)), bytearray()
    behind_at = start + len(head) + len(directory) * (4 + 2 * inside) + inside
    for tag, value in sorted(directory.items()):
        if isinstance(value, Placed):
            kind, number, content = value.kind, value.number, struct.pack(f"{order}{word}", value.place)
        else:
            behind += bytes(len(behind) % 2)
            place = behind_at + len(behind)
            if isinstance(value, Entry):
                kind, number = value.kind, value.number
                content = value.data if order == "<" else swapped(value.data, kind)
            else:
                kind, number, content = LONG8 if big else LONG, 1, packed(value, place, order, big=big)
            if len(content) > inside or not isinstance(value, Entry):
                behind += content
                content = struct.pack(f"{order}{word}", place)
        head += struct.pack(f"{order}{entry_type}", tag, kind, number) + content.ljust(inside, b"\0")
    behind += bytes(len(behind) % 2)
    return head + struct.pack(f"{order}{word}", behind_at + len(behind) if followed else 0) + behind


def exif_of_tags(tags: Tags) -> bytes | None:
    """An EXIF payload of what describes the photograph in a TIFF's directory; resolutions are told elsewhere."""
    directory = tags.tree(tag for tag in tags.places if tag in _DESCRIBING)
    return exif_of.PREFIX + b"II*\0\x08\0\0\0" + packed(directory, 8, big=False) if directory else None


def tags_of_exif(exif: bytes) -> dict[int, Any]:
    """What an EXIF payload's first directory tells, and those that hang on it; nothing if it is damaged."""
    payload = exif.removeprefix(exif_of.PREFIX)
    order, big = MAGIC.get(payload[:4], ("", False))
    try:
        tags = Tags.at(BytesIO(payload), struct.unpack_from(f"{order}I", payload, 4)[0], order, big=big)
    except struct.error:
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


def left_out(tags: Tags) -> Iterator[str]:
    """Names of what no result can hold."""
    if _LAYERS in tags.places:
        yield "layers"
    if _SUB_IMAGES in tags.places:
        yield "further sizes or pictures"


def _size(kind: int) -> int:
    return _UNITS[kind] * (2 if kind in _RATIONALS else 1)


def swapped(data: bytes, kind: int) -> bytes:
    """Values in the other byte order."""
    unit = _UNITS[kind]
    return data if unit == 1 else np.frombuffer(data, f"u{unit}").byteswap().tobytes()
