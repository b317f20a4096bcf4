"""Pictures pulled in one direction: their own texture becomes lines, for what must not take every line for rain."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.degrade.base import log_uniform, uniform


@dataclass(frozen=True, kw_only=True)
class StretchParams:
    """One image's stretch.

    Attributes:
        factor: by which lengths grow along its direction.
        angle: of that direction, in degrees from the vertical.
    """

    factor: float
    angle: float


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """The picture about its middle, so many times as long in one direction, and as sharp as it was across it.

    Each attribute is a range (low, high).

    Attributes:
        factor, angle: as in ``StretchParams``; the first as likely to double as to halve.
    """

    factor: tuple[float, float] = (1.5, 5.0)
    angle: tuple[float, float] = (-35.0, 35.0)

    def sample(self, rng: torch.Generator) -> StretchParams:
        """Draw the parameters for one image."""
        return StretchParams(factor=log_uniform(rng, *self.factor), angle=uniform(rng, *self.angle))

    def apply(self, image: Tensor, params: Sequence[StretchParams]) -> Tensor:
        """Stretch (B, C, H, W) in [0, 1]; the result is in [0, 1]."""
        height, width = image.shape[2:]
        matrices: list[list[list[float]]] = []  # of where in the image, (x, y) in [-1, 1], each pixel is taken from
        for p in params:
            right, down = math.sin(math.radians(p.angle)), math.cos(math.radians(p.angle))
            shorter = 1 / p.factor - 1
            across, mixed, along = 1 + shorter * right * right, shorter * right * down, 1 + shorter * down * down
            matrices.append([[across, mixed * height / width, 0], [mixed * width / height, along, 0]])
        theta = torch.tensor(matrices, dtype=torch.float32, device=image.device)
        grid = F.affine_grid(theta, list(image.shape), align_corners=False)
        stretched = F.grid_sample(image.float(), grid, mode="bicubic", padding_mode="reflection", align_corners=False)
        return stretched.clamp(0, 1).to(image.dtype)
