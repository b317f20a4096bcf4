"""XMP packets, of which only those bytes are changed that would not be true any more."""

import re
from itertools import pairwise

from pellucid.imaging.turning import turned_point

_ORIENTATION = re.compile(rb"""(tiff:Orientation(?:=["']|>))([0-9])""")
_SWAPPED = (
    (b"tiff:ImageWidth", b"tiff:ImageLength"),
    (b"exif:PixelXDimension", b"exif:PixelYDimension"),
    (b"tiff:XResolution", b"tiff:YResolution"),
)
_APPLIED_TO = re.compile(rb"mwg-rs:AppliedToDimensions[^<]*(?:<stDim[^<]*</stDim[^<]*)*")
_AREA = re.compile(rb"mwg-rs:Area\b(?!>\s*</mwg-rs:Region)")
_RECTANGLE = re.compile(rb"""(MPReg:Rectangle(?:=["']|>))([0-9., ]+)""")
_CLAIMS = re.compile(
    rb"""\s(?:hdrgm:\w+|HDRGainMap:\w+|GCamera:(?:Motion|Micro)\w+)=(?:"[^"]*"|'[^']*')"""
    rb"|<((?:hdrgm|HDRGainMap):\w+|GCamera:(?:Motion|Micro)\w+|G?Container:Directory|xmp:Thumbnails)\b.*?</\1>",
    re.DOTALL,
)
# an attribute, as Adobe writes it, or an element, as ExifTool does
_NOTED = re.compile(
    rb"""\s*(?:xmpNote:HasExtendedXMP\s*=\s*["']|<xmpNote:HasExtendedXMP>)\s*([0-9A-Fa-f]{32})\s*"""
    rb"""(?:["']|</xmpNote:HasExtendedXMP>)"""
)
NOTE = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:xmpNote="http://ns.adobe.com/xmp/note/"'
    b' xmpNote:HasExtendedXMP="%s"/></rdf:RDF></x:xmpmeta>'
)
"""A packet that says only that its extension, named by 32 digits, is the whole."""


def orientation(xmp: bytes) -> int | None:
    """1 to 8, or None when it is not told."""
    found = _ORIENTATION.search(xmp)
    return int(found[2]) if found and 1 <= int(found[2]) <= 8 else None


def upright(xmp: bytes, turn: int) -> bytes:
    """The packet of a picture of which an orientation was undone: sizes and regions of faces are those it has now.

    It does not claim that the file holds a gain map, a film or a thumbnail beside the picture.
    """
    xmp = _CLAIMS.sub(b"", _ORIENTATION.sub(rb"\g<1>1", xmp))
    if turn >= 5:
        for one, other in _SWAPPED:
            xmp = _swap(xmp, one, other)
        xmp = _APPLIED_TO.sub(lambda found: _swap(found[0], b"stDim:w", b"stDim:h"), xmp)
    if turn > 1:
        places = [0, *(found.start() for found in _AREA.finditer(xmp)), len(xmp)]
        pieces = [xmp[start:end] for start, end in pairwise(places)]
        xmp = b"".join([pieces[0], *(_turned_area(piece, turn) for piece in pieces[1:])])
        xmp = _RECTANGLE.sub(lambda found: found[1] + _turned_rectangle(found[2], turn), xmp)
    return xmp


def merged(xmp: bytes | None, more: bytes) -> bytes | None:
    """The packet and its extension as one."""
    note = _NOTED.search(xmp) if xmp else None
    if xmp is None or note is None or not more:
        return xmp
    if xmp == NOTE % note[1]:  # as it is written here
        return more
    inner = more[more.find(b"<rdf:Description") : more.rfind(b"</rdf:RDF>")]
    return _NOTED.sub(b"", xmp).replace(b"</rdf:RDF>", inner + b"</rdf:RDF>", 1)


def _value(name: bytes) -> re.Pattern[bytes]:
    """A simple property as an attribute or an element, and its value."""
    return re.compile(rb"(\b" + name + rb"""(?:=["']|>))([^"'<]*)""")


def _swap(text: bytes, one: bytes, other: bytes) -> bytes:
    first, second = _value(one).search(text), _value(other).search(text)
    if not first or not second:
        return text
    text = _value(one).sub(lambda found: found[1] + second[2], text, 1)
    return _value(other).sub(lambda found: found[1] + first[2], text, 1)


def _turned_area(piece: bytes, turn: int) -> bytes:
    """A region by its centre and sides, as shares of the picture."""
    names = (b"stArea:x", b"stArea:y")
    try:
        x, y = (float(found[2]) for name in names if (found := _value(name).search(piece)))
    except ValueError:
        return piece
    for name, value in zip(names, turned_point(x, y, turn), strict=True):
        piece = _value(name).sub(lambda found, value=value: found[1] + f"{value:.9g}".encode(), piece, 1)
    return _swap(piece, b"stArea:w", b"stArea:h") if turn >= 5 else piece


def _turned_rectangle(values: bytes, turn: int) -> bytes:
    """A region by its upper left corner and sides, as shares of the picture."""
    try:
        x, y, width, height = (float(value) for value in values.split(b","))
    except ValueError:
        return values
    corners = turned_point(x, y, turn), turned_point(x + width, y + height, turn)
    (left, right), (top, bottom) = (sorted(axis) for axis in zip(*corners, strict=True))
    return ", ".join(f"{value:.6g}" for value in (left, top, right - left, bottom - top)).encode()
