"""Blur and brightness, which the noise of all cameras goes through."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)
_RADIUS = 6


def luma(colour: Tensor) -> Tensor:
    """Brightness (B, 1, H, W) of (B, 3, H, W) by the weights of Rec. 601, as JPEG has it."""
    weights = torch.tensor(_LUMA, device=colour.device, dtype=colour.dtype)[:, None, None]
    return (colour * weights).sum(1, keepdim=True)


def smooth(values: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Gaussian filter of (B, C, H, W), each picture with its own standard deviation in pixels, up to about 3."""
    batch, channels, height, width = values.shape
    taps = _taps(sigmas).to(values).repeat_interleave(channels, 0)[:, None]
    margin = _RADIUS
    planes = values.reshape(1, batch * channels, height, width)
    planes = F.conv2d(F.pad(planes, (margin,) * 2 + (0, 0), "replicate"), taps[:, :, None], groups=batch * channels)
    planes = F.pad(planes, (0, 0) + (margin,) * 2, "replicate")
    return F.conv2d(planes, taps[..., None], groups=batch * channels).reshape_as(values)


def coarser(noise: Tensor, sigmas: Sequence[float]) -> Tensor:
    """White noise (B, C, H, W) as coarse as ``smooth`` makes it, and as strong as it was."""
    left = _taps(sigmas).square().sum(1).to(noise)
    return smooth(noise, sigmas) / left[:, None, None, None]


def _taps(sigmas: Sequence[float]) -> Tensor:
    places = torch.arange(-_RADIUS, _RADIUS + 1)
    taps = (-0.5 * (places / torch.tensor(sigmas).clamp(min=1e-3)[:, None]) ** 2).exp()
    return taps / taps.sum(1, keepdim=True)
