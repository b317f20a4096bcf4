"""Rain falling through the scene: streaks at several distances, and the mist of all the drops too far to see."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.degrade.base import integer, log_uniform, per_image, seed, uniform
from pellucid.errors import ConfigError

STEEPEST_ANGLE = 75.0  # of a streak from the vertical: it is painted row by row
SIGMA_PER_WIDTH = 1 / math.sqrt(8 * math.log(2))  # of a Gaussian of this full width at half its height
THINNEST_SIGMA = 0.65  # a thinner Gaussian falls between the pixels: what is slanted becomes a row of dots
POINTS_AT_ONCE = 2**16  # painted together: their values then stay in a core's cache


@dataclass(frozen=True, kw_only=True)
class RainLayer:
    """Streaks at one distance from the camera.

    Attributes:
        angle: mean direction in degrees from the vertical; a positive angle falls towards the right.
        angle_spread: standard deviation of the streaks' directions, in degrees.
        length, width: of a typical streak in pixels, the width at half its height.
        brightness: the largest share of the airlight that a streak adds, in [0, 1].
        density: streaks begun per megapixel.
    """

    angle: float
    angle_spread: float
    length: float
    width: float
    brightness: float
    density: float


@dataclass(frozen=True, kw_only=True)
class RainStreaksParams:
    """One image's rain.

    Attributes:
        layers: the streaks.
        screen: how they are composited, from 0, added, to 1, screened (added to what is left up to white).
        tint: how far they take on the colour of the scene around them, in [0, 1].
        veil: the share of the light that the mist replaces by airlight, in [0, 1].
        gusts: how unevenly rain and mist lie over the picture, in [0, 1].
        seed: of the single streaks.
    """

    layers: tuple[RainLayer, ...]
    screen: float
    tint: float
    veil: float
    gusts: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class RainStreaks:
    """Motion-blurred, half-transparent streaks in layers of depth, with the veil of distant rain.

    A falling drop is a wide-angle lens that shows nearly the whole sky, so it is brighter than what is behind it, and
    during the exposure it smears into a streak through which the scene still shows (Garg and Nayar, "Vision and Rain",
    IJCV 2007). Drops sway as they fall, which ripples the brightness along a streak (Garg and Nayar, "Photorealistic
    Rendering of Rain Streaks", SIGGRAPH 2006). Streaks S overlap in layers that share a direction, and those too far
    to be told apart scatter airlight A into the view (Yang et al., "Deep Joint Rain Detection and Removal", CVPR 2017;
    Li, Cheong and Tan, "Heavy Rain Image Restoration", CVPR 2019): I = (1 - v)·B + v·A + S, with the veil
    v = 1 - exp(-mist · density / 1000).

    A layer ``nearness`` times as near shows streaks as many times longer and wider, and that many squared times fewer.
    Near ones are out of focus: wider and fainter. One thinner than a pixel is fainter too.

    Each attribute is a range (low, high); lengths are those of a picture about 500 pixels wide. The defaults
    go from drizzle to a downpour, for training.

    Attributes:
        layers: how many distances; the density is divided among them.
        density: streaks per megapixel; as likely to double as to halve.
        angle: main direction in degrees from the vertical, within ±75.
        angle_spread: standard deviation in degrees within a layer; layers differ from the main angle by as much.
        length, width: of a streak at nearness 1, in pixels; as likely to double as to halve.
        nearness: of a layer, relative to the plane in focus; as likely to double as to halve.
        defocus: pixels of blur that one unit of nearness beyond 1 adds.
        brightness: share of the airlight that the brightest streaks add.
        screen, gusts: as in ``RainStreaksParams``.
        tint: the same; slight, for a drop shows the sky rather than what is behind it.
        mist: optical depth of a thousand streaks per megapixel.
        scale: multiplies all lengths in pixels, for larger pictures.

    Raises:
        ConfigError: a streak could be too near the horizontal.
    """

    layers: tuple[int, int] = (1, 4)
    density: tuple[float, float] = (1000.0, 11000.0)
    angle: tuple[float, float] = (-40.0, 40.0)
    angle_spread: tuple[float, float] = (0.3, 3.0)
    length: tuple[float, float] = (15.0, 80.0)
    width: tuple[float, float] = (1.2, 3.0)
    nearness: tuple[float, float] = (0.6, 1.8)
    defocus: tuple[float, float] = (0.0, 4.0)
    brightness: tuple[float, float] = (0.25, 0.9)
    screen: tuple[float, float] = (0.0, 1.0)
    tint: tuple[float, float] = (0.0, 0.4)
    gusts: tuple[float, float] = (0.0, 0.7)
    mist: tuple[float, float] = (0.0, 0.03)
    scale: float = 1.0

    def __post_init__(self) -> None:
        if max(map(abs, self.angle)) > STEEPEST_ANGLE:
            raise ConfigError(f"Rain at {self.angle} degrees from the vertical: stay within ±{STEEPEST_ANGLE:g}.")

    def sample(self, rng: torch.Generator) -> RainStreaksParams:
        """Draw the parameters for one image."""
        density = log_uniform(rng, *self.density)
        nearness = [log_uniform(rng, *self.nearness) for _ in range(integer(rng, *self.layers))]
        return RainStreaksParams(
            layers=self._sample_layers(rng, density, nearness),
            screen=uniform(rng, *self.screen),
            tint=uniform(rng, *self.tint),
            veil=1 - math.exp(-uniform(rng, *self.mist) * density / 1000),
            gusts=uniform(rng, *self.gusts),
            seed=seed(rng),
        )

    def _sample_layers(self, rng: torch.Generator, density: float, nearness: Sequence[float]) -> tuple[RainLayer, ...]:
        angle, spread = uniform(rng, *self.angle), uniform(rng, *self.angle_spread)
        length, width = log_uniform(rng, *self.length), log_uniform(rng, *self.width)
        brightness, defocus = uniform(rng, *self.brightness), uniform(rng, *self.defocus)
        share = 1 / sum(near**-2 for near in nearness)
        layers: list[RainLayer] = []
        for near in nearness:
            sharp = width * near
            seen = math.hypot(sharp, defocus * max(near - 1, 0.0))
            layers.append(
                RainLayer(
                    angle=angle + spread * uniform(rng, -1.0, 1.0),
                    angle_spread=spread,
                    length=length * near * self.scale,
                    width=seen * self.scale,
                    brightness=brightness * sharp / seen,
                    density=density * share * near**-2 / self.scale**2,
                )
            )
        return tuple(layers)

    def apply(self, image: Tensor, params: Sequence[RainStreaksParams]) -> Tensor:
        """Let it rain on (B, C, H, W) in [0, 1]; the result is in [0, 1]."""
        streaks, gusts = _draw(image, params)
        surroundings = F.adaptive_avg_pool2d(image, 8)
        airlight = surroundings.amax((2, 3), keepdim=True)
        light = _streak_light(surroundings, image, per_image([p.tint for p in params], image))

        veil = per_image([p.veil for p in params], image) * gusts
        misty = torch.lerp(image, airlight, veil)
        screen = per_image([p.screen for p in params], image)
        return (misty + _paint(streaks, image) * gusts * light * (1 - screen * misty)).clamp(0, 1)


def _streak_light(surroundings: Tensor, image: Tensor, tint: Tensor) -> Tensor:
    """The light a drop throws (B, C, H, W): as bright as the picture's brightest region, in part of local colour."""
    brightest = surroundings.amax((1, 2, 3), keepdim=True)
    hue = (surroundings + 0.01) / (surroundings.amax(1, keepdim=True) + 0.01)
    light = (0.4 + 0.6 * brightest) * torch.lerp(torch.ones_like(hue), hue, tint)
    return F.interpolate(light, image.shape[2:], mode="bilinear", align_corners=False)


def _draw(image: Tensor, params: Sequence[RainStreaksParams]) -> tuple[Tensor, Tensor]:
    """All streaks (N, 9) of the batch, and the gusts (B, 1, H, W): how much of the rain falls where, in [0, 1]."""
    height, width = image.shape[2:]
    streaks: list[Tensor] = []
    gusts: list[Tensor] = []
    for index, p in enumerate(params):
        rng = torch.Generator(image.device).manual_seed(p.seed)
        gusts.append(1 - p.gusts * torch.rand((1, 4, 4), generator=rng, device=image.device))
        streaks += [_draw_layer(layer, index, height, width, rng) for layer in p.layers]
    smooth = F.interpolate(torch.stack(gusts), (height, width), mode="bicubic", align_corners=True)
    return torch.cat(streaks), smooth.clamp(0, 1).to(image.dtype)


def _draw_layer(layer: RainLayer, index: int, height: int, width: int, rng: torch.Generator) -> Tensor:
    lean = math.radians(layer.angle)
    above = layer.length / 2 * math.cos(lean) + layer.width  # the middles of those that reach in from outside
    beside = layer.length / 2 * abs(math.sin(lean)) + layer.width
    tall, wide = height + 2 * above, width + 2 * beside
    count = round(layer.density * 1e-6 * tall * wide)
    x, y, size, weight, shape, phase = torch.rand((6, count), generator=rng, device=rng.device)
    turn = torch.randn(count, generator=rng, device=rng.device)
    sigma = layer.width * SIGMA_PER_WIDTH * (0.5 + 0.8 * weight)
    columns = (
        torch.full_like(x, index),
        x * wide - beside,
        y * tall - above,
        (layer.angle + layer.angle_spread * turn).clamp(-STEEPEST_ANGLE, STEEPEST_ANGLE).deg2rad(),
        layer.length * (0.3 + 0.7 * size),
        sigma.clamp_min(THINNEST_SIGMA),
        layer.brightness * (0.15 + 0.85 * shape**1.5) * (sigma / THINNEST_SIGMA).clamp_max(1),
        0.3 + 1.2 * phase,
        size + phase,
    )
    return torch.stack(columns, 1)


def _paint(streaks: Tensor, image: Tensor) -> Tensor:
    """Brightness of the streaks (N, 9) on (B, 1, H, W); where they cross, the brighter one's.

    The maximum of floats, unlike their sum, is the same in any order: painting is deterministic on a GPU too.
    """
    batch, _, height, width = image.shape
    canvas = torch.zeros(batch * height * width + 1, device=image.device)  # the first is for all points outside
    streaks = streaks[streaks[:, 4].argsort(descending=True)]
    while len(streaks):
        angle, length, sigma = streaks[:, 3:6].unbind(1)
        rows = math.ceil((length * angle.cos() + 6 * sigma * angle.sin().abs()).max().item()) + 3
        reach = math.ceil((3 * sigma / angle.cos()).max().item()) + 1
        some = max(1, POINTS_AT_ONCE // (rows * (2 * reach + 1)))
        place, value = _points(streaks[:some], rows, reach, height, width)
        canvas.scatter_reduce_(0, place.flatten(), value.flatten(), "amax")
        streaks = streaks[some:]
    return canvas[1:].view(batch, 1, height, width).to(image.dtype)


def _points(streaks: Tensor, rows: int, reach: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where on the canvas each streak's pixels lie, and how bright they are: both (N, rows, 2·reach + 1)."""
    index, x, y, angle, length, sigma, brightness, taper, phase = streaks[:, :, None, None].unbind(1)
    sin, cos = angle.sin(), angle.cos()
    row = (y - rows / 2).round() + torch.arange(rows, device=streaks.device)[:, None]
    column = (x + (row - y) * sin / cos).round() + torch.arange(-reach, reach + 1, device=streaks.device)

    along = ((column - x) * sin + (row - y) * cos) / (length / 2)
    across = ((column - x) * cos - (row - y) * sin) / sigma
    ripple = 1 - 0.3 * (math.pi * (along * (1 + phase) + 2 * phase)).sin() ** 2
    profile = ((-0.5 * across**2).exp() - math.exp(-0.5 * 3**2)).clamp_min(0)  # nothing beyond 3 sigmas
    value = brightness * ripple * (1 - along**2).clamp_min(0) ** taper * profile

    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    place = torch.where(inside, (index.long() * height + row.long()) * width + column.long() + 1, 0)
    return place, value
