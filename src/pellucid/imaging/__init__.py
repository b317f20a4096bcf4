"""Picture files in and out: the only part of pellucid that reads or writes them."""

from pellucid.imaging.carried import Carried, JpegSettings
from pellucid.imaging.color import to_depth, to_float
from pellucid.imaging.encoding import Encoding
from pellucid.imaging.formats import Saving
from pellucid.imaging.limits import MAX_PIXELS
from pellucid.imaging.photo import Photo
from pellucid.imaging.picture import Frame, Picture, Timing
from pellucid.imaging.read import open_frames, open_picture, read_photo, read_size
from pellucid.imaging.search import READ_ONLY_SUFFIXES, READABLE_SUFFIXES, find_pictures, looks_like_picture, walk
from pellucid.imaging.shrink import shrink, shrunk_size
from pellucid.imaging.write import (
    WRITABLE_SUFFIXES,
    check_holds,
    check_writable_suffix,
    copy_picture,
    write_photo,
    write_picture,
)

__all__ = [
    "MAX_PIXELS",
    "READABLE_SUFFIXES",
    "READ_ONLY_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "Carried",
    "Encoding",
    "Frame",
    "JpegSettings",
    "Photo",
    "Picture",
    "Saving",
    "Timing",
    "check_holds",
    "check_writable_suffix",
    "copy_picture",
    "find_pictures",
    "looks_like_picture",
    "open_frames",
    "open_picture",
    "read_photo",
    "read_size",
    "shrink",
    "shrunk_size",
    "to_depth",
    "to_float",
    "walk",
    "write_photo",
    "write_picture",
]
