"""TIFF and BigTIFF: pages one by one, libvips' codec, and tags that stay the bytes that they are."""

import math
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import IO, Any

import pyvips

from pellucid.errors import ImageError
from pellucid.imaging import exif as exif_of
from pellucid.imaging import iptc as iptc_of
from pellucid.imaging.carried import Carried, orientation_of, resolution
from pellucid.imaging.color import converted, from_lab, from_ycbcr, srgb_profile, unpremultiplied
from pellucid.imaging.formats import tiff_tags as tags_of
from pellucid.imaging.formats.format import Format
from pellucid.imaging.formats.tiff_page import CONVERTED, FLOATS, MASK, SIGNED, UNSIGNED, Page, refuse_odd
from pellucid.imaging.formats.tiff_restated import Restated
from pellucid.imaging.formats.tiff_write import COMPRESSIONS, write
from pellucid.imaging.limits import refuse_huge
from pellucid.imaging.picture import Frame, Picture
from pellucid.imaging.source import Source
from pellucid.imaging.tags import MAGIC, Tags, swapped

_MOST_PAGES = 10_000
_DNG_VERSION = 50706
_IPTC_MARK = b"\x1c"


def _open(source: Source) -> Picture:
    pages = _pages(source.file)
    photos = [page for page in pages if not page.subfile]
    if not photos or _DNG_VERSION in pages[0].tags.places:
        raise ImageError("is a camera raw file without its name; give it the ending that its camera gave it")
    for page in photos:
        refuse_huge(*page.size, source.max_pixels)
        refuse_odd(page)
    beside = tuple(dict.fromkeys("mask" if page.subfile & MASK else "preview" for page in pages if page.subfile))
    turned = any(_orientation(page.tags) != 1 for page in photos)

    def frames() -> Iterator[Frame]:
        with source.path.open("rb") as file:
            for page in photos:
                there = replace(page, tags=replace(page.tags, file=file))
                yield _frame(source, there, beside if page is photos[0] else ())

    return Picture(format="TIFF", count=len(photos), path=None if turned else source.path, decode=frames)


def _pages(file: IO[bytes]) -> list[Page]:
    """Every page, by the directories alone.

    Raises:
        ImageError: The chain of directories is broken or far too long.
    """
    pages: list[Page] = []
    head = file.read(16)
    order, big = MAGIC[head[:4]]
    try:
        (offset,) = struct.unpack_from(f"{order}Q" if big else f"{order}I", head, 8 if big else 4)
        seen: set[int] = set()
        while offset and offset not in seen:  # a chain that bites its tail has ended
            if len(pages) == _MOST_PAGES:
                raise ImageError(f"holds more than {_MOST_PAGES} pages; split it first")
            seen.add(offset)
            tags = Tags.at(file, offset, order, big=big)
            pages.append(Page.of(len(pages), tags))
            offset = tags.following
    except (struct.error, OSError, OverflowError):
        raise ImageError("is damaged or cut short (its directory of pages)") from None
    if not pages:
        raise ImageError("is damaged or cut short (no page)")
    return pages


def _frame(source: Source, page: Page, beside: tuple[str, ...]) -> Frame:
    carried, orientation = _carried(page), _orientation(page.tags)
    placed = [part for part in carried.native if orientation != 1 and tags_of.tag_of(part)[0] in tags_of.PLACED]
    carried = replace(
        carried.upright(orientation, page.size),
        native=tuple(part for part in carried.native if part not in placed),
        left_out=tuple(dict.fromkeys((*carried.left_out, *beside, *(part.name for part in placed)))),
    )

    sources: list[object] = []

    def load(stream: pyvips.Source, **options: Any) -> pyvips.Image:
        if not page.is_restated:
            return pyvips.Image.tiffload_source(stream, page=page.index, **options)
        # opened anew, as the samples may be asked for when the page's own file is closed
        restated = Restated(replace(page.tags, file=source.path.open("rb"))).source()
        sources.append(restated)  # which libvips calls, but does not keep
        return pyvips.Image.tiffload_source(restated, **options)

    if page.kind == SIGNED or (page.bits == 32 and page.kind == UNSIGNED):
        with source.path.open("rb") as file:
            stored = load(pyvips.Source.new_from_descriptor(file.fileno()), access="sequential", fail_on="error")
            least, most = (stored.stats()(column, 0)[0] for column in (0, 1))
        if least < 0 or most > 2**16 - 1:
            raise ImageError("holds values that 16 bits cannot; save it as 16-bit or float TIFF first")
    weights = page.tags.numbers(529)[:3]  # before the page's file is closed
    samples = source.streamed(load, orientation=orientation, convert=lambda image: _colours(image, page, weights))
    return Frame(samples=samples, **vars(carried))


def _colours(image: pyvips.Image, page: Page, weights: tuple[float, ...]) -> pyvips.Image:
    """Grey or RGB, and alpha if there is any, which is not premultiplied, of what libvips decodes.

    Weights are those of red, green and blue in luminance, where they are told.
    """
    if page.model == tags_of.PALETTE:
        return image
    colours: Any = image.extract_band(0, n=page.colours) if image.bands > page.colours else image
    if str(image.format) in ("char", "short", "int", "uint"):
        colours = colours.cast("ushort")
    alpha: Any = None if page.alpha is None else image.extract_band(page.alpha).cast(colours.format)
    if page.premultiplied:
        colours = unpremultiplied(colours, alpha)
    if page.model == tags_of.CMYK:
        colours = converted(colours.copy(interpretation="cmyk"))
    elif page.model == tags_of.LAB:
        colours = from_lab(colours)
    elif page.is_raw_ycbcr:
        colours = from_ycbcr(colours, *weights)
    return colours if alpha is None else colours.bandjoin(alpha)


def _orientation(tags: Tags) -> int:
    told = tags.whole(tags_of.ORIENTATION, 0)
    return told if 1 <= told <= 8 else orientation_of(None, tags.data(tags_of.XMP))


def _carried(page: Page) -> Carried:
    """What the directory tells beside the samples, as it is there."""
    tags = page.tags
    white, no_data = _white(page), _no_data(tags)
    exif, icc = tags_of.exif_of_tags(tags), tags.data(tags_of.ICC)
    if page.model in CONVERTED:
        exif, icc = exif and exif_of.in_srgb(exif), srgb_profile()
    native = [part for part in tags_of.natives(tags) if white or tags_of.tag_of(part)[0] not in tags_of.WHITES]
    left_out = [name for tag, name in tags_of.LEFT_OUT.items() if tag in tags.places]
    if page.bands > page.colours + (page.alpha is not None):
        left_out.append("extra samples")
    across, down = ((*tags.numbers(tag), 0.0)[0] for tag in (tags_of.X_RESOLUTION, tags_of.Y_RESOLUTION))
    number = tags.whole(tags_of.RESOLUTION_UNIT, tags_of.INCH)
    units = {tags_of.INCH: "inch", tags_of.CENTIMETRE: "cm"}
    density = resolution(across, down, units.get(number), digits=99)
    if across > 0 and down > 0 and not density:
        # no unit, and the same both ways: it tells no reader anything, and stays as it is
        told = (tags_of.X_RESOLUTION, tags_of.Y_RESOLUTION, tags_of.RESOLUTION_UNIT)
        native += [tags_of.native(tag, entry, "") for tag in told if (entry := tags.entry(tag))]
    return Carried(
        exif=exif,
        icc=icc,
        xmp=tags.data(tags_of.XMP),
        iptc=_iptc(tags),
        native=tuple(native),
        left_out=tuple(left_out),
        format="TIFF",
        white=white,
        no_data=no_data,
        **density,
    )


def _white(page: Page) -> float | None:
    """The sample that means white, where it is told and is not the usual one."""
    told = next((numbers for tag in tags_of.WHITES if (numbers := page.tags.numbers(tag))), ())
    white = max(told, default=0)
    is_usual = white == page.top or (page.kind != FLOATS and white > page.top)
    return None if is_usual or not 0 < white < math.inf else white


def _no_data(tags: Tags) -> float | None:
    """What GDAL writes in words."""
    with suppress(ValueError):
        return float((tags.data(tags_of.NO_DATA) or b"").split(b"\0")[0])
    return None


def _iptc(tags: Tags) -> bytes | None:
    """The records, which are called bytes by some, and 32-bit numbers by Photoshop."""
    entry = tags.entry(tags_of.IPTC)
    if entry is None:
        return iptc_of.records(tags.data(tags_of.PHOTOSHOP) or b"")
    ways = (entry.data, swapped(entry.data, entry.kind))
    return next((records for records in ways if records.startswith(_IPTC_MARK)), None)


FORMAT = Format(
    name="TIFF",
    suffixes=(".tif", ".tiff"),
    begins=lambda head, _: head[:4] in MAGIC,
    depths=(8, 16, 32),
    alpha=True,
    carried=frozenset({"exif", "icc", "xmp", "iptc", "dpi"}),
    units=("inch", "cm", "none"),
    frames="pages",
    models=("CMYK", "LAB", "YCbCr", "palette"),
    open=_open,
    write=write,
    compressions=tuple(COMPRESSIONS),
)
