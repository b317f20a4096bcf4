"""The container of HEIF and AVIF, an ISO base media file: its items, and what is said of the one that is shown."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from os import SEEK_END
from typing import IO

from pellucid.errors import ImageError

_MOST = 2**26  # bytes of a description that are read
Extent = tuple[int, int]
"""Where a part begins, and how many bytes it has."""


@dataclass
class Item:
    """One of the file's pictures or descriptions.

    Attributes:
        kind: four letters; of MIME items their type.
        hidden: not to be shown by itself.
        properties: kinds and payloads, in their order.
        extents: its parts in the file, or in its ``idat`` where ``inside`` is true.
    """

    kind: str = ""
    hidden: bool = False
    properties: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])
    extents: list[Extent] = field(default_factory=list[Extent])
    inside: bool = False

    def values(self, kind: bytes) -> list[bytes]:
        """Payloads of its properties of a kind."""
        return [payload for name, payload in self.properties if name == kind]


class Container:
    """All items of a file.

    Attributes:
        items: by their numbers.
        primary: number of the one that is shown.
        references: kind, from which item, to which one.
        has_film: there is a sequence beside it.
        extensions: the identifiers of boxes that others than the standard define.

    Raises:
        ImageError: There is no still picture, or the head is damaged.
    """

    def __init__(self, file: IO[bytes]) -> None:
        """Read the head of a file."""
        self.items: dict[int, Item] = {}
        self.primary = -1
        self.references: list[tuple[bytes, int, int]] = []
        self.has_film, self.extensions = False, list[bytes]()
        self._file, self._idat = file, b""
        for kind, start, end in _tops(file):
            self.has_film |= kind == b"moov"
            if kind == b"uuid":
                file.seek(start)
                self.extensions.append(file.read(16))
            if kind == b"meta" and not self.items:
                file.seek(start)
                try:
                    self._take(dict(_boxes(file.read(min(end - start, _MOST)), 4)))
                except (KeyError, IndexError, ValueError):
                    raise ImageError("is damaged or cut short (what it says of its pictures)") from None
        if self.primary not in self.items:
            raise ImageError("holds no still picture")

    @property
    def shown(self) -> Item:
        """The primary item."""
        return self.items[self.primary]

    def coded(self) -> Item:
        """The item that tells how the shown one is coded: the first of its tiles, where it has some."""
        tiles = [to for kind, number, to in self.references if kind == b"dimg" and number == self.primary]
        return self.items.get(tiles[0], self.shown) if tiles else self.shown

    def about(self, kind: bytes) -> list[Item]:
        """Items that refer to the shown one."""
        numbers = [number for name, number, to in self.references if name == kind and to == self.primary]
        return [self.items[number] for number in numbers if number in self.items]

    def data(self, item: Item) -> bytes:
        """An item's content.

        Raises:
            ImageError: It is said to be larger than any description is.
        """
        if sum(length for _, length in item.extents) > _MOST:
            raise ImageError("is damaged or cut short (a description without end)")
        parts: list[bytes] = []
        for offset, length in item.extents:
            if item.inside:
                parts.append(self._idat[offset : offset + length])
            else:
                self._file.seek(offset)
                parts.append(self._file.read(length))
        return b"".join(parts)

    def _take(self, meta: dict[bytes, bytes]) -> None:
        self._idat = meta.get(b"idat", b"")
        self.primary = int.from_bytes(meta[b"pitm"][4:], "big")
        entries = meta[b"iinf"]
        for kind, entry in _boxes(entries, 8 if entries[0] else 6):
            if kind == b"infe" and entry[0] >= 2:
                width = 2 if entry[0] == 2 else 4
                name, texts = entry[width + 6 : width + 10], entry[width + 10 :].split(b"\0")
                name = texts[1] if name == b"mime" and len(texts) > 1 else name
                number = int.from_bytes(entry[4 : 4 + width], "big")
                self.items[number] = Item(kind=name.decode("latin-1"), hidden=bool(entry[3] & 1))
        references = meta.get(b"iref", bytes(4))
        width = 4 if references[0] else 2
        for kind, links in _boxes(references, 4):
            numbers = [
                int.from_bytes(links[at : at + width], "big") for at in (0, *range(width + 2, len(links), width))
            ]
            self.references += [(kind, numbers[0], to) for to in numbers[1:]]
        properties = dict(_boxes(meta[b"iprp"]))
        shared = list(_boxes(properties[b"ipco"]))
        for number, indices in _associations(properties[b"ipma"]):
            if number in self.items:
                self.items[number].properties = [shared[i - 1] for i in indices if 0 < i <= len(shared)]
        for number, inside, extents, _ in _locations(meta[b"iloc"]):
            if number in self.items:
                self.items[number].inside, self.items[number].extents = inside, extents


def with_properties(file: bytes, properties: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A file as encoders make it, its head before its pictures, with more said of the one that is shown.

    Numbers of colours (``colr`` of type ``nclx``) take their places in what is there; matrix and range stay.
    """
    top = dict(_boxes(file))
    meta = dict(_boxes(top[b"meta"], 4))
    inner = dict(_boxes(meta[b"iprp"]))
    for kind, payload in properties:
        known = inner[b"ipco"].find(b"colrnclx") if payload[:4] == b"nclx" else -1
        if known >= 0:
            inner[b"ipco"] = inner[b"ipco"][: known + 8] + payload[4:8] + inner[b"ipco"][known + 12 :]
        else:
            inner[b"ipco"] += _box(kind, payload)
            index = len(list(_boxes(inner[b"ipco"])))
            inner[b"ipma"] = _associated(inner[b"ipma"], int.from_bytes(meta[b"pitm"][4:], "big"), index)
    meta[b"iprp"] = b"".join(_box(*each) for each in inner.items())
    whole = top[b"meta"][:4] + b"".join(_box(*each) for each in meta.items())
    grown = len(whole) - len(top[b"meta"])
    locations = bytearray(meta[b"iloc"])
    for _, inside, _, numbers in _locations(meta[b"iloc"]):
        for place in [] if inside else numbers:
            locations[place] = (int.from_bytes(locations[place], "big") + grown).to_bytes(
                place.stop - place.start, "big"
            )
    meta[b"iloc"] = bytes(locations)
    top[b"meta"] = top[b"meta"][:4] + b"".join(_box(*each) for each in meta.items())
    return b"".join(_box(*each) for each in top.items())


def _tops(file: IO[bytes]) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of what is in each box of a file, as far as there are any."""
    at, length = 0, file.seek(0, SEEK_END)
    while at + 8 <= length:
        file.seek(at)
        size, kind, large = struct.unpack(">I4sQ", file.read(16).ljust(16, b"\0"))
        start, size = (at + 16, large) if size == 1 else (at + 8, size)
        end = min(at + size, length) if size else length
        if end < start:
            return
        yield kind, start, end
        at = end


def _boxes(data: bytes, at: int = 0) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each box."""
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        end = at + size if size else len(data)
        if end < at + 8:
            return
        yield kind, data[at + 8 : end]
        at = end


def _box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


def _associations(data: bytes) -> Iterator[tuple[int, list[int]]]:
    """Of each item its number, and which of the shared properties are its own, counted from 1."""
    for number, at, count, width in _entries(data):
        ends = range(at + width, at + width * (count + 1), width)
        yield number, [int.from_bytes(data[end - width : end], "big") & 2 ** (8 * width - 1) - 1 for end in ends]


def _associated(data: bytes, number: int, index: int) -> bytes:
    """The associations with one more, of an item that has some."""
    for item, at, count, width in _entries(data):
        if item == number:
            end = at + count * width
            return data[: at - 1] + bytes((count + 1,)) + data[at:end] + index.to_bytes(width, "big") + data[end:]
    raise ImageError("nothing is said of the picture")


def _entries(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Of each item its number, where its associations begin, how many there are, and how wide they are."""
    wide, width = (4 if data[0] else 2), (2 if data[3] & 1 else 1)
    at = 8
    for _ in range(int.from_bytes(data[4:8], "big")):
        count = data[at + wide]
        yield int.from_bytes(data[at : at + wide], "big"), at + wide + 1, count, width
        at += wide + 1 + count * width


def _locations(data: bytes) -> Iterator[tuple[int, bool, list[Extent], list[slice]]]:
    """Of each item its number, whether it lies in ``idat``, its extents, and where it is said where these begin."""
    version, widths = data[0], (data[4] >> 4, data[4] & 15, data[5] >> 4, data[5] & 15 if data[0] else 0)
    at = 6

    def number(width: int) -> int:
        nonlocal at
        at += width
        return int.from_bytes(data[at - width : at], "big")

    for _ in range(number(4 if version == 2 else 2)):
        item = number(4 if version == 2 else 2)
        inside = bool(number(2) & 15) if version else False
        number(2)  # of the file, which is this one
        base, extents = number(widths[2]), list[Extent]()
        places = [slice(at - widths[2], at)] if base else []
        for _ in range(number(2)):
            number(widths[3])
            start = base + number(widths[0])
            places += [] if base else [slice(at - widths[0], at)]
            extents.append((start, number(widths[1])))
        if at > len(data):
            raise ImageError("is damaged or cut short (places of its items)")
        yield item, inside, extents, places
