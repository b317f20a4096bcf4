"""From a picture file to a Photo, at the depth that the file holds."""

import logging
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from PIL import Image, TiffImagePlugin, UnidentifiedImageError

from pellucid.errors import ImageError, MissingExtraError
from pellucid.imaging import gif, heif, netpbm, png, raw, tiff, webp
from pellucid.imaging.limits import MAX_PIXELS, refuse_huge
from pellucid.imaging.metadata import collect, quiet_pillow
from pellucid.imaging.photo import Photo

_log = logging.getLogger(__name__)

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
READ_ONLY_SUFFIXES = frozenset(raw.SUFFIXES)
"""Lower-case endings of camera raw files, whose restored pictures are not raw: 16-bit TIFF or PNG holds them."""
READABLE_SUFFIXES = frozenset(suffix for suffixes in _SUFFIXES.values() for suffix in suffixes) | {
    *heif.HEIC_SUFFIXES,
    *READ_ONLY_SUFFIXES,
}
"""Lower-case file name endings of the formats that can be read, some with an extra only."""

_OTHER_FILES = (
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"8BPS", "a Photoshop document"),
    (b"\x89PN", "a PNG with a damaged header"),
    (b"\xff\xd8", "a JPEG with a damaged header"),
)
_HEAD_BYTES = 512


def looks_like_picture(path: str | os.PathLike[str]) -> bool:
    """Tell from the name alone whether a file found in a folder is worth opening; hidden files are not."""
    path = Path(path)
    return path.suffix.lower() in READABLE_SUFFIXES and not path.name.startswith(".")


def find_pictures(folder: Path) -> list[Path]:
    """Every file below a folder that looks like a picture, sorted; hidden files and folders are passed over."""
    found = (path for path in folder.rglob("*") if looks_like_picture(path) and path.is_file())
    return sorted(path for path in found if not any(p.startswith(".") for p in path.relative_to(folder).parts))


def read_photo(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Photo:
    """Read a picture: its first frame or page, decoded in full, upright, with EXIF, ICC, XMP, IPTC and DPI.

    Args:
        path: a JPEG, PNG, TIFF, WebP, BMP, PPM, GIF, AVIF, HEIC or camera raw file, whatever its name.
        max_pixels: a larger picture is refused by its header.

    Returns:
        uint8 for up to 8 bits, uint16 for up to 16, float32 for float TIFF; grey stays grey.

    Raises:
        ImageError: It is missing, damaged, cut short, no picture, too large, of a kind not supported, or of one
            that takes an extra which is not installed; one line that starts with the path.
    """
    path = Path(path)
    with naming(path), open_file(path) as file:
        return _read(path, file, max_pixels)


def read_size(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> tuple[int, int] | None:
    """Upright height and width by the head of a picture file.

    Returns:
        None where only decoding, or ``read_photo``'s refusal, tells.
    """
    try:
        with open_file(Path(path)) as file:
            if raw.is_raw(Path(path), file.read(_HEAD_BYTES)):
                return None
            file.seek(0)
            with quiet_pillow(max_pixels):
                image = Image.open(file, formats=tuple(_SUFFIXES))
                (width, height), tags = image.size, None
                if isinstance(image, TiffImagePlugin.TiffImageFile):  # whose size some versions turn already
                    tags = image.getexif()
                    width, height = (
                        image.tag_v2[tag] for tag in (TiffImagePlugin.IMAGEWIDTH, TiffImagePlugin.IMAGELENGTH)
                    )
                orientation, _ = collect(image.info, tags, xmp_turns=image.format != "AVIF")
    except Exception:  # whatever is wrong with the file, read_photo says it better
        return None
    return (width, height) if orientation >= 5 else (height, width)


@contextmanager
def naming(path: Path) -> Generator[None]:
    """Turn whatever a decoder raises on a file into an ImageError of one line that starts with its name."""
    try:
        yield
        return
    except (ImageError, MissingExtraError) as error:
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


def open_file(path: Path) -> IO[bytes]:
    """Open an ordinary file that is not empty.

    Raises:
        ImageError: There is none of this name.
        OSError: The system does not let it be opened.
    """
    if not path.exists():
        raise ImageError("no such file")
    if path.is_dir():
        raise ImageError("is a folder; name the pictures in it")
    if not path.is_file():
        raise ImageError("is not an ordinary file")
    if path.stat().st_size == 0:
        raise ImageError("is empty")
    return path.open("rb")


def _read(path: Path, file: IO[bytes], max_pixels: int) -> Photo:
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if raw.is_raw(path, head):
        return raw.read(path, file, max_pixels)
    if heif.codec_of(head) == "HEIC":
        return heif.read_heic(file, max_pixels)
    if head.startswith(tiff.MAGIC):
        return _read_tiff(path, file, max_pixels)
    # by its handle and not its name: Pillow would map a turned TIFF into memory, height and width confused
    try:
        with quiet_pillow(max_pixels):
            image = Image.open(file, formats=tuple(_SUFFIXES))
    except UnidentifiedImageError:
        raise ImageError(_what_it_is(head)) from None
    return _read_opened(image, path, file, max_pixels)


def _read_opened(image: Image.Image, path: Path, file: IO[bytes], max_pixels: int) -> Photo:
    """Decode with libvips what Pillow would cut to 8 bits, and all else with Pillow."""
    refuse_huge(image.width, image.height, max_pixels)
    with quiet_pillow(max_pixels):
        frames: int = getattr(image, "n_frames", 1)
    # the further frames of a camera's MPO are previews
    if frames > 1 and image.format != "MPO":
        _only_the_first(path, frames)
    if image.format == "PNG" and png.is_deep(image):
        return png.read_deep(path, image)
    if netpbm.is_ours(image):
        return netpbm.read(file)
    if image.format == "AVIF" and (bits := heif.deep_bits(path)):
        return heif.read_deep_avif(path, image, bits)
    photo = Photo.from_pil(image)
    if image.format == "WEBP":
        return replace(photo, lossless=webp.read_facts(file).lossless)
    return replace(photo, xmp=gif.read_facts(file).xmp) if image.format == "GIF" else photo


def _read_tiff(path: Path, file: IO[bytes], max_pixels: int) -> Photo:
    """Read the first page that is neither preview nor mask."""
    pages = tiff.read_pages(file)
    photos = [page for page in pages if page.is_photo]
    if not photos or pages[0].is_dng:
        raise ImageError("is a camera raw file without its name; give it the ending that its camera gave it")
    if len(photos) > 1:
        _only_the_first(path, len(photos))
    return tiff.read_page(path, file, tiff.open_with_pillow(file), photos[0], max_pixels)


def _only_the_first(path: Path, number: int) -> None:
    _log.warning("%s: holds %d frames or pages, of which only the first is read", path, number)


def _damaged(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    # libvips tells last what happened last; before it may stand what became of other files
    return f"is damaged or cut short ({' '.join(lines[-1].split())[:200]})"


def _what_it_is(head: bytes) -> str:
    """Say why a file that begins with ``head`` is not readable, as well as its first bytes tell."""
    kind = next((kind for magic, kind in _OTHER_FILES if head.startswith(magic)), None)
    if head[4:8] == b"ftyp":
        kind = "a film"
    elif kind is None and head.isascii() and not head.translate(None, bytes(range(32, 127)) + b"\t\n\r\f"):
        kind = "text"
    return "is not a picture pellucid can read" + (f" (it looks like {kind})" if kind else "")
