"""What all hazes share: light lost on its way to the camera, and airlight scattered into it."""

from collections.abc import Sequence

import torch
from torch import Tensor

from pellucid.degrade.base import chance, uniform
from pellucid.degrade.haze.guided import reduced

_SIDE = 64  # pixels of the copy in which a picture's brightness is measured
_BRIGHT = 0.95  # share of a picture that is darker than what is lit best
_DIMMEST = 0.2  # of what is lit best: no haze is darker than if the picture had such parts


def through(image: Tensor, transmission: Tensor, airlight: Tensor, in_light: Sequence[bool]) -> Tensor:
    """Koschmieder's law, I = J t + A (1 - t).

    Args:
        image: J, (B, C, H, W) in [0, 1].
        transmission: t, the share of light that arrives, (B, 1, H, W) in [0, 1].
        airlight: A, (B, C, 1, 1) or (B, C, H, W) in [0, 1].
        in_light: for each picture, whether light is mixed, with sRGB's curve taken for a square, or sRGB values.

    Returns:
        As the image.
    """
    transmission, airlight = transmission.to(image.dtype), airlight.to(image.dtype)
    chosen = torch.tensor(in_light, device=image.device)[:, None, None, None]
    scene, air = (torch.where(chosen, values.clamp(min=0) ** 2, values) for values in (image, airlight))
    mixed = air + (scene - air) * transmission
    return torch.where(chosen, mixed.clamp(min=0).sqrt(), mixed)


def exposed(airlight: Tensor, bright: Tensor, shares: Sequence[float]) -> Tensor:
    """The light of haze that the light of the scene lights: a bright haze lies over a bright scene.

    Args:
        airlight: (B, C, 1, 1) in [0, 1].
        bright: of the scene, by ``brightness``.
        shares: for each picture, how bright the haze is beside that; 0 for a haze as bright as its airlight says.

    Returns:
        (B, C, 1, 1) float32 in [0, 1].
    """
    share = numbers(shares, bright)
    lit = airlight * share * bright / airlight.amax(1, keepdim=True)
    return torch.where(share > 0, lit, airlight).clamp(max=1)


def brightness(image: Tensor) -> Tensor:
    """How bright the brightest parts of pictures (B, C, H, W) are: (B, 1, 1, 1) float32."""
    values = reduced(image.float(), _SIDE).amax(1).flatten(1)
    place = max(round(_BRIGHT * values.shape[1]), 1)
    return values.kthvalue(place).values.clamp(min=_DIMMEST)[:, None, None, None]


def colours(given: Sequence[tuple[float, float, float]], image: Tensor) -> Tensor:
    """One colour for each picture, (B, C, 1, 1) float32; a grey picture sees its grey."""
    values = torch.tensor(given, device=image.device)[:, :, None, None]
    return values if image.shape[1] == 3 else values.mean(1, keepdim=True)


def numbers(given: Sequence[float], image: Tensor) -> Tensor:
    """One number for each picture, (B, 1, 1, 1) float32."""
    return torch.tensor(given, dtype=torch.float32, device=image.device)[:, None, None, None]


def lit_alike(rng: torch.Generator, probability: float) -> float:
    """How bright haze is beside the brightest parts of its scene, or 0 where the two have nothing to do."""
    return uniform(rng, 0.75, 1.15) if chance(rng, probability) else 0.0
