"""A page of a TIFF as a file of its own that libvips understands, made while it is read and never stored."""

import struct
import zlib
from bisect import bisect_right
from contextlib import suppress
from io import BytesIO
from itertools import accumulate
from os import SEEK_CUR, SEEK_END

import numpy as np
import pyvips
from PIL import Image

from pellucid.errors import ImageError
from pellucid.imaging.formats.tiff_tags import CMYK, ICC, LAB, RGB, YCBCR
from pellucid.imaging.tags import LONG, LONG8, SHORT, Entry, Tags, packed

BY_PILLOW = {5: "tiff_lzw", 8: "tiff_adobe_deflate", 34925: "lzma", 50000: "zstd"}
"""Its names of ways to pack bytes, by TIFF's numbers."""
UNPACKED_FOR_VIPS = (34925, 50000)
"""Those of them that libvips lacks."""
_LAYOUT = (256, 257, 258, 259, 262, 266, 277, 278, 284, 317, 320, 322, 323, 339, 347, ICC)
_NONE, _DEFLATE = 1, 8
_PLANES_APART = 2
_HEAD_BYTES = 16
_BLOCK = 65535
_NO_LIMIT = 2**32 - 1


def subsampling(tags: Tags) -> tuple[int, int]:
    """Columns and rows that share their colour, where colours are stored as luminance and two differences."""
    if tags.whole(262, 1) != YCBCR:
        return 1, 1
    across, down = (tags.numbers(530) or (2, 2))[:2]
    return int(across), int(down)


class Restated:
    """The file: a head of our own, and the page's strips or tiles behind it.

    Samples become plain ones of as many bands as there are: what they mean is for others to say. Strips that libvips
    cannot unpack, or whose colours are fewer than their pixels, are unpacked; the others stay as they are.
    """

    def __init__(self, tags: Tags) -> None:
        """Take a page in a file that stays open."""
        self._tags, self._at, self._held = tags, 0, (-1, b"")
        self._compression, self._shared = tags.whole(259, _NONE), subsampling(tags)
        self._opens = self._compression in UNPACKED_FOR_VIPS or self._shared != (1, 1)
        tiled = 322 in tags.places
        places, counts = (324, 325) if tiled else (273, 279)
        self._stored = [
            (int(place), int(size)) for place, size in zip(tags.numbers(places), tags.numbers(counts), strict=False)
        ]
        sizes = [_size_in_blocks(self._length(i)) if self._opens else size for i, (_, size) in enumerate(self._stored)]
        layout = tags.tree(_LAYOUT)
        if tags.whole(262, 1) in (CMYK, YCBCR, LAB):
            layout[262] = Entry.of(SHORT, RGB)
        further = tags.whole(277, 1) - (3 if tags.whole(262, 1) in (RGB, CMYK, YCBCR, LAB) else 1)
        if further > 0:
            layout[338] = Entry.of(SHORT, *(0,) * min(further, 99))
        if self._opens:
            layout[259] = Entry.of(SHORT, _DEFLATE)
        layout[counts] = layout[places] = Entry.of(LONG8, *sizes)
        start = _HEAD_BYTES + len(packed(layout, _HEAD_BYTES, tags.order, big=True))
        self._starts = list(accumulate(sizes, initial=start))
        layout[places] = Entry.of(LONG8, *self._starts[:-1])
        mark = b"II" if tags.order == "<" else b"MM"
        head = mark + struct.pack(f"{tags.order}HHHQ", 43, 8, 0, _HEAD_BYTES)
        self._head = head + packed(layout, _HEAD_BYTES, tags.order, big=True)

    def source(self) -> pyvips.SourceCustom:
        """The file as libvips reads it."""
        source = pyvips.SourceCustom()
        source.on_read(self.read)
        source.on_seek(self.seek)
        return source

    def seek(self, offset: int, whence: int) -> int:
        """As a file's."""
        self._at = offset + {SEEK_CUR: self._at, SEEK_END: self._starts[-1]}.get(whence, 0)
        return self._at

    def read(self, size: int) -> bytes:
        """As a file's."""
        pieces = bytearray()
        # nothing may be raised through libvips; it takes what is missing for damage
        with suppress(Exception):
            while len(pieces) < size and (piece := self._piece(size - len(pieces))):
                pieces += piece
                self._at += len(piece)
        return bytes(pieces)

    def _piece(self, size: int) -> bytes:
        """Some bytes from where the file is; none at its end."""
        if self._at < len(self._head):
            return self._head[self._at : self._at + size]
        index = bisect_right(self._starts, self._at) - 1
        if index >= len(self._stored):
            return b""
        skipped = self._at - self._starts[index]
        if not self._opens:
            self._tags.file.seek(self._stored[index][0] + skipped)
            return self._tags.file.read(min(size, self._stored[index][1] - skipped))
        if self._held[0] != index:
            self._held = (index, _in_blocks(self._opened(index)))
        return self._held[1][skipped : skipped + size]

    def _shape(self, index: int) -> tuple[int, int]:
        """Rows and columns of a strip or tile."""
        if 322 in self._tags.places:
            return self._tags.whole(323, 0), self._tags.whole(322, 0)
        height, rows = self._tags.whole(257, 0), self._tags.whole(278, _NO_LIMIT)
        rows = max(1, min(rows, height))
        top = index % -(-height // rows) * rows
        return min(rows, height - top), self._tags.whole(256, 0)

    def _length(self, index: int) -> int:
        """Bytes of a strip or tile, unpacked."""
        rows, columns = self._shape(index)
        bands = 1 if self._tags.whole(284, 1) == _PLANES_APART else self._tags.whole(277, 1)
        return rows * (-(-columns * bands * self._tags.whole(258, 1) // 8))

    def _opened(self, index: int) -> bytes:
        place, size = self._stored[index]
        self._tags.file.seek(place)
        data = self._tags.file.read(size)
        if self._shared == (1, 1):
            return _unpacked(data, self._compression, self._length(index))
        (rows, columns), (across, down) = self._shape(index), self._shared
        blocks = -(-rows // down), -(-columns // across)
        data = _unpacked(data, self._compression, blocks[0] * blocks[1] * (across * down + 2))
        units = np.frombuffer(data, np.uint8).reshape(*blocks, across * down + 2)
        light = units[..., :-2].reshape(*blocks, down, across).swapaxes(1, 2)
        colours = units[:, None, :, None, -2:].repeat(down, 1).repeat(across, 3)
        whole = np.concatenate([light[..., None], colours], -1).reshape(blocks[0] * down, blocks[1] * across, 3)
        return whole[:rows, :columns].tobytes()


def _unpacked(data: bytes, compression: int, length: int) -> bytes:
    """Unpack bytes as a picture of one row.

    Raises:
        ImageError: They are fewer than they should be.
    """
    if compression != _NONE:
        numbers = {256: length, 257: 1, 258: 8, 259: compression, 262: 1, 273: 0, 277: 1, 278: 1, 279: len(data)}
        layout = {tag: Entry.of(LONG, number) for tag, number in numbers.items()}
        layout[273] = Entry.of(LONG, 8 + len(packed(layout, 8, big=False)))
        file = BytesIO(b"II*\0\x08\0\0\0" + packed(layout, 8, big=False) + data)
        data = Image.open(file, formats=("TIFF",)).tobytes()
    if len(data) < length:
        raise ImageError("is damaged or cut short (a strip of it)")
    return data[:length]


def _size_in_blocks(length: int) -> int:
    return 6 + length + 5 * max(1, -(-length // _BLOCK))


def _in_blocks(data: bytes) -> bytes:
    """Bytes as deflate stores them where it does not pack: their length is known beforehand."""
    parts = [data[start : start + _BLOCK] for start in range(0, len(data), _BLOCK)] or [b""]
    blocks = [struct.pack("<BHH", part is parts[-1], len(part), len(part) ^ 0xFFFF) + part for part in parts]
    return b"\x78\x01" + b"".join(blocks) + struct.pack(">I", zlib.adler32(data))
