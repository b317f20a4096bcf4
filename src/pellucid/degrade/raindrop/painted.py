"""Drops as image editors draw them: shapes with an inner shadow, a gradient, a highlight and a shadow below."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.degrade.base import log_uniform, seed, uniform
from pellucid.degrade.blur import gaussian_blur
from pellucid.degrade.raindrop.stamping import outline, scatter, stamp


@dataclass(frozen=True, kw_only=True)
class PaintedParams:
    """One image's drops.

    Attributes:
        coverage: expected share of the picture under drops, in (0, 1).
        radii: smallest and largest, in pixels.
        stretch: how much longer than wide drops are.
        opacity: of the gradient from black at the top to white at the bottom, in [0, 1].
        middle: where in a drop, from -1 at its top to 1 at its bottom, black goes over into white.
        shadow: strength of the shadow at the upper rim inside, and of the one below the drop, in [0, 1].
        highlight: opacity of the white spot, in [0, 1].
        spot: where that is: x and y in radii.
        sigma: standard deviation of the blur of all that is drawn, in pixels.
        seed: of the single drops.
    """

    coverage: float
    radii: tuple[float, float]
    stretch: float
    opacity: float
    middle: float
    shadow: float
    highlight: float
    spot: tuple[float, float]
    sigma: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class Painted:
    """Layers of black and white over the picture, in sRGB values: no optics at all.

    For validation: a network that was trained on refracted drops has seen nothing that is made like this.

    Each attribute is a range (low, high).

    Attributes:
        coverage: as in ``PaintedParams``; as likely to double as to halve.
        smallest, largest: radii in pixels; as likely to double as to halve.
        stretch, opacity, middle, shadow, highlight: as in ``PaintedParams``.
        sigma: as in ``PaintedParams``; as likely to double as to halve.
        scale: multiplies all lengths in pixels, for larger pictures.
    """

    coverage: tuple[float, float] = (0.03, 0.45)
    smallest: tuple[float, float] = (1.5, 5.0)
    largest: tuple[float, float] = (5.0, 24.0)
    stretch: tuple[float, float] = (1.0, 1.6)
    opacity: tuple[float, float] = (0.2, 0.9)
    middle: tuple[float, float] = (-0.8, 0.4)
    shadow: tuple[float, float] = (0.0, 0.7)
    highlight: tuple[float, float] = (0.0, 1.0)
    sigma: tuple[float, float] = (0.4, 5.0)
    scale: float = 1.0

    def sample(self, rng: torch.Generator) -> PaintedParams:
        """Draw the parameters for one image."""
        return PaintedParams(
            coverage=log_uniform(rng, *self.coverage),
            radii=(self.scale * log_uniform(rng, *self.smallest), self.scale * log_uniform(rng, *self.largest)),
            stretch=uniform(rng, *self.stretch),
            opacity=uniform(rng, *self.opacity),
            middle=uniform(rng, *self.middle),
            shadow=uniform(rng, *self.shadow),
            highlight=uniform(rng, *self.highlight),
            spot=(uniform(rng, -0.4, 0.4), uniform(rng, -0.5, -0.1)),
            sigma=self.scale * log_uniform(rng, *self.sigma),
            seed=seed(rng),
        )

    def apply(self, image: Tensor, params: Sequence[PaintedParams]) -> Tensor:
        """Draw drops over (B, C, H, W) in [0, 1]; the result is in [0, 1]."""
        return torch.cat([_degraded(one[None], p) for one, p in zip(image, params, strict=True)])


def _degraded(image: Tensor, p: PaintedParams) -> Tensor:
    height, width = image.shape[2:]
    rng = torch.Generator().manual_seed(p.seed)
    drops = scatter(rng, (height, width), coverage=p.coverage, radii=p.radii, steepness=1.2)
    to_rim = outline(rng, len(drops[0]), 0.5)
    x, y, radius = (each.to(image.device) for each in drops)
    wide = math.sqrt(p.stretch)

    def depth(across: Tensor, down: Tensor, which: Tensor) -> Tensor:
        return (1 - to_rim(across * wide, down / wide, which)) * radius[which] + 0.5

    inside, owner = stamp((height, width), x, y, radius, depth, margin=p.radii[1])
    below, _ = stamp((height, width), x, y + 0.25 * radius, radius, depth, margin=p.radii[1])
    own = owner.clamp_min(0)
    across = (torch.arange(width, device=image.device) - x[own]) / radius[own]
    down = (torch.arange(height, device=image.device)[:, None] - y[own]) / radius[own]

    grey = ((down - p.middle) * 0.8 + 0.5).clamp(0, 1)
    grey = grey * (1 - p.shadow * (1 - inside / (0.4 * radius[own])).clamp(0, 1) * (down < 0))
    spot = ((across - p.spot[0]) / 0.22) ** 2 + ((down - p.spot[1]) / 0.14) ** 2 < 1
    alpha = inside.clamp(0, 1) * torch.where(spot, max(p.opacity, p.highlight), p.opacity)
    grey = torch.where(spot, torch.lerp(grey, torch.ones_like(grey), p.highlight), grey)
    cast = 0.5 * p.shadow * below.clamp(0, 1) * (1 - inside.clamp(0, 1))
    layers = torch.stack((alpha, alpha * grey, cast))[None].to(image.dtype)
    alpha, white, cast = gaussian_blur(layers, [p.sigma]).split(1, 1)
    return (image * (1 - cast) * (1 - alpha) + white).clamp(0, 1)
