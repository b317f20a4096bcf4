"""Light that falls off around lamps, the sun or the horizon: for what must not take every gradient for haze."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.degrade.base import integer, log_uniform, tinted, uniform


@dataclass(frozen=True, kw_only=True)
class Light:
    """One light, in coordinates in which the picture's longer side is 1.

    Attributes:
        y, x: its middle, from the upper left corner; it may lie outside.
        radius: where little of it is left.
        flat: how many times as wide as high its glow is.
        fall: how steeply it falls off.
        colour: red, green and blue in its middle, in [0, 1].
    """

    y: float
    x: float
    radius: float
    flat: float
    fall: float
    colour: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Glow:
    """The glow I ← 1 - (1 - I) · Π (1 - c / (1 + (d / r)²)^k) of a few lights: street lamps, the sun, a sky at dusk.

    Haze lies over what is far, everywhere; a lamp's glow lies around it, and dusk is a band above the horizon.

    Each attribute is a range (low, high).

    Attributes:
        lights: how many.
        radius, flat, fall: as in ``Light``; the first two as likely to double as to halve.
        brightness: of a light's strongest colour.
        tint: from -1, blue, to 1, red.
    """

    lights: tuple[int, int] = (1, 3)
    radius: tuple[float, float] = (0.02, 0.3)
    flat: tuple[float, float] = (1.0, 12.0)
    fall: tuple[float, float] = (1.0, 3.0)
    brightness: tuple[float, float] = (0.1, 0.9)
    tint: tuple[float, float] = (-0.6, 0.8)

    def sample(self, rng: torch.Generator) -> tuple[Light, ...]:
        """Draw the lights of one image."""
        return tuple(self._light(rng) for _ in range(integer(rng, *self.lights)))

    def _light(self, rng: torch.Generator) -> Light:
        tint, brightness = uniform(rng, *self.tint), uniform(rng, *self.brightness)
        return Light(
            y=uniform(rng, -0.2, 1.2),
            x=uniform(rng, -0.2, 1.2),
            radius=log_uniform(rng, *self.radius),
            flat=log_uniform(rng, *self.flat),
            fall=uniform(rng, *self.fall),
            colour=tinted(brightness, tint),
        )

    def apply(self, image: Tensor, params: Sequence[tuple[Light, ...]]) -> Tensor:
        """Light (B, C, H, W) in [0, 1]; the result is in [0, 1]."""
        height, width = image.shape[2:]
        rows, columns = (torch.arange(n, device=image.device) / max(height, width) for n in (height, width))
        left = 1 - image
        for index, lights in enumerate(params):
            for light in lights:
                apart = (rows[:, None] - light.y) ** 2 + ((columns - light.x) / light.flat) ** 2
                glow = (1 + apart / light.radius**2) ** -light.fall
                colour = torch.tensor(light.colour, device=image.device)[:, None, None]
                left[index] *= (1 - (colour if image.shape[1] == 3 else colour.mean(0, keepdim=True)) * glow).to(image)
        return (1 - left).clamp(0, 1)
