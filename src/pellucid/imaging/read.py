"""The door in: any picture file as a Picture, or its first frame as a Photo."""

import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from pellucid.errors import ImageError
from pellucid.imaging.formats import HEAD_BYTES, format_of
from pellucid.imaging.limits import MAX_PIXELS
from pellucid.imaging.photo import Photo
from pellucid.imaging.picture import Picture
from pellucid.imaging.source import Source, naming, open_file

_log = logging.getLogger(__name__)

_OTHER_FILES = (
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"8BPS", "a Photoshop document"),
    (b"\x89PN", "a PNG with a damaged header"),
    (b"\xff\xd8", "a JPEG with a damaged header"),
)


def open_picture(
    path: str | os.PathLike[str],
    *,
    max_pixels: int = MAX_PIXELS,
    white: float | None = None,
    no_data: float | None = None,
) -> Picture:
    """Look into a picture file: all that it holds, but for its pixels, which are decoded as they are asked for.

    Args:
        path: a JPEG, PNG, TIFF, WebP, BMP, PPM, GIF, AVIF, HEIC or camera raw file, whatever its name.
        max_pixels: larger pictures, frames and pages are refused by their header.
        white, no_data: the samples that mean white, and that nothing is known, whatever the file says.

    Raises:
        ImageError: It is missing, damaged, cut short, no picture, too large, of a kind not supported, or of one
            that takes an extra which is not installed; one line that starts with the path. Asking for frames and rows
            raises it too, as only then it may show.
    """
    path = Path(path)
    with naming(path), open_file(path) as file:
        head = file.read(HEAD_BYTES)
        file.seek(0)
        format = format_of(head, path)
        if format is None:
            raise ImageError(_what_it_is(head))
        picture = format.open(Source(path=path, file=file, max_pixels=max_pixels))
        modified = path.stat().st_mtime_ns
    told = {name: value for name, value in (("white", white), ("no_data", no_data)) if value is not None}
    decode = picture.within(partial(naming, path)).decode
    return replace(picture, decode=lambda: (replace(frame, **told) for frame in decode()), modified=modified)


def read_photo(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Photo:
    """Read a picture's first frame or page into memory, decoded in full, upright, with all that it carries.

    Args:
        path, max_pixels: as for ``open_picture``; raises as it does.

    Returns:
        uint8 for up to 8 bits, uint16 for up to 16, float32 for float TIFF; grey stays grey.
    """
    picture = open_picture(path, max_pixels=max_pixels)
    if picture.count > 1:
        _log.warning("%s: holds %d frames or pages, of which only the first is read", path, picture.count)
    with naming(Path(path)):
        return Photo.of(picture.first())


class Frames(Picture):
    """A picture file whose frames are read into memory, one after the other."""

    def photos(self) -> Iterator[Photo]:
        """Each frame or page, decoded in full; raises as ``Picture.frames`` does."""
        return map(Photo.of, self.frames())


def open_frames(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Frames:
    """Open an animation or a file of pages; one of a single picture has one frame.

    Args:
        path, max_pixels: as for ``open_picture``; raises as it does.
    """
    return Frames(**vars(open_picture(path, max_pixels=max_pixels)))


def read_size(path: str | os.PathLike[str], *, max_pixels: int = MAX_PIXELS) -> tuple[int, int] | None:
    """Upright height and width by the head of a picture file.

    Returns:
        None where only decoding, or ``read_photo``'s refusal, tells.
    """
    try:
        picture = open_picture(path, max_pixels=max_pixels)
        if picture.size is None:
            first = picture.first()
            return first.height, first.width
        return picture.size
    except Exception:  # whatever is wrong with the file, read_photo says it better
        return None


def _what_it_is(head: bytes) -> str:
    """Say why a file that begins with ``head`` is not readable, as well as its first bytes tell."""
    kind = next((kind for magic, kind in _OTHER_FILES if head.startswith(magic)), None)
    if head[4:8] == b"ftyp":
        kind = "a film"
    elif kind is None and head.isascii() and not head.translate(None, bytes(range(32, 127)) + b"\t\n\r\f"):
        kind = "text"
    return "is not a picture pellucid can read" + (f" (it looks like {kind})" if kind else "")
