"""EXIF, patched and not rebuilt: maker notes hold offsets that a rebuilt payload would break."""

import struct
from contextlib import suppress
from io import BytesIO

from pellucid.imaging.tags import CODES, EXIF, Tags, size_of
from pellucid.imaging.turning import turned_point

PREFIX = b"Exif\0\0"
_ORIENTATION, _X_RESOLUTION, _Y_RESOLUTION, _UNIT = 0x0112, 0x011A, 0x011B, 0x0128
_COLOUR_SPACE, _SRGB = 0xA001, 1
_WIDTH, _HEIGHT, _SUBJECT_AREA, _SUBJECT_PLACE = 0xA002, 0xA003, 0x9214, 0xA214
_WHOLE = (1, 3, 4)


class _Payload:
    """Two directories of an EXIF payload, whose values are changed where they lie."""

    def __init__(self, exif: bytes) -> None:
        self.data = bytearray(exif.removeprefix(PREFIX))
        self._tags = Tags.first(BytesIO(self.data + bytes(8)))  # some lack the link to a thumbnail
        self.link, self._places = self._tags.link, dict(self._tags.places)
        for start in self.numbers(EXIF)[:1]:
            # the first directory is good without it, and it without its end
            with suppress(struct.error):
                self._places |= Tags.at(BytesIO(self.data + bytes(2**16)), start, self._tags.order, big=False).places

    def numbers(self, tag: int) -> tuple[int, ...]:
        """The whole numbers of a tag; none if it is absent, or has others."""
        kind, number, place = self._places.get(tag, (0, 0, 0))
        if kind not in _WHOLE or place + size_of(kind) * number > len(self.data):
            return ()
        return struct.unpack_from(f"{self._tags.order}{number}{CODES[kind]}", self.data, place)

    def put(self, tag: int, *values: int) -> None:
        """Replace the whole numbers of a tag that has as many."""
        kind, number, place = self._places[tag]
        struct.pack_into(f"{self._tags.order}{number}{CODES[kind]}", self.data, place, *values)

    def swap(self, one: int, other: int) -> None:
        """Exchange the values of two tags of the same type, where both are there."""
        first, second = self._places.get(one), self._places.get(other)
        if not first or not second or first[:2] != second[:2]:
            return
        size = size_of(first[0]) * first[1]
        here, there = slice(first[2], first[2] + size), slice(second[2], second[2] + size)
        if max(here.stop, there.stop) <= len(self.data):
            self.data[here], self.data[there] = self.data[there], self.data[here]

    def fraction(self, tag: int) -> float | None:
        """A rational number."""
        kind, _, place = self._places.get(tag, (0, 0, 0))
        if kind != 5 or place + 8 > len(self.data):
            return None
        above, below = struct.unpack_from(f"{self._tags.order}II", self.data, place)
        return above / below if below else None


def _opened(exif: bytes) -> _Payload | None:
    """None where it is damaged."""
    with suppress(KeyError, struct.error):
        return _Payload(exif)
    return None


def orientation(exif: bytes) -> int | None:
    """1 to 8; None when unset, or when the payload is damaged."""
    payload = _opened(exif)
    values = payload.numbers(_ORIENTATION) if payload else ()
    return values[0] if len(values) == 1 and 1 <= values[0] <= 8 else None


def resolution(exif: bytes) -> tuple[float, float, int] | None:
    """Across, down, and TIFF's number of their unit: 1 is none, 2 the inch, 3 the centimetre."""
    if (payload := _opened(exif)) is None:
        return None
    across, down = payload.fraction(_X_RESOLUTION), payload.fraction(_Y_RESOLUTION)
    return (across, down, (payload.numbers(_UNIT) or (2,))[0]) if across and down else None


def upright(exif: bytes, turn: int, size: tuple[int, int]) -> bytes | None:
    """The payload of a picture that was turned upright, in which only the bytes that must change are changed.

    The link to the embedded thumbnail is cut: it shows the photograph as it was before.

    Args:
        exif: with or without its prefix.
        turn: the orientation that was undone.
        size: width and height as stored.

    Returns:
        None when its directory is damaged.
    """
    if (payload := _opened(exif)) is None:
        return None
    if payload.numbers(_ORIENTATION):
        payload.put(_ORIENTATION, 1)
    if turn >= 5:
        payload.swap(_WIDTH, _HEIGHT)
        payload.swap(_X_RESOLUTION, _Y_RESOLUTION)
    for tag in (_SUBJECT_AREA, _SUBJECT_PLACE):
        values = payload.numbers(tag)
        if turn > 1 and len(values) in (2, 3, 4):
            x, y = turned_point(values[0], values[1], turn, (size[0] - 1, size[1] - 1))
            sides = values[2:][::-1] if turn >= 5 else values[2:]
            payload.put(tag, max(round(x), 0), max(round(y), 0), *sides)
    if payload.link + 4 <= len(payload.data):
        struct.pack_into("4x", payload.data, payload.link)
    return PREFIX + bytes(payload.data)


def in_srgb(exif: bytes) -> bytes:
    """The payload of a picture whose colours became sRGB."""
    if (payload := _opened(exif)) is None:
        return exif
    if len(payload.numbers(_COLOUR_SPACE)) == 1:
        payload.put(_COLOUR_SPACE, _SRGB)
    return PREFIX + bytes(payload.data)
