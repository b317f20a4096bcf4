"""Formats that are still read and written by the code of before."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from PIL import Image, UnidentifiedImageError

from pellucid.errors import ImageError
from pellucid.imaging import gif, heif, netpbm, raw, tiff, webp
from pellucid.imaging.formats.format import Format, Holds, Saving
from pellucid.imaging.limits import refuse_huge
from pellucid.imaging.metadata import quiet_pillow
from pellucid.imaging.photo import Photo
from pellucid.imaging.picture import Picture
from pellucid.imaging.source import Source

_log = logging.getLogger(__name__)

_PILLOW = ("TIFF", "WEBP", "BMP", "PPM", "GIF", "AVIF")


_HEAD_BYTES = 512


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


def _write_bmp(photo: Photo, file: IO[bytes], _quality: int | None) -> None:
    photo.to_pil().save(file, "BMP", **_present(photo, "dpi"))


def _write_tiff(photo: Photo, file: IO[bytes], _quality: int | None) -> None:
    samples = photo.pixels.nbytes + (0 if photo.alpha is None else photo.alpha.nbytes)
    tiff.write_pages([photo], file, big=tiff.needs_big(samples))


def _present(photo: Photo, *names: str) -> dict[str, Any]:
    """Return Pillow's save arguments for the fields that a photo has."""
    values = {name: getattr(photo, name) for name in names}
    return {"icc_profile" if name == "icc" else name: value for name, value in values.items() if value}


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
RAW = _legacy(
    "RAW",
    raw.SUFFIXES,
    lambda head, path: raw.is_raw(path, head),
    Holds(depths=(16,), carried=frozenset({"exif"})),
    None,
    unwritten=raw.SUFFIXES,
)
TIFF = _legacy(
    "TIFF",
    (".tif", ".tiff"),
    _magic(*tiff.MAGIC),
    Holds(
        depths=(8, 16, 32),
        alpha=True,
        carried=_DESCRIPTION | {"iptc", "dpi"},
        units=("inch", "cm"),
        frames="pages",
        models=("CMYK", "LAB", "palette"),
    ),
    _write_tiff,
)
WEBP = _legacy(
    "WEBP",
    (".webp",),
    lambda head, _path: head.startswith(b"RIFF") and head[8:12] == b"WEBP",
    Holds(
        depths=(8,),
        grey=False,
        alpha=True,
        carried=_DESCRIPTION,
        frames="animation",
        longest_side=webp.LONGEST_SIDE,
    ),
    webp.write,
    lossy=True,
)
GIF = _legacy(
    "GIF",
    (".gif",),
    _magic(b"GIF8"),
    Holds(depths=(8,), alpha=True, carried=frozenset({"xmp"}), frames="animation", longest_side=gif.LONGEST_SIDE),
    gif.write,
)
BMP = _legacy(
    "BMP",
    (".bmp", ".dib"),
    _magic(b"BM"),
    Holds(depths=(8,), carried=frozenset({"dpi"}), units=("inch",)),
    _write_bmp,
    unwritten=(".dib",),
)
PPM = _legacy(
    "PPM",
    (".ppm", ".pgm", ".pbm", ".pnm"),
    lambda head, _path: head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace(),
    Holds(depths=(8, 16)),
    netpbm.write,
    unwritten=(".pbm",),
)
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
