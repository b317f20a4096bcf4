"""Formats that are still read and written by the code of before."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from PIL import Image, UnidentifiedImageError

from pellucid.errors import ImageError
from pellucid.imaging import heif
from pellucid.imaging.formats.format import Format, Holds, Saving
from pellucid.imaging.limits import refuse_huge
from pellucid.imaging.metadata import quiet_pillow
from pellucid.imaging.photo import Photo
from pellucid.imaging.picture import Picture
from pellucid.imaging.source import Source

_log = logging.getLogger(__name__)

_PILLOW = ("AVIF",)


_HEAD_BYTES = 512


def _read(path: Path, file: IO[bytes], max_pixels: int) -> Photo:
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if heif.codec_of(head) == "HEIC":
        return heif.read_heic(file, max_pixels)
    # by its handle and not its name: Pillow would map a turned TIFF into memory, height and width confused
    try:
        with quiet_pillow(max_pixels):
            image = Image.open(file, formats=_PILLOW)
    except UnidentifiedImageError:
        raise ImageError("is damaged or cut short") from None
    return _read_opened(image, path, file, max_pixels)


def _read_opened(image: Image.Image, path: Path, file: IO[bytes], max_pixels: int) -> Photo:
    """Decode with libvips what Pillow would cut to 8 bits, and all else with Pillow."""
    refuse_huge(image.width, image.height, max_pixels)
    with quiet_pillow(max_pixels):
        frames: int = getattr(image, "n_frames", 1)
    # the further frames of a camera's MPO are previews
    if frames > 1 and image.format != "MPO":
        _only_the_first(path, frames)
    if image.format == "AVIF" and (bits := heif.deep_bits(path)):
        return heif.read_deep_avif(path, image, bits)
    return Photo.from_pil(image)


def _only_the_first(path: Path, number: int) -> None:
    _log.warning("%s: holds %d frames or pages, of which only the first is read", path, number)


def _legacy(
    name: str,
    suffixes: tuple[str, ...],
    begins: Callable[[bytes, Path], bool],
    holds: Holds,
    write: Callable[[Photo, IO[bytes], int | None], None] | None,
    **more: Any,
) -> Format:
    def open(source: Source) -> Picture:
        def frames() -> Iterator[Photo]:
            with source.path.open("rb") as file:
                yield _read(source.path, file, source.max_pixels)

        return Picture(format=name, decode=frames)

    def save(picture: Picture, file: IO[bytes], saving: Saving) -> None:
        assert write is not None
        write(Photo.of(picture.first()), file, saving.quality)

    return Format(
        name=name, suffixes=suffixes, begins=begins, holds=holds, open=open, write=save if write else None, **more
    )


def _magic(*beginnings: bytes) -> Callable[[bytes, Path], bool]:
    return lambda head, _path: head.startswith(beginnings)


_DESCRIPTION = frozenset({"exif", "icc", "xmp"})
_HEIF = Holds(depths=(8, 10, 12), alpha=True, carried=_DESCRIPTION, longest_side=heif.LONGEST_SIDE)
AVIF = _legacy(
    "AVIF", (".avif",), lambda head, _path: heif.codec_of(head) == "AVIF", _HEIF, heif.write_avif, lossy=True
)
HEIF = _legacy(
    "HEIF",
    heif.HEIC_SUFFIXES,
    lambda head, _path: heif.codec_of(head) == "HEIC",
    _HEIF,
    heif.write_heic,
    lossy=True,
    require=heif.require_heic,
)
