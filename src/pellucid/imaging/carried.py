"""What travels beside the pixels, and how an operation keeps it true."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

from PIL import Image, JpegImagePlugin

from pellucid.imaging import exif as exif_of
from pellucid.imaging import xmp as xmp_of


@dataclass(frozen=True)
class Text:
    """A remark in words: a PNG's text, a JPEG's or GIF's comment.

    Attributes:
        keyword: such as "Title"; comments have "Comment".
        value: bytes that are no UTF-8 stand in it as surrogates, and come back as they were.
        language: RFC 3066's tag, where one is told.
        translated: the keyword in that language.
    """

    keyword: str
    value: str
    language: str = ""
    translated: str = ""


@dataclass(frozen=True)
class Cicp:
    """Colour by the numbers of ITU-T H.273, as nclx boxes and PNG's cICP tell it."""

    primaries: int
    transfer: int
    matrix: int = 0
    full_range: bool = True


@dataclass(frozen=True)
class Native:
    """A part of a file that only files of its format can hold, and that is carried as it is.

    Attributes:
        format: the one that knows it.
        name: for people.
        key: by which the format tells it from others: a PNG's chunk, a JPEG's marker.
        data: without key, length and checksum.
    """

    format: str
    name: str
    key: bytes
    data: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class JpegSettings:
    """How a JPEG was compressed, so that a restored photo can be stored as finely as its source.

    Attributes:
        tables: one quantisation table of 64 steps per class of component, luminance first.
        subsampling: of the colours, in Pillow's numbers: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0.
        channels: 1 or 3, the pictures these settings fit.
    """

    tables: tuple[tuple[int, ...], ...]
    subsampling: int
    channels: int

    @classmethod
    def of(cls, image: Image.Image) -> "JpegSettings | None":
        """Read them from an opened JPEG; None for any other picture, CMYK included, as that is not kept."""
        channels = {"L": 1, "RGB": 3}.get(image.mode)
        if channels is None or not isinstance(image, JpegImagePlugin.JpegImageFile):
            return None
        tables = tuple(tuple(image.quantization[key]) for key in sorted(image.quantization))
        # Pillow answers -1 for layouts it cannot write; the finest of those it can loses nothing
        return cls(tables=tables, subsampling=max(0, JpegImagePlugin.get_sampling(image)), channels=channels)


@dataclass(frozen=True, kw_only=True)
class Carried:
    r"""Everything of a picture that must survive a restoration, but for its samples.

    Attributes:
        exif: raw payload beginning ``Exif\0\0``, Orientation 1, without thumbnail.
        icc: profile that the pixels are in.
        cicp: their colours by numbers; where there is a profile too, as in HEIC, the profile counts.
        xmp: packet, tiff:Orientation 1.
        iptc: records as JPEG's Photoshop block and TIFF's tag hold them.
        text: remarks, in their order.
        dpi: across and down, in dots per inch.
        unit: in which the resolution was told, and is told again where a format has both.
        aspect: the same two numbers where they have no unit, and only their ratio counts.
        native: what only files of the source's own format can hold.
        left_out: names of what the file held and no result can, such as "gain map".
        format: Pillow's name of the source format (``"JPEG"``, ``"TIFF"``); None if it came from an array.
        jpeg: how the source was compressed, if it was a JPEG.
        bits: of a sample in the source, where uint16 has more: 10 or 12 of AVIF and HEIC.
        lossless: the source was a WebP without loss, and the result will be if it is one.
        white: the sample that means white, where it is not the top of the depth (or 1 of floats).
        no_data: the sample that means that nothing is known there.
    """

    exif: bytes | None = field(default=None, repr=False)
    icc: bytes | None = field(default=None, repr=False)
    cicp: Cicp | None = None
    xmp: bytes | None = field(default=None, repr=False)
    iptc: bytes | None = field(default=None, repr=False)
    text: tuple[Text, ...] = ()
    dpi: tuple[float, float] | None = None
    unit: Literal["inch", "cm"] = "inch"
    aspect: tuple[float, float] | None = None
    native: tuple[Native, ...] = field(default=(), repr=False)
    left_out: tuple[str, ...] = ()
    format: str | None = None
    jpeg: JpegSettings | None = field(default=None, repr=False)
    bits: int | None = None
    lossless: bool = False
    white: float | None = None
    no_data: float | None = None

    def names(self) -> Iterator[str]:
        """What there is to be carried, by name."""
        yield from (name for name in ("exif", "icc", "cicp", "xmp", "iptc", "text") if getattr(self, name))
        if self.dpi or self.aspect:
            yield "dpi"
        yield from dict.fromkeys(part.name for part in self.native)

    def upright(self, orientation: int, size: tuple[int, int]) -> Self:
        """What is true of a picture that is turned upright and alone: without thumbnail, further pictures or film.

        Args:
            orientation: EXIF's, 1 to 8, that the picture had.
            size: width and height as stored.
        """
        swapped = orientation >= 5
        return replace(
            self,
            exif=self.exif and exif_of.upright(self.exif, orientation, size),
            xmp=self.xmp and xmp_of.upright(self.xmp, orientation),
            dpi=self.dpi[::-1] if self.dpi and swapped else self.dpi,
            aspect=self.aspect[::-1] if self.aspect and swapped else self.aspect,
        )


class Gathered:
    """What parts of a file tell, one after the other.

    Attributes:
        told: fields of ``Carried``; those that are empty count as absent.
        text, native, left_out: as there, in their order.
    """

    def __init__(self, format: str) -> None:
        self.told: dict[str, Any] = {"format": format}
        self.text: list[Text] = []
        self.native: list[Native] = []
        self.left_out: list[str] = []

    def carried(self) -> Carried:
        """As the file has it."""
        told = {name: value for name, value in self.told.items() if value}
        text, native = tuple(self.text), tuple(self.native)
        return Carried(**told, text=text, native=native, left_out=tuple(dict.fromkeys(self.left_out)))


def orientation_of(exif: bytes | None, xmp: bytes | None) -> int:
    """How a picture was stored, 1 to 8, by EXIF, or by XMP where EXIF does not say."""
    return (exif and exif_of.orientation(exif)) or (xmp and xmp_of.orientation(xmp)) or 1


def resolution(across: float, down: float, unit: str | None, digits: int = 1) -> dict[str, Any]:
    """Fields of ``Carried`` for dots in an inch, cm or metre; without a unit only their ratio counts, if it is not 1.

    They are rounded, as many formats hold whole numbers: 300 dpi comes back from a PNG as 299.9994.
    """
    if not (across > 0 and down > 0):
        return {}
    if unit is None:
        return {"aspect": (across, down)} if across != down else {}
    factor = {"inch": 1, "cm": 2.54, "metre": 0.0254}[unit]
    dpi = round(across * factor, digits), round(down * factor, digits)
    return {"dpi": dpi, "unit": "cm" if unit == "cm" else "inch"}


def behind(start: bytes, size: int) -> tuple[str, ...]:
    """Names of what lies behind the end of a picture, of which this is the start; none for padding."""
    if not start.strip(b"\0\xff"):
        return ()
    return ("film" if b"ftyp" in start[:16] else f"{size} bytes behind the picture",)
