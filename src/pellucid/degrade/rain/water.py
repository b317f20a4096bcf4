"""Water that runs off an edge, such as a roof's: strands, streaks, rows of beads and splashes, from far to near."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pellucid.degrade.base import chance, integer, log_uniform, seed, uniform
from pellucid.degrade.rain.blending import BlendParams, blend_rain, sample_blend
from pellucid.degrade.rain.drawing import FloatArray, Shapes, blurred, discs, draw, ribbons

PATH_POINTS = 7
JETS = 6  # of a splash
SLIMMEST = 8.0  # of a typical streak's length to its width
FEWEST_PIXELS_ASIDE = 40  # outside the picture, from where water may still lean into it


@dataclass(frozen=True, kw_only=True)
class WaterPlane:
    """Water at one distance from the camera.

    Attributes:
        edge: height of the edge at the picture's left and right side, in pixels below its top.
        spacing: mean distance between two places of the edge from which water falls, in pixels.
        lean: pixels to the right for each pixel down.
        throw: pixels to the right within the first ten pixels down; it grows with the root of the way.
        length, width: of a typical streak, in pixels.
        filled: share of a fall's way that streaks would take up without overlapping.
        beads: rows of beads for each fall.
        level: of the brightest water, in [0, 1].
        blur: standard deviation in pixels, of what is out of focus.
    """

    edge: tuple[float, float]
    spacing: float
    lean: float
    throw: float
    length: float
    width: float
    filled: float
    beads: float
    level: float
    blur: float


@dataclass(frozen=True, kw_only=True)
class WaterParams:
    """One image's water.

    Attributes:
        planes: from far to near.
        splashes: how many in the picture.
        floor: where they are, as a share of the height; they scatter by a tenth of it.
        splash_size: height of a splash, in pixels.
        blend: how the water lies over the picture.
        seed: of the single streaks.
    """

    planes: tuple[WaterPlane, ...]
    splashes: float
    floor: float
    splash_size: float
    blend: BlendParams
    seed: int


@dataclass(frozen=True, kw_only=True)
class RainWater:
    """Falls along ballistic paths from places in a row: pale bodies with one bright side, torn into streaks and beads.

    Water falls from an edge within the picture or above it; farther down it is faster, thus its streaks are longer.
    What is nearer is wider, longer and out of focus.

    Each attribute that is a pair is a range (low, high).

    Attributes:
        planes: how many distances.
        nearness: of a plane, relative to the one in focus; as likely to double as to halve.
        edge: height of the edge, as a share of the picture's height below its top.
        slope: of the edge, in pixels down for each pixel to the right.
        spacing: of falls at nearness 1, in pixels; as likely to double as to halve.
        lean: as in ``WaterPlane``.
        length, width: at nearness 1, in pixels; as likely to double as to halve.
        filled: as in ``WaterPlane``; as likely to double as to halve.
        beads: as in ``WaterPlane``.
        defocus: pixels of blur for each doubling of the nearness beyond 1.
        splashes: for each 128 by 128 pixels, every other time; as likely to double as to halve.
        opacity, veil: as in ``BlendParams``; fog every other time.
        scale: multiplies all lengths in pixels, for larger pictures.
    """

    planes: tuple[int, int] = (1, 3)
    nearness: tuple[float, float] = (0.5, 4.0)
    edge: tuple[float, float] = (-1.0, 0.4)
    slope: tuple[float, float] = (-0.6, 0.6)
    spacing: tuple[float, float] = (6.0, 50.0)
    lean: tuple[float, float] = (-0.3, 0.3)
    length: tuple[float, float] = (15.0, 90.0)
    width: tuple[float, float] = (1.2, 6.0)
    filled: tuple[float, float] = (0.1, 2.5)
    beads: tuple[float, float] = (0.0, 1.0)
    defocus: tuple[float, float] = (0.3, 1.8)
    splashes: tuple[float, float] = (0.5, 12.0)
    opacity: tuple[float, float] = (0.5, 1.0)
    veil: tuple[float, float] = (0.05, 0.4)
    scale: float = 1.0

    def sample(self, rng: torch.Generator) -> WaterParams:
        """Draw the parameters for one image."""
        nearness = sorted(log_uniform(rng, *self.nearness) for _ in range(integer(rng, *self.planes)))
        lean, throw = uniform(rng, *self.lean), uniform(rng, -2.0, 2.0)
        return WaterParams(
            planes=tuple(self._sample_plane(rng, near, lean, throw) for near in nearness),
            splashes=log_uniform(rng, *self.splashes) / self.scale**2 if chance(rng, 0.5) else 0.0,
            floor=uniform(rng, 0.5, 1.1),
            splash_size=log_uniform(rng, 4.0, 25.0) * self.scale,
            blend=sample_blend(rng, self.opacity, self.veil),
            seed=seed(rng),
        )

    def _sample_plane(self, rng: torch.Generator, near: float, lean: float, throw: float) -> WaterPlane:
        top, slope = uniform(rng, *self.edge), uniform(rng, *self.slope)
        size = near * self.scale
        width = log_uniform(rng, *self.width)
        return WaterPlane(
            edge=(top - slope / 2, top + slope / 2),
            spacing=log_uniform(rng, *self.spacing) * size,
            lean=lean + uniform(rng, -0.05, 0.05),
            throw=throw * size,
            length=max(log_uniform(rng, *self.length), SLIMMEST * width) * size,
            width=width * size,
            filled=log_uniform(rng, *self.filled),
            beads=uniform(rng, *self.beads),
            level=uniform(rng, 0.7, 1.0) / max(near, 1.0) ** 0.5,
            blur=uniform(rng, *self.defocus) * max(math.log2(near), 0.0) * self.scale,
        )

    def apply(self, image: Tensor, params: Sequence[WaterParams]) -> Tensor:
        """Let water fall before (B, C, H, W) in [0, 1]; the result is in [0, 1]."""
        water = torch.stack([_water(p, *image.shape[2:]) for p in params])[:, None]
        return blend_rain(image, water.to(image), [p.blend for p in params])


def _water(params: WaterParams, height: int, width: int) -> Tensor:
    """How much water there is, (H, W) in [0, 1], float32, on the CPU."""
    rng = np.random.default_rng(params.seed)
    dry = torch.ones(height, width)
    for plane in params.planes:
        dry = dry * (1 - blurred(draw(_falls(plane, height, width, rng), height, width), plane.blur))
    if params.splashes:
        dry = dry * (1 - draw(_splashes(params, height, width, rng), height, width))
    return 1 - dry


def _falls(plane: WaterPlane, height: int, width: int, rng: np.random.Generator) -> list[Shapes]:
    """All water of a plane: bodies, beads, the hollows in some of them, and the bright side of bodies."""
    aside = max(FEWEST_PIXELS_ASIDE, abs(plane.lean) * height + 3 * plane.width)
    places = np.arange(-aside, width + aside, plane.spacing)
    x = places + plane.spacing * rng.uniform(-0.5, 0.5, len(places))
    left, right = plane.edge
    top = height * (left + (right - left) * x / width) + plane.width * rng.standard_normal(len(places))
    way = np.maximum(height - top, 0.0)  # to the picture's lower side

    share = rng.uniform(0.3, 1.7, len(x)) * plane.filled
    pieces = np.repeat(np.arange(len(x)), rng.poisson(share * way / plane.length))
    begin = top[pieces] + way[pieces] * rng.random(len(pieces))
    hanging = rng.random(len(pieces)) < 0.2  # still at the edge
    begin = np.where(hanging, top[pieces], begin)
    speed = np.sqrt((begin - top[pieces]) / height + 0.3)
    end = begin + plane.length * speed * rng.uniform(0.3, 1.4, len(pieces))
    y = begin[:, None] + (end - begin)[:, None] * np.linspace(0, 1, PATH_POINTS)
    paths = _path(plane, x[pieces], top[pieces], y, rng)
    widths = plane.width * rng.uniform(0.4, 1.0, (len(pieces), 1)) * _taper(len(pieces), rng)
    body = plane.level * rng.uniform(0.4, 0.9, len(pieces))
    side = paths + np.stack([0.25 * widths * rng.choice([-1, 1]), np.zeros_like(widths)], -1)
    bright = plane.level * rng.uniform(0.6, 1.0, len(pieces))
    beads, hollows = _beads(plane, x, top, way, rng)
    return [(ribbons(paths, widths), body), beads, hollows, (ribbons(side, 0.45 * widths), bright)]


def _path(plane: WaterPlane, x: FloatArray, top: FloatArray, y: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Where falls that begin at x, top (N,) have come at heights y (N, points): (N, points, 2)."""
    fallen = np.maximum(y - top[:, None], 0.0)
    sway = 0.2 * plane.width * np.sin(y * 2 / plane.length + rng.uniform(0, 6, (len(x), 1)))
    return np.stack([x[:, None] + plane.lean * fallen + plane.throw * np.sqrt(fallen / 10) + sway, y], -1)


def _taper(count: int, rng: np.random.Generator) -> FloatArray:
    """Widths along streaks, (N, points) in [0, 1]: spindles, and drops with a thin tail above."""
    along = np.linspace(0.02, 0.98, PATH_POINTS)
    head, tail = rng.uniform(0.1, 0.6, (count, 1)), rng.uniform(0.1, 1.2, (count, 1))
    shape = along**tail * (1 - along) ** head
    return shape / shape.max(1, initial=1e-9, keepdims=True)


def _beads(
    plane: WaterPlane, x: FloatArray, top: FloatArray, way: FloatArray, rng: np.random.Generator
) -> tuple[Shapes, Shapes]:
    """Rows of drops on the falls' paths, and the dark insides of some."""
    rows = np.repeat(np.arange(len(x)), rng.poisson(plane.beads, len(x)))
    in_row = rng.integers(2, 9, len(rows))
    beads = np.repeat(rows, in_row)
    number = np.concatenate([np.arange(n) for n in in_row] or [np.zeros(0)])
    first = np.repeat(top[rows] + way[rows] * rng.random(len(rows)), in_row)
    gap = np.repeat(plane.width * rng.uniform(1.5, 5.0, len(rows)), in_row)
    y = first + number * gap * rng.uniform(0.8, 1.2, len(beads))
    centres = _path(plane, x[beads], top[beads], y[:, None], rng)[:, 0]
    broad = np.maximum(plane.width * rng.uniform(0.3, 1.1, len(beads)), 1.0)
    long = broad * np.repeat(rng.uniform(1.0, 2.5, len(rows)), in_row)
    upright = np.full(len(beads), math.atan(plane.lean))
    levels = plane.level * rng.uniform(0.4, 1.0, len(beads))
    hollow = rng.random(len(beads)) < 0.3
    inside = discs(centres[hollow], 0.55 * broad[hollow], 0.55 * long[hollow], upright[hollow])
    return (discs(centres, broad, long, upright), levels), (inside, 0.3 * levels[hollow])


def _splashes(params: WaterParams, height: int, width: int, rng: np.random.Generator) -> list[Shapes]:
    """Crowns: a flat ring where a drop hit, jets thrown up from it along parabolas, and droplets at their ends."""
    count = rng.poisson(params.splashes * height * width / 128**2)
    spread = rng.standard_normal(count)
    centres = np.stack([rng.random(count) * width, height * (params.floor + 0.1 * spread)], -1)
    sizes = params.splash_size * rng.uniform(0.4, 1.0, count) * np.exp(0.3 * spread)  # lower in the picture is nearer
    levels = rng.uniform(0.3, 0.9, count)
    flat = np.full(count, 0.0)
    rings = discs(centres, 1.2 * sizes, 0.25 * sizes, flat), 0.5 * levels
    insides = discs(centres, 0.9 * sizes, 0.12 * sizes, flat), 0.15 * levels

    jets = np.repeat(np.arange(count), JETS)
    size = sizes[jets][:, None]
    time = np.linspace(0, 1, PATH_POINTS) * rng.uniform(0.4, 1.6, (len(jets), 1))
    sideways = rng.uniform(-1.0, 1.0, (len(jets), 1))
    upwards = rng.uniform(0.5, 2.0, (len(jets), 1)) * (1.3 - np.abs(sideways))
    x = centres[jets, :1] + size * sideways * (0.4 + 0.6 * time)
    y = centres[jets, 1:] - size * (upwards * time - time**2)
    paths = np.stack([x, y], -1)
    thin = 0.12 * size * np.linspace(1.0, 0.4, PATH_POINTS)
    level = levels[jets] * rng.uniform(0.5, 1.0, len(jets))
    wide = np.maximum(0.18 * size[:, 0], 0.8)
    droplets = discs(paths[:, -1], wide, 1.2 * wide, np.zeros(len(jets)))
    jet = slice(None, -2)  # the droplet has come off it
    return [rings, insides, (ribbons(paths[:, jet], np.maximum(thin, 0.7)[:, jet]), level), (droplets, level)]
