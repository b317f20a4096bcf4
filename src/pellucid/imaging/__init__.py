"""Picture files in and out: the only part of pellucid that reads or writes them."""

from pellucid.imaging.color import to_depth, to_float
from pellucid.imaging.metadata import JpegSettings
from pellucid.imaging.photo import Photo
from pellucid.imaging.read import (
    MAX_PIXELS,
    READABLE_SUFFIXES,
    find_pictures,
    looks_like_picture,
    read_photo,
    read_size,
)
from pellucid.imaging.shrink import shrink, shrunk_size
from pellucid.imaging.write import WRITABLE_SUFFIXES, check_writable_suffix, write_photo

__all__ = [
    "MAX_PIXELS",
    "READABLE_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "JpegSettings",
    "Photo",
    "check_writable_suffix",
    "find_pictures",
    "looks_like_picture",
    "read_photo",
    "read_size",
    "shrink",
    "shrunk_size",
    "to_depth",
    "to_float",
    "write_photo",
]
