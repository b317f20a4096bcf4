"""What wet glass does to all that is seen through it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.degrade.base import tinted, uniform
from pellucid.degrade.blur import gaussian_blur


@dataclass(frozen=True, kw_only=True)
class FilmParams:
    """A thin film of water.

    Attributes:
        blur: standard deviation of its blur, in pixels.
        veil: share of the light that is spread over the whole picture, in [0, 1].
        gains: of red, green and blue.
    """

    blur: float
    veil: float
    gains: tuple[float, float, float]


def sample_film(rng: torch.Generator, strength: float, scale: float) -> FilmParams:
    """Draw a film: none at strength 0, at 1 as much as wet windows have."""
    return FilmParams(
        blur=scale * strength * uniform(rng, 0.0, 1.0),
        veil=strength * uniform(rng, 0.0, 0.25),
        gains=tinted(1 + strength * uniform(rng, -0.05, 0.15), strength * uniform(rng, -0.1, 0.1)),
    )


def through_film(scene: Tensor, film: FilmParams) -> Tensor:
    """The scene (1, C, H, W), as light or as sRGB, behind a film."""
    if film.blur > 0.2:  # less has no weight on the next pixel
        scene = gaussian_blur(scene, [film.blur])
    scene = torch.lerp(scene, scene.mean((2, 3), keepdim=True), film.veil)
    return scene * colour(film.gains, scene)


def colour(rgb: tuple[float, float, float], like: Tensor) -> Tensor:
    """A colour as (1, C, 1, 1); its green where ``like`` (1, C, H, W) has one channel."""
    values = torch.tensor(rgb, dtype=like.dtype, device=like.device)[None, :, None, None]
    return values if like.shape[1] == 3 else values[:, 1:2]
