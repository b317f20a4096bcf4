"""Smoke in a corridor: a box in perspective with things in it, and density that is met slab by slab."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.degrade.base import chance, integer, log_uniform, seed, tinted, uniform
from pellucid.degrade.fields import Window, sample_window, scene_axes, smooth_noise
from pellucid.degrade.haze.scattering import colours, numbers, through

_SLABS = 4  # in which the air is cut from the lens to the end
_REACH = 0.5  # by how much the nearest slab's turbulence is coarser than the farthest's

Box = tuple[float, float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class CorridorParams:
    """One picture's corridor.

    Attributes:
        optical_depth: from the lens to the end of the corridor.
        end: where it lies in the scene (down, across): the vanishing point.
        half: half of the height and width of the corridor where it begins, in sides of the scene.
        length: how many times as far as its beginning the end is.
        boxes: things in it, each its top, left, bottom, right in the scene, and distance, 1 the end.
        unrest: standard deviation of the logarithm of the density in a slab.
        near, far: colour of the smoke (R, G, B) in [0, 1] near the lens and at the end.
        in_light: mix light rather than sRGB values.
        window: the part of the scene in the picture.
        seed: of the density.
    """

    optical_depth: float
    end: tuple[float, float]
    half: tuple[float, float]
    length: float
    boxes: tuple[Box, ...]
    unrest: float
    near: tuple[float, float, float]
    far: tuple[float, float, float]
    in_light: bool
    window: Window
    seed: int


@dataclass(frozen=True, kw_only=True)
class Corridor:
    """Smoke along the walls of a box in perspective, summed from slab to slab.

    Nothing of it comes from the picture: depth, things and turbulence are invented, with hard edges where the picture
    has none. It differs from all other families in geometry and in how light is summed.

    Attributes:
        optical_depth: range of it up to the end of the corridor, log-uniform.
        unrest: range of the standard deviation of the logarithm of the density.
        brightness: range of the airlight's brightest channel.
        tint: largest departure of the airlight from grey, in [0, 1].
        window: range of the share of the scene that is seen.
    """

    optical_depth: tuple[float, float] = (0.2, 4.0)
    unrest: tuple[float, float] = (0.0, 1.0)
    brightness: tuple[float, float] = (0.5, 1.0)
    tint: float = 0.2
    window: tuple[float, float] = (0.25, 1.0)

    def sample(self, rng: torch.Generator) -> CorridorParams:
        """Draw the parameters for one image."""
        brightness, tint = uniform(rng, *self.brightness), self.tint * (uniform(rng, 0, 1) - uniform(rng, 0, 1))
        return CorridorParams(
            optical_depth=log_uniform(rng, *self.optical_depth),
            end=(uniform(rng, 0.2, 0.7), uniform(rng, 0.2, 0.8)),
            half=(uniform(rng, 0.4, 0.8), uniform(rng, 0.4, 0.8)),
            length=log_uniform(rng, 2.0, 8.0),
            boxes=tuple(_box(rng) for _ in range(integer(rng, 0, 4))),
            unrest=uniform(rng, *self.unrest),
            near=tinted(brightness, tint),
            far=tinted(brightness * uniform(rng, 0.7, 1.0), tint + self.tint * uniform(rng, -1, 1)),
            in_light=chance(rng, 0.5),
            window=sample_window(rng, self.window),
            seed=seed(rng),
        )

    def apply(self, image: Tensor, params: Sequence[CorridorParams]) -> Tensor:
        """Fill (B, C, H, W) in [0, 1] with smoke, slab by slab from the end; a grey picture sees grey smoke."""
        y, x = scene_axes([p.window for p in params], image)
        depth = self.depth(image, params)
        optical_depth = numbers([p.optical_depth for p in params], image) / _SLABS
        unrest = numbers([p.unrest for p in params], image)
        near, far = (colours(c, image) for c in ([p.near for p in params], [p.far for p in params]))
        hazy = image
        for slab in reversed(range(_SLABS)):
            coarse = 1 - _REACH * (1 - slab / _SLABS)
            noise = smooth_noise([p.seed + slab for p in params], coarse * y, coarse * x, cells=4, octaves=3)
            density = (unrest * noise[:, None]).exp()
            crossed = (_SLABS * depth - slab).clamp(0, 1)
            airlight = torch.lerp(near, far, (slab + 0.5) / _SLABS)
            share = (-optical_depth * density * crossed).exp()
            hazy = through(hazy, share, airlight, [p.in_light for p in params])
        return hazy

    def depth(self, image: Tensor, params: Sequence[CorridorParams]) -> Tensor:
        """Distance as a share of the corridor, (B, 1, H, W) float32 in (0, 1], for pictures (B, C, H, W)."""
        y, x = scene_axes([p.window for p in params], image)
        values = [(*p.end, *p.half, p.length) for p in params]
        down, across, height, width, length = torch.tensor(values, device=image.device).T[:, :, None, None]
        wall = torch.maximum((y - down).abs() / height, (x - across).abs() / width)
        depth = 1 / (length * wall).clamp(min=1)
        for i, p in enumerate(params):
            for top, left, bottom, right, distance in p.boxes:
                inside = (y[i] > top) & (y[i] < bottom) & (x[i] > left) & (x[i] < right)
                depth[i] = torch.where(inside, depth[i].clamp(max=distance), depth[i])
        return depth[:, None]


def _box(rng: torch.Generator) -> Box:
    """A thing that stands in the corridor, lower and larger the nearer it is."""
    distance = uniform(rng, 0.15, 0.9)
    height, width = (uniform(rng, 0.05, 0.25) / distance for _ in range(2))
    bottom, left = uniform(rng, 0.4, 0.6) + 0.15 / distance, uniform(rng, -0.2, 1.0)
    return bottom - height, left, bottom, left + width, distance
