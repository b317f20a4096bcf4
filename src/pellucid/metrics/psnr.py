"""Peak signal-to-noise ratio."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.metrics.protocols import comparable


def psnr(a: NDArray[Any], b: NDArray[Any], protocol: str = "rgb") -> float:
    """PSNR in dB of two pictures, (H, W, 1 or 3) or (H, W), uint8 or uint16; infinite if they are equal.

    Args:
        a, b: pictures of the same shape and depth; the peak is 255 or 65535.
        protocol: "rgb", "matlab-y", "skimage-rgb" or "y-float"; see ``pellucid.metrics.protocols``.

    Raises:
        ConfigError: an unknown protocol.
        ImageError: arrays that cannot be compared.
    """
    x, y, peak = comparable(a, b, protocol)
    error = float(np.mean((x - y) ** 2))
    return 10 * math.log10(peak**2 / error) if error else math.inf
