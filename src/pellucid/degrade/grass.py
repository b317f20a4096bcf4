"""Blades of grass, hair, threads: lines that belong to the scene, for what must not take them for rain."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.degrade.base import integer, log_uniform, normal_like, per_image, seed, uniform
from pellucid.degrade.fields import Window, scene_axes, smooth_noise

_OPAQUE = 0.8  # share of the colour that is the blades'
_EDGE = 6.0  # how sharply a meadow ends: 1 / (1 + exp(-_EDGE · field))


@dataclass(frozen=True, kw_only=True)
class GrassParams:
    """One image's blades.

    Attributes:
        directions: of each layer, in degrees from the vertical.
        length, width: of a blade in pixels, as standard deviations.
        contrast: standard deviation of the logarithm of the light.
        colours: of each layer's blades, red, green and blue in [0, 1].
        cover: from -1, hardly anywhere, to 1, nearly everywhere.
        seed: of the single blades and where they grow.
    """

    directions: tuple[float, ...]
    length: float
    width: float
    contrast: float
    colours: tuple[tuple[float, float, float], ...]
    cover: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class Grass:
    """Layers of long bright blades in front of each other, with dark gaps, from green to the yellow and brown of straw.

    Noise smeared along each layer's direction, of which the brightest layer is seen, in its colour; the picture is
    multiplied by the exponential of it: bright blades are as bright as it was, the gaps darker. Rain adds light, in one
    direction.

    Each attribute is a range (low, high).

    Attributes:
        layers: how many directions.
        angle, spread: mean of their directions, and their standard deviation, in degrees.
        length, width: of a blade in pixels; as likely to double as to halve.
        pale: how far towards white single layers go, in [0, 1].
        contrast, cover: as in ``GrassParams``.
    """

    layers: tuple[int, int] = (2, 6)
    angle: tuple[float, float] = (-30.0, 30.0)
    spread: tuple[float, float] = (4.0, 40.0)
    length: tuple[float, float] = (6.0, 30.0)
    width: tuple[float, float] = (0.4, 1.4)
    pale: tuple[float, float] = (0.0, 0.6)
    contrast: tuple[float, float] = (0.15, 0.7)
    cover: tuple[float, float] = (-0.5, 1.5)

    def sample(self, rng: torch.Generator) -> GrassParams:
        """Draw the parameters for one image."""
        angle, spread = uniform(rng, *self.angle), uniform(rng, *self.spread)
        turns = torch.randn(integer(rng, *self.layers), generator=rng, dtype=torch.float64).tolist()
        common, pale = _colour(rng), uniform(rng, *self.pale)
        return GrassParams(
            directions=tuple(angle + spread * turn for turn in turns),
            length=log_uniform(rng, *self.length),
            width=log_uniform(rng, *self.width),
            contrast=uniform(rng, *self.contrast),
            colours=tuple(_variant(common, pale, rng) for _ in turns),
            cover=uniform(rng, *self.cover),
            seed=seed(rng),
        )

    def apply(self, image: Tensor, params: Sequence[GrassParams]) -> Tensor:
        """Let it grow on (B, C, H, W) in [0, 1]; the result is in [0, 1]."""
        seen = [_blades(image[i : i + 1], p) for i, p in enumerate(params)]
        blades, colour = (torch.cat(parts) for parts in zip(*seen, strict=True))
        y, x = scene_axes([Window()] * len(params), image)
        meadow = smooth_noise([p.seed for p in params], y, x, cells=2)[:, None].to(image.dtype)
        meadow = (_EDGE * (meadow + per_image([p.cover for p in params], image))).sigmoid()
        contrast = per_image([p.contrast for p in params], image)
        grown = image.mean(1, keepdim=True) * (colour if image.shape[1] == 3 else colour.amax(1, keepdim=True))
        return (torch.lerp(image, grown, _OPAQUE * meadow) * (contrast * meadow * (blades - 1)).exp()).clamp(0, 1)


def _colour(rng: torch.Generator) -> tuple[float, float, float]:
    red, green, blue = (uniform(rng, low, high) for low, high in ((0.3, 1.0), (0.6, 1.0), (0.1, 0.6)))
    most = max(red, green)
    return red / most, green / most, blue / most


def _variant(colour: tuple[float, float, float], pale: float, rng: torch.Generator) -> tuple[float, float, float]:
    """A layer's own colour: darker, and up to so much paler."""
    white, shade = pale * uniform(rng, 0.0, 1.0), uniform(rng, 0.5, 1.0)
    red, green, blue = (shade * (channel + white * (1 - channel)) for channel in colour)
    return red, green, blue


def _blades(image: Tensor, params: GrassParams) -> tuple[Tensor, Tensor]:
    """Layers of smeared noise, the brightest seen: (1, 1, H, W), mean 0 and deviation 1; their colours (1, 3, H, W)."""
    height, width = image.shape[2:]
    layers = len(params.directions)
    like = torch.empty((1, layers, height, width), device=image.device)
    noise = normal_like(like, [params.seed + 1])[0]
    angle = torch.tensor(params.directions, device=image.device).deg2rad()[:, None, None]
    down = torch.fft.fftfreq(height, device=image.device)[:, None]
    right = torch.fft.rfftfreq(width, device=image.device)
    along = right * angle.sin() + down * angle.cos()
    across = right * angle.cos() - down * angle.sin()
    passed = (-2 * math.pi**2 * ((along * params.length) ** 2 + (across * params.width) ** 2)).exp()
    smeared = torch.fft.irfft2(torch.fft.rfft2(noise) * passed, s=(height, width))
    smeared = smeared / smeared.std((1, 2), keepdim=True, correction=0).clamp(min=1e-6)
    seen, layer = smeared.max(0)
    seen = (seen - seen.mean()) / seen.std(correction=0).clamp(min=1e-6)
    colours = torch.tensor(params.colours, device=image.device)[layer].permute(2, 0, 1)
    return seen.to(image.dtype)[None, None], colours.to(image.dtype)[None]
