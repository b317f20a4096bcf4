"""Additive noise, as the benchmarks have it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.degrade.base import chance, normal_like, per_image, seed, uniform


@dataclass(frozen=True, kw_only=True)
class GaussianNoiseParams:
    """One image's noise.

    Attributes:
        sigma: standard deviation on the scale of 0-255.
        seed: of the noise itself.
        grey: whether it is the same in all channels.
    """

    sigma: float
    seed: int
    grey: bool = False


@dataclass(frozen=True, kw_only=True)
class GaussianNoise:
    """Additive white Gaussian noise, y = x + n, n ~ N(0, σ²) for each value: the benchmark's "colour" noise.

    Attributes:
        low, high: σ is drawn uniformly from this range, on the scale of 0-255; [0, 50] is "blind" in the
            literature.
        grey: probability that the noise is the same in all channels, as in a black-and-white picture.
    """

    low: float = 0.0
    high: float = 50.0
    grey: float = 0.0

    def sample(self, rng: torch.Generator) -> GaussianNoiseParams:
        """Draw the parameters for one image."""
        sigma, noise = uniform(rng, self.low, self.high), seed(rng)
        return GaussianNoiseParams(sigma=sigma, grey=bool(self.grey) and chance(rng, self.grey), seed=noise)

    def apply(self, image: Tensor, params: Sequence[GaussianNoiseParams]) -> Tensor:
        """Add the noise to (B, C, H, W) in [0, 1]; the result is not clipped."""
        noise = normal_like(image, [p.seed for p in params])
        is_grey = torch.tensor([p.grey for p in params], device=image.device)[:, None, None, None]
        noise = torch.where(is_grey, noise[:, :1], noise)
        return image + per_image([p.sigma / 255 for p in params], image) * noise
