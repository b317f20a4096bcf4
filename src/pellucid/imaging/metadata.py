"""What travels beside the pixels: EXIF, ICC profile, XMP, IPTC, resolution, and how a JPEG was compressed."""

import logging
import math
import re
import struct
from collections.abc import Mapping
from typing import Any, TypedDict

from PIL import Image, JpegImagePlugin

from pellucid.imaging.source import quiet_pillow as quiet_pillow

_log = logging.getLogger(__name__)

EXIF_PREFIX = b"Exif\0\0"
IPTC_TAG = 33723
_ORIENTATION, _X_RESOLUTION = 0x0112, 282
_BYTE, _SHORT, _LONG = 1, 3, 4

# Tags of a TIFF's first directory that say how its pixels are stored, that a Photo holds elsewhere, or that
# are Photoshop's layers and previews of before. All the others describe the photograph.
STORAGE_TAGS = frozenset(
    {*range(254, 267), 273, *range(277, 285), *range(288, 298), 301, *range(317, 326), 330}
    | {*range(338, 348), *range(512, 533), 559, 700, IPTC_TAG, 34377, 34675, 37724}
)
_IPTC_RESOURCE_ID = 0x0404
_IPTC_RESOURCE = b"8BIM" + struct.pack(">H", _IPTC_RESOURCE_ID)
_XMP_ORIENTATION = re.compile(rb'(tiff:Orientation(?:="|>))([0-9])')


class Found(TypedDict):
    """The fields of a Photo that are neither pixels nor format."""

    exif: bytes | None
    icc: bytes | None
    xmp: bytes | None
    iptc: bytes | None
    dpi: tuple[float, float] | None


def collect(info: Mapping[Any, Any], tags: Image.Exif | None = None, *, xmp_turns: bool = True) -> tuple[int, Found]:
    """Gather what a picture file says beside its pixels.

    Args:
        info: Pillow's ``image.info``.
        tags: the directory of a TIFF's page, whose EXIF lies there and not in ``info``.
        xmp_turns: an orientation that only XMP knows counts; not where the container tells it by itself.

    Returns:
        The orientation (1 to 8) that the stored pixels have, and the fields, in which it is reset to 1.
    """
    iptc = _iptc(info, tags)
    has_resolution = tags is not None and _X_RESOLUTION in tags  # before it is taken from the EXIF
    exif = exif_of_tiff(tags) if tags is not None else _exif_payload(info)
    turned, exif = reset_orientation(exif) if exif else (None, None)
    xmp = info.get("xmp") or info.get("XML:com.adobe.xmp") or None
    if isinstance(xmp, str):
        xmp = xmp.encode("latin-1", "replace")
    if xmp and (mark := _XMP_ORIENTATION.search(xmp)):
        turned = turned or (int(mark[2]) if xmp_turns else 1)
        xmp = _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)
    icc = info.get("icc_profile") or None
    # Pillow makes up a resolution for a TIFF without one
    dpi = None if tags is not None and not has_resolution else _dpi(info.get("dpi"))
    fields = Found(exif=exif, icc=icc, xmp=xmp, iptc=iptc, dpi=dpi)
    return turned if turned and turned <= 8 else 1, fields


def tells_resolution(image: JpegImagePlugin.JpegImageFile) -> bool:
    """Whether a JPEG's head or EXIF has a resolution: Pillow makes up 72 dpi where there is none."""
    return bool(image.info.get("jfif_unit")) or _X_RESOLUTION in image.getexif()


def reset_orientation(exif: bytes) -> tuple[int | None, bytes | None]:
    """Take the Orientation out of an EXIF payload, changing only the bytes that must change.

    The payload is patched and not rebuilt, since maker notes hold offsets that a rebuilt one would break.
    The link to the embedded thumbnail is cut: it shows the photograph as it was before.

    Returns:
        The orientation, None when unset, and the payload; ``(None, None)`` when its directory is damaged.
    """
    data = bytearray(exif.removeprefix(EXIF_PREFIX))
    orientation = None
    try:
        order = {b"II*\0": "<", b"MM\0*": ">"}[bytes(data[:4])]
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        end = start + 2 + 12 * count
        for entry in range(start + 2, end, 12):
            tag, kind = struct.unpack_from(f"{order}HH", data, entry)
            if tag == _ORIENTATION:
                value = order + {_BYTE: "B", _SHORT: "H", _LONG: "I"}.get(kind, "H")
                (orientation,) = struct.unpack_from(value, data, entry + 8)
                struct.pack_into(value, data, entry + 8, 1)
        if end + 4 <= len(data):
            struct.pack_into("4x", data, end)
    except (KeyError, struct.error):
        return None, None
    return orientation, EXIF_PREFIX + bytes(data)


def exif_of_tiff(tags: Image.Exif) -> bytes | None:
    """Build an EXIF payload from a TIFF's first directory, without the tags that describe its storage."""
    with quiet_pillow():
        for tag in STORAGE_TAGS & set(tags):
            del tags[tag]
        tags.bigtiff = False
        try:
            return tags.tobytes() if len(tags) else None
        # Pillow raises errors of many kinds on tags of odd types, and the picture matters more
        except Exception as error:
            _log.warning("The EXIF cannot be understood and is left out (%s)", error)
            return None


def photoshop_block(iptc: bytes) -> bytes:
    """Wrap IPTC records as Photoshop does."""
    return _IPTC_RESOURCE + struct.pack(">2xI", len(iptc)) + iptc + bytes(len(iptc) % 2)


def png_profile(kind: str, data: bytes) -> str:
    """ImageMagick's way of storing what PNG has no chunk for: a text of hexadecimal digits below a heading."""
    digits = data.hex()
    lines = [digits[start : start + 72] for start in range(0, len(digits), 72)]
    return "\n".join(["", kind, f"{len(data):8d}", *lines, ""])


def _exif_payload(info: Mapping[Any, Any]) -> bytes | None:
    return info.get("exif") or _from_png_profile(info, "exif")


def _iptc(info: Mapping[Any, Any], tags: Image.Exif | None) -> bytes | None:
    """The IPTC records of a JPEG, a TIFF or a PNG."""
    if tags is not None:
        records = tags.get(IPTC_TAG)
        return records if isinstance(records, bytes) else None
    blocks = info.get("photoshop")
    if isinstance(blocks, dict) and isinstance(records := blocks.get(_IPTC_RESOURCE_ID), bytes):
        return records or None
    stored = _from_png_profile(info, "iptc") or b""
    at = stored.find(_IPTC_RESOURCE)
    if at < 0:
        return stored or None
    name_length = stored[at + 6] if at + 6 < len(stored) else 0
    size_at = at + 6 + name_length + 1 + (name_length + 1) % 2
    (size,) = struct.unpack(">I", stored[size_at : size_at + 4].rjust(4, b"\0"))
    return stored[size_at + 4 : size_at + 4 + size] or None


def _from_png_profile(info: Mapping[Any, Any], kind: str) -> bytes | None:
    """Read what ``png_profile`` writes."""
    text = info.get(f"Raw profile type {kind}")
    try:
        return bytes.fromhex("".join(str(text).split("\n")[3:])) or None
    except ValueError:
        return None


def _dpi(dpi: Any) -> tuple[float, float] | None:
    try:
        x, y = (float(value) for value in dpi)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    # PNG counts in whole pixels per metre: 300 dpi comes back as 299.9994
    return (round(x, 1), round(y, 1)) if min(x, y) > 0 and math.isfinite(x + y) else None
