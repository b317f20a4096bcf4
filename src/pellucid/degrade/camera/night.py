"""Noise of pictures taken by night: of reading rather than of light, with bands, hot pixels and coloured blotches."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pellucid.degrade.base import chance, log_uniform, normal_like, per_image, seed, uniform
from pellucid.degrade.camera.filters import coarser, luma
from pellucid.degrade.compression import Jpeg, JpegParams, filed


@dataclass(frozen=True, kw_only=True)
class NightNoiseParams:
    """One picture's noise; strengths are standard deviations on the scale of 0-255.

    Attributes:
        sigma: of the grain, in the shadows.
        lights: share of the grain that is left in what is white.
        grain: standard deviation in pixels of the blur that the grain has gone through.
        colour: share of the grain that differs from channel to channel.
        rows, columns: of whole rows and columns.
        wander: whether these drift slowly, as mains hum makes them, instead of from line to line.
        blotches: of the clouds of colour that a noise filter leaves.
        blotch: their size in pixels.
        hot: share of pixels that are stuck.
        jpeg: the file, or None.
        seed: of everything random.
    """

    sigma: float
    lights: float
    grain: float
    colour: float
    rows: float
    columns: float
    wander: bool
    blotches: float
    blotch: float
    hot: float
    jpeg: JpegParams | None
    seed: int


@dataclass(frozen=True, kw_only=True)
class NightNoise:
    """What amplification by night shows of a sensor (after Wei et al. 2020, "A physics-based noise formation model").

    Reading noise, lifted by the tone curve, is strongest in the shadows; lines of the sensor share an offset; single
    pixels are stuck; and colour is filtered until only clouds are left of its noise.

    Attributes:
        sigma: range of the grain's standard deviation in the shadows, on the scale of 0-255, log-uniform.
        banding: probability of bands.
        residue: probability of coloured clouds.
        hot: probability of hot pixels.
        jpeg: probability of a JPEG.
        quality: range of its quality.
    """

    sigma: tuple[float, float] = (2.0, 40.0)
    banding: float = 0.5
    residue: float = 0.6
    hot: float = 0.4
    jpeg: float = 0.5
    quality: tuple[int, int] = (50, 95)

    def sample(self, rng: torch.Generator) -> NightNoiseParams:
        """Draw the parameters for one image."""
        sigma, file = log_uniform(rng, *self.sigma), Jpeg(quality=self.quality).sample(rng)
        band = sigma * log_uniform(rng, 0.05, 0.5) if chance(rng, self.banding) else 0.0
        residue = chance(rng, self.residue)
        return NightNoiseParams(
            sigma=sigma,
            lights=uniform(rng, 0.2, 0.9),
            grain=uniform(rng, 0.0, 0.9),
            colour=uniform(rng, 0.0, 0.2) if residue else uniform(rng, 0.2, 0.9),
            rows=band,
            columns=band * uniform(rng, 0.0, 1.0) if chance(rng, 0.4) else 0.0,
            wander=chance(rng, 0.4),
            blotches=sigma * uniform(rng, 0.1, 0.7) if residue else 0.0,
            blotch=log_uniform(rng, 3.0, 20.0),
            hot=log_uniform(rng, 2e-5, 1e-3) if chance(rng, self.hot) else 0.0,
            jpeg=file if chance(rng, self.jpeg) else None,
            seed=seed(rng),
        )

    def apply(self, image: Tensor, params: Sequence[NightNoiseParams]) -> Tensor:
        """Add the noise to (B, C, H, W) in [0, 1]; the result is clipped to [0, 1]."""
        drawn = normal_like(image, [p.seed for p in params])
        shared = normal_like(image[:, :1], [p.seed + 1 for p in params])
        grain = torch.lerp(shared, drawn, per_image([p.colour for p in params], image))
        grain = coarser(grain, [p.grain for p in params])
        others = torch.cat([_lines(image[i : i + 1], p) + _clouds(image[i : i + 1], p) for i, p in enumerate(params)])
        noise = per_image([p.sigma / 255 for p in params], image) * grain + others
        bright = luma(image) if image.shape[1] == 3 else image
        noise = noise * (1 - (1 - per_image([p.lights for p in params], image)) * bright)
        noisy = (image + noise).clamp(0, 1)
        stuck = torch.cat([_stuck(image[i : i + 1], p) for i, p in enumerate(params)])
        return filed(torch.maximum(noisy, stuck), [p.jpeg for p in params])


def _lines(image: Tensor, drawn: NightNoiseParams) -> Tensor:
    """Offsets of rows and columns, (1, 1, H, W)."""
    rng = torch.Generator().manual_seed(drawn.seed + 2)
    rows, columns = (torch.randn(1, 1, n, generator=rng) for n in image.shape[2:])
    if drawn.wander:
        rows, columns = (_slow(line) for line in (rows, columns))
    offsets = drawn.rows * rows[..., None] + drawn.columns * columns[:, :, None]
    return offsets.to(image) / 255


def _slow(line: Tensor) -> Tensor:
    """Noise (1, 1, N) that drifts over about sixteen lines, with a standard deviation of about 1."""
    coarse = line[:, :, :: max(1, min(16, line.shape[2]))]
    return 1.2 * F.interpolate(coarse, line.shape[2], mode="linear", align_corners=False)


def _clouds(image: Tensor, drawn: NightNoiseParams) -> Tensor:
    """Clouds of colour without brightness, (1, C, H, W); none in a grey picture."""
    if image.shape[1] == 1 or not drawn.blotches:
        return torch.zeros_like(image)
    rng = torch.Generator().manual_seed(drawn.seed + 3)
    small = [2 + int(n / drawn.blotch) for n in image.shape[2:]]
    clouds = torch.randn(1, 3, *small, generator=rng)
    clouds = F.interpolate((clouds - luma(clouds)).to(image), image.shape[2:], mode="bicubic")
    return drawn.blotches / 255 * clouds


def _stuck(image: Tensor, drawn: NightNoiseParams) -> Tensor:
    """Hot pixels (1, C, H, W), in one channel each, with the neighbours that demosaicking gave them; elsewhere 0."""
    stuck = torch.zeros_like(image)
    if not drawn.hot:
        return stuck
    rng = torch.Generator().manual_seed(drawn.seed + 4)
    count = int(torch.poisson(torch.tensor(drawn.hot * image[0, 0].numel()), generator=rng))
    places = [torch.randint(n, (count,), generator=rng) for n in image.shape[1:]]
    stuck[0, places[0], places[1], places[2]] = torch.empty(count).uniform_(0.3, 1.0, generator=rng).to(image)
    around = 0.4 * F.max_pool2d(stuck, 3, 1, 1)
    return torch.maximum(stuck, around)
