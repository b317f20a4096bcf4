"""Smooth random fields over a scene of side 1, of which a picture sees a window.

A field is a function of the scene's coordinates, not of pixels: a picture of twice the resolution sees the same one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.degrade.base import log_uniform, uniform

# Root mean square over positions of a surface of cubic B-splines through unit white noise: 151/315 for each axis,
# squared for two and rooted for the deviation.
_SPLINE_STD = 151 / 315


@dataclass(frozen=True, kw_only=True)
class Window:
    """The square part of the scene that holds the picture.

    Attributes:
        top, left: its upper left corner, in [0, 1 - extent].
        extent: length of the picture's longer side; the scene is 1 by 1.
    """

    top: float = 0.0
    left: float = 0.0
    extent: float = 1.0


def sample_window(rng: torch.Generator, extent: tuple[float, float]) -> Window:
    """Draw a window of an extent from this range (log-uniform), anywhere in the scene."""
    side = log_uniform(rng, *extent)
    return Window(top=uniform(rng, 0, 1 - side), left=uniform(rng, 0, 1 - side), extent=side)


def scene_axes(windows: Sequence[Window], image: Tensor) -> tuple[Tensor, Tensor]:
    """Where in the scene the pixel centres of (B, C, H, W) lie: y (B, H, 1) and x (B, 1, W), float32."""
    height, width = image.shape[2:]
    corner = torch.tensor([(w.top, w.left, w.extent) for w in windows], device=image.device)[:, :, None]
    step = corner[:, 2] / max(height, width)
    y = corner[:, 0] + step * (torch.arange(height, device=image.device) + 0.5)
    x = corner[:, 1] + step * (torch.arange(width, device=image.device) + 0.5)
    return y[:, :, None], x[:, None, :]


def smooth_noise(seeds: Sequence[int], y: Tensor, x: Tensor, *, cells: int, octaves: int = 1) -> Tensor:
    """Sum octaves of value noise: cubic B-splines through random lattices, each twice as fine and half as strong.

    The lattices are drawn on the CPU: they are small, and give every device the same field.

    Args:
        seeds: one for each picture.
        y: rows in the scene, (B, H, 1).
        x: columns in the scene, (B, 1, W).
        cells: of the coarsest lattice, along a side of the scene.
        octaves: how many lattices.

    Returns:
        (B, H, W) with a mean of about 0 and a standard deviation of about 1 over the whole scene.
    """
    generators = [torch.Generator().manual_seed(s) for s in seeds]
    field, power = torch.zeros(1, device=y.device), 0.0
    for octave in range(octaves):
        count, strength = cells * 2**octave, 0.5**octave
        lattice = torch.stack([torch.randn(count + 3, count + 3, generator=g) for g in generators]).to(y.device)
        rows, columns = _spline(y[:, :, 0], count), _spline(x[:, 0, :], count)
        field = field + strength / _SPLINE_STD * (rows @ lattice @ columns.mT)
        power += strength**2
    return field / power**0.5


def _spline(position: Tensor, cells: int) -> Tensor:
    """Weights (B, N, cells + 3) of the lattice's nodes at positions (B, N) in [0, 1]."""
    nodes = torch.arange(-1, cells + 2, device=position.device)
    distance = (position[:, :, None] * cells - nodes).abs()
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = (2 - distance).clamp(min=0) ** 3 / 6
    return torch.where(distance < 1, near, far)
