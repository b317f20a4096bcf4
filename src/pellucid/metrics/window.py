"""Means over a sliding window, of which structural similarity and naturalness are made."""

import numpy as np
from numpy.typing import NDArray


def gaussian_window(size: int, sigma: float) -> NDArray[np.float64]:
    """Weights of a one-dimensional Gaussian window that sum to 1; ``size`` is odd."""
    weights = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * sigma**2))
    return weights / weights.sum()


def local_mean(image: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Separable weighted mean over every window inside an image (H, W), smaller by a window less one."""
    for axis in (0, 1):
        image = np.lib.stride_tricks.sliding_window_view(image, len(weights), axis) @ weights
    return image
