"""How large tiles are, and how many go through a network at once: by the memory there is, and by what is quick."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from pellucid.inference.options import SMALLEST_TILE
from pellucid.memory import available_bytes
from pellucid.models.cost import peak_activation_bytes

LARGEST_TILE = 1088  # beyond, time per pixel hardly falls
ROW_PIXELS, SIDE_OF_WIDE = 14 * 2**20, 512  # a row of tiles is held as floats: in very wide pictures they are smaller
CPU_BYTES = 560 * 2**20  # of weights and activations, however much there is: 12 megapixels take less than 2 GB in all
MEMORY_SHARE = 0.5  # of what is available; the estimate leaves out the kernels' scratch space


@dataclass(frozen=True, kw_only=True)
class TileSizes:
    """The sizes that suit a network on a device.

    Attributes:
        config: the network's.
        device: where it runs.
        weights: bytes of the network's.
        fused: kernels do a branch of a transformer block in one pass.
    """

    config: Any
    device: torch.device
    weights: int
    fused: bool

    def side(self, width: int) -> int:
        """The longest side of tiles for a picture of this width."""
        side = int(self._affordable_pixels() ** 0.5)
        if self._on_cpu:
            side = min(side, max(ROW_PIXELS // width, SIDE_OF_WIDE))
        return max(min(side, LARGEST_TILE), SMALLEST_TILE)

    def batch(self, side: int) -> int:
        """How many tiles of this side go through the network at once: a CPU is busy with one."""
        return 1 if self._on_cpu else max(self._affordable_pixels() // side**2, 1)

    @property
    def _on_cpu(self) -> bool:
        return self.device.type == "cpu"

    def _affordable_pixels(self) -> int:
        budget = available_bytes(self.device) * MEMORY_SHARE
        if self.device.type != "cuda":
            budget = min(budget, max(CPU_BYTES - self.weights, self.weights))
        return int(budget / _bytes_per_pixel(self.config, fused=self.fused))


@lru_cache(maxsize=16)
def _bytes_per_pixel(config: Any, *, fused: bool) -> float:
    side = 128  # a multiple of every network's stride; activations are proportional to area
    return peak_activation_bytes(config, side, side, fused=fused) / side**2
