"""Drops scattered over glass, and many small shapes put on one canvas."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

POINTS_AT_ONCE = 2**21  # bounds the memory of stamping, at some 60 bytes each

Profile = Callable[[Tensor, Tensor, Tensor], Tensor]


def scatter(
    rng: torch.Generator, size: tuple[int, int], *, coverage: float, radii: tuple[float, float], steepness: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Drops anywhere on a canvas: their x, y and radius in pixels, each (N,) on the CPU; at least one.

    Args:
        rng: of everything drawn.
        size: height and width in pixels.
        coverage: expected share of the canvas under drops, in (0, 1); they may overlap.
        radii: smallest and largest, in pixels.
        steepness: of how many there are of each size, by a power law: their number falls as radius**-(steepness + 1).
    """

    def radius(share: Tensor) -> Tensor:
        ends = [end**-steepness for end in radii]
        return (ends[0] + share * (ends[1] - ends[0])) ** (-1 / steepness)

    mean_area = math.pi * radius((torch.arange(64) + 0.5) / 64).square().mean().item()
    count = max(1, round(-math.log1p(-coverage) * size[0] * size[1] / mean_area))
    x, y, share = torch.rand((3, count), generator=rng)
    return x * size[1], y * size[0], radius(share)


def stamp(
    size: tuple[int, int], x: Tensor, y: Tensor, radius: Tensor, profile: Profile, *, margin: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Put a shape at each place; where they overlap, the one of the largest value shows.

    Args:
        size: height and width of the canvas in pixels.
        x, y, radius: centres and sizes in pixels, (N,).
        profile: the value of shapes, from the distance to the right and downwards in radii, (n, side, side), and the
            indices of these shapes, (n, 1, 1); where it is 0 or less, nothing is put.
        margin: how many pixels beyond its radius a shape may reach.

    Returns:
        The value (H, W), 0 where nothing is, and the index of the shape that shows, (H, W), -1 where there is none.
    """
    height, width = size
    # One integer holds a value and its shape: bits of floats above 0 are ordered as these are. A maximum, unlike a sum,
    # is the same in any order, so this is deterministic on a GPU too.
    canvas = torch.full((height * width + 1,), -1, device=x.device)  # the first is for all points outside
    reaches = radius + margin + 1
    seen = ((x.clamp(0, width) - x).abs() < reaches) & ((y.clamp(0, height) - y).abs() < reaches)
    (visible,) = seen.nonzero(as_tuple=True)
    for some, reach in alike(reaches[visible]):
        which = visible[some]
        offsets = torch.arange(-reach, reach + 1, device=x.device)
        column = x[which, None, None].round().long() + offsets
        row = y[which, None, None].round().long() + offsets[:, None]
        across = (column - x[which, None, None]) / radius[which, None, None]
        down = (row - y[which, None, None]) / radius[which, None, None]
        value = profile(across, down, which[:, None, None]).float()
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width) & (value > 0)
        place = torch.where(inside, row * width + column + 1, 0)
        key = (value.view(torch.int32).long() << 32) | which[:, None, None]
        canvas.scatter_reduce_(0, place.flatten(), key.flatten(), "amax")
    canvas = canvas[1:].view(height, width)
    value = (canvas >> 32).int().view(torch.float32)
    return torch.where(canvas < 0, 0, value), torch.where(canvas < 0, -1, canvas & 0xFFFFFFFF)


def alike(reach: Tensor) -> Iterator[tuple[Tensor, int]]:
    """Indices of shapes that reach like numbers of pixels, and the most that one of them does."""
    order = reach.argsort(descending=True)
    sizes = reach[order].tolist()
    start = 0
    while start < len(sizes):
        reach_in_pixels = math.ceil(sizes[start])
        most = start + max(1, POINTS_AT_ONCE // (2 * reach_in_pixels + 1) ** 2)
        end = start + 1
        while end < min(most, len(sizes)) and sizes[end] > 0.7 * sizes[start]:
            end += 1
        yield order[start:end], reach_in_pixels
        start = end


def outline(rng: torch.Generator, count: int, irregularity: float) -> Profile:
    """Distance from the centre of irregular drops, 1 at the rim, as a profile of ``count`` shapes.

    Args:
        rng: of everything drawn.
        count: of the drops.
        irregularity: how far the outlines are from circles, in [0, 1].
    """
    bumps = irregularity * torch.randn((3, count), generator=rng).clamp(-2, 2)
    phases = 2 * math.pi * torch.rand((3, count), generator=rng)

    def distance(across: Tensor, down: Tensor, which: Tensor) -> Tensor:
        around = torch.atan2(across, down)
        rim = torch.ones_like(around)
        for waves, bump, phase in zip((2, 3, 4), bumps.to(across.device), phases.to(across.device), strict=True):
            rim += 0.4 / waves**2 * bump[which] * (waves * around + phase[which]).cos()
        return torch.hypot(across, down) / rim

    return distance
