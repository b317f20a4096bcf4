"""Drops that run down the glass, the rivulets behind them, and the beads they leave."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.degrade.base import log_uniform, seed, uniform
from pellucid.degrade.blur import gaussian_blur
from pellucid.degrade.raindrop.film import FilmParams, sample_film, through_film
from pellucid.degrade.raindrop.refraction import displaced, slope
from pellucid.degrade.raindrop.stamping import scatter, stamp


@dataclass(frozen=True, kw_only=True)
class RunsParams:
    """One image's running drops.

    Attributes:
        spacing: of the trails, across the picture, in pixels.
        width: radius of a rivulet, in pixels.
        wander: how far trails stray from straight lines, in pixels.
        lean: slope of the trails, sideways for each pixel down.
        wet: share of a trail that is still a rivulet, in [0, 1]; the rest has broken up into beads.
        beads: expected share of the picture under beads beside the trails, in (0, 1).
        view: how many pixels away water of slope 1 looks.
        shade: how much water facing the light is brighter, and that facing away darker, in [0, 1].
        light: direction of the light, in radians from straight above.
        softness: standard deviation of the blur of the water, in pixels.
        film: mist on the glass, which the drops have wiped off their trails.
        seed: of the single drops.
    """

    spacing: float
    width: float
    wander: float
    lean: float
    wet: float
    beads: float
    view: float
    shade: float
    light: float
    softness: float
    film: FilmParams
    seed: int


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Trails of water down the glass, which refract: the scene is warped by the slope of a map of water heights.

    Each attribute is a range (low, high).

    Attributes:
        spacing, width, wander, beads, view: as in ``RunsParams``; as likely to double as to halve.
        lean, wet, shade, softness: as in ``RunsParams``.
        film: strength of the mist, in [0, 1].
        scale: multiplies all lengths in pixels, for larger pictures.
    """

    spacing: tuple[float, float] = (12.0, 100.0)
    width: tuple[float, float] = (1.0, 6.0)
    wander: tuple[float, float] = (1.0, 16.0)
    lean: tuple[float, float] = (-0.25, 0.25)
    wet: tuple[float, float] = (0.0, 1.0)
    beads: tuple[float, float] = (0.003, 0.15)
    view: tuple[float, float] = (4.0, 60.0)
    shade: tuple[float, float] = (0.05, 0.9)
    softness: tuple[float, float] = (0.4, 2.0)
    film: tuple[float, float] = (0.0, 1.0)
    scale: float = 1.0

    def sample(self, rng: torch.Generator) -> RunsParams:
        """Draw the parameters for one image."""
        return RunsParams(
            spacing=self.scale * log_uniform(rng, *self.spacing),
            width=self.scale * log_uniform(rng, *self.width),
            wander=self.scale * log_uniform(rng, *self.wander),
            lean=uniform(rng, *self.lean),
            wet=uniform(rng, *self.wet),
            beads=log_uniform(rng, *self.beads),
            view=self.scale * log_uniform(rng, *self.view),
            shade=uniform(rng, *self.shade),
            light=uniform(rng, -1.0, 1.0),
            softness=self.scale * uniform(rng, *self.softness),
            film=sample_film(rng, uniform(rng, *self.film), self.scale),
            seed=seed(rng),
        )

    def apply(self, image: Tensor, params: Sequence[RunsParams]) -> Tensor:
        """Look at (B, C, H, W) in [0, 1] through wet glass; the result is in [0, 1]."""
        return torch.cat([_degraded(one[None], p) for one, p in zip(image, params, strict=True)])


def _degraded(image: Tensor, p: RunsParams) -> Tensor:
    height, width = image.shape[2:]
    drops, wiped = (each.to(image.device) for each in _water(p, height, width))
    x, y, radius = drops
    caps, _ = stamp(
        (height, width), x, y, radius, lambda across, down, which: radius[which] * (1 - across**2 - down**2) / 2
    )
    water = gaussian_blur(caps[None, None].to(image.dtype), [p.softness])
    tilt = slope(water)
    x, y, reach = wiped
    trails, _ = stamp((height, width), x, y, reach, lambda across, down, which: 2 - 2 * torch.hypot(across, down))
    misty = gaussian_blur(1 - trails.clamp(0, 1)[None, None].to(image.dtype), [max(1.0, p.softness)])

    scene = torch.lerp(image, through_film(image, p.film), misty)
    towards = torch.tensor((math.sin(p.light), math.cos(p.light)), dtype=image.dtype, device=image.device)
    facing = -(tilt * towards[:, None, None]).sum(1, keepdim=True)  # water that thins downwards shows the sky
    shrink = 1 + round(p.view / 12)  # water that bends much shows the scene smaller
    small = F.interpolate(scene, [-(-height // shrink), -(-width // shrink)], mode="area")
    lit = displaced(small, -p.view * tilt) * (1 + p.shade * facing) + 0.5 * p.shade * facing.clamp_min(0)
    return torch.lerp(scene, lit, (4 * water).clamp(0, 1)).clamp(0, 1)


def _water(p: RunsParams, height: int, width: int) -> tuple[Tensor, Tensor]:
    """All drops, and discs that were wiped clear: x, y and radius in pixels, each (3, N) on the CPU."""
    rng = torch.Generator().manual_seed(p.seed)
    trails = [_trail(rng, p, height, width) for _ in range(max(1, round(width / p.spacing)))]
    beads = scatter(rng, (height, width), coverage=p.beads, radii=(0.3 * p.width + 0.7, p.width + 1.5), steepness=1.5)
    water, wiped = zip(*trails, strict=True)
    return torch.cat((*water, torch.stack(beads)), 1), torch.cat(wiped, 1)


def _trail(rng: torch.Generator, p: RunsParams, height: int, width: int) -> tuple[Tensor, Tensor]:
    """One trail, as ``_water`` gives them: a head, a rivulet behind it, and beads where that has broken up."""
    start, end = uniform(rng, -0.5, 0.6) * height, uniform(rng, 0.3, 1.4) * height
    end = max(end, start + 8 * p.width)
    thickness = p.width * uniform(rng, 0.5, 1.4)
    y = torch.arange(start, end, 0.4 * thickness)
    x = uniform(rng, 0.0, width) + p.lean * (y - start)
    for octave in range(3):
        pace = uniform(rng, 0.5, 1.0) * 2**octave / (12 * p.wander)
        x += p.wander / 2**octave * (pace * y + uniform(rng, 0.0, math.tau)).sin()

    chances, sizes = torch.rand((2, len(y)), generator=rng)
    broken = y < end - p.wet * (end - start)
    radius = thickness * torch.where(broken, 0.35 + 0.65 * sizes, 0.8 + 0.2 * (y / (6 * p.width)).sin())
    aside = torch.where(broken, 0.3 * thickness * torch.randn(len(y), generator=rng), 0.0)
    left = torch.stack((x + aside, y, radius))[:, ~broken | (chances < 0.12)]
    taper = torch.linspace(0, 1, 4)  # the head is longer than wide
    head = torch.stack((x[-1].expand(4), end - 2 * thickness * taper, thickness * (1.9 - 0.7 * taper)))
    return torch.cat((left, head), 1), torch.stack((x, y, torch.full_like(x, 1.6 * thickness)))[:, ::2]
