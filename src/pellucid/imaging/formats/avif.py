"""AVIF: the container of HEIF. Of 8 bits Pillow reads and writes it, which makes smoother colours of halved ones than
libvips; deep ones libvips, as Pillow would cut them, and those without loss.
"""

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import IO, Any

import numpy as np
import pyvips
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pellucid.imaging.encode import in_memory
from pellucid.imaging.formats import heif
from pellucid.imaging.formats.format import Saving
from pellucid.imaging.picture import Frame, Picture
from pellucid.imaging.rows import Streamed
from pellucid.imaging.source import Source, quiet_pillow
from pellucid.imaging.turning import turned

_KEEP_EXIF, _KEEP_XMP_AND_ICC = 1, 2 | 8


def _open(source: Source) -> Picture:
    known = heif.told(source, "AVIF")
    mode = _mode(source) if known.bits == 8 and not known.cropped else None
    samples = _read_by_libvips(source, known) if mode is None else _read_by_pillow(source, known, mode)
    frame = Frame(samples=samples, **vars(known.carried))
    if known.bits > 8:
        frame = frame.mapped(lambda strip: heif.widened(strip, known.bits), samples.shape[2], samples.dtype)
    return Picture.of(frame, path=source.path if known.orientation == 1 else None)


def _mode(source: Source) -> str | None:
    """Pillow's name for the kind of pixels; None where it does not accept the file, as it is the stricter one."""
    try:
        with quiet_pillow(source.max_pixels):
            return Image.open(source.file, formats=("AVIF",)).mode
    except UnidentifiedImageError:
        return None


def _read_by_pillow(source: Source, known: heif.Told, mode: str) -> Streamed:
    bands = (1 if known.grey else 3) + (mode == "RGBA")

    def decoded() -> Iterator[NDArray[Any]]:
        with source.path.open("rb") as file, quiet_pillow(source.max_pixels):
            samples = np.asarray(Image.open(file, formats=("AVIF",)))
        samples = samples.reshape(*samples.shape[:2], -1)
        # grey comes as colour where it has alpha
        yield turned(samples[:, :, -bands:], known.orientation)

    width, height = known.size if known.orientation < 5 else known.size[::-1]
    return Streamed((height, width, bands), np.dtype(np.uint8), decoded)


def _read_by_libvips(source: Source, known: heif.Told) -> Streamed:
    def convert(image: pyvips.Image) -> pyvips.Image:
        if not known.grey or image.bands < 3:
            return image
        red: Any = image.extract_band(0)  # which is the same as the others
        return red.bandjoin(image.extract_band(3)) if image.bands == 4 else red

    # which comes upright, whatever the container says
    return source.streamed(pyvips.Image.heifload_source, convert=convert)


def _write(picture: Picture, file: IO[bytes], saving: Saving) -> None:
    frame = picture.first()
    samples, bits = heif.narrowed(frame)
    quality, lossless = saving.quality or heif.DEFAULT_QUALITY, saving.compression == "lossless"
    # grey of 8 bits has no chroma; at quality 100 nothing of it is lost
    grey = samples.shape[2] == 1
    by_pillow = bits == 8 and (grey or not lossless)

    def encode(exif: bytes | None) -> bytes:
        if by_pillow:
            described = {"exif": exif, "icc_profile": frame.icc, "xmp": frame.xmp}
            options = {name: value for name, value in described.items() if value}
            encoded, image = BytesIO(), Image.fromarray(samples[:, :, 0] if grey else samples)
            layout = "4:0:0" if grey else "4:4:4"
            image.save(encoded, "AVIF", quality=100 if lossless else quality, subsampling=layout, **options)
            return encoded.getvalue()
        deep: Any = in_memory(samples)
        for name, value in (("exif-data", exif), ("icc-profile-data", frame.icc), ("xmp-data", frame.xmp)):
            if value:
                deep.set_type(pyvips.GValue.blob_type, name, value)
        keep = _KEEP_XMP_AND_ICC | _KEEP_EXIF * (exif is not None)  # or libvips would make one up
        return deep.heifsave_buffer(
            compression="av1", Q=quality, lossless=lossless, bitdepth=bits, subsample_mode="off", keep=keep
        )

    file.write(heif.finished(frame, encode, heif.IDENTITY if lossless and not by_pillow else heif.BT601))


FORMAT = replace(
    heif.FORMAT,
    name="AVIF",
    suffixes=(".avif",),
    begins=lambda head, _: not heif.brands(head).isdisjoint((b"avif", b"avis")),
    open=_open,
    write=_write,
    require=lambda: None,
)
