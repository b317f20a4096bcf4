"""Structural similarity (Wang, Bovik, Sheikh and Simoncelli, 2004)."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import ImageError
from pellucid.metrics.protocols import LUMA_PROTOCOLS, Pixels, comparable
from pellucid.metrics.window import gaussian_window, local_mean

K1, K2 = 0.01, 0.03
STRIP = 32  # rows of windows at a time: what is computed on them stays in the processor's cache


def ssim(a: NDArray[Any], b: NDArray[Any], protocol: str = "rgb") -> float:
    """SSIM of two pictures, (H, W, 1 or 3) or (H, W), uint8 or uint16; 1 if they are equal.

    Args:
        a, b: pictures of the same shape and depth, at least a window (7 or 11 pixels) a side.
        protocol: "rgb" and "skimage-rgb" are scikit-image's ``structural_similarity`` with ``channel_axis``: a
            7×7 uniform window, sample covariance, the mean over channels. "matlab-y" and "y-float" are the
            original script on luma: an 11×11 Gaussian window of σ 1.5. All average over the windows that lie
            inside the picture.

    Raises:
        ConfigError: an unknown protocol.
        ImageError: arrays that cannot be compared.
    """
    x, y, peak = comparable(a, b, protocol)
    if protocol in LUMA_PROTOCOLS:
        weights, covariance_scale = gaussian_window(11, sigma=1.5), 1.0
    else:
        weights, covariance_scale = np.full(7, 1 / 7), 49 / 48
    if min(x.shape[:2]) < len(weights):
        raise ImageError(
            f"SSIM under '{protocol}' needs pictures of at least {len(weights)} pixels a side, "
            f"not {x.shape[1]}x{x.shape[0]}"
        )
    maps = _similarity(x, y, weights, covariance_scale, peak)
    total = sum(float(part.sum()) for part in maps)
    windows = np.prod([side - len(weights) + 1 for side in x.shape[:2]])
    return total / float(windows * x.shape[2])


def _similarity(x: Pixels, y: Pixels, weights: Pixels, covariance_scale: float, peak: int) -> Iterator[Pixels]:
    """The SSIM map, strip by strip and channel by channel; ``covariance_scale`` is n/(n−1) for sample covariance."""
    c1, c2 = (K1 * peak) ** 2, (K2 * peak) ** 2
    for channel in range(x.shape[2]):
        first, second = (np.ascontiguousarray(picture[:, :, channel]) for picture in (x, y))
        for top in range(0, len(first) - len(weights) + 1, STRIP):
            rows = slice(top, top + STRIP + len(weights) - 1)
            p, q = first[rows], second[rows]
            # the two variances are only ever needed as a sum
            mean_p, mean_q, squares, product = (local_mean(m, weights) for m in (p, q, p * p + q * q, p * q))
            means = mean_p * mean_q
            energy = mean_p**2 + mean_q**2
            variances = covariance_scale * (squares - energy)
            covariance = covariance_scale * (product - means)
            yield (2 * means + c1) * (2 * covariance + c2) / ((energy + c1) * (variances + c2))
