"""The noise of a camera: drawn on the raw sensor, then carried through all that makes a photograph of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log

import torch
import torch.nn.functional as F
from torch import Tensor

from pellucid.degrade.base import chance, integer, log_uniform, normal_like, per_image, seed, uniform
from pellucid.degrade.camera.filters import luma, smooth
from pellucid.degrade.compression import Jpeg, JpegParams, filed

# A typical matrix from white-balanced camera colours to linear sRGB; rows sum to 1, so that grey stays grey.
_CAMERA_TO_SRGB = torch.tensor([[1.65, -0.55, -0.10], [-0.20, 1.45, -0.25], [0.0, -0.50, 1.50]])
_CROSS = torch.tensor([[0.0, 1.0, 0.0], [1.0, 4.0, 1.0], [0.0, 1.0, 0.0]])
_SQUARE = torch.tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]])


def to_linear(srgb: Tensor) -> Tensor:
    """Undo sRGB's transfer curve (IEC 61966-2-1); values below 0 go linearly on."""
    return torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb.clamp(min=0) + 0.055) / 1.055) ** 2.4)


def to_srgb(light: Tensor) -> Tensor:
    """Apply sRGB's transfer curve (IEC 61966-2-1); values below 0 go linearly on."""
    return torch.where(light <= 0.0031308, light * 12.92, 1.055 * light.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


@dataclass(frozen=True, kw_only=True)
class CameraNoiseParams:
    """One exposure, and the camera that took it.

    Attributes:
        shot: variance of the noise for each unit of raw signal, white being 1.
        read: variance of the noise of reading, which does not depend on the signal.
        white_balance: gains of red and blue over green.
        gain: of all three, which leaves what is white in the file above the sensor's white.
        colour: strength of the colour matrix; 0 is none and 1 typical.
        contrast: exponent of the tone curve; 1 is none.
        mosaic: whether there was a Bayer mosaic; else each value's noise is its own, as after much downsizing.
        phase: row and column of the mosaic's first red pixel.
        luma_smoothing, chroma_smoothing: standard deviation of the camera's noise filter, in pixels.
        sharpening: share of the noise's fine part in brightness that is added to it.
        jpeg: the file, or None.
        seed: of the noise.
    """

    shot: float
    read: float
    white_balance: tuple[float, float]
    gain: float
    colour: float
    contrast: float
    mosaic: bool
    phase: tuple[int, int]
    luma_smoothing: float
    chroma_smoothing: float
    sharpening: float
    jpeg: JpegParams | None
    seed: int


@dataclass(frozen=True, kw_only=True)
class CameraNoise:
    """Shot and read noise on a Bayer sensor, seen after white balance, colours, tone, noise filter and JPEG.

    The picture is taken back to raw light and the noise on it forward again, as Brooks et al. (2019, "Unprocessing
    images for learned raw denoising") describe, whose ranges of noise, gains and highlights are the defaults. The
    photon noise is the Gaussian approximation of Poisson's (Foi et al. 2008).

    What is added is the difference between the noisy and the clean picture after the same pipeline: so none of it
    touches what is clean, no detail is lost to a mosaic or a noise filter that the target would still have, and a
    picture without noise comes back as it was, unless it goes through a JPEG.

    A grey picture is the brightness of a colour camera's photograph.

    Attributes:
        shot: range of the variance for each unit of raw signal (log-uniform); read noise follows from it.
        mosaic: probability of a Bayer mosaic.
        smoothing: probability that the camera filters noise, colour more than brightness.
        sharpening: range of how much it sharpens.
        jpeg: probability of a JPEG.
        quality: range of its quality.
    """

    shot: tuple[float, float] = (1e-4, 1.2e-2)
    mosaic: float = 0.8
    smoothing: float = 0.7
    sharpening: tuple[float, float] = (0.0, 0.5)
    jpeg: float = 0.5
    quality: tuple[int, int] = (80, 98)

    def sample(self, rng: torch.Generator) -> CameraNoiseParams:
        """Draw the parameters for one image."""
        shot = log_uniform(rng, *self.shot)
        filters = chance(rng, self.smoothing)
        file = Jpeg(quality=self.quality).sample(rng)
        return CameraNoiseParams(
            shot=shot,
            # Brooks et al. 2019, section 3.1, with the spread of their fit.
            read=exp(2.18 * log(shot) + 1.2 + 0.26 * torch.randn((), generator=rng).item()),
            white_balance=(uniform(rng, 1.9, 2.4), uniform(rng, 1.5, 1.9)),
            gain=1 / uniform(rng, 0.65, 0.95),
            colour=uniform(rng, 0.5, 1.2),
            contrast=uniform(rng, 1.0, 1.4),
            mosaic=chance(rng, self.mosaic),
            phase=(integer(rng, 0, 1), integer(rng, 0, 1)),
            luma_smoothing=uniform(rng, 0.0, 1.0) if filters else 0.0,
            chroma_smoothing=uniform(rng, 0.5, 3.0) if filters else 0.0,
            sharpening=uniform(rng, *self.sharpening),
            jpeg=file if chance(rng, self.jpeg) else None,
            seed=seed(rng),
        )

    def apply(self, image: Tensor, params: Sequence[CameraNoiseParams]) -> Tensor:
        """Add a camera's noise to (B, C, H, W) in [0, 1]; the result is clipped to [0, 1]."""
        photo = image.expand(-1, 3, -1, -1)
        raw = _unprocess(photo, params)
        gains = _gains(params, raw)
        noise = _demosaic(_raw_noise(raw, params) * gains, params) / gains
        added = _process(raw + noise, params) - _process(raw, params)
        added = _filtered(added, params)
        if image.shape[1] == 1:
            added = luma(added)
        return filed((image + added).clamp(0, 1), [p.jpeg for p in params])


def _unprocess(photo: Tensor, params: Sequence[CameraNoiseParams]) -> Tensor:
    """From sRGB (B, 3, H, W) back to raw light."""
    light = to_linear(_contrast(photo.clamp(0, 1), [1 / p.contrast for p in params]))
    balanced = _mixed(light, _matrices(params).inverse())
    # White must stay white, though each gain is more than 1: what is near it is not divided (Brooks et al., 2019).
    brightness = balanced.mean(1, keepdim=True)
    blown = ((brightness - 0.9) / 0.1).clamp(0, 1) ** 2
    return balanced * (blown + (1 - blown) / _gains(params, photo))


def _process(raw: Tensor, params: Sequence[CameraNoiseParams]) -> Tensor:
    """From raw light (B, 3, H, W) to sRGB, each value clipped where sensor and file clip it."""
    light = _mixed((raw * _gains(params, raw)).clamp(max=1), _matrices(params)).clamp(0, 1)
    return _contrast(to_srgb(light), [p.contrast for p in params])


def _raw_noise(raw: Tensor, params: Sequence[CameraNoiseParams]) -> Tensor:
    shot, read = (per_image(values, raw) for values in ([p.shot for p in params], [p.read for p in params]))
    return (shot * raw.clamp(min=0) + read).sqrt() * normal_like(raw, [p.seed for p in params])


def _demosaic(values: Tensor, params: Sequence[CameraNoiseParams]) -> Tensor:
    """Keep one colour of (B, 3, H, W) at each pixel of a Bayer mosaic, and interpolate the others.

    Green is interpolated bilinearly, and so are the differences of red and blue from it (Adams 1995), which is why
    noise looks more alike in the channels than it was on the sensor.
    """
    rows, columns = (torch.arange(size, device=values.device) for size in values.shape[2:])
    phase = torch.tensor([p.phase for p in params], device=values.device)
    odd_row = (rows + phase[:, :1])[:, :, None] % 2
    odd_column = (columns + phase[:, 1:])[:, None, :] % 2
    site = odd_row + odd_column  # 0 red, 1 green, 2 blue
    present = torch.stack([site == colour for colour in range(3)], 1).to(values.dtype)
    green = _interpolated(values[:, 1:2], present[:, 1:2], _CROSS)
    others = green + _interpolated((values - green)[:, ::2], present[:, ::2], _SQUARE)
    demosaicked = torch.cat([others[:, :1], green, others[:, 1:]], 1)
    return torch.lerp(values, demosaicked, per_image([p.mosaic for p in params], values))


def _interpolated(values: Tensor, present: Tensor, taps: Tensor) -> Tensor:
    """Weighted mean of those neighbours that are present, for each plane of (B, C, H, W)."""
    channels = values.shape[1]
    weights = taps.to(values).expand(channels, 1, -1, -1)
    known, weight = (F.conv2d(planes, weights, padding=1, groups=channels) for planes in (values * present, present))
    return known / weight.clamp(min=1)


def _filtered(noise: Tensor, params: Sequence[CameraNoiseParams]) -> Tensor:
    """What the camera's own noise filter and sharpening leave of the noise (B, 3, H, W)."""
    bright = luma(noise)
    chroma = smooth(noise - bright, [p.chroma_smoothing for p in params])
    bright = smooth(bright, [p.luma_smoothing for p in params])
    fine = bright - smooth(bright, [1.0] * len(params))
    return bright + chroma + per_image([p.sharpening for p in params], noise) * fine


def _contrast(srgb: Tensor, exponents: Sequence[float]) -> Tensor:
    """An S-shaped tone curve on [0, 1]; the reciprocal exponent undoes it."""
    exponent = per_image(exponents, srgb)
    bright, dark = srgb**exponent, (1 - srgb) ** exponent
    return bright / (bright + dark)


def _mixed(colours: Tensor, matrices: Tensor) -> Tensor:
    return torch.einsum("bij,bjyx->biyx", matrices.to(colours), colours)


def _matrices(params: Sequence[CameraNoiseParams]) -> Tensor:
    strength = torch.tensor([p.colour for p in params])[:, None, None]
    return torch.eye(3).lerp(_CAMERA_TO_SRGB, strength)


def _gains(params: Sequence[CameraNoiseParams], like: Tensor) -> Tensor:
    gains = [(p.gain * p.white_balance[0], p.gain, p.gain * p.white_balance[1]) for p in params]
    return torch.tensor(gains, device=like.device, dtype=like.dtype)[:, :, None, None]
