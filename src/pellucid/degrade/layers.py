"""Scenes of layers, of which some are blurred and others are not."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.degrade.base import chance, integer, log_uniform, seed, uniform
from pellucid.degrade.blur import DefocusBlurParams, convolve, defocus_kernels, scene_light
from pellucid.degrade.camera import to_srgb
from pellucid.degrade.fields import Window, scene_axes, smooth_noise
from pellucid.degrade.motion import line_through_middle, path_kernels


@dataclass(frozen=True, kw_only=True)
class DepthParams:
    """One scene of flat layers, from the farthest to the nearest.

    Attributes:
        lenses: the blur of each layer.
        border: width of the borders between layers, as a share of the picture's relief.
        share: of the picture that lies in the farthest layer.
        cells: how many hills the relief has along a side.
        highlights: how many times brighter than white the blown highlights were.
        seed: of the relief.
    """

    lenses: tuple[DefocusBlurParams, ...]
    border: float
    share: float
    cells: int
    highlights: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class Depth:
    """Two or three layers at depths of their own, one often in focus; a near one's blur spreads over those behind.

    The layers do not follow what is in the picture, but smooth random borders.

    Each attribute is a range (low, high).

    Attributes:
        radius: of the circle of confusion in pixels, drawn for each layer; as likely to double as to halve.
        border: as in ``DepthParams``; as likely to double as to halve.
        share: as in ``DepthParams``.
        highlights: true brightness of blown highlights, 1 being white; as likely to double as to halve.
        sharp: probability that one of the layers is in focus.
        scale: multiplies lengths in pixels, for larger pictures.
    """

    radius: tuple[float, float] = (0.7, 9.0)
    border: tuple[float, float] = (0.05, 1.0)
    share: tuple[float, float] = (0.2, 0.7)
    highlights: tuple[float, float] = (1.0, 4.0)
    sharp: float = 0.6
    scale: float = 1.0

    def sample(self, rng: torch.Generator) -> DepthParams:
        """Draw the parameters for one image."""
        radii = [self.scale * log_uniform(rng, *self.radius) for _ in range(integer(rng, 2, 3))]
        if chance(rng, self.sharp):
            radii[integer(rng, 0, len(radii) - 1)] = 0.3  # less than a pixel
        highlights = log_uniform(rng, *self.highlights)
        lenses = tuple(
            DefocusBlurParams(
                radius=radius,
                blades=6,
                roundness=1.0,
                rotation=0.0,
                softness=max(1.0, 0.3 * radius),
                rim=0.0,
                highlights=highlights,
            )
            for radius in radii
        )
        return DepthParams(
            lenses=lenses,
            border=log_uniform(rng, *self.border),
            share=uniform(rng, *self.share),
            cells=integer(rng, 1, 4),
            highlights=highlights,
            seed=seed(rng),
        )

    def apply(self, image: Tensor, params: Sequence[DepthParams]) -> Tensor:
        """Blur (B, C, H, W) in [0, 1]."""
        return torch.cat([_layered(one[None], p) for one, p in zip(image, params, strict=True)])


def _layered(image: Tensor, p: DepthParams) -> Tensor:
    """Blur the layers of (1, C, H, W), each with its own outline, and put the nearer before the farther."""
    y, x = scene_axes([Window()], image)
    relief = smooth_noise([p.seed], y, x, cells=p.cells)
    start = relief.flatten().kthvalue(max(1, round(p.share * relief.numel()))).values
    step = (relief.max() - start) / (len(p.lenses) - 1)
    nearer = torch.arange(len(p.lenses), device=image.device)[:, None, None] - 1
    masks = ((relief - start - nearer * step) / (p.border * step + 1e-3) + 0.5).clamp(0, 1)
    masks[0] = 1

    light = scene_light(image, [p.highlights])
    layers = torch.cat((masks[:, None], masks[:, None] * light), 1)
    blurred = convolve(layers, defocus_kernels(p.lenses).to(image.device))
    seen = blurred[0, 1:]
    for layer in blurred[1:]:
        seen = seen * (1 - layer[:1].clamp(0, 1)) + layer[1:]
    return to_srgb(seen.clamp(0, 1))[None].to(image.dtype)


@dataclass(frozen=True, kw_only=True)
class MovingParams:
    """One thing that moves.

    Attributes:
        length: of its way in pixels.
        angle: of its way, in radians.
        share: of the picture that it takes.
        cells: how uneven its outline is.
        highlights: how many times brighter than white the blown highlights were.
        seed: of its outline.
    """

    length: float
    angle: float
    share: float
    cells: int
    highlights: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class Moving:
    """Part of the picture moves before the rest, which is sharp.

    For validation: a network that was trained on cameras that move has seen no picture that is partly sharp.

    Each attribute is a range (low, high).

    Attributes:
        length: in pixels; as likely to double as to halve.
        share: as in ``MovingParams``.
        highlights: true brightness of blown highlights, 1 being white; as likely to double as to halve.
        scale: multiplies lengths, for larger pictures.
    """

    length: tuple[float, float] = (2.0, 30.0)
    share: tuple[float, float] = (0.2, 0.8)
    highlights: tuple[float, float] = (1.0, 4.0)
    scale: float = 1.0

    def sample(self, rng: torch.Generator) -> MovingParams:
        """Draw the parameters for one image."""
        return MovingParams(
            length=self.scale * log_uniform(rng, *self.length),
            angle=uniform(rng, 0.0, math.tau),
            share=uniform(rng, *self.share),
            cells=integer(rng, 1, 4),
            highlights=log_uniform(rng, *self.highlights),
            seed=seed(rng),
        )

    def apply(self, image: Tensor, params: Sequence[MovingParams]) -> Tensor:
        """Blur (B, C, H, W) in [0, 1]."""
        return torch.cat([_passing(one[None], p) for one, p in zip(image, params, strict=True)])


def _passing(image: Tensor, p: MovingParams) -> Tensor:
    """The moving part of (1, C, H, W), smeared with its outline, before the whole."""
    y, x = scene_axes([Window()], image)
    field = smooth_noise([p.seed], y, x, cells=p.cells)
    edge = field.flatten().kthvalue(max(1, round((1 - p.share) * field.numel()))).values
    mask = ((field - edge) * 20 + 0.5).clamp(0, 1)[:, None]
    light = scene_light(image, [p.highlights])
    line = line_through_middle(p.length, p.angle)
    kernel = path_kernels([line], [torch.ones(len(line))]).to(image.device)
    smeared = convolve(torch.cat((mask, mask * light), 1), kernel)
    seen = light * (1 - smeared[:, :1].clamp(0, 1)) + smeared[:, 1:]
    return to_srgb(seen.clamp(0, 1)).to(image.dtype)
