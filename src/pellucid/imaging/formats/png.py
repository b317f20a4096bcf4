"""PNG, animated too: libvips' codec, and chunks of ours around what it encodes; frames are read one by one."""

import struct
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import IO

import pyvips

from pellucid.errors import ImageError
from pellucid.imaging.carried import Carried
from pellucid.imaging.encode import SIGNATURE, chunk, encoded
from pellucid.imaging.formats.format import Format, Saving
from pellucid.imaging.formats.layers import Layer, animated
from pellucid.imaging.formats.png_chunks import Found, chunks, described
from pellucid.imaging.limits import refuse_huge
from pellucid.imaging.picture import Picture, Timing
from pellucid.imaging.rows import Streamed
from pellucid.imaging.source import Source, of_bytes

COMPRESSION = 4
"""Fast, and within a few percent of the smallest; photographs hardly compress."""
_CLEAR, _RESTORE = 1, 2
_OVER = 1
_COLOURS_WITH_ALPHA = (4, 6)
_CONTROL = ">IIIIIHHBB"
_LONGEST = 65535  # of seconds, and of the parts of one that they are counted in
# An animation repeats these before its frames; the rest is of the picture that other readers show
_OF_EVERY_FRAME = (b"PLTE", b"tRNS")


def _open(source: Source) -> Picture:
    found = Found(source.file)
    refuse_huge(found.width, found.height, source.max_pixels)
    carried = found.carried()
    animation = _animation(source, carried) if found.is_animated else None
    return animation or source.picture(pyvips.Image.pngload_source, carried)


def _animation(source: Source, carried: Carried) -> Picture | None:
    """The animation that a PNG's chunks tell of, decoding nothing; None if it is but one picture.

    Raises:
        ImageError: It is damaged.
    """
    head, plays, layers, shared = b"", 1, list[Layer](), list[tuple[bytes, bytes]]()
    outside = False  # the default picture is no part of the animation
    try:
        for name, size in chunks(source.file):
            if name == b"IHDR":
                head = source.file.read(min(size, 13))
            elif name == b"acTL":
                (plays,) = struct.unpack(">4xI", source.file.read(8))
            elif name == b"fcTL":
                layers.append(_layer(source.file.read(26), head))
            elif name == b"IDAT":
                outside = not layers
            elif name in _OF_EVERY_FRAME:
                shared.append((name, source.file.read(size)))
    except struct.error:
        raise ImageError("is damaged or cut short (its animation)") from None
    if len(layers) - (not outside) < 1:
        return None
    left_out = (*carried.left_out, "default picture") if outside else carried.left_out
    size = struct.unpack_from(">II", head)
    return animated(
        source,
        replace(carried, left_out=left_out),
        size,
        layers,
        partial(_decode, source, len(layers), head, shared),
        plays=plays,
        transparent=head[9] in _COLOURS_WITH_ALPHA or any(name == b"tRNS" for name, _ in shared),
    )


def _layer(control: bytes, head: bytes) -> Layer:
    _, width, height, left, top, numerator, denominator, disposal, blending = struct.unpack(_CONTROL, control)
    whole_width, whole_height = struct.unpack_from(">II", head)
    if not (0 < width <= whole_width - left and 0 < height <= whole_height - top):
        raise ImageError("is damaged (a frame lies outside the picture)")
    return Layer(
        left=left,
        top=top,
        width=width,
        height=height,
        duration=1000 * numerator / (denominator or 100),
        after="clear" if disposal == _CLEAR else "restore" if disposal == _RESTORE else "keep",
        blends=blending == _OVER,
    )


def _decode(source: Source, count: int, head: bytes, shared: list[tuple[bytes, bytes]]) -> Iterator[Streamed]:
    """The frames in order, each as a PNG by itself."""
    number, size, data = 0, b"", list[bytes]()
    with source.path.open("rb") as file:
        for name, length in chunks(file):
            if name in (b"fcTL", b"IEND"):
                # before the first control chunk, samples are of a picture outside the animation
                if number:
                    content = ((b"IHDR", size + head[8:]), *shared, (b"IDAT", b"".join(data)), (b"IEND", b""))
                    alone = SIGNATURE + b"".join(part for each in content for part in chunk(*each))
                    yield source.streamed(of_bytes(pyvips.Image.pngload_buffer, alone))
                number += name == b"fcTL"
                size, data = file.read(12)[4:], []
            elif number and name == b"IDAT":
                data.append(file.read(length))
            elif number and name == b"fdAT":
                data.append(file.read(length)[4:])
            if name == b"IEND":
                return
    raise ImageError(f"is damaged or cut short (behind frame {number - 1} of {count})")


def _timing(told: Timing) -> Timing:
    """Durations as fractions of a second, which are exact unless a frame is seen for weeks."""
    return Timing(durations=tuple(float(1000 * _seconds(each)) for each in told.durations), plays=told.plays)


def _seconds(duration: float) -> Fraction:
    seconds = Fraction(duration / 1000).limit_denominator(_LONGEST)
    return seconds if seconds.numerator <= _LONGEST else Fraction(min(round(seconds), _LONGEST))


def _write(picture: Picture, file: IO[bytes], _saving: Saving) -> None:
    """Whole frames as they come; what is beside them is the first one's."""
    head, sequence, timing = b"", 0, picture.timing
    for index, frame in enumerate(picture.frames()):
        with encoded(frame, _save, file) as bare:
            for name, size in chunks(bare):  # past the resolution that libvips believes in
                if name == b"IHDR":
                    own = bare.read(size)
                    if not head:
                        about = [(name, own), *described(frame)]
                        if timing:
                            about.append((b"acTL", struct.pack(">II", len(timing.durations), timing.plays)))
                        file.write(SIGNATURE + b"".join(part for each in about for part in chunk(*each)))
                    elif own != head:
                        raise ImageError("the frames differ in depth or channels, which an animated PNG cannot hold")
                    head = own
                    if timing:
                        seconds, place = _seconds(timing.durations[index]), (sequence, frame.width, frame.height, 0, 0)
                        control = struct.pack(_CONTROL, *place, seconds.numerator, seconds.denominator, 0, 0)
                        file.writelines(chunk(b"fcTL", control))
                        sequence += 1
                elif name == b"IDAT" and index == 0:
                    file.writelines(chunk(name, bare.read(size)))
                elif name == b"IDAT":
                    file.writelines(chunk(b"fdAT", struct.pack(">I", sequence) + bare.read(size)))
                    sequence += 1
    file.writelines(chunk(b"IEND", b""))


def _save(image: pyvips.Image, target: pyvips.Target) -> None:
    depth = 16 if image.format == "ushort" else 8
    image.pngsave_target(target, compression=COMPRESSION, bitdepth=depth, keep=0)


FORMAT = Format(
    name="PNG",
    suffixes=(".png", ".apng"),
    begins=lambda head, _: head.startswith(SIGNATURE),
    depths=(8, 16),
    alpha=True,
    carried=frozenset({"exif", "icc", "cicp", "xmp", "iptc", "text", "dpi"}),
    units=("inch", "none"),
    frames="animation",
    timing=_timing,
    models=("palette",),
    open=_open,
    write=_write,
)
