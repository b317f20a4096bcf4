"""Banks of fog, one behind the other, each with an edge of its own across the picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pellucid.degrade.base import chance, integer, log_uniform, seed, tinted, uniform
from pellucid.degrade.fields import Window, sample_window, scene_axes, smooth_noise
from pellucid.degrade.haze.scattering import brightness, colours, exposed, lit_alike, numbers, through

_MOST = 6  # banks
_CELLS, _OCTAVES = 5, 4  # of an edge's ups and downs


@dataclass(frozen=True, kw_only=True)
class Bank:
    """One bank of fog, which reaches from an edge up to the top of the picture, or down to its foot.

    Attributes:
        edge: height of its edge in the scene, 0 the top and 1 the foot.
        slope: of the edge.
        relief: standard deviation of the edge's ups and downs, in sides of the scene.
        softness: over which the fog begins, in sides of the scene.
        optical_depth: of this bank alone.
        airlight: its colour (R, G, B) in [0, 1].
    """

    edge: float
    slope: float
    relief: float
    softness: float
    optical_depth: float
    airlight: tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class PlanesParams:
    """One picture's banks of fog.

    Attributes:
        banks: the farthest first.
        on_ground: whether they lie on the ground, below their edges, or hang above them.
        lit: brightness of the fog beside the picture's brightest parts; 0: as its colour says.
        unrest: standard deviation of the logarithm of the density within them.
        in_light: mix light rather than sRGB values.
        window: the part of the scene in the picture.
        seed: of edges and unrest.
    """

    banks: tuple[Bank, ...]
    on_ground: bool
    lit: float
    unrest: float
    in_light: bool
    window: Window
    seed: int


@dataclass(frozen=True, kw_only=True)
class Planes:
    """Fog in two to six layers, as between ranges of hills: thickness changes in steps, at noisy level edges.

    Each bank is even but for some unrest and has a colour of its own; what lies behind several is seen through all.

    Attributes:
        optical_depth: range of that of all banks together, log-uniform.
        banks: range of how many.
        softness: range of the width of their edges, in sides of the scene, log-uniform.
        brightness: range of the airlight's brightest channel.
        tint: largest departure of the airlight from grey, in [0, 1].
        lit_alike: probability that what lights the scene lights the fog, bright over what is bright.
        window: range of the share of the scene that is seen.
    """

    optical_depth: tuple[float, float] = (0.15, 4.0)
    banks: tuple[int, int] = (2, _MOST)
    softness: tuple[float, float] = (0.002, 0.1)
    brightness: tuple[float, float] = (0.5, 1.0)
    tint: float = 0.2
    lit_alike: float = 0.5
    window: tuple[float, float] = (0.25, 1.0)

    def sample(self, rng: torch.Generator) -> PlanesParams:
        """Draw the parameters for one image."""
        count, window = min(integer(rng, *self.banks), _MOST), sample_window(rng, self.window)
        total = log_uniform(rng, *self.optical_depth)
        parts = [uniform(rng, 0.1, 1.0) ** 2 for _ in range(count)]
        brightness, tint = uniform(rng, *self.brightness), self.tint * (uniform(rng, 0, 1) - uniform(rng, 0, 1))
        on_ground = chance(rng, 0.35)
        low, high = (-0.2, 0.8) if on_ground else (0.2, 1.2)  # so that few pictures are left without fog
        edges = sorted(window.top + window.extent * uniform(rng, low, high) for _ in range(count))
        slope, relief, softness = uniform(rng, -0.15, 0.15), log_uniform(rng, 0.005, 0.08), self.softness
        banks = tuple(
            Bank(
                edge=edge,
                slope=slope + uniform(rng, -0.1, 0.1),
                relief=relief * uniform(rng, 0.5, 1.5),
                softness=log_uniform(rng, *softness),
                optical_depth=total * part / sum(parts),
                airlight=tinted(brightness * uniform(rng, 0.85, 1.0), tint + 0.3 * self.tint * uniform(rng, -1, 1)),
            )
            for edge, part in zip(edges, parts, strict=True)
        )
        return PlanesParams(
            banks=banks,
            on_ground=on_ground,
            lit=lit_alike(rng, self.lit_alike),
            unrest=uniform(rng, 0.0, 0.4),
            in_light=chance(rng, 0.5),
            window=window,
            seed=seed(rng),
        )

    def apply(self, image: Tensor, params: Sequence[PlanesParams]) -> Tensor:
        """Veil (B, C, H, W) in [0, 1]; a grey picture sees grey fog."""
        hazy, thickness = image, self.thickness(image, params)
        bright, lit = brightness(image), [p.lit for p in params]
        for i in range(thickness.shape[1]):
            # A picture with fewer banks has no fog in the others, whatever their colour.
            airlight = colours([p.banks[min(i, len(p.banks) - 1)].airlight for p in params], image)
            airlight = exposed(airlight, bright, lit)
            hazy = through(hazy, (-thickness[:, i : i + 1]).exp(), airlight, [p.in_light for p in params])
        return hazy

    def thickness(self, image: Tensor, params: Sequence[PlanesParams]) -> Tensor:
        """Optical depth of each bank (B, banks, H, W) float32, the farthest first, for pictures (B, C, H, W)."""
        most = max(len(p.banks) for p in params)
        y, x = scene_axes([p.window for p in params], image)
        lines = [
            [(b.edge, b.slope, b.relief, b.softness, b.optical_depth) for b in p.banks]
            + [(0.0, 0.0, 0.0, 1.0, 0.0)] * (most - len(p.banks))
            for p in params
        ]
        edge, slope, relief, softness, optical_depth = torch.tensor(lines, device=image.device).unbind(2)
        seeds = [p.seed + i for p in params for i in range(most)]
        across = x.repeat_interleave(most, 0)
        ups = smooth_noise(seeds, across[:, :, :1] * 0, across, cells=_CELLS, octaves=_OCTAVES).unflatten(0, (-1, most))
        edges = edge[:, :, None, None] + slope[:, :, None, None] * (x[:, None] - 0.5) + relief[:, :, None, None] * ups
        side = numbers([-1.0 if p.on_ground else 1.0 for p in params], image)
        inside = (side * (edges - y[:, None]) / softness[:, :, None, None]).sigmoid()
        unrest = smooth_noise([p.seed + _MOST for p in params], y, x, cells=4, octaves=4)[:, None]
        density = (numbers([p.unrest for p in params], image) * unrest).exp()
        return optical_depth[:, :, None, None] * inside * density
