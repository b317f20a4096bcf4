"""Drops on glass in focus or nearly so, each a small wide-angle lens that shows the scene upside down."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.degrade.base import chance, log_uniform, seed, uniform
from pellucid.degrade.blur import gaussian_blur
from pellucid.degrade.camera import to_linear, to_srgb
from pellucid.degrade.raindrop.film import FilmParams, sample_film, through_film
from pellucid.degrade.raindrop.stamping import outline, scatter, stamp

SEAM = 3.0  # pixels beyond its rim to which a drop's view is known, for rims that move where drops join


@dataclass(frozen=True, kw_only=True)
class BeadsParams:
    """One image's drops.

    Attributes:
        coverage: expected share of the picture under drops, in (0, 1).
        radii: smallest and largest, in pixels.
        steepness: of the power law of their sizes.
        irregularity: how far outlines are from circles, in [0, 1].
        field: how much of the picture a drop shows, from its centre to its rim, in half pictures.
        elsewhere: 0: drops look straight ahead; 1: all at the same part of the picture.
        gaze: that part, x and y in [-1, 1].
        sky: light above the picture; 1 is that of a grey sky, darker where the picture is.
        rim: how dark the upper rim is, in [0, 1].
        glint: light of the reflection of a lamp or of the sun.
        glint_angle: where it is, in radians from the top.
        softness: standard deviation of the blur of the drops, in pixels.
        film: on the glass between the drops.
        seed: of the single drops.
    """

    coverage: float
    radii: tuple[float, float]
    steepness: float
    irregularity: float
    field: float
    elsewhere: float
    gaze: tuple[float, float]
    sky: float
    rim: float
    glint: float
    glint_angle: float
    softness: float
    film: FilmParams
    seed: int


@dataclass(frozen=True, kw_only=True)
class Beads:
    """Drops from pinheads to large blobs, with the scene in each.

    A drop gives an image of nearly all that is before the glass, mirrored and upside down (Roser and Geiger,
    "Video-based raindrop detection for improved image registration", ICCV Workshops 2009). Here each has its own
    fisheye view, and where drops touch the views meet along a seam, unlike in ``Raindrops``, whose views follow the
    slope of one water surface.

    Each attribute is a range (low, high).

    Attributes:
        coverage: as in ``BeadsParams``; as likely to double as to halve.
        smallest, largest: radii in pixels; as likely to double as to halve.
        sky, softness: as in ``BeadsParams``; as likely to double as to halve.
        steepness, irregularity, field, rim, glint: as in ``BeadsParams``.
        film: strength of the film of water between the drops, in [0, 1].
        scale: multiplies all lengths in pixels, for larger pictures.
    """

    coverage: tuple[float, float] = (0.03, 0.5)
    smallest: tuple[float, float] = (1.0, 4.0)
    largest: tuple[float, float] = (5.0, 32.0)
    steepness: tuple[float, float] = (0.5, 2.5)
    irregularity: tuple[float, float] = (0.0, 0.8)
    field: tuple[float, float] = (0.4, 1.6)
    sky: tuple[float, float] = (1.0, 6.0)
    rim: tuple[float, float] = (0.2, 0.95)
    glint: tuple[float, float] = (0.0, 1.5)
    softness: tuple[float, float] = (0.3, 4.0)
    film: tuple[float, float] = (0.0, 0.6)
    scale: float = 1.0

    def sample(self, rng: torch.Generator) -> BeadsParams:
        """Draw the parameters for one image."""
        return BeadsParams(
            coverage=log_uniform(rng, *self.coverage),
            radii=(self.scale * log_uniform(rng, *self.smallest), self.scale * log_uniform(rng, *self.largest)),
            steepness=uniform(rng, *self.steepness),
            irregularity=uniform(rng, *self.irregularity),
            field=uniform(rng, *self.field),
            elsewhere=uniform(rng, 0.0, 1.0) if chance(rng, 0.5) else 0.0,
            gaze=(uniform(rng, -0.8, 0.8), uniform(rng, -0.8, 0.8)),
            sky=log_uniform(rng, *self.sky),
            rim=uniform(rng, *self.rim),
            glint=uniform(rng, *self.glint),
            glint_angle=uniform(rng, -1.0, 1.0),
            softness=self.scale * log_uniform(rng, *self.softness),
            film=sample_film(rng, uniform(rng, *self.film), self.scale),
            seed=seed(rng),
        )

    def apply(self, image: Tensor, params: Sequence[BeadsParams]) -> Tensor:
        """Look at (B, C, H, W) in [0, 1] through wet glass; the result is in [0, 1]."""
        return torch.cat([_degraded(one[None], p) for one, p in zip(image, params, strict=True)])


def _degraded(image: Tensor, p: BeadsParams) -> Tensor:
    light = to_linear(image)
    height, width = image.shape[2:]
    rng = torch.Generator().manual_seed(p.seed)
    drops = scatter(rng, (height, width), coverage=p.coverage, radii=p.radii, steepness=p.steepness)
    to_rim = outline(rng, len(drops[0]), p.irregularity)
    x, y, radius = (each.to(image.device) for each in drops)

    depth, owner = stamp(
        (height, width),
        x,
        y,
        radius,
        lambda across, down, which: (1 - to_rim(across, down, which)) * radius[which] + SEAM,
        margin=SEAM + 0.5 * p.irregularity * p.radii[1],
    )
    rounded = gaussian_blur(depth[None, None], [1.0])  # surface tension rounds the corners where drops touch
    mask = (rounded - SEAM + 0.5).clamp(0, 1).to(image.dtype)

    own = owner.clamp_min(0)
    across = (torch.arange(width, device=image.device) - x[own]) / radius[own]
    down = (torch.arange(height, device=image.device)[:, None] - y[own]) / radius[own]
    ahead = (2 * x[own] / width - 1, 2 * y[own] / height - 1)
    seen = _seen(light, p, ahead, across, down)

    drops_light = gaussian_blur(torch.cat((mask, mask * seen), 1), [p.softness])
    scene = through_film(light, p.film)
    return to_srgb(((1 - drops_light[:, :1]) * scene + drops_light[:, 1:]).clamp(0, 1))


def _seen(light: Tensor, p: BeadsParams, ahead: tuple[Tensor, Tensor], across: Tensor, down: Tensor) -> Tensor:
    """The light (1, C, H, W) from water ``across`` and ``down`` radii from the centre of a drop before ``ahead``."""
    squared = across**2 + down**2
    bend = p.field * (0.6 + 0.8 * squared)  # a fisheye: the view widens towards the rim
    gaze = [a + p.elsewhere * (g - a) for a, g in zip(ahead, p.gaze, strict=True)]
    view_x, view_y = gaze[0] - bend * across, gaze[1] - bend * down
    shrink = max(2, round(4 * p.field))
    small = F.interpolate(light, [max(1, side // shrink) for side in light.shape[2:]], mode="area")
    grid = torch.stack((view_x, view_y), 2)[None].to(light.dtype)
    seen = F.grid_sample(small, grid, padding_mode="reflection", align_corners=False)

    typical = light.mean((2, 3), keepdim=True)
    grey = (typical + typical.mean(1, keepdim=True)) / 2
    above, below = ((-view_y - 0.7).clamp(0, 1), (view_y - 0.7).clamp(0, 1))
    sky = p.sky * (0.2 * grey).sqrt()  # what is dark may lie under a bright sky, or under a night's
    seen = torch.lerp(seen, sky, above)
    seen = torch.lerp(seen, 0.4 * typical, below)

    distance = squared.sqrt()
    upper = (0.5 - 0.5 * down / distance.clamp_min(1e-3)).clamp(0, 1)
    seen = seen * (1 - p.rim * distance.clamp_max(1) ** 4 * (0.3 + 0.7 * upper))
    spot = (across - 0.55 * math.sin(p.glint_angle)) ** 2 + (down + 0.55 * math.cos(p.glint_angle)) ** 2
    return seen + p.glint * (-spot / 0.02).exp() * grey.amax().clamp_min(0.05) * 2
