"""Rain in space before a camera: drops fall through parallax layers and are seen as tapering streaks, antialiased."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.degrade.base import integer, log_uniform, seed, uniform

MOST_PER_MEGAPIXEL = 10000.0  # streaks of one layer: bounds the time of far ones
STEEPEST = 3.0  # pixels aside for each pixel down: streaks are painted row by row
NEAREST = 0.2  # metres: what falls towards the lens stops there
POINTS_AT_ONCE = 2**16  # painted together: their values then stay in a core's cache


@dataclass(frozen=True, kw_only=True)
class SpaceLayer:
    """Drops at about one depth.

    Attributes:
        depth: in metres.
        density: streaks per megapixel.
        blur: diameter in pixels of what is out of focus, 0 for a point in focus.
        fog: share of the light from behind that fog replaces between the layer before and this one, in [0, 1].
    """

    depth: float
    density: float
    blur: float
    fog: float


@dataclass(frozen=True, kw_only=True)
class PerspectiveParams:
    """One image's rain; lengths in space are in metres.

    Attributes:
        layers: from far to near.
        radius: of a drop.
        fall: a drop's way during the exposure.
        wind: metres aside for each metre down.
        pitch: how far the camera looks up, in radians; streaks then spread from a point above the picture.
        focal: focal length in pixels.
        alpha: how much a streak in focus hides, in [0, 1].
        sky: how much of its light is the sky's rather than that of the scene upside down, in [0, 1].
        seed: of the single drops.
    """

    layers: tuple[SpaceLayer, ...]
    radius: float
    fall: float
    wind: float
    pitch: float
    focal: float
    alpha: float
    sky: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class RainPerspective:
    """Drops at random places of space, each smeared along the line that it falls during the exposure, projected.

    Near streaks are long, wide and out of focus, far ones short, thin and foggy; where the camera looks up or down they
    run to a vanishing point. Layers lie over each other from far to near, each hiding what is behind; a streak shows a
    mixture of sky and of the scene upside down, as a drop refracts it. No network is trained on this renderer: it tells
    on `val` whether rain was learnt, or only renderers.

    Each attribute that is a pair is a range (low, high).

    Attributes:
        density: drops per cubic metre that are large enough to be seen; as likely to double as to halve.
        depth: metres to the nearest and to the farthest drops.
        layers: how many, at even ratios of depth.
        radius, fall: as in ``PerspectiveParams``; as likely to double as to halve.
        wind, pitch, focal, alpha, sky: as there.
        focus: metres to what is in focus.
        aperture: blur of a point at infinity, in pixels, for each metre nearer than which it is in focus.
        mist: optical depth of a metre in the densest rain; it goes with the root of the density.
        scale: multiplies all lengths in pixels, for larger pictures.
    """

    density: tuple[float, float] = (15.0, 1500.0)
    depth: tuple[float, float] = (0.4, 6.0)
    layers: tuple[int, int] = (3, 6)
    radius: tuple[float, float] = (0.0012, 0.006)
    fall: tuple[float, float] = (0.03, 0.3)
    wind: tuple[float, float] = (-0.5, 0.5)
    pitch: tuple[float, float] = (-0.5, 0.5)
    focal: tuple[float, float] = (400.0, 900.0)
    focus: tuple[float, float] = (0.8, 5.0)
    aperture: tuple[float, float] = (0.0, 4.0)
    alpha: tuple[float, float] = (0.5, 1.0)
    sky: tuple[float, float] = (0.4, 1.0)
    mist: tuple[float, float] = (0.0, 0.1)
    scale: float = 1.0

    def sample(self, rng: torch.Generator) -> PerspectiveParams:
        """Draw the parameters for one image."""
        return PerspectiveParams(
            layers=self._sample_layers(rng, focal := uniform(rng, *self.focal)),
            radius=log_uniform(rng, *self.radius),
            fall=log_uniform(rng, *self.fall),
            wind=uniform(rng, *self.wind),
            pitch=uniform(rng, *self.pitch),
            focal=focal * self.scale,
            alpha=uniform(rng, *self.alpha),
            sky=uniform(rng, *self.sky),
            seed=seed(rng),
        )

    def _sample_layers(self, rng: torch.Generator, focal: float) -> tuple[SpaceLayer, ...]:
        count, (near, far) = integer(rng, *self.layers), self.depth
        density, focus = log_uniform(rng, *self.density), uniform(rng, *self.focus)
        aperture = uniform(rng, *self.aperture)
        mist = uniform(rng, *self.mist) * math.sqrt(density / self.density[1])
        edges = [far * (near / far) ** (index / count) for index in range(count + 1)]
        layers: list[SpaceLayer] = []
        for behind, before in pairwise(edges):
            depth = math.sqrt(behind * before)
            seen = density * (behind - before) * (depth / focal) ** 2  # drops for each pixel
            layers.append(
                SpaceLayer(
                    depth=depth,
                    density=min(1e6 * seen, MOST_PER_MEGAPIXEL) / self.scale**2,
                    blur=aperture * abs(1 / depth - 1 / focus) * self.scale,
                    fog=1 - math.exp(-mist * (behind - before)),
                )
            )
        return tuple(layers)

    def apply(self, image: Tensor, params: Sequence[PerspectiveParams]) -> Tensor:
        """Let it rain on (B, C, H, W) in [0, 1]; the result is in [0, 1]."""
        return torch.cat([_rain_on(image[i : i + 1], p) for i, p in enumerate(params)])


def _rain_on(image: Tensor, params: PerspectiveParams) -> Tensor:
    """One picture (1, C, H, W) with its layers before it."""
    height, width = image.shape[2:]
    scene = F.adaptive_avg_pool2d(image, 8)
    sky = 0.4 + 0.6 * scene.amax((2, 3), keepdim=True)
    light = torch.lerp(scene.flip(2), sky, params.sky)
    light = F.interpolate(light, (height, width), mode="bilinear", align_corners=False)
    covers = _paint(_fall(params, height, width), len(params.layers), height, width).to(image)
    for layer, cover in zip(params.layers, covers, strict=True):
        image = torch.lerp(image, sky, layer.fog)
        image = torch.lerp(image, light, params.alpha * cover)
    return image.clamp(0, 1)


def _fall(params: PerspectiveParams, height: int, width: int) -> Tensor:
    """All streaks in the picture (N, 8): layer, blur; x, y and radius in pixels of the tail and of the head."""
    rng = torch.Generator().manual_seed(params.seed)
    layers = torch.tensor([(layer.depth, layer.blur, layer.density * 1e-6) for layer in params.layers])
    aside = params.focal * params.fall / layers[:, 0]  # from where streaks reach in
    counts = (layers[:, 2] * (height + 2 * aside) * (width + 2 * aside)).round().long()
    index = torch.arange(len(layers)).repeat_interleave(counts)
    x, y, deep, size = torch.rand((4, len(index)), generator=rng)
    sway = 0.03 * torch.randn(len(index), generator=rng)

    z = layers[index, 0] * (0.75 + 0.5 * deep)
    room = z / params.focal  # metres of a pixel
    x, y = ((u - 0.5) * (side + 2 * aside[index]) * room for u, side in ((x, width), (y, height)))
    down = torch.tensor([0.0, math.cos(params.pitch), -math.sin(params.pitch)]).repeat(len(index), 1)
    down[:, 0] = params.wind + sway
    half = params.fall / 2 * F.normalize(down)
    middle, radius = torch.stack([x, y, z], 1), params.radius * (0.5 + 0.5 * size)
    tail, head = (_project(point, radius, params.focal, height, width) for point in (middle - half, middle + half))

    lowest = tail[:, 1] + (head[:, 1] - tail[:, 1]).clamp_min(1e-3).maximum((head[:, 0] - tail[:, 0]).abs() / STEEPEST)
    streaks = torch.cat([index[:, None], layers[index, 1:2], tail, head[:, :1], lowest[:, None], head[:, 2:]], 1)
    margin = streaks[:, [4, 7]].amax(1) + streaks[:, 1] + 2
    left, right = streaks[:, [2, 5]].aminmax(dim=1)
    seen = (lowest > -margin) & (tail[:, 1] < height + margin) & (right > -margin) & (left < width + margin)
    return streaks[seen]


def _project(point: Tensor, radius: Tensor, focal: float, height: int, width: int) -> Tensor:
    """Where points (N, 3) are seen, and how large: x, y, radius in pixels, (N, 3)."""
    enlarged = focal / point[:, 2].clamp_min(NEAREST)
    centre = torch.tensor([width / 2, height / 2])
    return torch.cat([point[:, :2] * enlarged[:, None] + centre, (radius * enlarged)[:, None]], 1)


def _paint(streaks: Tensor, layers: int, height: int, width: int) -> Tensor:
    """How much of each pixel the streaks (N, 8) of each layer cover: (layers, H, W) in [0, 1].

    Where streaks of a layer cross, the denser one is seen.
    """
    canvas = torch.zeros(layers * height * width + 1)  # the first is for all points outside
    streaks = streaks[(streaks[:, 6] - streaks[:, 3]).argsort(descending=True)]
    while len(streaks):
        fall = streaks[:, 6] - streaks[:, 3]
        radius = streaks[:, [4, 7]].amax(1).clamp_min(0.5) + streaks[:, 1] + 1
        slope = (streaks[:, 5] - streaks[:, 2]) / fall
        rows = math.ceil((fall + 2 * radius).max().item()) + 2
        reach = math.ceil((radius * (1 + slope**2).sqrt()).max().item()) + 1
        some = max(1, POINTS_AT_ONCE // (rows * (2 * reach + 1)))
        place, cover = _points(streaks[:some], rows, reach, height, width)
        canvas.scatter_reduce_(0, place.flatten(), cover.flatten(), "amax")
        streaks = streaks[some:]
    return canvas[1:].view(layers, height, width)


def _points(streaks: Tensor, rows: int, reach: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where on the canvas the pixels around each streak lie, and how far it covers them: (N, rows, 2·reach + 1)."""
    index, blur, x, y, thin, x_head, y_head, thick = streaks[:, :, None, None].unbind(1)
    right, down = x_head - x, y_head - y
    row = ((y + y_head) / 2 - rows / 2).round() + torch.arange(rows)[:, None]
    column = (x + ((row - y) / down).clamp(0, 1) * right).round() + torch.arange(-reach, reach + 1)

    along = (((column - x) * right + (row - y) * down) / (right**2 + down**2)).clamp(0, 1)
    distance = torch.hypot(column - x - along * right, row - y - along * down)
    radius = torch.lerp(thin, thick, along) * (0.4 + 0.6 * along)  # a drop's head is round, its tail thin
    drawn = radius.clamp_min(0.5)  # what is thinner than a pixel covers a part of it
    cover = ((drawn - distance) / (1 + blur) + 0.5).clamp(0, 1) * (radius / drawn) * (drawn / (drawn + blur / 2))

    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return torch.where(inside, ((index.long() * height + row.long()) * width + column.long()) + 1, 0), cover
