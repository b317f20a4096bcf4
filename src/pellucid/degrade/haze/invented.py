"""Haze over an invented depth, and smoke in a room: Koschmieder's law with everything drifting."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from pellucid.degrade.base import chance, seed, uniform
from pellucid.degrade.camera import to_linear, to_srgb
from pellucid.degrade.fields import Window, sample_window, scene_axes, smooth_noise
from pellucid.degrade.haze.guided import guided, reduced
from pellucid.degrade.haze.scattering import colours, numbers

_GUIDE_SIDE = 64
_REGION_SIDE = 96  # pixels of the copy in which a picture is taken apart
_REGIONS = 12
_PLACE = 0.7  # weight of a place, in sides of the picture, beside colours in [0, 1]
_BRIGHT = 0.95  # share of a picture that is darker than what is lit best
_BLUR = 0.003  # squared distance over which one region passes into the next
_AROUND = (3, 6, 12, 24)  # cells, along the longer side, in which smoke is lit by what is around it
_LAMPS = 3.0  # power mean over a cell: lamps and windows, cut off at 1 in a photograph, count for more


@dataclass(frozen=True, kw_only=True)
class HazeParams:
    """One picture's haze.

    Attributes:
        optical_depth: β times the distance of the farthest thing in the scene; its transmission is exp(-this).
        nearest: distance of the nearest thing, as a share of the farthest.
        shape: how much of the depth is a ground plane under a sky, a slanted wall, rolling ground, objects that end
            where the picture has edges, and regions of like colour, each at a distance of its own; sums to 1.
        horizon: height of the horizon, 0 the top of the scene and 1 its foot.
        roll: of the camera, in radians.
        slant: direction in which the wall recedes, in radians.
        patchiness: standard deviation of the logarithm of the haze's density.
        airlight: colour of the haze (R, G, B) in [0, 1].
        airlight_aside: the colour that it drifts to across the scene, lit by something else.
        glow: brightness of the haze beside the picture's brightest parts, which the same light lights; 0: as the
            airlight's colours say.
        around: how much of the haze's light comes from the whole picture, and from its 3rd, 6th, 12th and 24th part
            around each place; sums to 1. All 0: the haze is lit from afar, all of it alike.
        around_gain: brightness, in linear light, of the haze beside what is around it.
        around_colour: how much of the colour around it the haze takes on, 0 none and 1 all of it.
        linear_light: mix light, as a camera does, rather than sRGB values, as RESIDE does.
        window: the part of the scene in the picture.
        seed: of the random fields.
    """

    optical_depth: float
    nearest: float
    shape: tuple[float, float, float, float, float]
    horizon: float
    roll: float
    slant: float
    patchiness: float
    airlight: tuple[float, float, float]
    airlight_aside: tuple[float, float, float]
    glow: float
    around: tuple[float, float, float, float, float]
    around_gain: float
    around_colour: float
    linear_light: bool
    window: Window
    seed: int


@dataclass(frozen=True, kw_only=True)
class Haze:
    """Koschmieder's law, I = J t + A (1 - t) with t = exp(-β d), over an invented depth d.

    The law is Koschmieder's (1924), in the form of Narasimhan & Nayar (2002, "Vision and the atmosphere"); RESIDE
    (Li et al. 2019) makes its pairs by it. Depth is smooth, but for objects that are snapped to the picture's own
    edges by a guided filter (He et al. 2010; He & Sun 2015), and for regions of like colour, each with a step at its
    border, as transmission is where one thing hides another.
    Dense real haze comes with sensor noise, which this leaves to ``CameraNoise``.

    Attributes:
        optical_depth: range of the optical depth of the farthest thing.
        nearest: range of the nearest distance, as a share of the farthest; high for smoke in a room.
        patchiness: range of the standard deviation of the logarithm of the density; 0 is even haze.
        brightness: range of the airlight's brightest channel.
        tint: the largest departure of the airlight's red and blue from grey.
        lit_alike: probability that what lights the scene lights the haze: a bright haze lies over a bright scene.
            Otherwise its brightness has nothing to do with the scene's.
        room: probability of smoke in a room: lit by the lamps, windows and walls around it, each place by those near
            it, and thick from close by. Plain haze is of the rest.
        linear_light: probability that light is mixed rather than sRGB values.
        plain: probability of haze as RESIDE has it indoors: even, of one grey, mixed as sRGB values; patchiness, tint
            and linear_light are of the rest.
        window: range of the share of the scene that is seen: small for crops, (1, 1) for whole photographs.
    """

    optical_depth: tuple[float, float] = (0.1, 2.0)
    nearest: tuple[float, float] = (0.0, 0.5)
    patchiness: tuple[float, float] = (0.0, 0.6)
    brightness: tuple[float, float] = (0.6, 1.0)
    tint: float = 0.13
    lit_alike: float = 0.7
    room: float = 0.35
    linear_light: float = 0.5
    plain: float = 0.25
    window: tuple[float, float] = (0.15, 1.0)

    def sample(self, rng: torch.Generator) -> HazeParams:
        """Draw the parameters for one image."""
        # Cubes leave one or two layouts in charge of most scenes.
        layouts = [uniform(rng, 0.1, 1.0) ** 3 for _ in range(5)]
        ground, wall, hills, objects, regions = (share / sum(layouts) for share in layouts)
        brightness = uniform(rng, *self.brightness)
        tint = self._tint(rng)
        params = HazeParams(
            optical_depth=uniform(rng, *self.optical_depth),
            nearest=uniform(rng, *self.nearest),
            shape=(ground, wall, hills, objects, regions),
            horizon=uniform(rng, 0.1, 0.6),
            roll=uniform(rng, -0.1, 0.1),
            slant=uniform(rng, 0, math.tau),
            patchiness=uniform(rng, *self.patchiness),
            airlight=_colour(brightness, tint),
            airlight_aside=_colour(brightness * uniform(rng, 0.85, 1.0), tint + 0.7 * self._tint(rng)),
            glow=uniform(rng, 0.8, 1.1) if chance(rng, self.lit_alike) else 0.0,
            around=(0.0, 0.0, 0.0, 0.0, 0.0),
            around_gain=uniform(rng, 0.7, 1.8),
            around_colour=uniform(rng, 0.1, 0.8),
            linear_light=chance(rng, self.linear_light),
            window=sample_window(rng, self.window),
            seed=seed(rng),
        )
        if chance(rng, self.room):
            sources = [uniform(rng, 0.1, 1.0) ** 3 for _ in range(1 + len(_AROUND))]
            whole, thirds, sixths, twelfths, least = (share / sum(sources) for share in sources)
            around = (whole, thirds, sixths, twelfths, least)
            return replace(params, nearest=uniform(rng, 0.1, 0.7), around=around)
        if chance(rng, self.plain):
            grey = _colour(brightness, 0.0)
            return replace(params, patchiness=0.0, airlight=grey, airlight_aside=grey, linear_light=False)
        return params

    def apply(self, image: Tensor, params: Sequence[HazeParams]) -> Tensor:
        """Veil (B, C, H, W) in [0, 1]; a grey picture sees grey haze."""
        transmission = self.transmission(image, params).to(image.dtype)
        airlight = self.airlight(image, params).to(image.dtype)
        hazy = airlight + (image - airlight) * transmission
        as_light = [i for i, p in enumerate(params) if p.linear_light]
        if as_light:
            light = to_linear(airlight[as_light])
            mixed = light + (to_linear(image[as_light]) - light) * transmission[as_light]
            hazy[as_light] = to_srgb(mixed)
        return hazy

    def transmission(self, image: Tensor, params: Sequence[HazeParams]) -> Tensor:
        """The share t of light that arrives, (B, 1, H, W) float32 in (0, 1], for pictures (B, C, H, W)."""
        y, x = scene_axes([p.window for p in params], image)
        thickness = smooth_noise([p.seed + 1 for p in params], y, x, cells=2, octaves=3)[:, None]
        density = (numbers([p.patchiness for p in params], image) * thickness).exp()
        optical_depth = numbers([p.optical_depth for p in params], image)
        return (-optical_depth * density * self.depth(image, params)).exp()

    def depth(self, image: Tensor, params: Sequence[HazeParams]) -> Tensor:
        """Distance as a share of the farthest, (B, 1, H, W) float32 in (0, 1], for pictures (B, C, H, W)."""
        y, x = scene_axes([p.window for p in params], image)
        horizon, roll, slant, nearest = (
            torch.tensor(values, device=image.device)[:, None, None]
            for values in zip(*((p.horizon, p.roll, p.slant, p.nearest) for p in params), strict=True)
        )
        below = (y - horizon + (x - 0.5) * roll.tan()).clamp(min=0)
        ground = 1 / (1 + 8 * below)
        wall = (4 * ((x - 0.5) * slant.cos() + (y - 0.5) * slant.sin())).sigmoid()
        hills = (2 * smooth_noise([p.seed + 2 for p in params], y, x, cells=2, octaves=2)).sigmoid()
        objects = (6 * smooth_noise([p.seed + 3 for p in params], y, x, cells=5)).sigmoid()[:, None]
        objects = guided(reduced(objects, _GUIDE_SIDE), image)[:, 0]
        regions = _regions([p.seed + 4 for p in params], image)
        shares = torch.tensor([p.shape for p in params], device=image.device)[:, :, None, None]
        depth = sum(shares[:, i] * layout for i, layout in enumerate((ground, wall, hills, objects, regions)))
        return (nearest + (1 - nearest) * depth)[:, None]

    def airlight(self, image: Tensor, params: Sequence[HazeParams]) -> Tensor:
        """Colour of the haze, (B, C, H, W) float32 in [0, 1], for pictures (B, C, H, W)."""
        y, x = scene_axes([p.window for p in params], image)
        aside = (4 * smooth_noise([p.seed for p in params], y, x, cells=1)).sigmoid()[:, None]
        here, there = (colours(c, image) for c in ([p.airlight for p in params], [p.airlight_aside for p in params]))
        airlight = here + (there - here) * aside
        outdoors = (airlight * self._exposure(image, params)).clamp(max=1)
        in_a_room = [i for i, p in enumerate(params) if any(p.around)]
        if in_a_room:
            tint = (airlight / airlight.amax(1, keepdim=True))[in_a_room]
            around = _light_around(image[in_a_room], [params[i] for i in in_a_room])
            outdoors[in_a_room] = (tint * to_srgb(around)).clamp(max=1)
        return outdoors

    def _exposure(self, image: Tensor, params: Sequence[HazeParams]) -> Tensor:
        """By how much the haze is brighter (B, 1, 1, 1) than its colours say."""
        values = image.float().amax(1).flatten(1)  # ``quantile`` takes no more than 16 million
        bright = values.kthvalue(max(round(_BRIGHT * values.shape[1]), 1)).values.clamp(min=0.2)[:, None, None, None]
        glow = numbers([p.glow for p in params], image)
        return torch.where(glow > 0, glow * bright / numbers([max(p.airlight) for p in params], image), 1.0)

    def _tint(self, rng: torch.Generator) -> float:
        return self.tint * (uniform(rng, 0, 1) - uniform(rng, 0, 1))


def _light_around(image: Tensor, params: Sequence[HazeParams]) -> Tensor:
    """What lights smoke in each place of a room, (B, C, H, W) in linear light, by the picture of that room."""
    height, width = image.shape[2:]
    emitted = to_linear(image.float()) ** _LAMPS
    light = emitted.mean((2, 3), keepdim=True) ** (1 / _LAMPS) * numbers([p.around[0] for p in params], image)
    for scale, cells in enumerate(_AROUND, start=1):
        small = (math.ceil(height * cells / max(height, width)), math.ceil(width * cells / max(height, width)))
        cell = F.pad(F.adaptive_avg_pool2d(emitted, small), (1, 1, 1, 1), mode="replicate")
        cell = F.avg_pool2d(cell, 3, 1) ** (1 / _LAMPS)
        share = numbers([p.around[scale] for p in params], image)
        light = light + share * F.interpolate(cell, (height, width), mode="bicubic").clamp(0, 1)
    grey = light.mean(1, keepdim=True)
    light = grey + (light - grey) * numbers([p.around_colour for p in params], image)
    return (light * numbers([p.around_gain for p in params], image)).clamp(max=1)


def _colour(brightness: float, tint: float) -> tuple[float, float, float]:
    """Warm where the tint is positive, bluish where it is negative."""
    unit = brightness / (1 + abs(tint))
    return unit * (1 + tint), unit * (1 + 0.2 * tint), unit * (1 - tint)


def _regions(seeds: Sequence[int], image: Tensor) -> Tensor:
    """Take pictures (B, C, H, W) apart, and put each part at a distance of its own: (B, H, W) in [0, 1].

    A part is what is nearest, in colour and place, to one of a few pixels drawn at random: a step of k-means.
    """
    height, width = image.shape[2:]
    scale = _REGION_SIDE / max(height, width)
    small = (max(1, round(height * scale)), max(1, round(width * scale)))
    smooth = F.avg_pool2d(F.interpolate(image.float(), small, mode="area"), 3, 1, 1, count_include_pad=False)
    rows, columns = (_PLACE * torch.arange(n, device=image.device) / max(small) for n in small)
    places = torch.stack(torch.meshgrid(rows, columns, indexing="ij")).expand(len(image), -1, -1, -1)
    points = torch.cat([smooth, places], 1).flatten(2)
    chosen, distances = [], []
    for one, picture in zip(seeds, points, strict=True):
        rng = torch.Generator().manual_seed(one)
        row, column = (torch.rand(_REGIONS, generator=rng).mul(n).long().clamp(max=n - 1) for n in small)
        chosen.append(picture[:, (row * small[1] + column).to(image.device)])
        distances.append(torch.rand(_REGIONS, generator=rng))
    gaps = torch.cdist(points.mT, torch.stack(chosen).mT)
    parts = (-(gaps**2) / _BLUR).softmax(-1).mT.reshape(-1, _REGIONS, *small)
    for _ in range(2):  # what is thin, such as the rim between two parts, goes to the parts around it
        parts = F.avg_pool2d(parts, (5, 1), 1, (2, 0), count_include_pad=False)
        parts = F.avg_pool2d(parts, (1, 5), 1, (0, 2), count_include_pad=False) ** 2
        parts = parts / parts.sum(1, keepdim=True)
    depth = (parts * torch.stack(distances).to(image.device)[:, :, None, None]).sum(1, keepdim=True)
    return F.interpolate(depth, (height, width), mode="bilinear")[:, 0]
