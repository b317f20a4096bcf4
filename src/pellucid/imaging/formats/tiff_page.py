"""What a directory of a TIFF says of its samples, and which of them cannot be read."""

from contextlib import suppress
from dataclasses import dataclass
from functools import cache

import pyvips

from pellucid.errors import ImageError
from pellucid.imaging.formats.tiff_restated import BY_PILLOW, UNPACKED_FOR_VIPS
from pellucid.imaging.formats.tiff_tags import BLACK_IS_ZERO, CMYK, LAB, PALETTE, RGB, WHITE_IS_ZERO, YCBCR
from pellucid.imaging.formats.tiff_write import pack
from pellucid.imaging.tags import Tags

_COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3, LAB: 3}
CONVERTED = (CMYK, LAB)
REDUCED, MASK = 1, 4
_PREMULTIPLIED, _UNASSOCIATED = 1, 2
UNSIGNED, SIGNED, FLOATS, _UNTOLD = 1, 2, 3, 4
_DEPTHS = {UNSIGNED: (1, 2, 4, 8, 16, 32), SIGNED: (8, 16, 32), FLOATS: (16, 32), _UNTOLD: (8, 16)}
_JPEG = 7
_WEBP = 50001
_UNPACKED = frozenset({1, 2, 3, 4, 5, _JPEG, 8, 32766, 32771, 32773, 32809, 32946})
_COMPRESSIONS = {
    6: "JPEG of the old style",
    **dict.fromkeys((9, 10, 34661), "JBIG"),
    **dict.fromkeys((33003, 33004, 33005, 34712), "JPEG 2000"),
    **dict.fromkeys((34676, 34677), "SGI LogLuv"),
    **dict.fromkeys((50002, 52546), "JPEG XL"),
    34887: "LERC",
    34892: "lossy JPEG",
    34925: "LZMA",
    34933: "PNG",
    34934: "JPEG XR",
    50000: "Zstandard",
    _WEBP: "WebP",
}


@dataclass(frozen=True)
class Page:
    """What a directory says of its page.

    Attributes:
        index: its place in the chain of directories.
        tags: the directory.
        size: width and height as stored, before any turning.
        bits: of a sample.
        kind: TIFF's number of the kind of samples: whole numbers, signed ones, floats.
        model: what the samples mean, by TIFF's number of the photometric interpretation.
        bands: of a pixel.
        alpha: which of them is transparency, if any is.
        premultiplied: colours were multiplied with it.
        compression: TIFF's number.
    """

    index: int
    tags: Tags
    size: tuple[int, int]
    bits: int
    kind: int
    model: int
    bands: int
    alpha: int | None
    premultiplied: bool
    compression: int

    @classmethod
    def of(cls, index: int, tags: Tags) -> "Page":
        """Read what it says."""
        model, bands = tags.whole(262, BLACK_IS_ZERO), tags.whole(277, 1)
        colours = _COLOURS.get(model, bands)
        # writers that forget to say what a further sample is mean transparency
        extra = tags.numbers(338) if 338 in tags.places else (_UNASSOCIATED,)
        kinds = extra[: max(0, bands - colours)]
        found = next((place for place, kind in enumerate(kinds) if kind in (_PREMULTIPLIED, _UNASSOCIATED)), None)
        return cls(
            index=index,
            tags=tags,
            size=(tags.whole(256, 0), tags.whole(257, 0)),
            bits=tags.whole(258, 1),
            kind=tags.whole(339, UNSIGNED),
            model=model,
            bands=bands,
            alpha=None if found is None else colours + found,
            premultiplied=found is not None and kinds[found] == _PREMULTIPLIED,
            compression=tags.whole(259, 1),
        )

    @property
    def colours(self) -> int:
        """Bands of a pixel without alpha and others."""
        return _COLOURS.get(self.model, self.bands)

    @property
    def top(self) -> int:
        """The greatest sample, or 1 of floats."""
        return 1 if self.kind == FLOATS else 255 if self.bits <= 8 else 2**16 - 1

    @property
    def is_raw_ycbcr(self) -> bool:
        """Whether the decoder leaves luminance and differences as they are."""
        return self.model == YCBCR and self.compression != _JPEG

    @property
    def is_restated(self) -> bool:
        """Whether libvips is to be told something else of the samples, or cannot unpack them."""
        return self.premultiplied or self.model == LAB or self.is_raw_ycbcr or self.compression in UNPACKED_FOR_VIPS

    @property
    def subfile(self) -> int:
        """Bits by which previews and masks are told from photographs."""
        return self.tags.whole(254, 0) & (REDUCED | MASK)


def refuse_odd(page: Page) -> None:
    """Refuse what the decoders would take for something else, or describe badly.

    Raises:
        ImageError: It is of that kind; the message says how to save it instead.
    """
    if not _unpacks(page.compression):
        name = _COMPRESSIONS.get(page.compression, f"method {page.compression}")
        raise ImageError(f"is compressed with {name}, which is not supported; repack it with deflate or LZW first")
    if page.model not in _COLOURS:
        raise ImageError(f"holds colours of a rare kind (photometric {page.model}); save it as RGB first")
    if page.bits not in _DEPTHS.get(page.kind, ()) or len(set(page.tags.numbers(258))) > 1:
        raise ImageError(f"has {page.bits} bits a sample; save it with 8, 16, or 32 as floats first")
    if page.bands < page.colours:
        raise ImageError(f"has {page.bands} samples a pixel, which are too few for its colours")
    if page.model == PALETTE and page.bits > 8:
        raise ImageError("has a palette of more than 256 colours; save it as RGB first")
    if page.model == WHITE_IS_ZERO and (page.kind != UNSIGNED or page.premultiplied):
        raise ImageError("has zero for white in numbers without a top; save it with zero for black first")
    if page.model in (*CONVERTED, YCBCR) and (page.kind not in (UNSIGNED, _UNTOLD) or page.bits not in (8, 16)):
        raise ImageError("has CMYK, LAB or YCbCr colours in odd numbers; save it with 8 or 16 bits, or as RGB, first")
    if page.model == LAB and page.premultiplied:
        raise ImageError("has LAB colours that are premultiplied; save it as RGB first")
    if page.model == CMYK and page.tags.whole(332, 1) != 1:
        raise ImageError("has inks that are not those of CMYK; save it as RGB first")


@cache
def _unpacks(compression: int) -> bool:
    """Whether the libraries that are there can unpack it."""
    if compression in _UNPACKED:
        return True
    with suppress(Exception):  # whatever a library says that lacks it
        if compression == _WEBP:
            return bool(pyvips.Image.black(8, 8, bands=3).tiffsave_buffer(compression="webp"))
        return compression in BY_PILLOW and bool(pack(b"\0", compression))
    return False
