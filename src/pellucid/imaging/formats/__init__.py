"""Every format there is: the one table by which files are told, read, named and written."""

from pathlib import Path

from pellucid.errors import ImageError, did_you_mean
from pellucid.imaging.formats import avif, bmp, gif, heif, jpeg, netpbm, png, raw, tiff, webp
from pellucid.imaging.formats.format import Format, Saving

__all__ = ["BY_SUFFIX", "FORMATS", "HEAD_BYTES", "Format", "Saving", "format_named", "format_of"]

# A closed list, so that no odd file reaches a decoder that runs programs or cuts depth unseen. Raw files come before
# TIFF, as which most begin.
FORMATS = (
    jpeg.FORMAT,
    png.FORMAT,
    raw.FORMAT,
    tiff.FORMAT,
    webp.FORMAT,
    gif.FORMAT,
    avif.FORMAT,
    heif.FORMAT,
    bmp.FORMAT,
    netpbm.FORMAT,
    netpbm.PAM,
)
BY_SUFFIX = {suffix: format for format in FORMATS for suffix in format.written}
HEAD_BYTES = 512
"""By which a file's format is told."""


def format_of(head: bytes, path: Path) -> Format | None:
    """The format of a file by its first bytes, and by its name where these do not suffice."""
    return next((format for format in FORMATS if format.begins(head, path)), None)


def format_named(path: Path) -> Format:
    """The format that a file's ending names, to be written.

    Raises:
        ImageError: The ending is unknown or missing; the message proposes one.
    """
    suffix = path.suffix.lower()
    if suffix not in BY_SUFFIX:
        found = f"no format is called '{suffix}'." if suffix else "the name has no ending that tells the format."
        raise ImageError(f"{path}: {found}{did_you_mean(suffix, BY_SUFFIX)}")
    return BY_SUFFIX[suffix]
