"""Camera raw files, developed as the camera meant them: read-only."""

import struct
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import IO, Any, BinaryIO, cast

from PIL import Image

from pellucid.errors import ImageError, MissingExtraError
from pellucid.imaging.carried import Carried, orientation_of
from pellucid.imaging.color import srgb_profile
from pellucid.imaging.formats import tiff_tags as tags_of
from pellucid.imaging.formats.format import Format
from pellucid.imaging.limits import refuse_huge
from pellucid.imaging.picture import Frame, Picture
from pellucid.imaging.source import Source, quiet_pillow
from pellucid.imaging.tags import MAGIC, Tags

# fmt: off
SUFFIXES = (
    ".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".orf", ".rw2", ".raf", ".pef",
    ".srw", ".x3f", ".3fr", ".fff", ".iiq", ".kdc", ".dcr", ".erf", ".mef", ".mos", ".mrw", ".rwl", ".gpr",
)
# fmt: on
_MAGIC = (b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"II\x1a\0\0\0HEAPCCDR", b"FOVb", b"\0MRM")
_SRGB_CURVE = (2.4, 12.92)


def _open(source: Source) -> Picture:
    _require()

    def frames() -> Iterator[Frame]:
        with source.path.open("rb") as file:
            yield _developed(file, source.max_pixels)

    return Picture(format="RAW", decode=frames)


def _developed(file: IO[bytes], max_pixels: int) -> Frame:
    """Develop to sRGB in uint16: the camera's white balance, LibRaw's brightness and demosaicing, upright.

    Raises:
        ImageError: LibRaw does not know the camera, or the file is damaged.
    """
    import rawpy

    carried = _described(file)
    try:
        with rawpy.imread(cast(BinaryIO, file)) as raw:
            size = (raw.sizes.width, raw.sizes.height)
            refuse_huge(*size, max_pixels)
            if carried.exif is None:
                carried = replace(carried, exif=_exif_of_preview(raw))
            srgb: Any = rawpy.ColorSpace.sRGB  # pyright: ignore
            developed = raw.postprocess(use_camera_wb=True, output_color=srgb, output_bps=16, gamma=_SRGB_CURVE)
    except rawpy.LibRawError as error:  # pyright: ignore
        reason = " ".join(str(error).replace("b'", "").replace("'", "").split())
        raise ImageError(f"is a camera raw file that cannot be developed ({reason})") from None
    carried = carried.upright(orientation_of(carried.exif, carried.xmp), size)
    return Frame(samples=developed, **vars(replace(carried, icc=srgb_profile(), format="RAW")))


def _described(file: IO[bytes]) -> Carried:
    """What the first directory tells of the photograph; the rest describes the sensor's values."""
    file.seek(0)
    head = file.read(8)
    try:
        order, _ = MAGIC.get(head[:4], ({b"II": "<", b"MM": ">"}[head[:2]], False))
        tags = Tags.at(file, struct.unpack_from(f"{order}I", head, 4)[0], order, big=False)
        return Carried(exif=tags_of.exif_of_tags(tags), xmp=tags.data(tags_of.XMP), iptc=tags.data(tags_of.IPTC))
    except (KeyError, struct.error, OSError, OverflowError):
        return Carried()
    finally:
        file.seek(0)


def _exif_of_preview(raw: Any) -> bytes | None:
    """EXIF of the JPEG that nearly every camera puts beside the sensor's values."""
    try:
        preview = raw.extract_thumb()
        with quiet_pillow():
            return Image.open(BytesIO(preview.data), formats=("JPEG",)).info.get("exif")
    # LibRaw's and Pillow's errors alike: there is no preview to learn from
    except Exception:
        return None


def _require() -> None:
    try:
        import rawpy  # noqa: F401 # pyright: ignore
    except ImportError:
        raise MissingExtraError("A camera raw file", "raw") from None


FORMAT = Format(
    name="RAW",
    suffixes=SUFFIXES,
    unwritten=SUFFIXES,
    # most cameras wrap theirs in a TIFF, so that the name must tell
    begins=lambda head, path: (
        head.startswith(_MAGIC)
        or head[4:12] == b"ftypcrx "
        or (head.startswith((b"II", b"MM")) and path.suffix.lower() in SUFFIXES)
    ),
    depths=(16,),
    carried=frozenset({"exif", "xmp", "iptc"}),
    open=_open,
    require=_require,
)
