"""Noise of a finished photograph, without its history: Poisson-Gaussian, its colour coarser than its brightness."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.degrade.base import chance, log_uniform, normal_like, per_image, seed, uniform
from pellucid.degrade.camera.filters import coarser, luma
from pellucid.degrade.compression import Jpeg, JpegParams, filed


@dataclass(frozen=True, kw_only=True)
class PlainNoiseParams:
    """One picture's noise.

    Attributes:
        sigma: standard deviation at mid-grey, on the scale of 0-255.
        signal: share of the variance that grows with the value, as photon noise does; the rest is the same for all.
        chroma: how many times as strong the noise of colour is as that of brightness.
        grain, blotch: standard deviation in pixels of the blur that brightness and colour noise have gone through.
        jpeg: the file, or None.
        seed: of the noise.
    """

    sigma: float
    signal: float
    chroma: float
    grain: float
    blotch: float
    jpeg: JpegParams | None
    seed: int


@dataclass(frozen=True, kw_only=True)
class PlainNoise:
    """Heteroscedastic noise, variance a + b · value (Foi et al. 2008), added to sRGB values as they are.

    Attributes:
        sigma: range of the standard deviation at mid-grey, on the scale of 0-255, log-uniform.
        chroma: range of the strength of colour noise beside that of brightness, log-uniform.
        correlated: probability of noise that demosaicking, or a filter, has blurred; the rest is white.
        jpeg: probability of a JPEG.
        quality: range of its quality.
    """

    sigma: tuple[float, float] = (1.5, 45.0)
    chroma: tuple[float, float] = (0.5, 2.5)
    correlated: float = 0.75
    jpeg: float = 0.4
    quality: tuple[int, int] = (60, 98)

    def sample(self, rng: torch.Generator) -> PlainNoiseParams:
        """Draw the parameters for one image."""
        correlated, file = chance(rng, self.correlated), Jpeg(quality=self.quality).sample(rng)
        return PlainNoiseParams(
            sigma=log_uniform(rng, *self.sigma),
            signal=uniform(rng, 0.0, 1.0),
            chroma=log_uniform(rng, *self.chroma),
            grain=uniform(rng, 0.0, 0.9) if correlated else 0.0,
            blotch=uniform(rng, 0.4, 3.0) if correlated else 0.0,
            jpeg=file if chance(rng, self.jpeg) else None,
            seed=seed(rng),
        )

    def apply(self, image: Tensor, params: Sequence[PlainNoiseParams]) -> Tensor:
        """Add the noise to (B, C, H, W) in [0, 1]; the result is clipped to [0, 1]."""
        signal = per_image([p.signal for p in params], image)
        sigma = per_image([p.sigma / 255 for p in params], image) * (1 + signal * (2 * image - 1)).clamp(min=0).sqrt()
        noisy = (image + sigma * self._noise(image, params)).clamp(0, 1)
        return filed(noisy, [p.jpeg for p in params])

    def _noise(self, image: Tensor, params: Sequence[PlainNoiseParams]) -> Tensor:
        """Noise of unit variance (B, C, H, W)."""
        grain = [p.grain for p in params]
        if image.shape[1] == 1:
            return coarser(normal_like(image, [p.seed for p in params]), grain)
        drawn = normal_like(image, [p.seed for p in params])
        colour = normal_like(image, [p.seed + 1 for p in params])
        bright, colour = coarser(drawn[:, :1], grain), coarser(colour, [p.blotch for p in params])
        chroma = per_image([p.chroma for p in params], image)
        return (bright + chroma * (colour - luma(colour))) / (1 + chroma**2).sqrt()
