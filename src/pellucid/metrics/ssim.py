"""Structural similarity (Wang et al., 2004)."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from pellucid.errors import ImageError
from pellucid.metrics.protocols import comparable

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ssim(a: NDArray[Any], b: NDArray[Any], protocol: str = "rgb") -> float:
    """SSIM of two uint8 pictures, (H, W, C) or (H, W), at least 11 pixels a side; 1 if they are equal.

    Args:
        a, b: pictures of the same shape, RGB or grey.
        protocol: "rgb" is scikit-image's default with ``channel_axis``: a 7×7 uniform window, sample
            covariance, the mean over channels. "matlab-y" is the original script on MATLAB's luma: an
            11×11 Gaussian window of σ 1.5. Both average over windows that lie inside the picture.

    Raises:
        ConfigError: an unknown protocol.
        ImageError: arrays that cannot be compared.
    """
    x, y = comparable(a, b, protocol)
    if min(x.shape[:2]) < 11:
        raise ImageError(f"SSIM needs pictures of at least 11 pixels a side, not {x.shape[1]}x{x.shape[0]}")
    if protocol == "matlab-y":
        offsets = np.arange(-5, 6)
        window, covariance_scale = np.exp(-(offsets**2) / (2 * 1.5**2)), 1.0
    else:
        window, covariance_scale = np.ones(7), 49 / 48
    return _mean_ssim(x, y, window / window.sum(), covariance_scale)


def _mean_ssim(x: NDArray[Any], y: NDArray[Any], window: NDArray[Any], covariance_scale: float) -> float:
    """Mean of the SSIM map over windows and channels; ``covariance_scale`` is n/(n−1) for sample covariance."""
    first, second = (torch.from_numpy(p).permute(2, 0, 1)[:, None] for p in (x, y))  # (C, 1, H, W)
    weights = torch.from_numpy(window)

    def local_mean(image: Tensor) -> Tensor:
        rows = F.conv2d(image, weights[None, None, :, None])
        return F.conv2d(rows, weights[None, None, None, :])

    mean_x, mean_y = local_mean(first), local_mean(second)
    var_x = (local_mean(first * first) - mean_x**2) * covariance_scale
    var_y = (local_mean(second * second) - mean_y**2) * covariance_scale
    covariance = (local_mean(first * second) - mean_x * mean_y) * covariance_scale
    similarity = ((2 * mean_x * mean_y + C1) * (2 * covariance + C2)) / (
        (mean_x**2 + mean_y**2 + C1) * (var_x + var_y + C2)
    )
    return float(similarity.mean())
