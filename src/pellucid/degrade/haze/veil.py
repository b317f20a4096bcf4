"""Mist: one veil over everything, colours washed out, and a glow of what light is scattered forward."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pellucid.degrade.base import chance, log_uniform, tinted, uniform
from pellucid.degrade.haze.scattering import brightness, colours, exposed, lit_alike, numbers, through

_HIGHLIGHT = 0.75  # of light: from here on the file may have cut off what was brighter
_TAIL = 4  # how much wider the far part of a glow is than its near part


@dataclass(frozen=True, kw_only=True)
class VeilParams:
    """One picture's mist.

    Attributes:
        transmission: share of light that arrives, in (0, 1].
        forward: share of what arrives that was scattered on its way, and so arrives from around.
        radius: of that glow, in pixels.
        tail: share of the glow that is four times as wide.
        lamps: by how much highlights were brighter than the file shows.
        fading: share of the saturation that is lost, in [0, 1].
        airlight: colour of the mist (R, G, B) in [0, 1].
        lit: brightness of the mist beside the picture's brightest parts; 0: as its colour says.
        of_scene: share of the mist's light that has the picture's mean colour.
        in_light: mix light rather than sRGB values.
    """

    transmission: float
    forward: float
    radius: float
    tail: float
    lamps: float
    fading: float
    airlight: tuple[float, float, float]
    lit: float
    of_scene: float
    in_light: bool


@dataclass(frozen=True, kw_only=True)
class Veil:
    """Mist that fills the air evenly from the lens on: no depth, but blurred light, as around street lamps.

    Forward scattering is what sets mist apart from haze, whose particles are smaller (Narasimhan & Nayar 2003,
    "Shedding light on the weather"): a share of the light arrives from around, blurred.

    Attributes:
        optical_depth: range of it, log-uniform, as likely to double as to halve.
        forward: range of the share of arriving light that is scattered forward, where mist is thick.
        radius: range of the glow's radius in pixels, log-uniform.
        fading: range of the share of saturation that is lost, where mist is thick.
        brightness: range of the airlight's brightest channel.
        tint: largest departure of the airlight from grey, in [0, 1].
        lit_alike: probability that what lights the scene lights the mist, bright over what is bright.
        scale: multiplies all lengths in pixels.
    """

    optical_depth: tuple[float, float] = (0.08, 3.5)
    forward: tuple[float, float] = (0.0, 0.6)
    radius: tuple[float, float] = (1.5, 24.0)
    fading: tuple[float, float] = (0.0, 0.7)
    brightness: tuple[float, float] = (0.45, 1.0)
    tint: float = 0.25
    lit_alike: float = 0.5
    scale: float = 1.0

    def sample(self, rng: torch.Generator) -> VeilParams:
        """Draw the parameters for one image."""
        transmission = math.exp(-log_uniform(rng, *self.optical_depth))
        thick = 1 - transmission**2  # thin mist neither glows nor fades
        return VeilParams(
            transmission=transmission,
            forward=thick * uniform(rng, *self.forward),
            radius=self.scale * log_uniform(rng, *self.radius),
            tail=uniform(rng, 0.0, 0.6),
            lamps=uniform(rng, 0.0, 4.0) if chance(rng, 0.5) else 0.0,
            fading=thick * uniform(rng, *self.fading),
            airlight=tinted(uniform(rng, *self.brightness), self.tint * (uniform(rng, 0, 1) - uniform(rng, 0, 1))),
            lit=lit_alike(rng, self.lit_alike),
            of_scene=uniform(rng, 0.0, 0.6) if chance(rng, 0.5) else 0.0,
            in_light=chance(rng, 0.6),
        )

    def apply(self, image: Tensor, params: Sequence[VeilParams]) -> Tensor:
        """Veil (B, C, H, W) in [0, 1]; a grey picture sees grey mist."""
        light = image.float().clamp(0, 1) ** 2
        highlights = ((light - _HIGHLIGHT) / (1 - _HIGHLIGHT)).clamp(min=0) ** 2
        emitted = light * (1 + numbers([p.lamps for p in params], image) * highlights)
        glow = torch.cat([_glow(emitted[i : i + 1], p) for i, p in enumerate(params)])
        scene = torch.lerp(light, glow, numbers([p.forward for p in params], image)).clamp(0, 1).sqrt()
        grey = scene.mean(1, keepdim=True)
        scene = torch.lerp(scene, grey, numbers([p.fading for p in params], image))
        mean = light.mean((2, 3), keepdim=True).sqrt()
        airlight = exposed(colours([p.airlight for p in params], image), brightness(image), [p.lit for p in params])
        airlight = torch.lerp(airlight, mean, numbers([p.of_scene for p in params], image))
        transmission = numbers([p.transmission for p in params], image)
        return through(scene.to(image.dtype), transmission, airlight, [p.in_light for p in params])


def _glow(light: Tensor, drawn: VeilParams) -> Tensor:
    near, far = _blurred(light, drawn.radius), _blurred(light, _TAIL * drawn.radius)
    return torch.lerp(near, far, drawn.tail)


def _blurred(light: Tensor, radius: float) -> Tensor:
    """About a Gaussian filter of (1, C, H, W), by way of a smaller copy."""
    height, width = light.shape[2:]
    small = F.interpolate(light, [max(1, round(n / max(radius, 1.0))) for n in (height, width)], mode="area")
    for _ in range(2):
        small = F.avg_pool2d(F.pad(small, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return F.interpolate(small, (height, width), mode="bilinear")
