"""Camera raw files, developed as the camera meant them: read-only."""

import struct
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from PIL import Image

from pellucid.errors import ImageError, MissingExtraError
from pellucid.imaging.color import split, srgb_profile
from pellucid.imaging.limits import refuse_huge
from pellucid.imaging.metadata import collect, quiet_pillow
from pellucid.imaging.photo import Photo

# fmt: off
SUFFIXES = (
    ".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".orf", ".rw2", ".raf", ".pef",
    ".srw", ".x3f", ".3fr", ".fff", ".iiq", ".kdc", ".dcr", ".erf", ".mef", ".mos", ".mrw", ".rwl", ".gpr",
)
# fmt: on
_MAGIC = (b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"II\x1a\0\0\0HEAPCCDR", b"FOVb", b"\0MRM")
_TIFF_LIKE = (b"II", b"MM")
# What describes the photograph in the first directory; the rest describes the sensor's values
_KEPT_TAGS = frozenset({270, 271, 272, 274, 306, 315, 18246, 18249, 33432, 0x8769, 0x8825})
_SRGB_CURVE = (2.4, 12.92)


def is_raw(path: Path, head: bytes) -> bool:
    """Tell by the first bytes, or by the name where these are a TIFF's, in which most cameras wrap theirs."""
    if head.startswith(_MAGIC) or head[4:12] == b"ftypcrx ":
        return True
    return path.suffix.lower() in SUFFIXES and head.startswith(_TIFF_LIKE)


def read(path: Path, file: IO[bytes], max_pixels: int) -> Photo:
    """Develop to sRGB in uint16: the camera's white balance, LibRaw's brightness and demosaicing, upright.

    Raises:
        ImageError: LibRaw does not know the camera, or the file is damaged.
        MissingExtraError: The library for it is not installed.
    """
    try:
        import rawpy
    except ImportError:
        raise MissingExtraError("A camera raw file", "raw") from None
    try:
        with rawpy.imread(str(path)) as raw:
            refuse_huge(raw.sizes.width, raw.sizes.height, max_pixels)
            fields = collect({"exif": _exif_of_preview(raw)}, _first_directory(file))[1]
            srgb: Any = rawpy.ColorSpace.sRGB  # pyright: ignore
            developed = raw.postprocess(use_camera_wb=True, output_color=srgb, output_bps=16, gamma=_SRGB_CURVE)
    except rawpy.LibRawError as error:  # pyright: ignore
        reason = " ".join(str(error).replace("b'", "").replace("'", "").split())
        raise ImageError(f"is a camera raw file that cannot be developed ({reason})") from None
    fields["icc"] = srgb_profile()
    pixels, alpha = split(developed)
    return Photo(pixels=pixels, alpha=alpha, format="RAW", **fields)


def _first_directory(file: IO[bytes]) -> Image.Exif | None:
    file.seek(0)
    head = file.read(8)
    if not head.startswith(_TIFF_LIKE):
        return None
    tags = Image.Exif()
    tags.endian = "<" if head.startswith(b"II") else ">"
    with quiet_pillow():
        try:
            tags.load_from_fp(file, struct.unpack(f"{tags.endian}4xI", head)[0])
            for tag in set(tags) - _KEPT_TAGS:
                del tags[tag]
        # Pillow raises errors of many kinds on odd directories, and the picture matters more
        except Exception:
            return None
    return tags


def _exif_of_preview(raw: Any) -> bytes | None:
    """EXIF of the JPEG that nearly every camera puts beside the sensor's values."""
    try:
        preview = raw.extract_thumb()
        with quiet_pillow():
            return Image.open(BytesIO(preview.data), formats=("JPEG",)).info.get("exif")
    # LibRaw's and Pillow's errors alike: there is no preview to learn from
    except Exception:
        return None
