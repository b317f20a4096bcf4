"""Directories of tags, as TIFF files and EXIF payloads have them; values stay the bytes that they are."""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from os import SEEK_END
from typing import IO, Any

import numpy as np

MAGIC = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
"""How files begin: their byte order, and whether offsets have 64 bits."""
ASCII, SHORT, LONG, RATIONAL, UNDEFINED, FLOAT, LONG8 = 2, 3, 4, 5, 7, 11, 16
EXIF, GPS, _INTEROP = 0x8769, 0x8825, 0xA005
_POINTERS = frozenset({EXIF, GPS, _INTEROP})
_UNITS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 1, 7: 1, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
CODES: dict[int, str] = dict(zip((1, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 16, 17, 18), "BHIIbhiifdIQqQ", strict=True))
_RATIONALS = (5, 10)
_MOST_TAGS = 4096


@dataclass(frozen=True)
class Entry:
    """Values of a tag: TIFF's number of their type, and their bytes, the lowest first."""

    kind: int
    data: bytes = field(repr=False)

    @classmethod
    def of(cls, kind: int, *values: float) -> "Entry":
        """Numbers of a type; of fractions both parts."""
        return cls(kind, struct.pack(f"<{len(values)}{CODES[kind]}", *values))

    @property
    def number(self) -> int:
        """Of its values."""
        return len(self.data) // size_of(self.kind)


@dataclass(frozen=True)
class Placed:
    """Values that lie in the file already."""

    kind: int
    number: int
    place: int


@dataclass(frozen=True)
class Tags:
    """One directory of a file, whose values are read when they are asked for.

    Attributes:
        places: type, number and place of the values of each tag.
        following: the offset of the next directory; 0 after the last.
        link: the place where that is told.
    """

    file: IO[bytes]
    order: str
    big: bool
    places: Mapping[int, tuple[int, int, int]]
    following: int
    link: int

    @classmethod
    def first(cls, file: IO[bytes]) -> "Tags":
        """Read the directory that the head of a file points to.

        Raises:
            KeyError: It has no such head.
            struct.error: It is cut short.
        """
        file.seek(0)
        head = file.read(16)
        order, big = MAGIC[head[:4]]
        (offset,) = struct.unpack_from(f"{order}Q" if big else f"{order}I", head, 8 if big else 4)
        return cls.at(file, offset, order, big=big)

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
                inside = number * size_of(kind) <= len(content)
                (elsewhere,) = struct.unpack(f"{order}{word}", content)
                place = start + (index + 1) * size - len(content) if inside else elsewhere
                places.setdefault(tag, (kind, number, place))
        link = file.seek(start + count * size)
        (following,) = struct.unpack(f"{order}{word}", file.read(struct.calcsize(f"={word}")))
        return cls(file, order, big, places, following, link)

    def entry(self, tag: int) -> Entry | None:
        """Its values; None if it is absent, or claims more than the file has."""
        kind, number, place = self.places.get(tag, (1, 0, 0))
        size = number * size_of(kind)
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
        if entry is None or entry.kind not in CODES:
            return ()
        values = struct.unpack(f"<{len(entry.data) // _UNITS[entry.kind]}{CODES[entry.kind]}", entry.data)
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
        return child.tree(key for key in child.places if key not in (EXIF, GPS, tag))


def packed(directory: Mapping[int, Any], start: int, order: str = "<", *, big: bool, followed: bool = False) -> bytes:
    """A directory that lies at an offset, with the values behind it that do not lie elsewhere.

    Args:
        directory: entries, placed values and further directories by their tags.
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


def size_of(kind: int) -> int:
    """Bytes of a value of TIFF's type."""
    return _UNITS[kind] * (2 if kind in _RATIONALS else 1)


def swapped(data: bytes, kind: int) -> bytes:
    """Values in the other byte order."""
    unit = _UNITS[kind]
    return data if unit == 1 else np.frombuffer(data, f"u{unit}").byteswap().tobytes()
