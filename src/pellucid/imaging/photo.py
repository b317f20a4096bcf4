"""A photograph in memory: its pixels, and what must survive a restoration."""

import os
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from pellucid.errors import ImageError
from pellucid.imaging.carried import Carried, JpegSettings, orientation_of
from pellucid.imaging.color import planes, split
from pellucid.imaging.formats.tiff_tags import IPTC, STORAGE, X_RESOLUTION
from pellucid.imaging.picture import DTYPES, Frame
from pellucid.imaging.rows import Beside, Rows
from pellucid.imaging.turning import turned
from pellucid.imaging.write import write_photo

_IPTC_RESOURCE = 0x0404


@dataclass(frozen=True, kw_only=True, eq=False)
class Photo(Frame):
    """A picture in memory: the small case of a frame, and what callers in Python are given.

    Attributes:
        samples: pixels and alpha side by side.
        pixels: (H, W, C), C = 1 (grey) or 3 (RGB), upright; uint8, uint16 or float32 (nominally 0 to 1).
        alpha: (H, W) in the pixels' dtype, not premultiplied; None when there is no transparency.

    Raises:
        ImageError: A shape or dtype is not one of these.
    """

    samples: Rows = field(init=False, repr=False)
    pixels: NDArray[Any]
    alpha: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        """Refuse what the rest of pellucid could not handle."""
        shape, dtype = self.pixels.shape, self.pixels.dtype
        if len(shape) != 3 or shape[2] not in (1, 3) or 0 in shape:
            raise ImageError(f"Pixels must be (height, width, 1 or 3) and not empty, got {shape}.")
        if dtype not in DTYPES:
            raise ImageError(f"Pixels must be uint8, uint16 or float32, got {dtype}.")
        if self.alpha is not None and (self.alpha.shape != shape[:2] or self.alpha.dtype != dtype):
            raise ImageError(f"Alpha must be {shape[:2]} {dtype}, got {self.alpha.shape} {self.alpha.dtype}.")
        samples = self.pixels if self.alpha is None else Beside(self.pixels, self.alpha)
        object.__setattr__(self, "samples", samples)

    @classmethod
    def of(cls, frame: Frame) -> "Photo":
        """Read a frame into memory."""
        if isinstance(frame, Photo):
            return frame
        pixels, alpha = split(frame.array())
        return cls(pixels=pixels, alpha=alpha, **frame.carried())

    def with_pixels(self, pixels: NDArray[Any]) -> "Photo":
        """Return the same photograph with other pixels of the same shape and dtype.

        Raises:
            ImageError: Shape or dtype differ.
        """
        if pixels.shape != self.pixels.shape or pixels.dtype != self.pixels.dtype:
            raise ImageError(
                f"Pixels must be {self.pixels.shape} {self.pixels.dtype}, got {pixels.shape} {pixels.dtype}."
            )
        return replace(self, pixels=pixels)

    @classmethod
    def from_pil(cls, image: Image.Image) -> "Photo":
        """Take a Pillow image of any mode, decode it and turn it upright.

        CMYK and LAB become sRGB, palettes RGB, bilevel grey; transparency of any kind becomes alpha.

        Raises:
            ImageError: It holds integers beyond 16 bits, or is empty.
        """
        image.load()  # before the tags are read: Pillow turns a TIFF upright here, and meets a PNG's last chunks
        pixels, alpha, icc = planes(image)
        carried = _carried(image)
        # Pillow tells an AVIF's own turn as EXIF, and no other counts
        orientation = orientation_of(carried.exif, None if image.format == "AVIF" else carried.xmp)
        carried = replace(carried.upright(orientation, image.size), icc=icc, jpeg=JpegSettings.of(image))
        alpha = None if alpha is None else turned(alpha, orientation)
        return cls(pixels=turned(pixels, orientation), alpha=alpha, **vars(carried))

    def to_pil(self) -> Image.Image:
        """Give the photograph to Pillow, with EXIF, ICC, XMP and DPI in its ``info``.

        Returns:
            Mode L, LA, RGB or RGBA for uint8; I;16 for grey uint16 and F for grey float32.

        Raises:
            ImageError: Pillow has no mode for deep colour, or for deep grey with alpha.
        """
        array = self.interleaved()
        array = array[:, :, 0] if array.shape[2] == 1 else array
        if array.ndim == 3 and array.dtype != np.uint8:
            raise ImageError(f"Pillow has no mode for {array.dtype} colour or alpha; convert to uint8 first.")
        image = Image.fromarray(array)
        info = {"exif": self.exif, "icc_profile": self.icc, "xmp": self.xmp, "dpi": self.dpi}
        image.info.update({key: value for key, value in info.items() if value is not None})
        return image

    def save(self, path: str | os.PathLike[str], *, quality: int | None = None, overwrite: bool = True) -> None:
        """Write the photograph to a file; ``write_photo`` says how."""
        write_photo(self, path, quality=quality, overwrite=overwrite)

    def interleaved(self) -> NDArray[Any]:
        """Return pixels and alpha as one contiguous (H, W, 1 to 4) array, alpha last."""
        return np.ascontiguousarray(self.pixels if self.alpha is None else np.dstack([self.pixels, self.alpha]))


def _carried(image: Image.Image) -> Carried:
    """What Pillow found beside the pixels of a picture."""
    info, tags = image.info, image.getexif()
    exif, iptc, xmp = info.get("exif"), info.get("photoshop"), info.get("xmp")
    iptc = iptc.get(_IPTC_RESOURCE) if isinstance(iptc, dict) else None
    tells_resolution = image.format not in ("JPEG", "TIFF") or info.get("jfif_unit") or X_RESOLUTION in tags
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        iptc = tags.get(IPTC)
        for tag in STORAGE & set(tags):
            del tags[tag]
        tags.bigtiff = False
        exif = tags.tobytes() if len(tags) else None
    try:
        across, down = (round(float(value), 1) for value in info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        across = down = 0
    return Carried(
        exif=exif or None,
        xmp=(xmp.encode("latin-1", "replace") if isinstance(xmp, str) else xmp) or None,
        iptc=iptc if isinstance(iptc, bytes) else None,
        # where none is told Pillow makes one up
        dpi=(across, down) if tells_resolution and across > 0 and down > 0 else None,
        format=image.format,
    )
