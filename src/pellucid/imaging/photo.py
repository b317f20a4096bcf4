"""A photograph in memory: its pixels, and what must survive a restoration."""

import os
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin, TiffImagePlugin

from pellucid.errors import ImageError
from pellucid.imaging.carried import JpegSettings
from pellucid.imaging.color import planes, split
from pellucid.imaging.metadata import Found, collect, tells_resolution
from pellucid.imaging.picture import DTYPES, Frame
from pellucid.imaging.rows import Beside, Rows
from pellucid.imaging.turning import turned


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
        # before the tags are read: Pillow turns a TIFF upright here, and meets a PNG's last chunks
        image.load()
        pixels, alpha, icc = planes(image)
        is_tiff = isinstance(image, TiffImagePlugin.TiffImageFile)
        tags = image.getexif() if is_tiff else None
        # Pillow tells an AVIF's own turn as EXIF, and no other counts
        orientation, fields = collect(image.info, tags, xmp_turns=image.format != "AVIF")
        fields["icc"] = icc
        if isinstance(image, JpegImagePlugin.JpegImageFile) and not tells_resolution(image):
            fields["dpi"] = None
        return cls.from_stored(pixels, alpha, orientation, fields, format=image.format, jpeg=JpegSettings.of(image))

    @classmethod
    def from_stored(
        cls,
        pixels: NDArray[Any],
        alpha: NDArray[Any] | None,
        orientation: int,
        fields: Found,
        *,
        format: str | None,
        jpeg: JpegSettings | None = None,
        bits: int | None = None,
    ) -> "Photo":
        """Turn pixels and alpha as a file stores them (EXIF ``orientation`` 1 to 8) upright."""
        if orientation >= 5 and fields["dpi"]:
            across, down = fields["dpi"]
            fields["dpi"] = (down, across)
        alpha = None if alpha is None else turned(alpha, orientation)
        pixels = turned(pixels, orientation)
        return cls(pixels=pixels, alpha=alpha, **fields, format=format, jpeg=jpeg, bits=bits)

    def to_pil(self) -> Image.Image:
        """Give the photograph to Pillow, with EXIF, ICC, XMP and DPI in its ``info``.

        Returns:
            Mode L, LA, RGB or RGBA for uint8; I;16 for grey uint16 and F for grey float32.

        Raises:
            ImageError: Pillow has no mode for deep colour, or for deep grey with alpha.
        """
        if self.pixels.dtype == np.uint8:
            image = Image.fromarray(self.interleaved().squeeze(2) if self._is_plain_grey else self.interleaved())
        elif self._is_plain_grey:
            image = Image.fromarray(self.pixels[:, :, 0])
        else:
            raise ImageError(f"Pillow has no mode for {self.pixels.dtype} colour or alpha; convert to uint8 first.")
        info: dict[str, Any] = {
            "exif": self.exif,
            "icc_profile": self.icc,
            "xmp": self.xmp,
            "dpi": self.dpi,
        }
        image.info.update({key: value for key, value in info.items() if value is not None})
        return image

    def save(self, path: str | os.PathLike[str], *, quality: int | None = None, overwrite: bool = True) -> None:
        """Write the photograph to a file; ``write_photo`` says how."""
        from pellucid.imaging.write import write_photo  # which imports Photo

        write_photo(self, path, quality=quality, overwrite=overwrite)

    def interleaved(self) -> NDArray[Any]:
        """Return pixels and alpha as one contiguous (H, W, 1 to 4) array, alpha last."""
        return np.ascontiguousarray(self.pixels if self.alpha is None else np.dstack([self.pixels, self.alpha]))

    @property
    def _is_plain_grey(self) -> bool:
        return self.channels == 1 and self.alpha is None
