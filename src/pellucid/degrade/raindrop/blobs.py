"""Drops on glass far out of focus: soft discs and clouds that show light but no picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.degrade.base import chance, log_uniform, seed, tinted, uniform
from pellucid.degrade.blur import DefocusBlur, DefocusBlurParams, convolve, defocus_kernels
from pellucid.degrade.raindrop.film import FilmParams, colour, sample_film, through_film
from pellucid.degrade.raindrop.stamping import outline, scatter, stamp


@dataclass(frozen=True, kw_only=True)
class BlobsParams:
    """One image's drops.

    Attributes:
        coverage: expected share of the glass under drops, before they spread out of focus, in (0, 1).
        radii: smallest and largest, in pixels.
        lens: how far the glass is out of focus.
        opacity: of the middle of a large drop, in [0, 1].
        sky: colour of what the drops gather, sRGB.
        own: share of the picture's own light in them, in [0, 1]; the rest is sky.
        dark: share of drops that are darker than what they hide, in [0, 1].
        variety: how much their brightness differs, in [0, 1].
        shading: how much darker the upper half of each is, in [0, 1].
        film: on the glass everywhere.
        seed: of the single drops.
    """

    coverage: float
    radii: tuple[float, float]
    lens: DefocusBlurParams
    opacity: float
    sky: tuple[float, float, float]
    own: float
    dark: float
    variety: float
    shading: float
    film: FilmParams
    seed: int


@dataclass(frozen=True, kw_only=True)
class Blobs:
    """Soft bright or dark patches of nearly one colour, mixed in sRGB values.

    With the camera focused far behind the glass, a drop is a patch of the mean light that it gathers. As that is from
    all before the glass, and half of that is sky, most patches are brighter than what they hide. Nothing is refracted.

    Each attribute is a range (low, high).

    Attributes:
        coverage: as in ``BlobsParams``; as likely to double as to halve.
        smallest, largest: radii in pixels; as likely to double as to halve.
        defocus: radius of the circle of confusion, in pixels; as likely to double as to halve.
        opacity: as in ``BlobsParams``; as likely to double as to halve.
        brightness: of the sky, sRGB.
        own, variety, shading: as in ``BlobsParams``.
        film: strength of the film of water on the glass, in [0, 1].
        scale: multiplies all lengths in pixels, for larger pictures.
    """

    coverage: tuple[float, float] = (0.08, 0.6)
    smallest: tuple[float, float] = (1.5, 6.0)
    largest: tuple[float, float] = (6.0, 30.0)
    defocus: tuple[float, float] = (2.0, 20.0)
    opacity: tuple[float, float] = (0.25, 1.0)
    brightness: tuple[float, float] = (0.55, 1.0)
    own: tuple[float, float] = (0.0, 0.6)
    variety: tuple[float, float] = (0.0, 0.4)
    shading: tuple[float, float] = (0.0, 0.6)
    film: tuple[float, float] = (0.0, 1.0)
    scale: float = 1.0

    def sample(self, rng: torch.Generator) -> BlobsParams:
        """Draw the parameters for one image."""
        return BlobsParams(
            coverage=log_uniform(rng, *self.coverage),
            radii=(self.scale * log_uniform(rng, *self.smallest), self.scale * log_uniform(rng, *self.largest)),
            lens=DefocusBlur(
                radius=self.defocus, softness=(0.0, 1.5), rim=(-0.5, 1.0), round=0.7, scale=self.scale
            ).sample(rng),
            opacity=log_uniform(rng, *self.opacity),
            sky=tinted(uniform(rng, *self.brightness), uniform(rng, -0.15, 0.1)),
            own=uniform(rng, *self.own),
            dark=uniform(rng, 0.0, 1.0) if chance(rng, 0.2) else 0.0,
            variety=uniform(rng, *self.variety),
            shading=uniform(rng, *self.shading),
            film=sample_film(rng, uniform(rng, *self.film), self.scale),
            seed=seed(rng),
        )

    def apply(self, image: Tensor, params: Sequence[BlobsParams]) -> Tensor:
        """Look at (B, C, H, W) in [0, 1] through wet glass; the result is in [0, 1]."""
        return torch.cat([_degraded(one[None], p) for one, p in zip(image, params, strict=True)])


def _degraded(image: Tensor, p: BlobsParams) -> Tensor:
    height, width = image.shape[2:]
    rng = torch.Generator().manual_seed(p.seed)
    drops = scatter(rng, (height, width), coverage=p.coverage, radii=p.radii, steepness=1.2)
    to_rim = outline(rng, len(drops[0]), 1.0)
    lit = 1 + p.variety * (2 * torch.rand(len(drops[0]), generator=rng) - 1)
    lit[torch.rand(len(drops[0]), generator=rng) < p.dark] *= 0.3
    x, y, radius = (each.to(image.device) for each in drops)
    depth, owner = stamp(
        (height, width),
        x,
        y,
        radius,
        lambda across, down, which: (1 - to_rim(across, down, which)) * radius[which] + 0.5,
        margin=0.5 * p.radii[1],
    )
    mask = p.opacity * depth.clamp(0, 1)
    own = owner.clamp_min(0)
    down = (torch.arange(height, device=image.device)[:, None] - y[own]) / radius[own]
    brightness = lit.to(image.device)[own] * (1 + p.shading * down.clamp(-1, 1))

    # each drop gathers nearly all the picture, upside down
    gathered = F.interpolate(image.flip((2, 3)), (3, 3), mode="area")
    gathered = F.interpolate(gathered, (height, width), mode="bilinear")
    light = torch.lerp(colour(p.sky, image).expand_as(gathered), gathered, p.own) * brightness
    layers = torch.cat((mask[None, None], mask * light), 1).float()
    kernel = defocus_kernels([p.lens]).to(image.device)
    blurred = convolve(layers, kernel).clamp(0, 1).to(image.dtype)
    return ((1 - blurred[:, :1]) * through_film(image, p.film) + blurred[:, 1:]).clamp(0, 1)
