"""What all hazes share: light lost on its way to the camera, and airlight scattered into it."""

from collections.abc import Sequence

import torch
from torch import Tensor


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


def colours(given: Sequence[tuple[float, float, float]], image: Tensor) -> Tensor:
    """One colour for each picture, (B, C, 1, 1) float32; a grey picture sees its grey."""
    values = torch.tensor(given, device=image.device)[:, :, None, None]
    return values if image.shape[1] == 3 else values.mean(1, keepdim=True)


def numbers(given: Sequence[float], image: Tensor) -> Tensor:
    """One number for each picture, (B, 1, 1, 1) float32."""
    return torch.tensor(given, dtype=torch.float32, device=image.device)[:, None, None, None]
