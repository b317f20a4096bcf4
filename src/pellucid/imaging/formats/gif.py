"""GIF: its blocks, its frames laid over each other, and a writer that holds one frame."""

import logging
import math
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image

from pellucid.errors import ImageError
from pellucid.imaging.carried import Gathered, Native, Text, behind
from pellucid.imaging.formats.format import Format, Saving
from pellucid.imaging.formats.layers import Layer, animated
from pellucid.imaging.picture import Frame, Picture, Timing
from pellucid.imaging.rows import Streamed, rows_at_once
from pellucid.imaging.source import Source, quiet_pillow

_log = logging.getLogger(__name__)

_EXTENSION, _IMAGE, _END = 0x21, 0x2C, 0x3B
_CONTROL, _COMMENT, _APPLICATION = 0xF9, 0xFE, 0xFF
_LOOPERS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_KEEP, _CLEAR, _RESTORE = 1, 2, 3
_INTERLACED = 0x40
_HEAD_BYTES, _DESCRIPTOR_BYTES = 13, 9
_GREYS = np.arange(256, dtype=np.uint8)[:, None].repeat(3, 1)
_XMP, _ICC = b"XMP DataXMP", b"ICCRGBG1012"
# A reader that knows no XMP takes its text for lengths of blocks; from wherever it lands, this leads to the end
_XMP_TAIL = b"\1" + bytes(range(255, -1, -1)) + b"\0"


@dataclass(frozen=True)
class _Stored:
    """Where a frame lies in the file.

    Attributes:
        layer: where it is seen.
        palette: colours (256, 3), those that are not told black.
        hidden: the colour that is transparent; None if there is none.
        interlaced: the flag of its order of rows.
        start, end: of its compressed samples.
    """

    layer: Layer
    palette: NDArray[np.uint8]
    hidden: int | None
    interlaced: int
    start: int
    end: int

    def samples(self, file: IO[bytes], channels: int) -> Streamed:
        """Colours and alpha, (h, w, channels + 1)."""
        height, width = self.layer.height, self.layer.width
        size = struct.pack("<HH", width, height)
        file.seek(self.start)
        # without a palette, so that Pillow tells the numbers of the colours
        descriptor = bytes((_IMAGE, 0, 0, 0, 0)) + size + bytes((self.interlaced,))
        alone = b"GIF89a" + size + bytes(3) + descriptor + file.read(self.end - self.start) + bytes((_END,))
        with quiet_pillow():
            numbers = np.asarray(Image.open(BytesIO(alone), formats=("GIF",)))
        colours = np.full((256, channels + 1), 255, np.uint8)
        colours[:, :-1] = self.palette[:, :channels]
        if self.hidden is not None:
            colours[self.hidden, -1] = 0

        def rows() -> Iterator[NDArray[Any]]:
            return (colours[numbers[each]] for each in rows_at_once(height, width))

        return Streamed((height, width, channels + 1), colours.dtype, rows)


class _Found(Gathered):
    """What the blocks of a file tell; nothing is decoded.

    Raises:
        ImageError: It ends within a block.
    """

    def __init__(self, data: mmap.mmap) -> None:
        super().__init__("GIF")
        self.frames: list[_Stored] = []
        self.plays, self.ended = 1, False
        self._control = bytes(4)
        self._data = data
        try:
            self.size = struct.unpack_from("<HH", data, 6)
            place, palette = self._colours(_HEAD_BYTES, data[10])
            self._palette = _GREYS if palette is None else palette
            while place < len(data) and data[place] in (_EXTENSION, _IMAGE):
                place = self._frame(place + 1) if data[place] == _IMAGE else self._extension(place + 2, data[place + 1])
            # what is no block ends a picture, as it does in browsers
            self.ended = place < len(data)
            self.left_out += behind(data[place + 1 : place + 2**16], len(data) - place - 1)
        except (IndexError, struct.error):
            raise ImageError(f"is damaged or cut short (behind frame {len(self.frames)})") from None

    def _colours(self, place: int, flags: int) -> tuple[int, NDArray[np.uint8] | None]:
        """The place behind a palette, and the palette, if the flags tell of one."""
        if not flags & 0x80:
            return place, None
        end = place + (6 << flags % 8)
        return end, np.frombuffer(self._data[place:end].ljust(768, b"\0"), np.uint8).reshape(256, 3)

    def _blocks(self, place: int) -> Iterator[tuple[int, int]]:
        """Where blocks begin and end, and at last the place behind them, twice."""
        while size := self._data[place]:
            yield place + 1, place + 1 + size
            place += 1 + size
        yield place + 1, place + 1

    def _frame(self, place: int) -> int:
        left, top, width, height, flags = struct.unpack_from("<HHHHB", self._data, place)
        start, palette = self._colours(place + _DESCRIPTOR_BYTES, flags)
        *_, (_, end) = self._blocks(start + 1)
        method, hundredths, hidden = struct.unpack("<BHB", self._control)
        disposal = method >> 2 & 7
        layer = Layer(
            left=left,
            top=top,
            width=width,
            height=height,
            duration=10.0 * hundredths,
            after="clear" if disposal == _CLEAR else "restore" if disposal == _RESTORE else "keep",
            blends=True,
        )
        palette = self._palette if palette is None else palette
        self.frames.append(_Stored(layer, palette, hidden if method & 1 else None, flags & _INTERLACED, start, end))
        self._control = bytes(4)
        return end

    def _extension(self, place: int, label: int) -> int:
        *places, (end, _) = self._blocks(place)
        parts = [self._data[start:stop] for start, stop in places]
        kind = parts[0] if parts else b""
        if label == _CONTROL and len(kind) == 4:
            self._control = kind
        elif label == _COMMENT:
            self.text.append(Text("Comment", b"".join(parts).decode(errors="surrogateescape")))
        elif label != _APPLICATION:
            return end
        elif kind in _LOOPERS and len(parts) > 1 and len(parts[1]) >= 3:
            (repeats,) = struct.unpack_from("<xH", parts[1])
            self.plays = repeats + 1 if repeats else 0
        elif kind == _XMP:
            self.told["xmp"] = self._data[places[0][1] : max(end - len(_XMP_TAIL), places[0][1])]
        elif kind == _ICC:
            self.told["icc"] = b"".join(parts[1:])
        else:
            name = f"{kind.decode('latin-1').strip()} extension"
            self.native.append(Native("GIF", name, kind, self._data[places[0][1] : end] if places else b"\0"))
        return end


def _open(source: Source) -> Picture:
    with mmap.mmap(source.file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = _Found(data)
    if found.frames and not found.ended:
        _log.warning("%s: lacks its end marker", source.path)
    is_grey = all((frame.palette == frame.palette[:, :1]).all() for frame in found.frames)

    def decode() -> Iterator[Streamed]:
        with source.path.open("rb") as file:
            yield from (frame.samples(file, 1 if is_grey else 3) for frame in found.frames)

    return animated(
        source,
        found.carried(),
        found.size,
        [frame.layer for frame in found.frames],
        decode,
        plays=found.plays,
        transparent=any(frame.hidden is not None for frame in found.frames),
    )


def _timing(timing: Timing) -> Timing:
    # hundredths of a second; a single one, which nobody means, is ten to browsers
    hundredths = (max(round(each / 10), min(math.ceil(each / 10), 2)) for each in timing.durations)
    return Timing(durations=tuple(10.0 * min(each, 65535) for each in hundredths), plays=min(timing.plays, 65536))


def _write(picture: Picture, file: IO[bytes], _saving: Saving) -> None:
    """Whole frames as they come; what is beside them is the first one's.

    A frame of at most 256 colours is kept as it is, others are reduced and dithered.
    """
    said: set[str] = set()
    durations = picture.timing.durations if picture.timing else (0.0,)
    for index, frame in enumerate(picture.frames()):
        if index == 0:
            file.write(b"GIF89a" + struct.pack("<HHBBB", frame.width, frame.height, 0x70, 0, 0))
            _write_described(frame, picture.timing, file)
        # a frame lies over the one before it, which must not shine through where it is transparent
        clear = picture.count > 1 and frame.has_alpha
        image, hidden = _indexed(frame, clear, said)
        options: dict[str, Any] = {} if hidden is None else {"transparency": hidden}
        disposal = _CLEAR if clear else _KEEP
        for part in GifImagePlugin.getdata(
            image, duration=round(durations[index]), disposal=disposal, include_color_table=True, **options
        ):
            file.write(part)
    file.write(bytes((_END,)))
    for what in sorted(said):
        _log.warning("GIF %s", what)


def _write_described(frame: Frame, timing: Timing | None, file: IO[bytes]) -> None:
    """Write what a file has beside its pixels."""

    def extension(label: int, *parts: bytes, end: bytes = b"\0") -> None:
        file.write(bytes((_EXTENSION, label)) + b"".join(bytes((len(part),)) + part for part in parts) + end)

    if timing is not None and timing.plays != 1:
        extension(_APPLICATION, _LOOPERS[0], struct.pack("<BH", 1, max(timing.plays - 1, 0)))
    if frame.icc is not None:
        extension(_APPLICATION, _ICC, *_parts(frame.icc))
    if frame.xmp is not None:
        extension(_APPLICATION, _XMP, end=frame.xmp + _XMP_TAIL)
    for part in frame.native:
        extension(_APPLICATION, part.key, end=part.data)
    for text in frame.text:
        extension(_COMMENT, *_parts(text.value.encode(errors="surrogateescape")))


def _parts(data: bytes) -> list[bytes]:
    return [data[start : start + 255] for start in range(0, len(data), 255)]


def _indexed(frame: Frame, with_transparency: bool, said: set[str]) -> tuple[Image.Image, int | None]:
    """A palette picture, and its transparent colour if it needs one; what is lost is added to what is to be said."""
    samples = frame.array()
    hidden = samples[:, :, -1] < 128 if frame.has_alpha else np.zeros(samples.shape[:2], bool)
    if frame.has_alpha and ((samples[:, :, -1] > 0) & (samples[:, :, -1] < 255)).any():
        said.add("holds transparency that is all or nothing; what is half transparent is one of both")
    with_transparency = with_transparency or bool(hidden.any())
    room = 256 - with_transparency
    colours = np.ascontiguousarray(np.broadcast_to(samples[:, :, : frame.channels], (*hidden.shape, 3)))
    codes = colours[:, :, 2].astype(np.uint32)
    for channel, shift in ((0, 16), (1, 8)):
        codes |= colours[:, :, channel].astype(np.uint32) << shift
    if hidden.any():
        codes[hidden] = codes[~hidden][0] if not hidden.all() else 0
    palette = np.unique(codes)
    if len(palette) <= room:
        indices = np.searchsorted(palette, codes).astype(np.uint8)
        entries = np.stack([palette >> 16, palette >> 8, palette], axis=1).astype(np.uint8).tobytes()
    else:
        said.add("holds 256 colours a frame; those in between are dithered")
        rgb = Image.fromarray(colours)
        reduced = rgb.quantize(room)
        indices = np.array(rgb.quantize(palette=reduced, dither=Image.Dither.FLOYDSTEINBERG))
        entries = bytes(reduced.getpalette() or ())[: 3 * room]
    transparency = len(entries) // 3 if with_transparency else None
    if transparency is not None:
        indices[hidden] = transparency
        entries += bytes(3)
    image = Image.frombytes("P", (frame.width, frame.height), indices.tobytes())
    image.putpalette(entries)
    return image, transparency


FORMAT = Format(
    name="GIF",
    suffixes=(".gif",),
    begins=lambda head, _: head.startswith(b"GIF8"),
    depths=(8,),
    alpha=True,
    half_transparent=False,
    carried=frozenset({"icc", "xmp", "text"}),
    comments_only=True,
    frames="animation",
    timing=_timing,
    longest_side=65535,
    models=("palette",),
    open=_open,
    write=_write,
)
