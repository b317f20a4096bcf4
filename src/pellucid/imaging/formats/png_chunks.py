"""A PNG's chunks: what they tell beside the pixels, and how it is told again."""

import struct
import zlib
from collections.abc import Iterator
from os import SEEK_CUR, SEEK_END
from typing import IO

from pellucid.errors import ImageError
from pellucid.imaging import exif as exif_of
from pellucid.imaging import iptc as iptc_of
from pellucid.imaging.carried import Cicp, Gathered, Native, Text, behind, resolution
from pellucid.imaging.encode import SIGNATURE
from pellucid.imaging.picture import Frame

_XMP, _XMP_HEAD = "XML:com.adobe.xmp", b"http://ns.adobe.com/xap/1.0/\0"
_PROFILES = "Raw profile type "
_MOST_TEXT = 2**26  # bytes that a few bytes may unpack to
_READ = frozenset({b"IHDR", b"acTL", b"iCCP", b"pHYs", b"eXIf", b"cICP", b"tEXt", b"zTXt", b"iTXt"})
# What else is carried from PNG to PNG, and how its loss is told; where there is no name, nothing is lost.
_NATIVE = {
    b"gAMA": "gamma",
    b"cHRM": "primaries",
    b"sRGB": "",
    b"tIME": "modification time",
    b"oFFs": "offset",
    b"pCAL": "calibration",
    b"sCAL": "scale",
    b"sTER": "stereo layout",
    b"mDCV": "mastering display",
    b"cLLI": "light levels",
    b"sBIT": "significant bits",
    b"bKGD": "background colour",
}
# Of the pixels and their palette, or of the file as it was: nothing to miss
_OF_SAMPLES = frozenset(b"PLTE IDAT IEND tRNS fcTL fdAT iDOT".split())
_NAMES = {
    b"caBX": "content credentials",
    b"dSIG": "signature",
    b"hIST": "palette's histogram",
    b"sPLT": "suggested palette",
}
_LIKE_SRGB = {b"gAMA": (45455,), b"cHRM": (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)}


class Found(Gathered):
    """What the chunks of a file tell, behind the pixels as well as before them."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__("PNG")
        self.is_animated = False
        head = b""
        for name, size in chunks(file):
            # unknown ones that are safe to copy have a small fourth letter, as these have a small first one
            if name in _READ or name in _NATIVE or (name[0] & name[3] & 0x20 and name.isalpha()):
                data = file.read(size)
                if name == b"IHDR":
                    head = data
                elif name == b"bKGD" and (len(data) == 1 or head[8:9] < b"\x08"):  # of a palette, or of few bits
                    self.left_out.append(_NATIVE[name])
                elif name == b"acTL":
                    self.is_animated = True
                else:
                    self._take(name, data)
            elif name not in _OF_SAMPLES and name.isalpha():  # unsafe to copy, as it depends on pixels
                self.left_out.append(_NAMES.get(name, f"{name.decode()} chunk"))
            if name == b"IEND":
                end = file.seek(size + 4, SEEK_CUR)
                self.left_out += behind(file.read(2**16), file.seek(0, SEEK_END) - end)
        if len(head) != 13:
            raise ImageError("is a PNG with a damaged header")
        self.width, self.height = struct.unpack_from(">II", head)

    def _take(self, name: bytes, data: bytes) -> None:
        try:
            match name:
                case b"iCCP":
                    self.told["icc"] = _unpacked(data[data.index(b"\0") + 2 :])
                case b"pHYs":
                    across, down, metres = struct.unpack(">IIB", data)
                    self.told |= resolution(across, down, "metre" if metres else None)
                case b"eXIf":
                    self.told["exif"] = exif_of.PREFIX + data.removeprefix(exif_of.PREFIX)
                case b"cICP":
                    self.told["cicp"] = Cicp(*data[:3], full_range=bool(data[3]))
                case b"tEXt" | b"zTXt" | b"iTXt":
                    self._take_text(_text(name, data))
                case _:
                    self.native.append(Native("PNG", _name(name, data), name, data))
        except (ValueError, IndexError, struct.error, zlib.error):
            return  # a chunk that is damaged describes nothing, and the picture matters more

    def _take_text(self, text: Text) -> None:
        """A remark, or what ImageMagick and others store as one for want of a chunk."""
        kind = text.keyword.removeprefix(_PROFILES)
        if text.keyword == _XMP:
            self.told["xmp"] = _utf8(text.value)
        elif text.keyword == kind:
            self.text.append(text)
        else:
            data = bytes.fromhex("".join(text.value.split("\n")[3:]))
            if kind in ("icc", "icm"):
                name = "icc"
            elif kind in ("iptc", "8bim"):
                name, data = "iptc", iptc_of.records(data) if b"8BIM" in data else data
            elif data.startswith(_XMP_HEAD) or kind == "xmp":
                name, data = "xmp", data.removeprefix(_XMP_HEAD)
            else:
                name, data = "exif", exif_of.PREFIX + data.removeprefix(exif_of.PREFIX)
            self.told[name] = self.told.get(name) or data


def _name(name: bytes, data: bytes) -> str:
    expected = _LIKE_SRGB.get(name, ())
    if expected and struct.unpack(f">{len(expected)}I", data) == expected:
        return ""  # which is what pixels mean that nothing is told of
    return _NATIVE.get(name, f"{name.decode()} chunk")


def _text(name: bytes, data: bytes) -> Text:
    keyword, _, rest = data.partition(b"\0")
    title = keyword.decode("latin-1")
    if name == b"tEXt":
        return Text(title, rest.decode("latin-1"))
    if name == b"zTXt":
        return Text(title, _unpacked(rest[1:]).decode("latin-1"))
    language, translated, value = rest[2:].split(b"\0", 2)
    value = _unpacked(value) if rest[0] else value
    return Text(
        title, value.decode(errors="surrogateescape"), language.decode("latin-1"), translated.decode(errors="replace")
    )


def _unpacked(data: bytes) -> bytes:
    return zlib.decompressobj().decompress(data, _MOST_TEXT)


def described(frame: Frame) -> Iterator[tuple[bytes, bytes]]:
    """Chunks with what a picture has beside its pixels, in the order in which they go before them."""
    if frame.cicp is not None:
        yield b"cICP", bytes((frame.cicp.primaries, frame.cicp.transfer, 0, frame.cicp.full_range))
    if frame.icc is not None:
        yield b"iCCP", b"ICC Profile\0\0" + zlib.compress(frame.icc)
    bands, full = frame.samples.shape[2], bytes((8 * frame.dtype.itemsize,))
    for part in frame.native:
        if part.key == b"sBIT":  # transparency that was a chunk is a band now, of which every bit counts
            yield part.key, part.data.ljust(bands, full)[:bands]
        elif part.key != b"bKGD" or len(part.data) == 2 * frame.channels:
            yield part.key, part.data
    if frame.dpi is not None:
        yield b"pHYs", struct.pack(">IIB", *(round(dpi / 0.0254) for dpi in frame.dpi), 1)
    elif frame.aspect is not None:
        yield b"pHYs", struct.pack(">IIB", *(round(part) for part in frame.aspect), 0)
    if frame.exif is not None:
        yield b"eXIf", frame.exif.removeprefix(exif_of.PREFIX)
    if frame.xmp is not None:
        yield b"iTXt", _XMP.encode() + bytes(5) + frame.xmp
    if frame.iptc is not None:
        profile = iptc_of.block(frame.iptc)
        digits = profile.hex()
        lines = [digits[start : start + 72] for start in range(0, len(digits), 72)]
        text = "\n".join(["", "iptc", f"{len(profile):8d}", *lines, ""]).encode()
        yield b"zTXt", f"{_PROFILES}iptc\0\0".encode() + zlib.compress(text)
    yield from map(_text_chunk, frame.text)


def _text_chunk(text: Text) -> tuple[bytes, bytes]:
    keyword = text.keyword.encode("latin-1", "replace")
    if not text.language and not text.translated:
        try:
            return b"tEXt", keyword + b"\0" + text.value.encode("latin-1")
        except UnicodeEncodeError:  # beyond Latin-1
            # no UTF-8, as a JPEG's comment may be: Latin-1 is likely
            if any("\udc80" <= each <= "\udcff" for each in text.value):
                return b"tEXt", keyword + b"\0" + _utf8(text.value)
    parts = (keyword, b"\0\0" + text.language.encode(), text.translated.encode(), _utf8(text.value))
    return b"iTXt", b"\0".join(parts)


def _utf8(value: str) -> bytes:
    return value.encode(errors="surrogateescape")


def chunks(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Name and size of each chunk, the file placed at its data; what is cut short ends there."""
    at, end = len(SIGNATURE), file.seek(0, SEEK_END)
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        size, name = struct.unpack(">I4s", head)
        yield name, min(size, end - at - 8)  # a few bytes can claim gigabytes
        if name == b"IEND":
            return
        at += 12 + size
