"""Rain as image editors make it: noise, of which a threshold leaves grains, blurred along a direction."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.degrade.base import chance, integer, log_uniform, seed, uniform
from pellucid.degrade.rain.blending import BlendParams, blend_rain, sample_blend

SLIMMEST = 5.0  # of a streak's length to its width: a shorter one is confetti
SIGMAS_ACROSS = math.sqrt(2 * math.pi)  # width of a box as high as a Gaussian and of its area


@dataclass(frozen=True, kw_only=True)
class GrainLayer:
    """Noise that is smeared in one direction.

    Attributes:
        angle: direction in degrees from the vertical; a positive angle falls towards the right.
        length: how far a grain is smeared, in pixels.
        grain: side of a grain, in pixels.
        share: of the grains that the threshold leaves, in [0, 1].
        gain: level of a lone smeared grain; from 1 on it is white.
        fading: whether streaks fade towards their ends (a triangle's profile) or end at once (a box's).
        softness: standard deviation of the blur across, in pixels.
    """

    angle: float
    length: float
    grain: float
    share: float
    gain: float
    fading: bool
    softness: float


@dataclass(frozen=True, kw_only=True)
class GrainsParams:
    """One image's rain.

    Attributes:
        layers: of which the brighter one is seen.
        blend: how they lie over the picture.
        seed: of the noise.
    """

    layers: tuple[GrainLayer, ...]
    blend: BlendParams
    seed: int


@dataclass(frozen=True, kw_only=True)
class RainGrains:
    """Thresholded noise under a motion blur whose contrast is then stretched, as tutorials for image editors have it.

    Streaks of one layer are exactly parallel and equally long, and where they overlap they add up and clip.

    Each attribute that is a pair is a range (low, high).

    Attributes:
        cover: area of all streaks, in areas of the picture; as likely to double as to halve.
        layers: how many directions and lengths, among which the cover is divided.
        angle: main direction in degrees from the vertical.
        crossing: degrees between the layers' directions and the main one; as likely to double as to halve.
        length: in pixels; as likely to double as to halve.
        grain: in pixels.
        gain: as in ``GrainLayer``; as likely to double as to halve.
        softness: as in ``GrainLayer``.
        opacity, veil: as in ``BlendParams``; fog every other time.
        scale: multiplies all lengths in pixels, for larger pictures.
    """

    cover: tuple[float, float] = (0.01, 1.2)
    layers: tuple[int, int] = (1, 3)
    angle: tuple[float, float] = (-45.0, 45.0)
    crossing: tuple[float, float] = (0.5, 15.0)
    length: tuple[float, float] = (8.0, 120.0)
    grain: tuple[float, float] = (1.0, 3.0)
    gain: tuple[float, float] = (0.4, 2.0)
    softness: tuple[float, float] = (0.3, 0.8)
    opacity: tuple[float, float] = (0.25, 1.0)
    veil: tuple[float, float] = (0.05, 0.5)
    scale: float = 1.0

    def sample(self, rng: torch.Generator) -> GrainsParams:
        """Draw the parameters for one image."""
        layers = integer(rng, *self.layers)
        cover, angle = log_uniform(rng, *self.cover), uniform(rng, *self.angle)
        crossing = log_uniform(rng, *self.crossing)
        return GrainsParams(
            layers=tuple(self._sample_layer(rng, cover / layers, angle, crossing) for _ in range(layers)),
            blend=sample_blend(rng, self.opacity, self.veil),
            seed=seed(rng),
        )

    def _sample_layer(self, rng: torch.Generator, cover: float, angle: float, crossing: float) -> GrainLayer:
        grain = uniform(rng, *self.grain)
        length = max(log_uniform(rng, *self.length), SLIMMEST * grain)
        return GrainLayer(
            angle=angle + crossing * uniform(rng, -1.0, 1.0),
            length=length * self.scale,
            grain=grain * self.scale,
            share=min(cover * grain / length, 0.5),
            gain=log_uniform(rng, *self.gain),
            fading=chance(rng, 0.5),
            softness=uniform(rng, *self.softness) * self.scale,
        )

    def apply(self, image: Tensor, params: Sequence[GrainsParams]) -> Tensor:
        """Let it rain on (B, C, H, W) in [0, 1]; the result is in [0, 1]."""
        rain = torch.stack([_grains(p, *image.shape[2:]) for p in params])[:, None]
        return blend_rain(image, rain.to(image), [p.blend for p in params])


def _grains(params: GrainsParams, height: int, width: int) -> Tensor:
    """How much rain there is, (H, W) in [0, 1], float32, on the CPU."""
    rng = torch.Generator().manual_seed(params.seed)
    layers = [_smeared(layer, height, width, rng) for layer in params.layers]
    return torch.stack(layers).amax(0)


def _smeared(layer: GrainLayer, height: int, width: int, rng: torch.Generator) -> Tensor:
    """A layer's streaks (H, W) in [0, 1]: they leave the picture on one side and come in on the other."""
    size = math.ceil(height / layer.grain), math.ceil(width / layer.grain)
    noise = torch.rand((1, 1, *size), generator=rng)
    grains = (noise < layer.share) * (1 - 0.6 * noise / layer.share)
    fine = F.interpolate(grains, (height, width), mode="nearest")[0, 0]

    lean = math.radians(layer.angle)
    down = torch.fft.fftfreq(height)[:, None]
    right = torch.fft.rfftfreq(width)
    along = right * math.sin(lean) + down * math.cos(lean)
    across = right * math.cos(lean) - down * math.sin(lean)
    passed = torch.sinc(along * layer.length / 2) ** 2 if layer.fading else torch.sinc(along * layer.length)
    passed = passed * (-2 * (math.pi * layer.softness * across) ** 2).exp()
    smeared = torch.fft.irfft2(torch.fft.rfft2(fine) * passed, s=(height, width))
    seen = math.hypot(layer.grain, SIGMAS_ACROSS * layer.softness)
    stretched = smeared * (layer.gain * layer.length * seen / layer.grain**2)
    return (stretched / (2 if layer.fading else 1)).clamp(0, 1)
