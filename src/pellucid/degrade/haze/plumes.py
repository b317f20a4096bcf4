"""Smoke in plumes: turbulent, thick in one place and thin in the next, lit from the side and by lamps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pellucid.degrade.base import chance, log_uniform, seed, tinted, uniform
from pellucid.degrade.fields import Window, sample_window, scene_axes, smooth_noise
from pellucid.degrade.haze.scattering import brightness, colours, exposed, lit_alike, numbers, through

_CELLS = 8  # of the coarsest turbulence, along the side of a scene that is not enlarged
_OCTAVES = 5
_FINE = 4  # how many times as fine as the coarsest turbulence its billows are
_AMBIENT = 0.35  # of the light: what reaches smoke that stands in the shadow of other smoke
_LAMPS = 3  # at most
_DARK, _NIGHT = 0.1, 0.3  # probabilities of smoke that is itself dark, and that only lamps light
_DIM = 0.35  # share of a day's brightness that either has

Lamp = tuple[float, float, float, tuple[float, float, float]]


@dataclass(frozen=True, kw_only=True)
class PlumesParams:
    """One picture's smoke.

    Attributes:
        optical_depth: where smoke is thick; cores of plumes reach twice as much.
        haze: optical depth of the thin smoke everywhere.
        threshold: of turbulence, in standard deviations, above which there is a plume; high for few of them.
        softness: of the rim of a plume, in standard deviations.
        folded: whether turbulence is folded, which gives wisps instead of clouds.
        size: how much of the turbulence is seen (down, across), at most 1: unlike numbers draw it out.
        billows: standard deviation of the logarithm of the density within a plume.
        warp: standard deviation of how far it is swirled, in shares of the picture.
        colour: of the smoke (R, G, B) in [0, 1], in full light.
        lit: brightness of the smoke beside the picture's brightest parts; 0: as its colour says.
        shade: optical depth from which smoke casts shadows on smoke; 0 is none.
        sun: direction that light comes from, in radians.
        lamps: each its row and column in the scene, radius, and colour.
        in_light: mix light rather than sRGB values.
        window: the part of the scene in the picture.
        seed: of the turbulence.
    """

    optical_depth: float
    haze: float
    threshold: float
    softness: float
    folded: bool
    size: tuple[float, float]
    billows: float
    warp: float
    colour: tuple[float, float, float]
    lit: float
    shade: float
    sun: float
    lamps: tuple[Lamp, ...]
    in_light: bool
    window: Window
    seed: int


@dataclass(frozen=True, kw_only=True)
class Plumes:
    """Clouds of smoke before the scene, whatever its depth: turbulence, cut at a threshold and swirled.

    It is Koschmieder's law with the scene's depth taken out: what varies is the density, by orders of magnitude, and
    the light, which smoke keeps from other smoke and which lamps and windows colour.

    Attributes:
        optical_depth: range of it where smoke is thick, log-uniform.
        haze: range of the optical depth of thin smoke everywhere, as a share of that.
        brightness: range of the smoke's brightest channel, where it is lit by day.
        tint: largest departure of the smoke from grey, in [0, 1].
        lit_alike: probability that what lights the scene lights the smoke, bright over what is bright.
        lamps: probability of lamps and windows.
        window: range of the share of the scene that is seen.
    """

    optical_depth: tuple[float, float] = (0.25, 4.0)
    haze: tuple[float, float] = (0.0, 0.25)
    brightness: tuple[float, float] = (0.5, 1.0)
    tint: float = 0.25
    lit_alike: float = 0.5
    lamps: float = 0.5
    window: tuple[float, float] = (0.25, 1.0)

    def sample(self, rng: torch.Generator) -> PlumesParams:
        """Draw the parameters for one image."""
        size, drawn_out = log_uniform(rng, 0.1, 0.6), log_uniform(rng, 0.5, 2.0)
        lamps = tuple(_lamp(rng) for _ in range(_LAMPS) if chance(rng, 0.6)) if chance(rng, self.lamps) else ()
        is_dark = chance(rng, _NIGHT if lamps else _DARK)
        brightness = uniform(rng, *self.brightness) * (_DIM if is_dark else 1.0)
        folded, optical_depth = chance(rng, 0.25), log_uniform(rng, *self.optical_depth)
        return PlumesParams(
            optical_depth=optical_depth,
            haze=optical_depth * uniform(rng, *self.haze),
            threshold=uniform(rng, -1.5, 0.0 if folded else 0.6),
            softness=log_uniform(rng, 0.5, 3.0),
            folded=folded,
            size=(size * drawn_out**-0.5, size * drawn_out**0.5),
            billows=uniform(rng, 0.0, 0.6),
            warp=uniform(rng, 0.0, 0.12),
            colour=tinted(brightness, self.tint * (uniform(rng, 0, 1) - uniform(rng, 0, 1))),
            lit=lit_alike(rng, 0.0 if is_dark else self.lit_alike),
            shade=uniform(rng, 0.0, 1.2) if chance(rng, 0.6) else 0.0,
            sun=uniform(rng, 0.0, math.tau),
            lamps=lamps,
            in_light=chance(rng, 0.5),
            window=sample_window(rng, self.window),
            seed=seed(rng),
        )

    def apply(self, image: Tensor, params: Sequence[PlumesParams]) -> Tensor:
        """Fill (B, C, H, W) in [0, 1] with smoke; a grey picture sees grey smoke."""
        density = self.density(image, params)
        haze = numbers([p.haze for p in params], image)
        transmission = (-haze - numbers([p.optical_depth for p in params], image) * density).exp()
        colour = exposed(colours([p.colour for p in params], image), brightness(image), [p.lit for p in params])
        light = self._sunlight(density, params) * colour
        light = light + torch.cat([_lamplight(image[i : i + 1], p) for i, p in enumerate(params)])
        return through(image, transmission, light.clamp(max=1), [p.in_light for p in params])

    def density(self, image: Tensor, params: Sequence[PlumesParams]) -> Tensor:
        """How thick the smoke is, (B, 1, H, W) float32 from 0 to about 2, for pictures (B, C, H, W)."""
        y, x = scene_axes([p.window for p in params], image)
        size = torch.tensor([p.size for p in params], device=image.device)[:, :, None, None]
        y, x = size[:, 0] * y, size[:, 1] * x
        field = smooth_noise([p.seed for p in params], y, x, cells=_CELLS, octaves=_OCTAVES)[:, None]
        fine = smooth_noise([p.seed + 3 for p in params], y, x, cells=_FINE * _CELLS, octaves=3)[:, None]
        swirl = [smooth_noise([p.seed + i for p in params], y, x, cells=_CELLS) for i in (1, 2)]
        warp = numbers([p.warp for p in params], image)
        fields = torch.cat([field, fine], 1)
        field, fine = _moved(fields, 2 * warp[:, 0] * swirl[0], 2 * warp[:, 0] * swirl[1]).split(1, 1)
        folded = torch.tensor([p.folded for p in params], device=image.device)[:, None, None, None]
        # |n| of unit variance has a mean of 0.8 and a deviation of 0.6.
        field = torch.where(folded, (0.8 - field.abs()) / 0.6, field)
        threshold, softness = (numbers(v, image) for v in ([p.threshold for p in params], [p.softness for p in params]))
        risen = (field - threshold).clamp(min=0)
        return risen * risen / (risen + softness) * (numbers([p.billows for p in params], image) * fine).exp()

    def _sunlight(self, density: Tensor, params: Sequence[PlumesParams]) -> Tensor:
        """Share of daylight that reaches the smoke in each place, (B, 1, H, W)."""
        shade = numbers([p.shade for p in params], density)
        if not shade.any():
            return torch.ones_like(density)
        sun = numbers([p.sun for p in params], density)[:, 0]
        before = sum(_moved(density, step * sun.sin(), step * sun.cos()) for step in (0.06, 0.16))
        return _AMBIENT + (1 - _AMBIENT) * (-shade * before).exp()


def _lamp(rng: torch.Generator) -> Lamp:
    """A lamp, orange, or a window, bluish, anywhere in the scene."""
    tint = uniform(rng, 0.1, 0.7) if chance(rng, 0.6) else -uniform(rng, 0.05, 0.5)
    y, x, radius = uniform(rng, 0, 1), uniform(rng, 0, 1), log_uniform(rng, 0.05, 0.5)
    return y, x, radius, tinted(uniform(rng, 0.2, 0.9), tint)


def _lamplight(image: Tensor, drawn: PlumesParams) -> Tensor:
    """Light of the lamps on the smoke, (1, C, H, W), for a picture (1, C, H, W)."""
    y, x = scene_axes([drawn.window], image)
    light = torch.zeros(image.shape, device=image.device)
    for row, column, radius, colour in drawn.lamps:
        distance = ((y - row) ** 2 + (x - column) ** 2) / radius**2
        light = light + colours([colour], image) / (1 + distance[:, None])
    return light


def _moved(field: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Fields (B, N, H, W) as seen from places that lie (B, H, W) further on, in half sides of the picture."""
    rows, columns = (torch.arange(n, device=field.device) for n in field.shape[2:])
    rows, columns = ((2 * places + 1) / len(places) - 1 for places in (rows, columns))
    shape = (len(field), *field.shape[2:])
    grid = torch.stack([(columns + across).expand(shape), (rows[:, None] + down).expand(shape)], -1)
    return F.grid_sample(field, grid, padding_mode="reflection", align_corners=False)
