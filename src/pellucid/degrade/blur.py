"""Blur by a shaking camera and by a lens out of focus, as sensors gather it: in linear light."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.degrade.base import chance, integer, log_uniform, per_image, seed, uniform
from pellucid.degrade.camera import to_linear, to_srgb

_STEPS = 512


@dataclass(frozen=True, kw_only=True)
class MotionBlurParams:
    """One exposure.

    Attributes:
        length: longer side of the box around the trajectory, in pixels.
        memory: how long a velocity lasts, as a share of the exposure; long is nearly a straight line.
        jerks: expected number of sudden pushes in the exposure.
        highlights: how many times brighter than white the blown highlights were.
        seed: of the trajectory.
    """

    length: float
    memory: float
    jerks: float
    highlights: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class MotionBlur:
    """Camera shake: the picture smeared along a random trajectory.

    The camera's velocity is a Markov process with inertia, pushed by tremor and by rare jerks, in the manner of
    Boracchi & Foi (2012, "Modeling the performance of image restoration from motion blur") and of DeblurGAN
    (Kupyn et al. 2018). The kernel is the time spent at each place, and the same all over the picture.

    Attributes:
        length: range of the trajectory's extent in pixels (log-uniform).
        memory: range of how long a velocity lasts, as a share of the exposure (log-uniform).
        jerks: range of the expected number of jerks.
        highlights: range of the true brightness of blown highlights, 1 being white (log-uniform).
        scale: multiplies lengths, for pictures of another resolution.
    """

    length: tuple[float, float] = (2.0, 25.0)
    memory: tuple[float, float] = (0.1, 2.0)
    jerks: tuple[float, float] = (0.0, 3.0)
    highlights: tuple[float, float] = (1.0, 4.0)
    scale: float = 1.0

    def sample(self, rng: torch.Generator) -> MotionBlurParams:
        """Draw the parameters for one image."""
        return MotionBlurParams(
            length=self.scale * log_uniform(rng, *self.length),
            memory=log_uniform(rng, *self.memory),
            jerks=uniform(rng, *self.jerks),
            highlights=log_uniform(rng, *self.highlights),
            seed=seed(rng),
        )

    def apply(self, image: Tensor, params: Sequence[MotionBlurParams]) -> Tensor:
        """Blur (B, C, H, W) in [0, 1]."""
        return blur_light(image, motion_kernels(params).to(image.device), [p.highlights for p in params])


@dataclass(frozen=True, kw_only=True)
class DefocusBlurParams:
    """One lens, out of focus.

    Attributes:
        radius: of the circle of confusion, in pixels.
        blades: of the aperture.
        roundness: 1 is a disc, 0 a polygon of straight blades.
        rotation: of the aperture, in radians.
        softness: width of the edge in pixels, at least 1.
        rim: how much brighter (or, negative, darker) the edge is than the centre, by spherical aberration.
        highlights: how many times brighter than white the blown highlights were.
    """

    radius: float
    blades: int
    roundness: float
    rotation: float
    softness: float
    rim: float
    highlights: float


@dataclass(frozen=True, kw_only=True)
class DefocusBlur:
    """A lens out of focus: each point becomes an image of the aperture (geometrical optics).

    Attributes:
        radius: range of the circle of confusion's radius in pixels (log-uniform).
        round: probability that the aperture is a disc; else it has 5 to 8 blades, more or less curved.
        softness: range of the width of its edge, as a share of the radius; never below a pixel.
        rim: range of the edge's brightness over the centre's, less 1.
        highlights: range of the true brightness of blown highlights, 1 being white (log-uniform).
        scale: multiplies lengths, for pictures of another resolution.
    """

    radius: tuple[float, float] = (0.5, 8.0)
    round: float = 0.4
    softness: tuple[float, float] = (0.0, 0.6)
    rim: tuple[float, float] = (-0.4, 0.4)
    highlights: tuple[float, float] = (1.0, 4.0)
    scale: float = 1.0

    def sample(self, rng: torch.Generator) -> DefocusBlurParams:
        """Draw the parameters for one image."""
        radius = self.scale * log_uniform(rng, *self.radius)
        return DefocusBlurParams(
            radius=radius,
            blades=integer(rng, 5, 8),
            roundness=1.0 if chance(rng, self.round) else uniform(rng, 0.0, 1.0),
            rotation=uniform(rng, 0.0, math.tau),
            softness=max(1.0, radius * uniform(rng, *self.softness)),
            rim=uniform(rng, *self.rim),
            highlights=log_uniform(rng, *self.highlights),
        )

    def apply(self, image: Tensor, params: Sequence[DefocusBlurParams]) -> Tensor:
        """Blur (B, C, H, W) in [0, 1]."""
        return blur_light(image, defocus_kernels(params).to(image.device), [p.highlights for p in params])


def motion_kernels(params: Sequence[MotionBlurParams]) -> Tensor:
    """Time spent at each place, (B, K, K) on the CPU with an odd K that holds the longest; each sums to 1."""
    path = _trajectories(params)
    places = kernel_places(math.ceil(path.abs().max().item()))
    # A tent along each axis is bilinear splatting; the product summed over time is the rasterised path.
    y, x = ((1 - (places[:, None] - path[:, None, :, axis]).abs()).clamp(min=0) for axis in (0, 1))
    return y @ x.mT / _STEPS


def defocus_kernels(params: Sequence[DefocusBlurParams]) -> Tensor:
    """Images of the aperture, (B, K, K) on the CPU with an odd K that holds the largest; each sums to 1."""
    radius, blades, roundness, rotation, softness, rim = (
        torch.tensor(values)[:, None, None]
        for values in zip(
            *((p.radius, p.blades, p.roundness, p.rotation, p.softness, p.rim) for p in params), strict=True
        )
    )
    places = kernel_places(math.ceil(max(p.radius + p.softness / 2 for p in params)))
    y, x = places[:, None], places[None, :]
    distance = (x**2 + y**2).sqrt()
    half_side = math.pi / blades
    within_side = (torch.atan2(y, x) + rotation).remainder(2 * half_side) - half_side
    polygonal = distance * within_side.cos() / half_side.cos()
    outline = polygonal + (distance - polygonal) * roundness
    coverage = ((radius - outline) / softness + 0.5).clamp(0, 1)
    kernel = coverage * (1 + rim * (distance / radius.clamp(min=1)).clamp(max=1) ** 2)
    return kernel / kernel.sum((1, 2), keepdim=True)


def _trajectories(params: Sequence[MotionBlurParams]) -> Tensor:
    """Where the camera looks during the exposure, (B, steps, yx) in pixels about the mean."""
    generators = [torch.Generator().manual_seed(p.seed) for p in params]
    tremor, push, chances = (
        torch.stack([draw(_STEPS, size, generator=g, dtype=torch.float64) for g in generators])
        for draw, size in ((torch.randn, 2), (torch.randn, 2), (torch.rand, 1))
    )
    length, memory, jerks = (
        torch.tensor(values, dtype=torch.float64)[:, None, None]
        for values in zip(*((p.length, p.memory, p.jerks) for p in params), strict=True)
    )
    # The recursion v[t] = decay v[t-1] + push[t] in closed form; decay**steps stays far from underflow in float64.
    time = torch.arange(_STEPS, dtype=torch.float64)[:, None] / _STEPS
    remaining = (-time / memory).exp()
    steady = (1 - (-2 / (_STEPS * memory)).exp()).sqrt()
    pushes = steady * tremor + 2 * push * (chances < jerks / _STEPS)
    pushes[:, 0] = tremor[:, 0]
    path = (remaining * (pushes / remaining).cumsum(1)).cumsum(1)
    extent = (path.amax(1, keepdim=True) - path.amin(1, keepdim=True)).amax(2, keepdim=True)
    return ((path - path.mean(1, keepdim=True)) * length / extent).float()


def kernel_places(radius: int) -> Tensor:
    """Distances of a kernel's pixels from its middle, along either axis: (2·radius + 1,)."""
    return torch.arange(-radius, radius + 1, dtype=torch.float32)


def scene_light(image: Tensor, highlights: Sequence[float]) -> Tensor:
    """The light of (B, C, H, W) in [0, 1], in float32, with each picture's blown highlights as bright as they were."""
    blown = ((image - 0.97) / 0.03).clamp(0, 1)
    return (to_linear(image) * (1 + (per_image(highlights, image) - 1) * blown)).float()


def blur_light(image: Tensor, kernels: Tensor, highlights: Sequence[float]) -> Tensor:
    """Blur the light of (B, C, H, W) in [0, 1] by each picture's kernel."""
    return to_srgb(convolve(scene_light(image, highlights), kernels).clamp(0, 1)).to(image.dtype)


def convolve(light: Tensor, kernels: Tensor) -> Tensor:
    """Blur each picture of (B, C, H, W), float32, by its own kernel of (B, K, K), with mirrored borders.

    One picture (1, C, H, W) is blurred by each kernel in turn.
    """
    radius, (height, width) = kernels.shape[-1] // 2, light.shape[2:]
    rows, columns = (_mirrored(size, radius).to(light.device) for size in (height, width))
    padded = light[:, :, rows][:, :, :, columns]
    size = padded.shape[2:]
    spectrum = torch.fft.rfft2(padded) * torch.fft.rfft2(kernels, s=size)[:, None]
    blurred = torch.fft.irfft2(spectrum, s=size)
    return blurred[:, :, 2 * radius :, 2 * radius :]


def gaussian_blur(image: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Gaussian blur of (B, C, H, W), each image by its own sigma in pixels; nothing spreads beyond 3 sigmas.

    Added tap by tap: a convolution rounds differently with the batch, and may use TF32.
    """
    reach = math.ceil(3 * max(sigmas))
    taps = torch.arange(-reach, reach + 1, device=image.device)
    sigma = per_image(sigmas, image).clamp_min(1e-3)
    weights = (-0.5 * (taps / sigma).square()).exp() * (taps.abs() <= 3 * sigma)
    weights = (weights / weights.sum(3, keepdim=True)).split(1, 3)  # of (B, 1, 1, 1)
    for axis, sides in ((3, (reach, reach, 0, 0)), (2, (0, 0, reach, reach))):
        padded = F.pad(image, sides, mode="replicate")
        image = torch.zeros_like(image)
        for tap, weight in enumerate(weights):
            image.addcmul_(weight, padded.narrow(axis, tap, image.shape[axis]))
    return image


def _mirrored(size: int, margin: int) -> Tensor:
    """Indices of a row with a mirrored margin at either end, of any length."""
    period = max(1, 2 * (size - 1))
    index = torch.arange(-margin, size + margin).remainder(period)
    return torch.where(index < size, index, period - index)
