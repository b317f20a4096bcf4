"""Haze over a depth that is read off the picture: regions that stand on the ground, farther where they are pale."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from pellucid.degrade.base import chance, log_uniform, seed, tinted, uniform
from pellucid.degrade.fields import Window, sample_window, scene_axes, smooth_noise
from pellucid.degrade.haze.guided import joint_bilateral, reduced
from pellucid.degrade.haze.scattering import brightness, colours, exposed, lit_alike, numbers, through

_SIDE = 48  # pixels of the copy in which a picture is taken apart
_GRID = 6  # regions across and down
_STEPS = 2  # of k-means
_SHARP = 0.004  # squared distance over which one region passes into the next
_EDGE = 0.05  # difference of grey that the depth takes for an edge


@dataclass(frozen=True, kw_only=True)
class DepthHazeParams:
    """One picture's haze.

    Attributes:
        optical_depth: of the farthest thing.
        nearest: distance of the nearest thing, as a share of the farthest.
        cues: how much a region's distance follows from its dark channel, its paleness, where its foot stands on the
            ground, and chance; sums to 1.
        ground: share of the ground itself, which recedes within a region, beside the regions.
        horizon: its height in the scene, 0 the top and 1 the foot; beyond either where no horizon is seen.
        steepness: how fast the ground recedes.
        place: weight of a place beside colours, when regions are made: high for compact ones.
        patchiness: standard deviation of the logarithm of the density.
        airlight: colour of the haze (R, G, B) in [0, 1].
        lit: brightness of the haze beside the picture's brightest parts; 0: as its colour says.
        in_light: mix light rather than sRGB values.
        window: the part of the scene in the picture.
        seed: of the regions and of the density.
    """

    optical_depth: float
    nearest: float
    cues: tuple[float, float, float, float]
    ground: float
    horizon: float
    steepness: float
    place: float
    patchiness: float
    airlight: tuple[float, float, float]
    lit: float
    in_light: bool
    window: Window
    seed: int


@dataclass(frozen=True, kw_only=True)
class DepthHaze:
    """Koschmieder's law over a plausible depth of the picture itself.

    The picture falls into regions of like colour. Each stands on the ground, as in a pop-up book (Hoiem et al. 2005),
    and is farther where its dark channel is high (He et al. 2009) and where it is pale, as air does that to what is
    far. The distances are enlarged along the picture's edges.

    Attributes:
        optical_depth: range of the optical depth of the farthest thing, log-uniform; 4 is white-out.
        nearest: range of the nearest distance, as a share of the farthest.
        patchiness: range of the standard deviation of the logarithm of the density.
        brightness: range of the airlight's brightest channel.
        tint: largest departure of the airlight from grey, in [0, 1].
        lit_alike: probability that what lights the scene lights the haze, bright over what is bright.
        window: range of the share of the scene that is seen.
    """

    optical_depth: tuple[float, float] = (0.15, 4.0)
    nearest: tuple[float, float] = (0.0, 0.5)
    patchiness: tuple[float, float] = (0.0, 0.3)
    brightness: tuple[float, float] = (0.5, 1.0)
    tint: float = 0.2
    lit_alike: float = 0.5
    window: tuple[float, float] = (0.25, 1.0)

    def sample(self, rng: torch.Generator) -> DepthHazeParams:
        """Draw the parameters for one image."""
        drawn = [uniform(rng, 0.1, 1.0) ** 2 for _ in range(4)]
        dark, pale, foot, luck = (cue / sum(drawn) for cue in drawn)
        return DepthHazeParams(
            optical_depth=log_uniform(rng, *self.optical_depth),
            nearest=uniform(rng, *self.nearest),
            cues=(dark, pale, foot, luck),
            ground=uniform(rng, 0.0, 0.6),
            horizon=uniform(rng, -0.1, 0.6),
            steepness=log_uniform(rng, 2.0, 16.0),
            place=log_uniform(rng, 0.3, 1.5),
            patchiness=uniform(rng, *self.patchiness),
            airlight=tinted(uniform(rng, *self.brightness), self.tint * (uniform(rng, 0, 1) - uniform(rng, 0, 1))),
            lit=lit_alike(rng, self.lit_alike),
            in_light=chance(rng, 0.5),
            window=sample_window(rng, self.window),
            seed=seed(rng),
        )

    def apply(self, image: Tensor, params: Sequence[DepthHazeParams]) -> Tensor:
        """Veil (B, C, H, W) in [0, 1]; a grey picture sees grey haze."""
        y, x = scene_axes([p.window for p in params], image)
        density = smooth_noise([p.seed + 1 for p in params], y, x, cells=2, octaves=3)[:, None]
        density = (numbers([p.patchiness for p in params], image) * density).exp()
        thickness = numbers([p.optical_depth for p in params], image) * density * self.depth(image, params)
        airlight = exposed(colours([p.airlight for p in params], image), brightness(image), [p.lit for p in params])
        return through(image, (-thickness).exp(), airlight, [p.in_light for p in params])

    def depth(self, image: Tensor, params: Sequence[DepthHazeParams]) -> Tensor:
        """Distance as a share of the farthest, (B, 1, H, W) float32 in [0, 1], for pictures (B, C, H, W)."""
        small = reduced(image.float(), _SIDE)
        rows, _ = scene_axes([p.window for p in params], small)
        ground = _ground(rows, params).expand(-1, -1, small.shape[3])
        parts = _parts(small, params)
        brightest, darkest = small.amax(1), small.amin(1)
        dark = -F.max_pool2d(-darkest, 5, 1, 2)
        pale = darkest / brightest.clamp(min=0.05)
        seen = torch.stack([dark, pale], 1).flatten(2) @ parts / parts.sum(1)[:, None].clamp(min=1e-6)
        dark, pale = seen.unbind(1)
        # The nearest ground that a region covers is what it stands on.
        foot = 1 - (parts * (1 - ground.flatten(1))[:, :, None]).amax(1)
        luck = torch.stack([torch.rand(_GRID**2, generator=torch.Generator().manual_seed(p.seed + 2)) for p in params])
        cues = torch.tensor([p.cues for p in params], device=image.device)[:, :, None]
        stacked = torch.stack([_stretched(dark), _stretched(pale), foot, luck.to(image.device)], 1)
        distance = (cues * stacked).sum(1)
        standing = (parts @ _stretched(distance)[:, :, None])[:, :, 0].unflatten(1, small.shape[2:])
        depth = torch.lerp(standing, ground, numbers([p.ground for p in params], image)[:, 0])
        depth = joint_bilateral(depth[:, None], image, sigma=_EDGE)
        nearest = numbers([p.nearest for p in params], image)
        return nearest + (1 - nearest) * depth


def _ground(rows: Tensor, params: Sequence[DepthHazeParams]) -> Tensor:
    """Distance of the ground (B, H, 1) in (0, 1] under a camera, by perspective; 1 at the horizon and above."""
    horizon = torch.tensor([p.horizon for p in params], device=rows.device)[:, None, None]
    steepness = torch.tensor([p.steepness for p in params], device=rows.device)[:, None, None]
    return 1 / (1 + steepness * (rows - horizon).clamp(min=0))


def _parts(small: Tensor, params: Sequence[DepthHazeParams]) -> Tensor:
    """Which of 36 regions each pixel belongs to, softly: (B, h·w, 36), summing to 1; k-means in colour and place."""
    height, width = small.shape[2:]
    smooth = F.avg_pool2d(small.expand(-1, 3, -1, -1), 3, 1, 1, count_include_pad=False)
    rows, columns = (torch.arange(n, device=small.device) / max(height, width) for n in (height, width))
    places = torch.stack(torch.meshgrid(rows, columns, indexing="ij")).expand(len(small), -1, -1, -1)
    places = places * numbers([p.place for p in params], small)
    points = torch.cat([smooth, places], 1).flatten(2).mT.contiguous()
    jitter = [torch.rand(2, _GRID, _GRID, generator=torch.Generator().manual_seed(p.seed)) for p in params]
    cells = torch.stack(torch.meshgrid(torch.arange(_GRID), torch.arange(_GRID), indexing="ij"))
    chosen = ((cells + torch.stack(jitter)) / _GRID * torch.tensor([height, width])[:, None, None]).long().flatten(2)
    first = (chosen[:, 0] * width + chosen[:, 1]).to(small.device)
    centres = points.gather(1, first[:, :, None].expand(-1, -1, 5))
    parts = _shares(points, centres)
    for _ in range(_STEPS):
        parts = _shares(points, parts.mT @ points / parts.sum(1)[:, :, None].clamp(min=1e-6))
    return parts


def _shares(points: Tensor, centres: Tensor) -> Tensor:
    # |p - c|² without |p|², which the softmax over centres takes no notice of.
    nearness = points @ (2 / _SHARP * centres.mT) - centres.square().sum(2)[:, None] / _SHARP
    return nearness.softmax(2)


def _stretched(values: Tensor) -> Tensor:
    """Values (B, K) stretched to [0, 1], but never by more than tenfold."""
    low, high = values.amin(1, keepdim=True), values.amax(1, keepdim=True)
    return (values - low) / (high - low).clamp(min=0.1)
