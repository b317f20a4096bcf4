"""Raindrops on the glass before the lens: each shows a small, bent, upside-down view of the scene."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from pellucid.degrade.base import log_uniform, per_image, seed, uniform
from pellucid.degrade.blur import DefocusBlur, DefocusBlurParams, convolve, defocus_kernels, gaussian_blur
from pellucid.degrade.camera import to_linear, to_srgb
from pellucid.degrade.raindrop.refraction import displaced, slope
from pellucid.degrade.raindrop.stamping import alike
from pellucid.errors import ConfigError

LARGEST = 2.5  # radius of the largest drops beside the typical one
REACH = 2.3  # half the side of what is painted for a drop, beside its radius: a sliding drop is long
OUTLINE_WAVES = (2, 3, 4)  # around the rim of a drop, each fainter than the one before: tension smooths it
SCENE_SHRINK = 6  # drops show the scene several times smaller: they are given it smaller, against aliasing


@dataclass(frozen=True, kw_only=True)
class RaindropsParams:
    """One image's drops.

    Attributes:
        coverage: share of the picture under drops, in [0, 1).
        radius: of a typical drop in pixels.
        variety: standard deviation of the radii's logarithm, and how much less steep than others a drop may be.
        irregularity: how far outlines are from ellipses, in [0, 1].
        sliding: share of the drops that have begun to run down, in [0, 1].
        flatness: at 0 drops are spherical caps, which turn the view upside down; at 1 some have a flat middle.
        view: how many pixels away the rim of a drop looks.
        outside: how much of a drop looks past the picture, at the sky below and the ground above, in [0, 1].
        sky: light of that sky, beside the typical light in the picture.
        rim: how dark the steep edge is, in [0, 1].
        glint: light of the sun or a lamp in the drops, beside that of the picture's brightest region.
        glint_angle: where in the drop it is, in degrees from the bottom.
        lens: how far the glass is out of focus.
        mist: share of the light, everywhere, from droplets too small or too far out of focus to be seen, in [0, 1].
        seed: of the single drops.
    """

    coverage: float
    radius: float
    variety: float
    irregularity: float
    sliding: float
    flatness: float
    view: float
    outside: float
    sky: float
    rim: float
    glint: float
    glint_angle: float
    lens: DefocusBlurParams
    mist: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class Raindrops:
    """Refracting drops on a window or a lens, in focus or far out of it.

    The glass shows I = (1 - M)·B + R, with M how much of a pixel is behind drops and R what these add (Qian et al.,
    "Attentive Generative Adversarial Network for Raindrop Removal", CVPR 2018). A drop is a cap of water whose slope
    bends the view: it compresses a wide field into itself, upside down (Roser and Geiger, "Video-based raindrop
    detection for improved image registration", ICCV Workshops 2009; You et al., "Adherent Raindrop Modeling,
    Detection and Removal in Video", TPAMI 2016). So it shows the sky below and the ground above, whether or not they
    are in the picture, and darkens at the rim, where light is reflected inside. With the camera focused on the scene, M
    and R are blurred by one kernel, the image of the aperture at the glass's distance. B and R are light, not sRGB: a
    sky lights a ground that gives back a fifth of it, so it is often brighter than white, and still white when blurred.

    Drops are painted as a map of water heights. The view at a point with slope s is the scene, ``view``·s away.
    Touching drops join.

    Each attribute is a range (low, high); lengths are those of a picture about 500 pixels wide. Drops far smaller
    than the blur become a haze of faint spots.

    Attributes:
        coverage, radius: as in ``RaindropsParams``; as likely to double as to halve.
        defocus: standard deviation of the blur of the glass, in pixels; as likely to double as to halve.
        variety, irregularity, sliding, flatness, view, outside, sky, rim, glint, mist: as in ``RaindropsParams``.
        scale: multiplies all lengths in pixels, for larger pictures.

    Raises:
        ConfigError: the picture could be wholly covered, which takes infinitely many drops.
    """

    coverage: tuple[float, float] = (0.05, 0.5)
    radius: tuple[float, float] = (4.0, 22.0)
    variety: tuple[float, float] = (0.2, 0.6)
    irregularity: tuple[float, float] = (0.1, 0.8)
    sliding: tuple[float, float] = (0.0, 0.3)
    flatness: tuple[float, float] = (0.0, 1.0)
    view: tuple[float, float] = (150.0, 500.0)
    outside: tuple[float, float] = (0.5, 1.0)
    sky: tuple[float, float] = (1.5, 7.0)
    rim: tuple[float, float] = (0.2, 0.9)
    glint: tuple[float, float] = (0.0, 2.0)
    defocus: tuple[float, float] = (0.5, 8.0)
    mist: tuple[float, float] = (0.0, 0.15)
    scale: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < min(self.coverage) <= max(self.coverage) < 1:
            raise ConfigError(f"Raindrops over {self.coverage} of a picture: stay between 0 and 1.")

    def sample(self, rng: torch.Generator) -> RaindropsParams:
        """Draw the parameters for one image."""
        low, high = self.defocus  # a disc's standard deviation is half its radius
        return RaindropsParams(
            coverage=log_uniform(rng, *self.coverage),
            radius=log_uniform(rng, *self.radius) * self.scale,
            variety=uniform(rng, *self.variety),
            irregularity=uniform(rng, *self.irregularity),
            sliding=uniform(rng, *self.sliding),
            flatness=uniform(rng, *self.flatness),
            view=uniform(rng, *self.view) * self.scale,
            outside=uniform(rng, *self.outside),
            sky=uniform(rng, *self.sky),
            rim=uniform(rng, *self.rim),
            glint=uniform(rng, *self.glint),
            glint_angle=uniform(rng, -60.0, 60.0),
            lens=DefocusBlur(radius=(2 * low, 2 * high), softness=(0.0, 1.2), scale=self.scale).sample(rng),
            mist=uniform(rng, *self.mist),
            seed=seed(rng),
        )

    def apply(self, image: Tensor, params: Sequence[RaindropsParams]) -> Tensor:
        """Look at (B, C, H, W) in [0, 1] through wet glass; the result is in [0, 1]."""
        water = _joined(_paint(_draw(image, params), image), [p.radius for p in params])
        mask = water.clamp(0, 1)  # the slope at the rim is about 1: this softens it over a pixel
        light = to_linear(image)
        typical = to_linear(image.mean((2, 3), keepdim=True))  # lamps at night hardly raise it, unlike the mean light
        drops = mask * _seen_in_drops(light, slope(water), typical, params)

        aperture = defocus_kernels([p.lens for p in params]).to(image.device)
        blurred = convolve(torch.cat((mask, drops), 1).float(), aperture).clamp_min(0).to(image.dtype)
        mask, drops = blurred[:, :1], blurred[:, 1:]
        scene = torch.lerp(light, typical, per_image([p.mist for p in params], image))
        return to_srgb(((1 - mask) * scene + drops).clamp(0, 1))


def _seen_in_drops(light: Tensor, slope: Tensor, typical: Tensor, params: Sequence[RaindropsParams]) -> Tensor:
    """The light (B, C, H, W) from water with this slope (B, 2, H, W) in x and y, wherever there is some."""
    view = per_image([p.view for p in params], light)
    up = -slope[:, 1:]  # water that thins downwards is a prism towards the sky
    sky = per_image([p.sky for p in params], light) * _whiter(typical)
    ground = 0.5 * typical  # much of it lies in shade
    past = (2 * per_image([p.outside for p in params], light) * up).square().clamp_max(1)
    seen = torch.lerp(_refracted(light, view * slope), torch.where(up > 0, sky, ground), past)

    steepness = slope.square().sum(1, keepdim=True).clamp_max(1)
    rim = per_image([p.rim for p in params], light) * steepness
    angle = per_image([p.glint_angle for p in params], light).deg2rad()
    towards = 0.6 * torch.cat((angle.sin(), -angle.cos()), 1)
    glint = per_image([p.glint for p in params], light) * (-50 * (slope - towards).square().sum(1, keepdim=True)).exp()
    brightest = F.adaptive_avg_pool2d(light, 8).amax((2, 3), keepdim=True)
    return seen * (1 - rim) + glint * _whiter(brightest)


def _whiter(light: Tensor) -> Tensor:
    """What things of this colour are lit by: halfway to grey, as they are partly coloured themselves."""
    return (light + light.mean(1, keepdim=True)) / 2


def _refracted(image: Tensor, offset: Tensor) -> Tensor:
    """The scene (B, C, H, W), looked up ``offset`` (B, 2, H, W) pixels in x and y away, mirrored beyond the border."""
    height, width = image.shape[2:]
    small = F.interpolate(image, (-(-height // SCENE_SHRINK), -(-width // SCENE_SHRINK)), mode="area")
    return displaced(small, offset)


def _draw(image: Tensor, params: Sequence[RaindropsParams]) -> Tensor:
    """All drops (N, 13) of the batch."""
    height, width = image.shape[2:]
    drops: list[Tensor] = []
    for index, p in enumerate(params):
        rng = torch.Generator(image.device).manual_seed(p.seed)
        margin = p.radius
        tall, wide = height + 2 * margin, width + 2 * margin
        drop_area = math.pi * p.radius**2 * math.exp(2 * p.variety**2)
        count = math.ceil(-math.log1p(-p.coverage) * tall * wide / drop_area)
        x, y, slides, length, steep, flat, *phases = torch.rand((9, count), generator=rng, device=image.device)
        size, *bumps = torch.randn((4, count), generator=rng, device=image.device)
        radius = p.radius * (p.variety * size).exp().clamp(1 / LARGEST, LARGEST)
        run = (slides < p.sliding) * length
        columns = (
            torch.full_like(x, index),
            x * wide - margin,
            y * tall - margin,
            radius,
            run,
            1 - p.variety * steep,
            2 + 2 * p.flatness * flat,
            *(
                0.4 * p.irregularity * bump.clamp(-2, 2) / waves**2
                for waves, bump in zip(OUTLINE_WAVES, bumps, strict=True)
            ),
            *(2 * math.pi * phase for phase in phases),
        )
        drops.append(torch.stack(columns, 1))
    return torch.cat(drops)


def _paint(drops: Tensor, image: Tensor) -> Tensor:
    """The height of the water (B, 1, H, W) in pixels; where drops overlap, the taller one's.

    The maximum of floats, unlike their sum, is the same in any order: painting is deterministic on a GPU too.
    """
    batch, _, height, width = image.shape
    canvas = torch.zeros(batch * height * width + 1, device=image.device)  # the first is for all points outside
    for some, reach in alike(REACH * drops[:, 3]):
        place, value = _points(drops[some], reach, height, width)
        canvas.scatter_reduce_(0, place.flatten(), value.flatten(), "amax")
    return canvas[1:].view(batch, 1, height, width).to(image.dtype)


def _points(drops: Tensor, reach: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Where on the canvas each drop's pixels lie, and how high the water is: both (N, 2·reach + 1, 2·reach + 1)."""
    index, x, y, radius, run, steep, power, *outline = drops[:, :, None, None].unbind(1)
    offsets = torch.arange(-reach, reach + 1, device=drops.device)
    row, column = y.round() + offsets[:, None], x.round() + offsets

    # one that runs is longer, and narrower towards the top
    down = (row - y) / radius / (1 + 0.7 * run)
    across = (column - x) / radius / (1 - 0.2 * run) / (1 + 0.35 * run * down.clamp(-1, 1))
    around = torch.atan2(across, down)
    bumps, phases = outline[:3], outline[3:]
    rim = torch.ones_like(around)
    for waves, bump, phase in zip(OUTLINE_WAVES, bumps, phases, strict=True):
        rim += bump * (waves * around + phase).cos()
    to_rim = torch.hypot(across, down) / rim
    value = (steep * radius / power * (1 - to_rim**power)).clamp_min(0)

    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    place = torch.where(inside, (index.long() * height + row.long()) * width + column.long() + 1, 0)
    return place, value


def _joined(water: Tensor, radii: Sequence[float]) -> Tensor:
    """Let surface tension round the corners where drops touch; a straight rim stays where it is."""
    sigmas = [0.15 * radius for radius in radii]
    # a rim of slope 1, blurred, is as high as the mean of the positive half of a Gaussian
    raised = per_image([sigma / math.sqrt(2 * math.pi) for sigma in sigmas], water)
    return (gaussian_blur(water, sigmas) - raised).clamp_min(0)
