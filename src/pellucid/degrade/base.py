"""What every degradation is: parameters drawn for one image, and a deterministic use of them on a batch."""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from pellucid.errors import ConfigError


class Degradation(Protocol):
    """One thing that happens to photographs.

    ``sample`` draws the parameters for one image: a frozen dataclass of plain numbers, of which a seed is one where
    the image needs randomness of its own size. ``apply`` takes one of these for each image of a batch, and is
    deterministic on a given kind of device.
    """

    def sample(self, rng: torch.Generator) -> Any:
        """Draw the parameters for one image."""
        ...

    def apply(self, image: Tensor, params: Sequence[Any]) -> Tensor:
        """Degrade (B, C, H, W) in [0, 1], on any device; gives back the same shape, dtype and device."""
        ...


def uniform(rng: torch.Generator, low: float, high: float) -> float:
    """A number drawn uniformly from [low, high)."""
    return low + (high - low) * torch.rand((), generator=rng, dtype=torch.float64).item()


def log_uniform(rng: torch.Generator, low: float, high: float) -> float:
    """A number from [low, high) whose logarithm is uniform: as likely to double as to halve; low is above 0."""
    if low <= 0:
        raise ConfigError(f"a range drawn by its logarithm must begin above 0, not at {low}")
    return low * (high / low) ** uniform(rng, 0.0, 1.0)


def integer(rng: torch.Generator, low: int, high: int) -> int:
    """A whole number from low to high, both included."""
    return int(torch.randint(low, high + 1, (), generator=rng))


def chance(rng: torch.Generator, probability: float) -> bool:
    """True with this probability."""
    return uniform(rng, 0.0, 1.0) < probability


def seed(rng: torch.Generator) -> int:
    """A seed for what ``apply`` draws itself."""
    return int(torch.randint(2**62, (), generator=rng))


def tinted(brightness: float, tint: float) -> tuple[float, float, float]:
    """A light's red, green and blue, the strongest so bright; tint is from -1, blue, to 1, red."""
    red, blue = brightness * min(1.0, 1 + tint), brightness * min(1.0, 1 - tint)
    return red, math.sqrt(red * blue), blue


def per_image(values: Sequence[float], like: Tensor) -> Tensor:
    """One number for each image, as (B, 1, 1, 1) of the dtype and device of ``like``."""
    return torch.tensor(values, dtype=like.dtype, device=like.device)[:, None, None, None]


def normal_like(image: Tensor, seeds: Sequence[int]) -> Tensor:
    """Standard normal numbers (B, C, H, W), each image's from its own seed: the same in any batch."""
    generators = (torch.Generator(image.device).manual_seed(seed) for seed in seeds)
    drawn = [torch.randn(image.shape[1:], generator=g, device=image.device, dtype=image.dtype) for g in generators]
    return torch.stack(drawn)
