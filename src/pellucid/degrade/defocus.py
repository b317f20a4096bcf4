"""Lenses out of focus, other than the one disc of ``DefocusBlur``."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.degrade.base import integer, log_uniform, per_image, uniform
from pellucid.degrade.blur import (
    DefocusBlurParams,
    blur_light,
    convolve,
    defocus_kernels,
    gaussian_blur,
    kernel_places,
    scene_light,
)
from pellucid.degrade.camera import to_srgb
from pellucid.degrade.fields import Window, scene_axes


@dataclass(frozen=True, kw_only=True)
class PolygonParams:
    """One lens, and where in its picture this one is.

    Attributes:
        lens: its blur in the middle of the picture.
        vignetting: how far the barrel moves over the aperture in the corners, in radii.
        place: of the corners of this picture in the whole one: left, top, right and bottom, in [-1, 1].
    """

    lens: DefocusBlurParams
    vignetting: float
    place: tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Polygon:
    """An aperture of straight blades that the barrel cuts into cat's eyes towards the corners.

    Each attribute is a range (low, high).

    Attributes:
        radius: of the circle of confusion in pixels; as likely to double as to halve.
        roundness: of the blades: 0 is a polygon, 1 a disc.
        vignetting: as in ``PolygonParams``.
        extent: share of the whole picture's side that this one shows; as likely to double as to halve.
        highlights: true brightness of blown highlights, 1 being white; as likely to double as to halve.
        scale: multiplies lengths in pixels, for larger pictures.
    """

    radius: tuple[float, float] = (0.7, 9.0)
    roundness: tuple[float, float] = (0.0, 0.4)
    vignetting: tuple[float, float] = (0.0, 1.0)
    extent: tuple[float, float] = (0.15, 1.0)
    highlights: tuple[float, float] = (1.0, 6.0)
    scale: float = 1.0

    def sample(self, rng: torch.Generator) -> PolygonParams:
        """Draw the parameters for one image."""
        lens = DefocusBlurParams(
            radius=self.scale * log_uniform(rng, *self.radius),
            blades=integer(rng, 5, 8),
            roundness=uniform(rng, *self.roundness),
            rotation=uniform(rng, 0.0, math.tau),
            softness=1.0,
            rim=0.0,
            highlights=log_uniform(rng, *self.highlights),
        )
        extent = log_uniform(rng, *self.extent)
        left, top = uniform(rng, -1.0, 1 - 2 * extent), uniform(rng, -1.0, 1 - 2 * extent)
        place = (left, top, left + 2 * extent, top + 2 * extent)
        return PolygonParams(lens=lens, vignetting=uniform(rng, *self.vignetting), place=place)

    def apply(self, image: Tensor, params: Sequence[PolygonParams]) -> Tensor:
        """Blur (B, C, H, W) in [0, 1]."""
        return torch.cat([_cut_by_barrel(one[None], p) for one, p in zip(image, params, strict=True)])


def _cut_by_barrel(image: Tensor, p: PolygonParams) -> Tensor:
    """Blur (1, C, H, W) by the kernels of its four corners, blended in between."""
    full = defocus_kernels([p.lens])
    places = kernel_places(full.shape[1] // 2)
    left, top, right, bottom = p.place
    # the barrel's end, seen from a corner of the picture, is a disc beside the aperture
    shift = p.vignetting * p.lens.radius * torch.tensor([(left, top), (right, top), (left, bottom), (right, bottom)])
    distance = torch.hypot(places + shift[:, :1, None], places[:, None] + shift[:, 1:, None])
    kernels = full * (p.lens.radius - distance + 1.5).clamp(0, 1)
    kernels = kernels / kernels.sum((1, 2), keepdim=True)

    corners = convolve(scene_light(image, [p.lens.highlights]), kernels.to(image.device))
    y, x = scene_axes([Window()], image.new_zeros(1, 1, *image.shape[2:]))
    upper, lower = torch.lerp(corners[0], corners[1], x), torch.lerp(corners[2], corners[3], x)
    return to_srgb(torch.lerp(upper, lower, y).clamp(0, 1))[None].to(image.dtype)


@dataclass(frozen=True, kw_only=True)
class SoftFocusParams:
    """One blur.

    Attributes:
        sigma: standard deviation in pixels.
        halo: share of the light in a second, twice as wide one, in [0, 1].
    """

    sigma: float
    halo: float


@dataclass(frozen=True, kw_only=True)
class SoftFocus:
    """Gaussian blur of sRGB values, as image editors do it, often with a halo.

    Each attribute is a range (low, high).

    Attributes:
        sigma: as in ``SoftFocusParams``; as likely to double as to halve.
        halo: as in ``SoftFocusParams``.
        scale: multiplies lengths in pixels, for larger pictures.
    """

    sigma: tuple[float, float] = (0.4, 5.0)
    halo: tuple[float, float] = (0.0, 0.5)
    scale: float = 1.0

    def sample(self, rng: torch.Generator) -> SoftFocusParams:
        """Draw the parameters for one image."""
        return SoftFocusParams(sigma=self.scale * log_uniform(rng, *self.sigma), halo=uniform(rng, *self.halo))

    def apply(self, image: Tensor, params: Sequence[SoftFocusParams]) -> Tensor:
        """Blur (B, C, H, W) in [0, 1]."""
        soft, wide = (gaussian_blur(image, [times * p.sigma for p in params]) for times in (1, 2))
        return torch.lerp(soft, wide, per_image([p.halo for p in params], image)).clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class RingParams:
    """One mirror lens.

    Attributes:
        radius: of the circle of confusion, in pixels.
        hole: radius of the shadow of the second mirror, beside it, in [0, 1).
        coma: how much brighter one side is than the other, in [-1, 1].
        rotation: of that side, in radians.
        softness: width of the edges, in pixels.
        highlights: how many times brighter than white the blown highlights were.
    """

    radius: float
    hole: float
    coma: float
    rotation: float
    softness: float
    highlights: float


@dataclass(frozen=True, kw_only=True)
class Ring:
    """A mirror lens out of focus: points become rings, lines become double.

    For validation: no disc, polygon or Gaussian that a network was trained on has a hole.

    Each attribute is a range (low, high).

    Attributes:
        radius: of the circle of confusion in pixels; as likely to double as to halve.
        hole, coma: as in ``RingParams``.
        softness: as in ``RingParams``.
        highlights: true brightness of blown highlights, 1 being white; as likely to double as to halve.
        scale: multiplies lengths in pixels, for larger pictures.
    """

    radius: tuple[float, float] = (0.7, 8.0)
    hole: tuple[float, float] = (0.3, 0.7)
    coma: tuple[float, float] = (0.0, 0.6)
    softness: tuple[float, float] = (1.0, 2.0)
    highlights: tuple[float, float] = (1.0, 4.0)
    scale: float = 1.0

    def sample(self, rng: torch.Generator) -> RingParams:
        """Draw the parameters for one image."""
        return RingParams(
            radius=self.scale * log_uniform(rng, *self.radius),
            hole=uniform(rng, *self.hole),
            coma=uniform(rng, *self.coma),
            rotation=uniform(rng, 0.0, math.tau),
            softness=self.scale * uniform(rng, *self.softness),
            highlights=log_uniform(rng, *self.highlights),
        )

    def apply(self, image: Tensor, params: Sequence[RingParams]) -> Tensor:
        """Blur (B, C, H, W) in [0, 1]."""
        return blur_light(image, ring_kernels(params).to(image.device), [p.highlights for p in params])


def ring_kernels(params: Sequence[RingParams]) -> Tensor:
    """Images of the aperture, (B, K, K) on the CPU with an odd K that holds the largest; each sums to 1."""
    radius, hole, coma, rotation, softness = (
        torch.tensor(values)[:, None, None]
        for values in zip(*((p.radius, p.hole, p.coma, p.rotation, p.softness) for p in params), strict=True)
    )
    places = kernel_places(math.ceil(max(p.radius + p.softness / 2 for p in params)))
    y, x = places[:, None], places[None, :]
    distance = (x**2 + y**2).sqrt()
    outer = ((radius - distance) / softness + 0.5).clamp(0, 1)
    inner = ((hole * radius - distance) / softness + 0.5).clamp(0, 1)
    lopsided = 1 + coma * ((x * rotation.cos() + y * rotation.sin()) / radius).clamp(-1, 1)
    kernel = (outer - inner) * lopsided
    return kernel / kernel.sum((1, 2), keepdim=True)
