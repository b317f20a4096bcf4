"""How drawn rain lies over a picture: its colour, how it hides what is behind, and the veil behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.degrade.base import chance, integer, log_uniform, per_image, seed, tinted, uniform

Blend = Literal["added", "opaque", "screened"]
BLENDS: tuple[Blend, ...] = ("added", "opaque", "screened")


@dataclass(frozen=True, kw_only=True)
class BlendParams:
    """How one image's rain looks.

    Attributes:
        colour: of the rain, red, green and blue in [0, 1].
        sky: how far it takes on the colour of the brightest region instead, in [0, 1].
        opacity: of the brightest rain, in [0, 1].
        blend: added and clipped at white, opaque as paint, or screened (added to what is left up to white).
        veil: the share of the light behind the rain that is replaced by fog, in [0, 1].
        patchiness: how unevenly the fog lies over the picture, in [0, 1].
        seed: of the patches.
    """

    colour: tuple[float, float, float]
    sky: float
    opacity: float
    blend: Blend
    veil: float
    patchiness: float
    seed: int


def sample_blend(rng: torch.Generator, opacity: tuple[float, float], veil: tuple[float, float]) -> BlendParams:
    """Draw a look: white to grey, often bluish, sometimes as the sky; with fog every other time.

    Args:
        rng: the source of all that is random.
        opacity: range (low, high) in [0, 1], as likely to double as to halve.
        veil: range (low, high) in [0, 1].
    """
    return BlendParams(
        colour=tinted(uniform(rng, 0.7, 1.0), uniform(rng, -0.2, 0.05)),
        sky=uniform(rng, 0.3, 1.0) if chance(rng, 0.3) else 0.0,
        opacity=log_uniform(rng, *opacity),
        blend=BLENDS[integer(rng, 0, len(BLENDS) - 1)],
        veil=uniform(rng, *veil) if chance(rng, 0.5) else 0.0,
        patchiness=uniform(rng, 0.0, 0.8),
        seed=seed(rng),
    )


def blend_rain(image: Tensor, rain: Tensor, params: Sequence[BlendParams]) -> Tensor:
    """Lay rain over a batch.

    Args:
        image: (B, C, H, W) in [0, 1], of 1 or 3 channels.
        rain: how much of it there is, (B, 1, H, W) in [0, 1].
        params: one for each image.

    Returns:
        (B, C, H, W) in [0, 1].
    """
    brightest = F.adaptive_avg_pool2d(image, 8).amax((2, 3), keepdim=True)
    own = torch.tensor([p.colour for p in params], dtype=image.dtype, device=image.device)[:, :, None, None]
    if image.shape[1] == 1:
        own = own.mean(1, keepdim=True)
    colour = torch.lerp(own, 0.3 + 0.7 * brightest, per_image([p.sky for p in params], image))
    behind = torch.lerp(image, 0.5 * (colour + brightest), _fog(image, params))

    amount = rain * per_image([p.opacity for p in params], image)
    opaque = per_image([p.blend == "opaque" for p in params], image)
    screened = per_image([p.blend == "screened" for p in params], image)
    return (behind + amount * (colour - behind * (opaque + screened * colour))).clamp(0, 1)


def _fog(image: Tensor, params: Sequence[BlendParams]) -> Tensor:
    """The share of the light that is fog's, (B, 1, H, W)."""
    lattices = [torch.rand((1, 4, 4), generator=torch.Generator().manual_seed(p.seed)) for p in params]
    thickness = torch.stack([1 - p.patchiness * lattice for p, lattice in zip(params, lattices, strict=True)])
    smooth = F.interpolate(thickness, image.shape[2:], mode="bicubic", align_corners=True).clamp(0, 1)
    return smooth.to(image) * per_image([p.veil for p in params], image)
