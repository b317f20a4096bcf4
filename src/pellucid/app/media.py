"""Media types of picture files."""

import mimetypes

from pellucid.imaging.formats import FORMATS

_TYPES = {".heic": "image/heic", ".avif": "image/avif", ".webp": "image/webp", ".dng": "image/x-adobe-dng"}


def mime_of(suffix: str) -> str:
    """The media type of files with this ending."""
    return _TYPES.get(suffix) or mimetypes.guess_type(f"x{suffix}")[0] or "application/octet-stream"


def written_as(mime: str) -> str | None:
    """The ending of files of a media type, where pellucid writes such."""
    return next((suffix for format in FORMATS for suffix in format.written if mime_of(suffix) == mime), None)
