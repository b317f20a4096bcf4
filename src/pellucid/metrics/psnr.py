"""Peak signal-to-noise ratio."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.metrics.protocols import comparable


def psnr(a: NDArray[Any], b: NDArray[Any], protocol: str = "rgb") -> float:
    """PSNR in dB of two uint8 pictures, (H, W, C) or (H, W); infinite if they are equal.

    Args:
        a, b: pictures of the same shape, RGB or grey.
        protocol: "rgb" takes the mean over all pixels and channels (denoising, raindrops, haze);
            "matlab-y" compares the luma as MATLAB computes and rounds it (deraining).

    Raises:
        ConfigError: an unknown protocol.
        ImageError: arrays that cannot be compared.
    """
    x, y = comparable(a, b, protocol)
    error = float(np.mean((x - y) ** 2))
    return 10 * math.log10(255**2 / error) if error else math.inf
