"""Scores of a network on validation pictures, always the same ones, shared between processes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pellucid.data.layouts import find_pairs
from pellucid.data.photo_cache import PhotoCache, clean_photos, to_float
from pellucid.degrade import compose
from pellucid.errors import ConfigError
from pellucid.imaging import to_depth
from pellucid.inference import Restorer
from pellucid.metrics import psnr, ssim
from pellucid.training.config import DataConfig

SMALLEST = 11  # pixels: SSIM's window
LARGEST_PSNR = 100.0  # dB: of equal pictures, which would make a mean infinite
SHOWN = 4  # pictures to look at
PAIRS = "val"  # what the scores of paired folders are called


@dataclass(frozen=True, kw_only=True)
class Example:
    """One validation picture: degraded float32 (H, W, C) and clean uint8 (H, W, C), and what its scores are called."""

    label: str
    degraded: NDArray[np.float32]
    clean: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A picture to look at: degraded, restored and clean, uint8 (H, W, C) each."""

    label: str
    degraded: NDArray[np.uint8]
    restored: NDArray[np.uint8]
    clean: NDArray[np.uint8]


class Validation:
    """The validation set of a run.

    Attributes:
        labels: what scores are called: ``val`` for pairs, or the names in ``val_degrade``.
    """

    def __init__(self, folder: Path, config: DataConfig) -> None:
        """Find the pictures in a folder, of the kind that the config says.

        Raises:
            ConfigError: a folder that is missing, empty or of no known layout, or a picture that is too small to score
                or whose input has another size.
        """
        self._config = config
        self._degradations = {name: compose(options) for name, options in config.val_degrade.items()}
        self.labels = tuple(self._degradations) if config.degrade is not None else (PAIRS,)
        if config.degrade is not None:
            paths, self._inputs = clean_photos(folder), []
        else:
            pairs = find_pairs(folder, dual_pixel=config.dual_pixel)
            paths = [pair.target for pair in pairs]
            self._inputs = [PhotoCache(pair.inputs, budget_bytes=0, grey=config.grey) for pair in pairs]
        self._clean = PhotoCache(paths, config.cache_bytes, grey=config.grey, longest=config.longest)
        for index in range(len(self._clean)):
            self._check(index)

    def score(self, network: nn.Module, fabric: Any) -> tuple[dict[str, float], list[Shown]]:
        """PSNR in dB and SSIM by label, over all processes; and some pictures, on the first process.

        Both are in RGB, of 8 bits. ``input_LABEL`` is the PSNR of the untouched input, to compare with.

        Every process must call it. Each restores its share of the pictures, by tiles, so none waits for another.

        Raises:
            ImageError: a damaged picture.
            RestoreError: the network gives no finite numbers.
        """
        restorer = Restorer(network, device=fabric.device, precision="fp32", keep_clean=False)
        sums = {label: torch.zeros(4, dtype=torch.float64) for label in self.labels}
        shown: list[Shown] = []
        for example in self._examples(fabric.global_rank, fabric.world_size):
            restored = to_depth(restorer.restore_array(example.degraded), np.uint8)
            degraded = to_depth(example.degraded[..., : restored.shape[2]], np.uint8)
            before, after = (psnr(image, example.clean) for image in (degraded, restored))
            scores = min(after, LARGEST_PSNR), ssim(restored, example.clean), min(before, LARGEST_PSNR), 1.0
            sums[example.label] += torch.tensor(scores, dtype=torch.float64)
            if len(shown) < SHOWN:
                shown.append(Shown(label=example.label, degraded=degraded, restored=restored, clean=example.clean))
        totals = fabric.all_reduce(torch.stack(list(sums.values())).to(fabric.device), reduce_op="sum").cpu()
        scores = {}
        for label, (decibels, similarity, before, count) in zip(sums, totals.tolist(), strict=True):
            if count:
                scores[f"psnr_{label}"] = decibels / count
                scores[f"ssim_{label}"] = similarity / count
                scores[f"input_{label}"] = before / count
        return scores, shown

    def _examples(self, rank: int, world: int) -> Iterator[Example]:
        for index in range(rank, len(self._clean), world):
            clean = self._middle(self._clean[index])
            target = to_depth(_array(clean), np.uint8)
            if self._inputs:
                yield Example(label=PAIRS, degraded=self._input(index), clean=target)
            for label, degradation in self._degradations.items():
                params = degradation.sample(torch.Generator().manual_seed(index))
                degraded = degradation.apply(to_float(clean)[None], [params])[0]
                yield Example(label=label, degraded=_array(degraded), clean=target)

    def _input(self, index: int) -> NDArray[np.float32]:
        views = self._inputs[index]
        degraded = torch.cat([to_float(self._middle(views[i])) for i in range(len(views))])
        return _array(degraded)

    def _check(self, index: int) -> None:
        path, size = self._clean.paths[index], self._clean.shape(index)[1:]
        if min(size) < SMALLEST or (self._config.val_crop or SMALLEST) < SMALLEST:
            raise ConfigError(f"{path}: less than {SMALLEST} pixels a side are too small to score")
        if not self._inputs:
            return
        views = self._inputs[index]
        for view in range(len(views)):
            if views.shape(view)[1:] != size:
                raise ConfigError(f"{views.paths[view]} and {path}: have different sizes")

    def _middle(self, photo: Tensor) -> Tensor:
        side = self._config.val_crop
        if side is None:
            return photo
        y, x = ((size - min(size, side)) // 2 for size in photo.shape[1:])
        return photo[:, y : y + side, x : x + side]


def _array(image: Tensor) -> NDArray[Any]:
    return image.permute(1, 2, 0).contiguous().numpy()
