"""Tiles whose first attempt failed: memory ran out, or what came cannot be believed."""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from pellucid.errors import RestoreError
from pellucid.imaging import to_float
from pellucid.inference.guard import HARMLESS, Box, TileWatch, find_problem
from pellucid.inference.runner import Runner
from pellucid.inference.tilesize import SMALLEST_TILE

log = logging.getLogger(__name__)


@dataclass
class Rescue:
    """Runs tiles, again if need be.

    Attributes:
        runner: runs the network.
        in_pieces: restores a tile (H, W, C) in overlapping pieces of half its side, in a precision.
        too_large: the side of a tile that memory did not bear.
    """

    runner: Runner
    in_pieces: Callable[[NDArray[Any], str], Tensor]
    too_large: float = math.inf

    def restore(self, tiles: NDArray[Any]) -> Tensor:
        """Restore equally large tiles (N, H, W, C) → float32 on the CPU; when memory runs out, in smaller pieces.

        Raises:
            RestoreError: memory does not suffice for the smallest tile.
        """
        side, device = max(tiles.shape[1:3]), self.runner.device
        if side < self.too_large:
            try:
                return self.runner.run(tiles)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
        # outside the handler, whose error would keep the failed pass's activations alive
        if device.type == "cuda":
            torch.cuda.empty_cache()
        if len(tiles) > 1:
            return torch.cat([self.restore(tile[None]) for tile in tiles])
        if side <= SMALLEST_TILE:
            height, width = tiles.shape[1:3]
            raise RestoreError(f"not enough memory for a tile of {width}x{height} pixels on {device}")
        if side < self.too_large:
            log.warning("out of memory on a tile of %d pixels: going on with smaller ones", side)
            self.too_large = side
        return self.in_pieces(tiles[0], self.runner.precision)[None]

    def believable(self, tile: NDArray[Any], result: Tensor, box: Box, watch: TileWatch) -> Tensor:
        """One tile's result (H, W, C), or what a second and a third attempt give, or the tile itself."""
        before = torch.from_numpy(to_float(tile))
        problem = find_problem(before, result)
        if problem is None:
            return result
        if problem in HARMLESS:
            watch.note(box, problem, "none")
            return result
        if not self.runner.is_exact:
            again = self.runner.run_exactly(tile[None])[0]
            if find_problem(before, again) in HARMLESS:
                watch.note(box, problem, "fp32")
                return again
        if max(tile.shape[:2]) > SMALLEST_TILE:
            again = self.in_pieces(tile, "fp32")
            if find_problem(before, again) in HARMLESS:
                watch.note(box, problem, "smaller")
                return again
        watch.note(box, problem, "input kept")
        return before[..., : result.shape[-1]]


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return "can't allocate memory" in str(error)  # the CPU allocator raises a bare RuntimeError
