"""PNG: libvips' codec, and chunks of ours around what it encodes; several frames are an animated PNG."""

import shutil
from os import SEEK_CUR
from typing import IO

import pyvips

from pellucid.imaging.encode import SIGNATURE, chunk, encoded
from pellucid.imaging.formats import apng
from pellucid.imaging.formats.format import Format, Saving
from pellucid.imaging.formats.png_chunks import Found, chunks, described
from pellucid.imaging.limits import refuse_huge
from pellucid.imaging.picture import Picture
from pellucid.imaging.source import Source

COMPRESSION = 4
"""Fast, and within a few percent of the smallest; photographs hardly compress."""
_HEAD_BYTES = len(SIGNATURE) + 25  # signature and IHDR


def _open(source: Source) -> Picture:
    found = Found(source.file)
    refuse_huge(found.width, found.height, source.max_pixels)
    carried = found.carried()
    if found.is_animated and (animation := apng.read(source, carried)):
        return animation
    return source.picture(pyvips.Image.pngload_source, carried)


def _write(picture: Picture, file: IO[bytes], _saving: Saving) -> None:
    if picture.timing:
        apng.write(picture.frames(), picture.timing, file, _save)
        return
    frame = picture.first()
    with encoded(frame, _save, file) as bare:
        file.write(bare.read(_HEAD_BYTES))
        for name, data in described(frame):
            file.writelines(chunk(name, data))
        for name, _ in chunks(bare):  # past the resolution that libvips believes in
            if name == b"IDAT":
                bare.seek(-8, SEEK_CUR)
                shutil.copyfileobj(bare, file)
                return


def _save(image: pyvips.Image, target: pyvips.Target) -> None:
    depth = 16 if image.format == "ushort" else 8
    image.pngsave_target(target, compression=COMPRESSION, bitdepth=depth, keep=0)


FORMAT = Format(
    name="PNG",
    suffixes=(".png", ".apng"),
    begins=lambda head, _: head.startswith(SIGNATURE),
    depths=(8, 16),
    alpha=True,
    carried=frozenset({"exif", "icc", "cicp", "xmp", "iptc", "text", "dpi"}),
    units=("inch", "none"),
    frames="animation",
    timing=apng.timing,
    models=("palette",),
    open=_open,
    write=_write,
)
