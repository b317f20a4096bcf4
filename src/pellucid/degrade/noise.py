"""Sensor noise."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class GaussianNoiseParams:
    """For each image of a batch its standard deviation, on the scale of 0-255, and the seed of it all."""

    sigma: tuple[float, ...]
    seed: int


@dataclass(frozen=True, kw_only=True)
class GaussianNoise:
    """Additive white Gaussian noise, y = x + n, n ~ N(0, σ²) for each value: the benchmark's "colour" noise.

    Attributes:
        low, high: σ is drawn uniformly from this range, on the scale of 0-255; [0, 50] is "blind" in the
            literature.
    """

    low: float = 0.0
    high: float = 50.0

    def sample(self, rng: torch.Generator, count: int = 1) -> GaussianNoiseParams:
        """Draw the parameters for ``count`` images."""
        sigma = torch.empty(count).uniform_(self.low, self.high, generator=rng)
        seed = int(torch.randint(2**62, (), generator=rng))
        return GaussianNoiseParams(sigma=tuple(sigma.tolist()), seed=seed)

    def apply(self, image: Tensor, params: GaussianNoiseParams) -> Tensor:
        """Add the noise to (B, C, H, W) in [0, 1]; the result is not clipped."""
        generator = torch.Generator(image.device).manual_seed(params.seed)
        sigma = torch.tensor(params.sigma, device=image.device, dtype=image.dtype) / 255
        noise = torch.randn(image.shape, generator=generator, device=image.device, dtype=image.dtype)
        return image + sigma[:, None, None, None] * noise
