"""A sky at dusk or at night above a dark skyline: for what must not take every gradient for haze."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.degrade.base import chance, log_uniform, per_image, seed, tinted, uniform
from pellucid.degrade.fields import Window, scene_axes, smooth_noise

_EDGE = 0.004  # of the picture's longer side: how sharp the skyline is
_RELIEF = 0.05  # of it, as a standard deviation


@dataclass(frozen=True, kw_only=True)
class DuskParams:
    """One image's sky.

    Attributes:
        skyline: how far down it is; the picture's longer side is 1.
        fall: how steeply the light falls off above it: to exp(-fall · d) at a distance d.
        zenith, glow: red, green and blue in [0, 1], far above the skyline and at it.
        ground: light left below it.
        seed: of the relief.
    """

    skyline: float
    fall: float
    zenith: tuple[float, float, float]
    glow: tuple[float, float, float]
    ground: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class Dusk:
    """The sky ``zenith + (glow - zenith) · exp(-fall · d)`` at a distance d above a skyline; below it, the picture.

    It is as smooth as haze, and often has nothing black in it; but haze, too, would lie before it and not be it.

    Each attribute is a range (low, high).

    Attributes:
        skyline, fall, ground: as in ``DuskParams``; ``fall`` as likely to double as to halve.
        zenith, glow: brightness of the strongest colour; as likely to double as to halve.
    """

    skyline: tuple[float, float] = (0.3, 1.3)
    fall: tuple[float, float] = (1.0, 8.0)
    zenith: tuple[float, float] = (0.04, 0.5)
    glow: tuple[float, float] = (0.2, 1.0)
    ground: tuple[float, float] = (0.1, 1.0)

    def sample(self, rng: torch.Generator) -> DuskParams:
        """Draw the parameters for one image."""
        warmth = uniform(rng, -0.2, 0.9) if chance(rng, 0.7) else uniform(rng, -0.6, 0.2)
        return DuskParams(
            skyline=uniform(rng, *self.skyline),
            fall=log_uniform(rng, *self.fall),
            zenith=tinted(log_uniform(rng, *self.zenith), uniform(rng, -0.8, 0.2)),
            glow=tinted(log_uniform(rng, *self.glow), warmth),
            ground=uniform(rng, *self.ground),
            seed=seed(rng),
        )

    def apply(self, image: Tensor, params: Sequence[DuskParams]) -> Tensor:
        """Put it behind (B, C, H, W) in [0, 1]; the result is in [0, 1]."""
        y, x = scene_axes([Window()] * len(params), image)
        relief = smooth_noise([p.seed for p in params], torch.zeros_like(y[:, :1]), x, cells=4, octaves=4)
        above = per_image([p.skyline for p in params], image)[:, 0] - y
        sky = ((above + _RELIEF * relief)[:, None] / _EDGE).sigmoid()
        light = (-above.clamp(min=0)[:, None] * per_image([p.fall for p in params], image)).exp()
        zenith, glow = (
            torch.tensor(colours, device=image.device)[:, :, None, None]
            for colours in ([p.zenith for p in params], [p.glow for p in params])
        )
        colour = torch.lerp(zenith, glow, light)
        colour = colour if image.shape[1] == 3 else colour.mean(1, keepdim=True)
        ground = image * per_image([p.ground for p in params], image)
        return torch.lerp(ground, colour.to(image), sky.to(image)).clamp(0, 1)
