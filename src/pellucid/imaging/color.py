"""Every kind of pixel turned into the three that are kept: grey or RGB in uint8, uint16 or float32."""

import logging
from io import BytesIO
from typing import Any, Literal

import numpy as np
import pyvips
from numpy.typing import DTypeLike, NDArray
from PIL import Image, ImageCms

from pellucid.errors import ImageError

_log = logging.getLogger(__name__)


def planes(image: Image.Image) -> tuple[NDArray[Any], NDArray[Any] | None, bytes | None]:
    """Split a Pillow image of any mode.

    Returns:
        Pixels (H, W, C), alpha (H, W) or None, and the ICC profile that these pixels are in.

    Raises:
        ImageError: It holds integers beyond 16 bits.
    """
    icc: bytes | None = image.info.get("icc_profile") or None
    if image.mode in ("CMYK", "LAB"):
        icc = icc if image.mode == "CMYK" else None
        transform = _to_srgb(image.mode, icc) if icc or image.mode == "LAB" else None
        image, icc = transform.apply(image) if transform else image.convert("RGB"), srgb_profile()
    elif not image.mode.startswith(("I", "F")):
        grey = image.mode in ("1", "L", "LA", "La")
        mode = ("L" if grey else "RGB") + ("A" if image.has_transparency_data else "")
        image = image if image.mode == mode else image.convert(mode)
    return *split(np.array(image)), icc


def split(array: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Part (H, W) or (H, W, bands), grey or RGB with or without alpha, into pixels and alpha.

    Raises:
        ImageError: There are more bands than four, or integers beyond 16 bits.
    """
    array = array[:, :, None] if array.ndim == 2 else array
    bands = array.shape[2]
    if bands > 4:
        raise ImageError(f"has {bands} channels, and a photograph has at most red, green, blue and alpha")
    array = _keepable(array)
    colours = 1 if bands < 3 else 3
    alpha = np.ascontiguousarray(array[:, :, colours]) if bands > colours else None
    return np.ascontiguousarray(array[:, :, :colours]), alpha


def to_depth(values: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """Rescale between full ranges (255, 65535, 1.0), rounding to nearest; floats outside [0, 1] are clipped.

    Raises:
        ImageError: A float that is not a number or infinite has no integer to become.
    """
    if values.dtype == dtype:
        return values
    top, new_top = _white(values.dtype), _white(np.dtype(dtype))
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise ImageError("has pixels that are not finite numbers; only a float TIFF can hold them")
        values = values.clip(0, 1)
    scaled = values * np.float32(new_top / top)
    return scaled.astype(dtype) if new_top == 1 else np.rint(scaled).astype(dtype)


def to_float(values: NDArray[Any]) -> NDArray[np.float32]:
    """Integers scaled to [0, 1]; floats as they are, neither clipped nor checked."""
    return to_depth(values, np.float32) if values.dtype.kind == "u" else np.ascontiguousarray(values, np.float32)


def srgb_profile() -> bytes:
    """Return the ICC profile of pixels that were converted to sRGB, the same bytes whenever it is made."""
    profile = _profile("sRGB").tobytes()
    return profile[:24] + bytes(12) + profile[36:]  # without its date


def display_p3_profile() -> bytes:
    """Return the ICC profile of Display P3."""
    return bytes(pyvips.Image.profile_load("p3"))


def converted(image: pyvips.Image) -> pyvips.Image:
    """CMYK of libvips' as sRGB, at its own depth; alpha stays, and so does all that is not CMYK.

    It goes through its profile, where it has one that is of use.
    """
    if image.interpretation != "cmyk":
        return image
    deep = image.format != "uchar"
    inks: Any = image.extract_band(0, n=4)
    profile: Any = image.get("icc-profile-data") if image.get_typeof("icc-profile-data") else None
    # with one that is of no use libvips would take another instead, and say nothing
    if profile and _to_srgb("CMYK", profile):
        srgb = inks.icc_transform("srgb", embedded=True, **_rendering(deep=deep))
    else:
        top = 65535 if deep else 255
        paper: Any = 1 - inks.cast("float") / top
        light = paper.extract_band(0, n=3) * paper.extract_band(3) * top
        srgb = light.rint().cast(image.format).copy(interpretation="rgb16" if deep else "srgb")
    return srgb.bandjoin(image.extract_band(4)) if image.bands > 4 else srgb


def from_lab(image: pyvips.Image) -> pyvips.Image:
    """LAB as TIFF stores it, L without a sign and a and b with one, as sRGB at its own depth; white is D50."""
    deep = image.format != "uchar"
    light: Any = image.extract_band(0).cast("float") * (100 / (65535 if deep else 255))
    colours: Any = image.extract_band(1, n=2).copy(format="short" if deep else "char").cast("float")
    lab = light.bandjoin(colours / (256 if deep else 1)).copy(interpretation="lab")
    return lab.icc_export(output_profile="srgb", **_rendering(deep=deep))


def from_ycbcr(image: pyvips.Image, red: float = 0.299, green: float = 0.587, blue: float = 0.114) -> pyvips.Image:
    """Luminance and two differences over the full range, in 8 or 16 bits, as RGB; by the weights in luminance."""
    top = 255 if image.format == "uchar" else 65535
    middle = (top + 1) // 2
    to_red, to_blue = 2 - 2 * red, 2 - 2 * blue
    matrix = [
        [1, 0, to_red],
        [1, -to_blue * blue / green, -to_red * red / green],
        [1, to_blue, 0],
    ]
    centred: Any = image.cast("float") - [0, middle, middle]
    return centred.recomb(matrix).rint().cast(image.format).copy(interpretation="rgb16" if top > 255 else "srgb")


def unpremultiplied(colours: pyvips.Image, alpha: pyvips.Image) -> pyvips.Image:
    """Colours (or inks) that were multiplied with alpha, as they were before; nothing where alpha is nothing."""
    top = {"uchar": 255, "ushort": 65535}.get(str(colours.format), 1)
    whole: Any = (alpha > 0).ifthenelse(colours.cast("double") * top / alpha, 0)
    return (whole if top == 1 else whole.rint()).cast(colours.format).copy(interpretation=colours.interpretation)


def _rendering(*, deep: bool) -> dict[str, Any]:
    return {"intent": "relative", "black_point_compensation": True, "depth": 16 if deep else 8}


def _to_srgb(mode: str, icc: bytes | None) -> ImageCms.ImageCmsTransform | None:
    """From a profile, or without one from LAB; None where the profile is of no use, which is warned of."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(icc)) if icc else _profile("LAB")
        intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
        return ImageCms.buildTransform(source, _profile("sRGB"), mode, "RGB", renderingIntent=intent, flags=flags)
    except (OSError, ImageCms.PyCMSError) as error:
        _log.warning("The CMYK profile cannot be used (%s); colours are approximate", error)
        return None


def _profile(space: Literal["sRGB", "LAB"]) -> ImageCms.ImageCmsProfile:
    untyped: Any = ImageCms
    return ImageCms.ImageCmsProfile(untyped.createProfile(space))


def _keepable(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind == "f":
        return array.astype(np.float32, copy=False)
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind not in "iu" or array.min() < 0 or array.max() > 65535:
        raise ImageError("holds values that 16 bits cannot; save it as 16-bit or float TIFF first")
    return array.astype(np.uint16, copy=False)


def _white(dtype: np.dtype[Any]) -> int:
    return 1 if dtype.kind == "f" else int(np.iinfo(dtype).max)
