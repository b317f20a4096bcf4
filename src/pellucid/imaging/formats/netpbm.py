"""PBM, PGM, PPM and PAM of any highest value up to 65535, in bytes or in digits, by rows."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import ImageError
from pellucid.imaging.carried import Carried, Native, Text
from pellucid.imaging.formats.format import Format, Saving
from pellucid.imaging.limits import refuse_huge
from pellucid.imaging.picture import Frame, Picture
from pellucid.imaging.rows import Streamed, rows_at_once
from pellucid.imaging.source import Source

_HEADER_BYTES = 2**20  # comments may be long
_BETWEEN = rb"(?:\s|#[^\r\n]*[\r\n])+"
_BITS = re.compile(rb"P[14]" + (_BETWEEN + rb"(\d{1,9})") * 2 + rb"(?:\s|#[^\r\n]*[\r\n])")
_NUMBERS = re.compile(rb"P[2356]" + (_BETWEEN + rb"(\d{1,9})") * 3 + rb"\s")
_PAM = re.compile(rb"P7\n(?:(?:#[^\n]*|[A-Z]+[ \t]+[^\n]*|[ \t]*)\n)*?ENDHDR\n")
_FIELD = re.compile(rb"^(WIDTH|HEIGHT|DEPTH|MAXVAL)[ \t]+(\d{1,9})\s*$", re.MULTILINE)
_COMMENT = re.compile(rb"#[ \t]?([^\r\n]*)")
_KINDS = {1: b"GRAYSCALE", 2: b"GRAYSCALE_ALPHA", 3: b"RGB", 4: b"RGB_ALPHA"}
_DIGITS_AT_ONCE = 2**20


def _open(source: Source) -> Picture:
    start = source.file.read(_HEADER_BYTES)
    kind = start[1] - ord("0")
    name = "PAM" if kind == 7 else "PPM"
    found = (_PAM if kind == 7 else _BITS if kind in (1, 4) else _NUMBERS).match(start)
    if found is None:
        raise ImageError("is damaged or cut short (its header)")
    if kind == 7:
        fields = {field: int(value) for field, value in _FIELD.findall(found[0])}
        width, height, bands, highest = (fields.get(field, 0) for field in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    else:
        width, height, highest = (*map(int, found.groups()), 1)[:3]
        bands = 3 if kind in (3, 6) else 1
    if not 0 < highest < 65536:
        raise ImageError(f"is damaged (its highest value is {highest}, and must be 1 to 65535)")
    if not width or not height or bands not in _KINDS:
        raise ImageError(f"is damaged, or no photograph ({width}×{height} pixels of {bands} bands)")
    refuse_huge(width, height, source.max_pixels)
    top = 255 if highest < 256 else 65535
    scale = np.rint(np.arange(highest + 1) * (top / highest)).astype(np.uint8 if top == 255 else np.uint16)
    scale = scale[::-1] if kind in (1, 4) else scale  # a bit is ink
    shape = height, width, bands
    stored = (height * (-(-width // 8)) if kind == 4 else height * width * bands) * (1 if highest < 256 else 2)
    behind = source.path.stat().st_size - found.end() - stored
    if kind >= 4 and behind < 0:
        raise ImageError("is damaged or cut short (pixels are missing)")

    def rows() -> Iterator[NDArray[Any]]:
        with source.path.open("rb") as file:
            file.seek(found.end())
            numbers = _digits(file, shape, kind) if kind < 4 else _bytes(file, shape, highest, kind)
            for values in numbers:
                scaled = (
                    values.astype(scale.dtype) if highest == top and kind > 3 else scale[np.minimum(values, highest)]
                )
                yield scaled.reshape(-1, width, bands)

    native = () if highest == top or kind in (1, 4) else (Native(name, "", b"maxval", b"%d" % highest),)
    carried = Carried(
        text=tuple(Text("Comment", each.decode(errors="surrogateescape")) for each in _COMMENT.findall(found[0])),
        native=native,
        left_out=("further pictures",) if kind >= 4 and behind > 2 else (),
        format=name,
        bits={1023: 10, 4095: 12}.get(highest),
    )
    frame = Frame(samples=Streamed(shape, scale.dtype, rows), **vars(carried))
    return Picture.of(frame, path=source.path)


def _bytes(file: IO[bytes], shape: tuple[int, int, int], highest: int, kind: int) -> Iterator[NDArray[Any]]:
    """Values of some rows at a time."""
    height, width, bands = shape
    for span in rows_at_once(height, width):
        number = span.stop - span.start
        line = -(-width // 8) if kind == 4 else width * bands * (1 if highest < 256 else 2)
        data = file.read(number * line)
        if len(data) < number * line:
            raise ImageError("is damaged or cut short (pixels are missing)")
        if kind == 4:
            yield np.unpackbits(np.frombuffer(data, np.uint8).reshape(number, line), axis=1, count=width)
        else:
            yield np.frombuffer(data, "u1" if highest < 256 else ">u2")


def _digits(file: IO[bytes], shape: tuple[int, int, int], kind: int) -> Iterator[NDArray[Any]]:
    """Values of whole rows, as many as are read at once; those of bits need no space between them."""
    height, width, bands = shape
    values, rest, missing = np.empty(0, np.uint32), b"", height * width * bands
    while missing:
        data = file.read(_DIGITS_AT_ONCE)
        is_last = not data
        # no comment is parted
        data = re.sub(rb"#[^\r\n]*", b"", rest + data + file.readline(_DIGITS_AT_ONCE))
        if kind == 1:
            fresh = np.frombuffer(b"".join(data.split()), np.uint8) - np.uint32(ord("0"))
        else:
            whole = len(data) if is_last else max(data.rfind(each) for each in (b" ", b"\n", b"\t", b"\r")) + 1
            fresh, rest = _numbers(data[:whole]), data[whole:]
        values = np.concatenate([values, fresh])[:missing]
        ready = len(values) // (width * bands) * width * bands
        if ready:
            yield values[:ready]
        elif is_last:
            raise ImageError("is damaged or cut short (pixels are missing)")
        values, missing = values[ready:], missing - ready


def _numbers(digits: bytes) -> NDArray[np.uint32]:
    try:
        return np.array(digits.split(), np.uint32)
    except (ValueError, OverflowError):
        raise ImageError("is damaged (a value is no number)") from None


def _write(picture: Picture, file: IO[bytes], _saving: Saving, *, pam: bool) -> None:
    frame = picture.first()
    highest, bands, top = _highest(frame), frame.samples.shape[2], np.iinfo(frame.dtype).max
    file.write(b"P7\n" if pam else b"P5\n" if frame.channels == 1 else b"P6\n")
    for text in frame.text:
        for line in text.value.encode(errors="surrogateescape").splitlines() or [b""]:
            file.write(b"# " + line + b"\n")
    if pam:
        fields = frame.width, frame.height, bands, highest, _KINDS[bands]
        file.write(b"WIDTH %d\nHEIGHT %d\nDEPTH %d\nMAXVAL %d\nTUPLTYPE %s\nENDHDR\n" % fields)
    else:
        file.write(b"%d %d\n%d\n" % (frame.width, frame.height, highest))
    for strip in frame.strips():
        if highest != top:
            strip = np.rint(strip * np.float32(highest / top)).astype(frame.dtype)
        file.write(np.ascontiguousarray(strip.astype(frame.dtype.newbyteorder(">"), copy=False)).data)


def _highest(frame: Frame) -> int:
    """The source's highest value, if it is of the same depth."""
    top = int(np.iinfo(frame.dtype).max)
    told = next((int(part.data) for part in frame.native if part.key == b"maxval"), top)
    return told if (told > 255) == (top > 255) else top


FORMAT = Format(
    name="PPM",
    suffixes=(".ppm", ".pgm", ".pbm", ".pnm"),
    unwritten=(".pbm",),
    begins=lambda head, _: head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace(),
    depths=(8, 16),
    carried=frozenset({"text"}),
    comments_only=True,
    open=_open,
    write=partial(_write, pam=False),
)
PAM = replace(
    FORMAT,
    name="PAM",
    suffixes=(".pam",),
    begins=lambda head, _: head.startswith(b"P7\n"),
    alpha=True,
    write=partial(_write, pam=True),
)
