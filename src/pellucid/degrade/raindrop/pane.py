"""A wet pane: sheets of water of random shape that bend, blur and brighten what is behind them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.degrade.base import log_uniform, seed, tinted, uniform
from pellucid.degrade.blur import gaussian_blur
from pellucid.degrade.raindrop.film import FilmParams, colour, sample_film, through_film
from pellucid.degrade.raindrop.refraction import displaced, slope


@dataclass(frozen=True, kw_only=True)
class PaneParams:
    """One image's water.

    Attributes:
        grain: size of the patches of water, in pixels.
        stretch: how much longer than wide they are.
        roughness: share of finer shapes in them, in [0, 1].
        cover: share of the picture under water, in (0, 1).
        edge: width of the slope at the border of a patch, in pixels.
        bend: how many pixels away water of slope 1 looks.
        blur: standard deviation of the blur under water, in pixels.
        glow: light that the water adds from elsewhere, as a colour in sRGB.
        opacity: share of that light, in [0, 1].
        shade: how much lower edges are brighter and upper ones darker, in [0, 1].
        film: on the glass everywhere.
        seed: of the shapes.
    """

    grain: float
    stretch: float
    roughness: float
    cover: float
    edge: float
    bend: float
    blur: float
    glow: tuple[float, float, float]
    opacity: float
    shade: float
    film: FilmParams
    seed: int


@dataclass(frozen=True, kw_only=True)
class Pane:
    """Water wherever smooth noise is above a threshold: no drop has a shape of its own.

    Each attribute is a range (low, high).

    Attributes:
        grain, stretch, edge, bend, blur, opacity, cover: as in ``PaneParams``; as likely to double as to halve.
        roughness, shade: as in ``PaneParams``.
        brightness: of the light from elsewhere, sRGB.
        film: strength of the film of water on the glass, in [0, 1].
        scale: multiplies all lengths in pixels, for larger pictures.
    """

    grain: tuple[float, float] = (3.0, 40.0)
    stretch: tuple[float, float] = (1.0, 2.5)
    roughness: tuple[float, float] = (0.0, 0.5)
    cover: tuple[float, float] = (0.05, 0.6)
    edge: tuple[float, float] = (1.5, 14.0)
    bend: tuple[float, float] = (1.0, 30.0)
    blur: tuple[float, float] = (0.5, 8.0)
    opacity: tuple[float, float] = (0.05, 0.8)
    brightness: tuple[float, float] = (0.45, 1.0)
    shade: tuple[float, float] = (0.0, 0.6)
    film: tuple[float, float] = (0.0, 1.0)
    scale: float = 1.0

    def sample(self, rng: torch.Generator) -> PaneParams:
        """Draw the parameters for one image."""
        return PaneParams(
            grain=self.scale * log_uniform(rng, *self.grain),
            stretch=log_uniform(rng, *self.stretch),
            roughness=uniform(rng, *self.roughness),
            cover=log_uniform(rng, *self.cover),
            edge=self.scale * log_uniform(rng, *self.edge),
            bend=self.scale * log_uniform(rng, *self.bend),
            blur=self.scale * log_uniform(rng, *self.blur),
            glow=tinted(uniform(rng, *self.brightness), uniform(rng, -0.15, 0.1)),
            opacity=log_uniform(rng, *self.opacity),
            shade=uniform(rng, *self.shade),
            film=sample_film(rng, uniform(rng, *self.film), self.scale),
            seed=seed(rng),
        )

    def apply(self, image: Tensor, params: Sequence[PaneParams]) -> Tensor:
        """Look at (B, C, H, W) in [0, 1] through wet glass; the result is in [0, 1]."""
        return torch.cat([_degraded(one[None], p) for one, p in zip(image, params, strict=True)])


def _degraded(image: Tensor, p: PaneParams) -> Tensor:
    water = _water(image, p)
    tilt = slope(gaussian_blur(water, [p.edge / 2])) * p.edge  # 1 at the steepest, whatever the width of the edge
    offset = p.bend * tilt.clamp(-1, 1)
    wet = torch.lerp(displaced(gaussian_blur(image, [p.blur]), offset), colour(p.glow, image), p.opacity)
    wet = wet * (1 - p.shade * tilt[:, 1:].clamp(-1, 1))  # water that thins downwards shows the sky
    return torch.lerp(through_film(image, p.film), wet, water).clamp(0, 1)


def _water(image: Tensor, p: PaneParams) -> Tensor:
    """How much of each pixel of ``image`` (1, C, H, W) is under water, (1, 1, H, W)."""
    height, width = image.shape[2:]
    rng = torch.Generator().manual_seed(p.seed)
    field = torch.zeros(1, 1, height, width)
    for octave, strength in enumerate((1.0, p.roughness, p.roughness**2)):
        rows = 4 + int(height / (p.grain * p.stretch) * 2**octave)
        columns = 4 + int(width / p.grain * 2**octave)
        lattice = torch.randn((1, 1, rows, columns), generator=rng)
        field += strength * F.interpolate(lattice, (height, width), mode="bicubic")
    above = field - field.flatten().kthvalue(max(1, round((1 - p.cover) * field.numel()))).values
    steepness = slope(field).square().sum(1, keepdim=True).mean().sqrt().clamp_min(1e-4)
    water = (above / (steepness * p.edge) + 0.5).clamp(0, 1)
    return (water * water * (3 - 2 * water)).to(image)
