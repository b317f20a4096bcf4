"""Tiles whose first attempt failed: memory ran out, or what came cannot be believed."""

import logging
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pellucid.errors import RestoreError
from pellucid.imaging import to_float
from pellucid.imaging.rows import Rows
from pellucid.inference.guard import HARMLESS, Box, TileWatch, find_problem
from pellucid.inference.options import SMALLEST_TILE
from pellucid.inference.runner import Runner
from pellucid.inference.tiled import OnTile, bands

log = logging.getLogger(__name__)


@dataclass
class Rescue:
    """Runs a network on tiles, again if need be.

    Attributes:
        runner: runs the network.
        overlap: of tiles, in pixels.
        too_large: the side of a tile that memory did not bear.
    """

    runner: Runner
    overlap: int
    too_large: float = math.inf

    def bands(
        self,
        pixels: Rows,
        tile: int,
        *,
        watch: TileWatch | None = None,
        share: float = 1.0,
        on_tile: OnTile | None = None,
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """As ``tiled.bands``, of tiles that can be believed; without a ``watch``, they are taken as they come.

        Raises:
            RestoreError: memory does not suffice for the smallest tile, or the picture has other channels than the
                network takes.
        """

        def restore(tiles: NDArray[Any], boxes: list[Box]) -> Iterable[Tensor]:
            results = self._restore(tiles)
            if watch is None:
                return results
            watch.tiles += len(tiles)
            return [self._believable(*each, watch) for each in zip(tiles, results, boxes, strict=True)]

        network = self.runner.network
        return bands(
            pixels,
            restore,
            tile=tile,
            overlap=self.overlap,
            stride=int(network.stride),  # pyright: ignore[reportArgumentType] (nn.Module's typing knows tensors)
            alignment=int(network.alignment),  # pyright: ignore[reportArgumentType]
            channels=self.runner.channels_out(pixels.shape[2]),
            batch=self.runner.sizes.batch(tile),
            share=share,
            on_tile=on_tile,
        )

    def _restore(self, tiles: NDArray[Any]) -> Tensor:
        """Restore equally large tiles (N, H, W, C) → float32 on the CPU; when memory runs out, in smaller pieces."""
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
            return torch.cat([self._restore(tile[None]) for tile in tiles])
        if side <= SMALLEST_TILE:
            height, width = tiles.shape[1:3]
            raise RestoreError(f"not enough memory for a tile of {width}x{height} pixels on {device}")
        if side < self.too_large:
            log.warning("out of memory on a tile of %d pixels: going on with smaller ones", side)
            self.too_large = side
        return self._in_pieces(tiles[0], self.runner.precision)[None]

    def _in_pieces(self, tile: NDArray[Any], precision: str) -> Tensor:
        """Restore a tile (H, W, C) in overlapping pieces of half its side, by PyTorch."""
        smaller = Rescue(Runner(self.runner.network, self.runner.device, precision, "torch"), self.overlap)
        side = max(max(tile.shape[:2]) // 2, SMALLEST_TILE)
        return torch.from_numpy(np.concatenate([band for _, band in smaller.bands(to_float(tile), side)]))

    def _believable(self, tile: NDArray[Any], result: Tensor, box: Box, watch: TileWatch) -> Tensor:
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
            again = self._in_pieces(tile, "fp32")
            if find_problem(before, again) in HARMLESS:
                watch.note(box, problem, "smaller")
                return again
        watch.note(box, problem, "input kept")
        return before[..., : result.shape[-1]]


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return "can't allocate memory" in str(error)  # the CPU allocator raises a bare RuntimeError
