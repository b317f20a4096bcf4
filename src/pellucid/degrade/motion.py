"""Motion during the exposure, other than the random path of ``MotionBlur``."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.degrade.base import integer, log_uniform, uniform
from pellucid.degrade.blur import blur_light, convolve, kernel_places, scene_light
from pellucid.degrade.camera import to_srgb


def path_kernels(paths: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """Light left along paths, (B, K, K) on the CPU with an odd K that holds the longest; each sums to 1.

    Args:
        paths: points of each, (N, 2) as y and x in pixels from the kernel's middle.
        weights: of the light left at them, (N,).
    """
    places = kernel_places(math.ceil(max(path.abs().max().item() for path in paths)))
    kernels: list[Tensor] = []
    for path, weight in zip(paths, weights, strict=True):
        y, x = ((1 - (places - path[:, axis, None]).abs()).clamp(min=0) for axis in (0, 1))  # bilinear splatting
        kernels.append((y * (weight / weight.sum())[:, None]).mT @ x)
    return torch.stack(kernels)


@dataclass(frozen=True, kw_only=True)
class StraightParams:
    """One motion.

    Attributes:
        length: in pixels.
        angle: of the line, in radians.
        fade: how much more light its end has than its start, in [-1, 1].
    """

    length: float
    angle: float
    fade: float


@dataclass(frozen=True, kw_only=True)
class Straight:
    """A straight line in any direction, over sRGB values, as image editors blur.

    Each attribute is a range (low, high).

    Attributes:
        length: in pixels; as likely to double as to halve.
        fade: as in ``StraightParams``.
        scale: multiplies lengths, for larger pictures.
    """

    length: tuple[float, float] = (1.5, 30.0)
    fade: tuple[float, float] = (0.0, 0.9)
    scale: float = 1.0

    def sample(self, rng: torch.Generator) -> StraightParams:
        """Draw the parameters for one image."""
        return StraightParams(
            length=self.scale * log_uniform(rng, *self.length),
            angle=uniform(rng, 0.0, math.tau),
            fade=uniform(rng, *self.fade),
        )

    def apply(self, image: Tensor, params: Sequence[StraightParams]) -> Tensor:
        """Blur (B, C, H, W) in [0, 1]."""
        lines = [line_through_middle(p.length, p.angle) for p in params]
        weights = [1 + p.fade * torch.linspace(-1, 1, len(line)) for p, line in zip(params, lines, strict=True)]
        kernels = path_kernels(lines, weights).to(image.device)
        return convolve(image.float(), kernels).clamp(0, 1).to(image.dtype)


def line_through_middle(length: float, angle: float) -> Tensor:
    """Points (N, 2), y and x, of a line through the middle, four a pixel."""
    along = torch.linspace(-length / 2, length / 2, 2 + math.ceil(4 * length))
    return torch.stack((along * math.sin(angle), along * math.cos(angle)), 1)


@dataclass(frozen=True, kw_only=True)
class JerkParams:
    """One exposure.

    Attributes:
        stops: where the camera stood still: x and y in pixels.
        dwell: light of each stop, beside the others.
        drift: how far it moved at each stop, in pixels.
        angle: of that drift, in radians.
        travel: light between the stops, beside that in them.
        highlights: how many times brighter than white the blown highlights were.
    """

    stops: tuple[tuple[float, float], ...]
    dwell: tuple[float, ...]
    drift: float
    angle: float
    travel: float
    highlights: float


@dataclass(frozen=True, kw_only=True)
class Jerk:
    """A camera that is knocked: it stands still two or three times, which gives double images.

    Each attribute is a range (low, high).

    Attributes:
        distance: from stop to stop in pixels; as likely to double as to halve.
        drift, travel: as in ``JerkParams``.
        highlights: true brightness of blown highlights, 1 being white; as likely to double as to halve.
        scale: multiplies lengths, for larger pictures.
    """

    distance: tuple[float, float] = (1.5, 20.0)
    drift: tuple[float, float] = (0.0, 3.0)
    travel: tuple[float, float] = (0.0, 0.5)
    highlights: tuple[float, float] = (1.0, 4.0)
    scale: float = 1.0

    def sample(self, rng: torch.Generator) -> JerkParams:
        """Draw the parameters for one image."""
        distance = self.scale * log_uniform(rng, *self.distance)
        angle, x, y = uniform(rng, 0.0, math.tau), 0.0, 0.0
        stops = [(x, y)]
        for _ in range(integer(rng, 1, 2)):
            step = distance * uniform(rng, 0.6, 1.0)
            x, y = x + step * math.cos(angle), y + step * math.sin(angle)
            stops.append((x, y))
            angle += uniform(rng, -2.5, 2.5)
        return JerkParams(
            stops=tuple(stops),
            dwell=tuple(uniform(rng, 0.25, 1.0) for _ in stops),
            drift=self.scale * uniform(rng, *self.drift),
            angle=uniform(rng, 0.0, math.tau),
            travel=uniform(rng, *self.travel),
            highlights=log_uniform(rng, *self.highlights),
        )

    def apply(self, image: Tensor, params: Sequence[JerkParams]) -> Tensor:
        """Blur (B, C, H, W) in [0, 1]."""
        return blur_light(image, jerk_kernels(params).to(image.device), [p.highlights for p in params])


def jerk_kernels(params: Sequence[JerkParams]) -> Tensor:
    """Light left by cameras that stop, (B, K, K) on the CPU with an odd K; each sums to 1, about its middle."""
    paths: list[Tensor] = []
    weights: list[Tensor] = []
    for p in params:
        stops = torch.tensor(p.stops).flip(1)
        dwell = torch.tensor(p.dwell)
        stood = stops[:, None] + line_through_middle(p.drift, p.angle)
        way = torch.linspace(0, 1, 64)[:, None]
        moved = torch.cat([torch.lerp(a, b, way) for a, b in itertools.pairwise(stops)])
        weight = torch.cat(
            (
                (dwell / dwell.sum() / stood.shape[1])[:, None].expand(stood.shape[:2]).flatten(),
                torch.full((len(moved),), p.travel / len(moved)),
            )
        )
        path = torch.cat((stood.flatten(0, 1), moved))
        paths.append(path - (path * weight[:, None]).sum(0) / weight.sum())
        weights.append(weight)
    return path_kernels(paths, weights)


@dataclass(frozen=True, kw_only=True)
class ZoomRotateParams:
    """One motion.

    Attributes:
        reach: how far a point moves that is half the picture's diagonal away from the centre, in pixels.
        turn: 0: all of that is zoom; 1 or -1: all is rotation, one way or the other.
        centre: which stands still: x and y, 0 to 1 from the picture's left and top.
        highlights: how many times brighter than white the blown highlights were.
    """

    reach: float
    turn: float
    centre: tuple[float, float]
    highlights: float


@dataclass(frozen=True, kw_only=True)
class ZoomRotate:
    """A camera that turns about its axis or comes nearer: no blur at one place, more and more away from it.

    Each attribute is a range (low, high).

    Attributes:
        reach: as in ``ZoomRotateParams``; as likely to double as to halve.
        centre: of the motion, 0 to 1 from the picture's left and top.
        highlights: true brightness of blown highlights, 1 being white; as likely to double as to halve.
        scale: multiplies lengths, for larger pictures.
    """

    reach: tuple[float, float] = (2.0, 24.0)
    centre: tuple[float, float] = (-0.3, 1.3)
    highlights: tuple[float, float] = (1.0, 4.0)
    scale: float = 1.0

    def sample(self, rng: torch.Generator) -> ZoomRotateParams:
        """Draw the parameters for one image."""
        return ZoomRotateParams(
            reach=self.scale * log_uniform(rng, *self.reach),
            turn=uniform(rng, -1.0, 1.0),
            centre=(uniform(rng, *self.centre), uniform(rng, *self.centre)),
            highlights=log_uniform(rng, *self.highlights),
        )

    def apply(self, image: Tensor, params: Sequence[ZoomRotateParams]) -> Tensor:
        """Blur (B, C, H, W) in [0, 1]."""
        return torch.cat([_turned(one[None], p) for one, p in zip(image, params, strict=True)])


def _turned(image: Tensor, p: ZoomRotateParams) -> Tensor:
    """Mean of (1, C, H, W) as seen at several times of the exposure."""
    height, width = image.shape[2:]
    light = scene_light(image, [p.highlights])
    x = torch.arange(width, device=image.device) + 0.5 - p.centre[0] * width
    y = torch.arange(height, device=image.device)[:, None] + 0.5 - p.centre[1] * height
    rate = p.reach / max(1.0, math.hypot(height, width) / 2)
    turn, zoom = rate * p.turn, rate * math.sqrt(1 - p.turn**2)
    count = min(16, 2 + math.ceil(p.reach / 2))
    seen = torch.zeros_like(light)
    for time in torch.linspace(-0.5, 0.5, count).tolist():
        cos, sin = (math.exp(zoom * time) * f(turn * time) for f in (math.cos, math.sin))
        at_x = (cos * x - sin * y) / width + p.centre[0]
        at_y = (sin * x + cos * y) / height + p.centre[1]
        grid = 2 * torch.stack((at_x, at_y), 2)[None] - 1
        seen += F.grid_sample(light, grid, padding_mode="reflection", align_corners=False)
    return to_srgb((seen / count).clamp(0, 1)).to(image.dtype)
