"""IPTC records, as Photoshop wraps them."""

import struct
from collections.abc import Iterator

_SIGNATURE, _RECORDS = b"8BIM", 0x0404


def block(records: bytes) -> bytes:
    """Wrap IPTC records as Photoshop does."""
    return struct.pack(">4sH2xI", _SIGNATURE, _RECORDS, len(records)) + records + bytes(len(records) % 2)


def records(photoshop: bytes) -> bytes | None:
    """The IPTC records among a block of Photoshop's resources."""
    return next((data for number, data in _resources(photoshop) if number == _RECORDS and data), None)


def _resources(block: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while (at := block.find(_SIGNATURE, at)) >= 0 and at + 12 <= len(block):
        (number, name_length) = struct.unpack_from(">HB", block, at + 4)
        size_at = at + 6 + name_length + 1 + (name_length + 1) % 2
        (size,) = struct.unpack(">I", block[size_at : size_at + 4].rjust(4, b"\0"))
        yield number, block[size_at + 4 : size_at + 4 + size]
        at = size_at + 4 + size + size % 2
