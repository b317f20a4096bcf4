"""IPTC records, as Photoshop wraps them."""

import struct
from collections.abc import Iterator

_SIGNATURE, _RECORDS = b"8BIM", 0x0404
# Resolution, caption, profile, EXIF and XMP, which stand elsewhere, and thumbnails of the picture before
_REPEATED = frozenset({0x03ED, _RECORDS, 0x0409, 0x040C, 0x040F, 0x0422, 0x0423, 0x0424, 0x0425})


def block(records: bytes) -> bytes:
    """Wrap IPTC records as Photoshop does."""
    return struct.pack(">4sH2xI", _SIGNATURE, _RECORDS, len(records)) + records + bytes(len(records) % 2)


def records(photoshop: bytes) -> bytes | None:
    """The IPTC records among a block of Photoshop's resources."""
    return next((data for number, data, _ in _resources(photoshop) if number == _RECORDS and data), None)


def others(photoshop: bytes) -> bytes:
    """A block of Photoshop's resources without those that are carried by themselves."""
    return b"".join(whole for number, _, whole in _resources(photoshop) if number not in _REPEATED)


def _resources(block: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, data, and all bytes of each."""
    at = 0
    while (at := block.find(_SIGNATURE, at)) >= 0 and at + 12 <= len(block):
        (number, name_length) = struct.unpack_from(">HB", block, at + 4)
        size_at = at + 6 + name_length + 1 + (name_length + 1) % 2
        (size,) = struct.unpack(">I", block[size_at : size_at + 4].rjust(4, b"\0"))
        end = size_at + 4 + size
        yield number, block[size_at + 4 : end], block[at : end + size % 2]
        at = end + size % 2
