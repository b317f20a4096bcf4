"""Rain as straight lines with hard edges, as it is drawn over photos by programs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pellucid.degrade.base import chance, integer, log_uniform, seed, uniform
from pellucid.degrade.rain.blending import BlendParams, blend_rain, sample_blend
from pellucid.degrade.rain.drawing import Shapes, blurred, draw, ribbons

MOST_PER_MEGAPIXEL = 30000.0  # keeps short thin lines from taking the time of thousands
SLIMMEST = 5.0  # of a line's length to its width: a shorter one is confetti


@dataclass(frozen=True, kw_only=True)
class LineLayer:
    """Lines of one kind.

    Attributes:
        angle: mean direction in degrees from the vertical; a positive angle falls towards the right.
        angle_spread: standard deviation of their directions, in degrees.
        length, width: of the longest and the widest, in pixels.
        density: lines per megapixel.
        faintest: level of the faintest line, in [0, 1]; the brightest has 1.
    """

    angle: float
    angle_spread: float
    length: float
    width: float
    density: float
    faintest: float


@dataclass(frozen=True, kw_only=True)
class LinesParams:
    """One image's rain.

    Attributes:
        layers: the lines, the later ones on top.
        oversampling: how many times larger they are drawn than they are seen; 1 leaves edges as stairs.
        blur: standard deviation in pixels of a Gaussian over all of them; 0 for none.
        blend: how they lie over the picture.
        seed: of the single lines.
    """

    layers: tuple[LineLayer, ...]
    oversampling: int
    blur: float
    blend: BlendParams
    seed: int


@dataclass(frozen=True, kw_only=True)
class RainLines:
    """Flat near-parallel line segments with hard edges, from a few to so many that half of the picture is white.

    Each attribute that is a pair is a range (low, high).

    Attributes:
        cover: area of all lines, in areas of the picture, as likely to double as to halve. Where they cross they count
            twice, so that 1.2 covers about half and more.
        layers: how many kinds, among which the cover is divided.
        angle: main direction in degrees from the vertical.
        angle_spread: standard deviation in degrees within a layer; as likely to double as to halve.
        crossing: degrees between the layers' directions and the main one; as likely to double as to halve.
        length, width: in pixels; as likely to double as to halve.
        opacity, veil: as in ``BlendParams``; fog every other time.
        blur: standard deviation in pixels of a blur that befalls a third.
        scale: multiplies all lengths in pixels, for larger pictures.
    """

    cover: tuple[float, float] = (0.01, 1.4)
    layers: tuple[int, int] = (1, 3)
    angle: tuple[float, float] = (-40.0, 40.0)
    angle_spread: tuple[float, float] = (0.3, 5.0)
    crossing: tuple[float, float] = (0.5, 20.0)
    length: tuple[float, float] = (8.0, 160.0)
    width: tuple[float, float] = (1.0, 5.0)
    opacity: tuple[float, float] = (0.25, 1.0)
    veil: tuple[float, float] = (0.05, 0.5)
    blur: tuple[float, float] = (0.4, 1.2)
    scale: float = 1.0

    def sample(self, rng: torch.Generator) -> LinesParams:
        """Draw the parameters for one image."""
        layers = integer(rng, *self.layers)
        cover, angle = log_uniform(rng, *self.cover), uniform(rng, *self.angle)
        crossing = log_uniform(rng, *self.crossing)
        return LinesParams(
            layers=tuple(self._sample_layer(rng, cover / layers, angle, crossing) for _ in range(layers)),
            oversampling=1 if chance(rng, 0.15) else 3,
            blur=uniform(rng, *self.blur) * self.scale if chance(rng, 1 / 3) else 0.0,
            blend=sample_blend(rng, self.opacity, self.veil),
            seed=seed(rng),
        )

    def _sample_layer(self, rng: torch.Generator, cover: float, angle: float, crossing: float) -> LineLayer:
        width = log_uniform(rng, *self.width)
        length = max(log_uniform(rng, *self.length), SLIMMEST * width)
        return LineLayer(
            angle=angle + crossing * uniform(rng, -1.0, 1.0),
            angle_spread=log_uniform(rng, *self.angle_spread),
            length=length * self.scale,
            width=width * self.scale,
            density=min(1e6 * cover / (length * width), MOST_PER_MEGAPIXEL) / self.scale**2,
            faintest=uniform(rng, 0.2, 1.0),
        )

    def apply(self, image: Tensor, params: Sequence[LinesParams]) -> Tensor:
        """Let it rain on (B, C, H, W) in [0, 1]; the result is in [0, 1]."""
        rain = torch.stack([_lines(p, *image.shape[2:]) for p in params])[:, None]
        return blend_rain(image, rain.to(image), [p.blend for p in params])


def _lines(params: LinesParams, height: int, width: int) -> Tensor:
    """How much of each pixel is rain, (H, W) in [0, 1]."""
    rng = np.random.default_rng(params.seed)
    groups = [_layer(layer, height, width, rng) for layer in params.layers]
    return blurred(draw(groups, height, width, oversampling=params.oversampling), params.blur)


def _layer(layer: LineLayer, height: int, width: int, rng: np.random.Generator) -> Shapes:
    lean = math.radians(layer.angle)
    above = layer.length / 2 * abs(math.cos(lean)) + layer.width  # the middles of those that reach in from outside
    beside = layer.length / 2 * abs(math.sin(lean)) + layer.width
    tall, wide = height + 2 * above, width + 2 * beside
    count = rng.poisson(layer.density * 1e-6 * tall * wide)
    x, y, long, broad, bright = rng.random((5, count))
    angle = np.radians(layer.angle + layer.angle_spread * rng.standard_normal(count))
    half = layer.length * (0.5 + 0.5 * long) / 2
    middle = np.stack([x * wide - beside, y * tall - above], -1)
    reach = np.stack([half * np.sin(angle), half * np.cos(angle)], -1)
    broad = np.maximum(layer.width * (0.6 + 0.4 * broad), 1.0)
    paths = np.stack([middle - reach, middle + reach], 1)
    levels = layer.faintest + (1 - layer.faintest) * bright
    return ribbons(paths, np.stack([broad, broad], 1)), levels
