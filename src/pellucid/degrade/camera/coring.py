"""What coring leaves of noise: none in flat places, worms and specks elsewhere, all of it beside edges."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pellucid.degrade.base import chance, log_uniform, normal_like, per_image, seed, uniform
from pellucid.degrade.compression import Jpeg, JpegParams, filed

_LEVELS = 4


@dataclass(frozen=True, kw_only=True)
class CoredNoiseParams:
    """One picture's noise, and the filter.

    Attributes:
        sigma: standard deviation before the filter, on the scale of 0-255.
        growth: exponent of the brightness that it grows with, or falls if negative.
        threshold: of the filter, in standard deviations of the noise in each band.
        fine: how much more the finest band is filtered than the coarsest; less than 1 for less.
        sharpening: of the finest band afterwards.
        jpeg: the file, or None.
        seed: of the noise.
    """

    sigma: float
    growth: float
    threshold: float
    fine: float
    sharpening: float
    jpeg: JpegParams | None
    seed: int


@dataclass(frozen=True, kw_only=True)
class CoredNoise:
    """White noise seen through coring (Rossi 1978), the filter of simple cameras and telephones.

    Noisy picture and clean one are split into the bands of a Laplacian pyramid, and values under a threshold set to
    zero. What is added is the difference, so that no detail is lost that the target has.

    Attributes:
        sigma: range of the standard deviation before the filter, on the scale of 0-255, log-uniform.
        threshold: range of the filter's threshold, in standard deviations of each band's noise.
        jpeg: probability of a JPEG.
        quality: range of its quality.
    """

    sigma: tuple[float, float] = (4.0, 50.0)
    threshold: tuple[float, float] = (0.3, 1.8)
    jpeg: float = 0.5
    quality: tuple[int, int] = (60, 95)

    def sample(self, rng: torch.Generator) -> CoredNoiseParams:
        """Draw the parameters for one image."""
        file = Jpeg(quality=self.quality).sample(rng)
        return CoredNoiseParams(
            sigma=log_uniform(rng, *self.sigma),
            growth=uniform(rng, -0.5, 0.5),
            threshold=uniform(rng, *self.threshold),
            fine=log_uniform(rng, 0.6, 2.0),
            sharpening=uniform(rng, 0.0, 0.6),
            jpeg=file if chance(rng, self.jpeg) else None,
            seed=seed(rng),
        )

    def apply(self, image: Tensor, params: Sequence[CoredNoiseParams]) -> Tensor:
        """Add what is left of the noise to (B, C, H, W) in [0, 1]; the result is clipped to [0, 1]."""
        growth = per_image([p.growth for p in params], image)
        sigma = per_image([p.sigma / 255 for p in params], image) * (2 * image.clamp(0.05, 1)) ** growth
        noise = sigma * normal_like(image, [p.seed for p in params])
        residue = _cored(image + noise, params) - _cored(image, params)
        return filed((image + residue).clamp(0, 1), [p.jpeg for p in params])


def _cored(image: Tensor, params: Sequence[CoredNoiseParams]) -> Tensor:
    """A picture (B, C, H, W) whose bands have lost all small values."""
    sigma, strength, fine, sharpening = (
        per_image(values, image)
        for values in zip(*((p.sigma / 255, p.threshold, p.fine, p.sharpening) for p in params), strict=True)
    )
    bands: list[Tensor] = []
    for level in range(_LEVELS):
        small = F.interpolate(image, [-(-n // 2) for n in image.shape[2:]], mode="area")
        band = image - F.interpolate(small, image.shape[2:], mode="bilinear")
        # Averaging four pixels halves white noise.
        threshold = sigma * 0.5**level * strength * fine ** (1 - level / (_LEVELS - 1))
        kept = band.sign() * (band.abs() - threshold).clamp(min=0)
        bands.append(kept * (1 + sharpening) if level == 0 else kept)
        image = small
    for band in reversed(bands):
        image = band + F.interpolate(image, band.shape[2:], mode="bilinear")
    return image
