"""From a picture file to a Photo, at the depth that the file holds."""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from PIL import Image, ImageFile, TiffImagePlugin, UnidentifiedImageError

from pellucid.errors import ImageError
from pellucid.imaging.color import split, srgb_profile
from pellucid.imaging.metadata import collect, quiet_pillow
from pellucid.imaging.photo import Photo

if TYPE_CHECKING:
    import pyvips

_log = logging.getLogger(__name__)

MAX_PIXELS = 1_000_000_000
"""Larger pictures are refused from their header: a file of a few bytes can claim any size."""

# A closed list, so that no odd file reaches Pillow's decoders that run programs or cut depth unseen
_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "PNG": (".png", ".apng"),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
    "GIF": (".gif",),
    "AVIF": (".avif",),
}
READABLE_SUFFIXES = frozenset(suffix for suffixes in _SUFFIXES.values() for suffix in suffixes)
"""Lower-case file name endings of the formats that can be read."""

_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_OTHER_FILES = (
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"8BPS", "a Photoshop document"),
    (b"\x89PN", "a PNG with a damaged header"),
    (b"\xff\xd8", "a JPEG with a damaged header"),
)
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
# A camera raw file opens with a small preview, the picture itself lies deeper
_NEW_SUBFILE_TYPE, _REDUCED_PREVIEW = 254, 1


def looks_like_picture(path: str | os.PathLike[str]) -> bool:
    """Tell from the name alone whether a file found in a folder is worth opening; hidden files are not."""
    path = Path(path)
    return path.suffix.lower() in READABLE_SUFFIXES and not path.name.startswith(".")


def find_pictures(folder: Path) -> list[Path]:
    """Every file below a folder that looks like a picture, sorted; hidden files and folders are passed over."""
    found = (path for path in folder.rglob("*") if looks_like_picture(path) and path.is_file())
    return sorted(path for path in found if not any(p.startswith(".") for p in path.relative_to(folder).parts))


def read_photo(path: str | os.PathLike[str]) -> Photo:
    """Read a picture: its first frame, decoded in full, upright, with EXIF, ICC, XMP and DPI.

    Args:
        path: a JPEG, PNG, TIFF, WebP, BMP, PPM, GIF or AVIF file, whatever its name.

    Returns:
        uint8 for up to 8 bits, uint16 for up to 16, float32 for float TIFF; grey stays grey.

    Raises:
        ImageError: It is missing, damaged, cut short, no picture, too large, or of a kind not supported;
            one line that starts with the path.
    """
    path = Path(path)
    try:
        return _read(path)
    except ImageError as error:
        reason = str(error)
    except MemoryError:
        reason = "does not fit in memory"
    except OSError as error:
        # of the file system, if it has a number; of Pillow's decoders otherwise
        reason = f"cannot be opened ({error.strerror})" if error.errno else _damaged(error)
    # A decoder that meets hostile bytes may raise anything, and one bad file must never end a batch
    except Exception as error:
        reason = _damaged(error)
    raise ImageError(f"{path}: {reason}") from None


def read_size(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Upright height and width by the head of a picture file; None where only decoding, or ``read_photo``, tells."""
    try:
        with Path(path).open("rb") as file, quiet_pillow():
            image = Image.open(file, formats=tuple(_SUFFIXES))
            (width, height), tags = image.size, None
            if isinstance(image, TiffImagePlugin.TiffImageFile):  # whose size some versions of Pillow turn already
                width, height = (image.tag_v2[tag] for tag in (TiffImagePlugin.IMAGEWIDTH, TiffImagePlugin.IMAGELENGTH))
                tags = image.getexif()
            orientation, _ = collect(image.info, tags)
    except Exception:  # whatever is wrong with the file, read_photo says it better
        return None
    return (width, height) if orientation >= 5 else (height, width)


def _read(path: Path) -> Photo:
    if not path.exists():
        raise ImageError("no such file")
    if path.is_dir():
        raise ImageError("is a folder; name the pictures in it")
    if not path.is_file():
        raise ImageError("is not an ordinary file")
    if path.stat().st_size == 0:
        raise ImageError("is empty")
    # by its handle and not its name: Pillow would map a turned TIFF into memory, height and width confused
    with path.open("rb") as file:
        try:
            with quiet_pillow():
                image = Image.open(file, formats=tuple(_SUFFIXES))
        except UnidentifiedImageError:
            file.seek(0)
            head = file.read(512)
            if not head.startswith(_TIFF_MAGIC):
                raise ImageError(_what_it_is(head)) from None
            # Pillow knows no float colour and no deep grey with alpha, but can read their tags
            file.seek(0)
            tags = Image.Exif()
            with quiet_pillow():
                tags.load_from_fp(file)
            return _read_deep_tiff(path, tags)
        return _read_opened(image, path)


def _read_opened(image: Image.Image, path: Path) -> Photo:
    """Decode with libvips what Pillow would cut to 8 bits, and all else with Pillow."""
    _refuse_huge(image.width, image.height)
    with quiet_pillow():
        frames: int = getattr(image, "n_frames", 1)
    # the further frames of a camera's MPO are previews
    if frames > 1 and image.format != "MPO":
        _log.warning("%s: holds %d frames or pages, of which only the first is read", path, frames)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        # Pillow looks at a TIFF's tags and size once more while it decodes
        with quiet_pillow():
            _refuse_preview(image.tag_v2.get(_NEW_SUBFILE_TYPE, 0))
            if max(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,))) > 8:
                return _read_deep_tiff(path, image.getexif())
            return Photo.from_pil(image)
    # how Pillow will decode it: ("zip", ..., "RGB;16B") or ("ppm", ..., ("RGB", highest value))
    how = image.tile[0].args if isinstance(image, ImageFile.ImageFile) and image.tile else None
    if image.format == "PNG" and str(how).endswith(";16B"):
        return _read_deep_png(path, image)
    if image.format == "PPM" and image.mode == "RGB" and isinstance(how, tuple) and how[1] > 255:
        raise ImageError("is a 16-bit colour PPM, which is not supported; convert it to PNG or TIFF first")
    return Photo.from_pil(image)


def _read_deep_png(path: Path, image: Image.Image) -> Photo:
    import pyvips

    pixels, alpha = _planes_of(pyvips.Image.pngload(str(path), fail_on="error", revalidate=True))
    # Pillow reads the chunks behind the pixels, where EXIF may lie, only when it decodes
    image.load()
    orientation, fields = collect(image.info)
    return Photo.from_stored(pixels, alpha, orientation, fields, format="PNG")


def _read_deep_tiff(path: Path, tags: Image.Exif) -> Photo:
    import pyvips

    stored = pyvips.Image.tiffload(str(path), fail_on="error", revalidate=True)
    _refuse_huge(stored.width, stored.height)
    _refuse_preview(tags.get(_NEW_SUBFILE_TYPE, 0))
    info: dict[str, Any] = {}
    for name, key in (("icc-profile-data", "icc_profile"), ("xmp-data", "xmp")):
        if stored.get_typeof(name):
            info[key] = stored.get(name)
    if TiffImagePlugin.X_RESOLUTION in tags:
        info["dpi"] = (stored.xres * 25.4, stored.yres * 25.4)
    orientation, fields = collect(info, tags)
    if stored.interpretation in ("cmyk", "lab", "labs"):
        stored = stored.colourspace("rgb16")
        fields["icc"] = srgb_profile()
    pixels, alpha = _planes_of(stored)
    return Photo.from_stored(pixels, alpha, orientation, fields, format="TIFF")


def _planes_of(image: "pyvips.Image") -> tuple[NDArray[Any], NDArray[Any] | None]:
    # pyvips drops every dimension of a picture of one pixel
    return split(image.numpy().reshape(image.height, image.width, image.bands))


def _refuse_huge(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(f"claims to be {width}×{height}, above the limit of {MAX_PIXELS // 10**6} megapixels")


def _refuse_preview(subfile_type: int) -> None:
    if subfile_type & _REDUCED_PREVIEW:
        raise ImageError("is a camera raw file; develop it to TIFF or JPEG first")


def _damaged(error: Exception) -> str:
    return f"is damaged or cut short ({' '.join(str(error).split()) or type(error).__name__})"


def _what_it_is(head: bytes) -> str:
    """Say why a file that begins with ``head`` is not readable, as well as its first bytes tell."""
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS:
        return "is a HEIC picture, which is not supported yet; convert it to JPEG, PNG or TIFF first"
    kind = next((kind for magic, kind in _OTHER_FILES if head.startswith(magic)), None)
    if head[4:8] == b"ftyp":
        kind = "a film"
    elif kind is None and head.isascii() and not head.translate(None, bytes(range(32, 127)) + b"\t\n\r\f"):
        kind = "text"
    return "is not a picture pellucid can read" + (f" (it looks like {kind})" if kind else "")
