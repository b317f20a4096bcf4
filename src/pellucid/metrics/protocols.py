"""What is compared under each protocol's name: which channels, and rounded how."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import ConfigError, ImageError, did_you_mean

PROTOCOLS = ("rgb", "matlab-y")
Pixels = NDArray[np.float64]


def comparable(a: NDArray[Any], b: NDArray[Any], protocol: str) -> tuple[Pixels, Pixels]:
    """The two pictures as the protocol compares them: float64 (H, W, C) on the scale of 0-255.

    Raises:
        ConfigError: an unknown protocol.
        ImageError: not uint8, not (H, W) or (H, W, C), of different shapes, or grey under "matlab-y".
    """
    if protocol not in PROTOCOLS:
        raise ConfigError(f"Unknown protocol '{protocol}'.{did_you_mean(protocol, PROTOCOLS)}")
    for picture in (a, b):
        if picture.dtype != np.uint8 or picture.ndim not in (2, 3):
            raise ImageError(f"Metrics compare uint8 (H, W, C) arrays, not {picture.dtype} {picture.shape}")
    if a.shape != b.shape:
        raise ImageError(f"The pictures differ in size: {a.shape} and {b.shape}")
    x, y = (np.atleast_3d(picture).astype(np.float64) for picture in (a, b))
    return (_matlab_y(x), _matlab_y(y)) if protocol == "matlab-y" else (x, y)


def _matlab_y(rgb: Pixels) -> Pixels:
    """MATLAB's rgb2ycbcr on uint8: BT.601 luma in 16-235, rounded to an integer as uint8 is there."""
    if rgb.shape[2] != 3:
        raise ImageError(f"Protocol 'matlab-y' compares RGB pictures, not {rgb.shape[2]} channel(s)")
    luma = rgb @ np.array([65.481, 128.553, 24.966]) / 255 + 16
    return np.floor(luma + 0.5)[:, :, None]
