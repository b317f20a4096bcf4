"""Training pairs from clean photographs: crops, symmetries, and a degradation made on the fly."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from pellucid.data.augment import SYMMETRIES, symmetry
from pellucid.errors import ConfigError
from pellucid.imaging import find_pictures, read_photo, to_depth


class Degradation(Protocol):
    """``sample`` draws parameters for a batch; ``apply`` uses them on (B, C, H, W) in [0, 1]."""

    def sample(self, rng: torch.Generator, count: int = 1) -> Any: ...

    def apply(self, image: Tensor, params: Any) -> Tensor: ...


def load_folder(folder: Path, *, smallest: int = 1) -> list[Tensor]:
    """Every photograph below a folder, as uint8 (3, H, W), in the order of their paths.

    Args:
        folder: searched to any depth.
        smallest: pictures with a shorter side than this cannot be cropped and are an error.

    Raises:
        ConfigError: no such folder, no picture in it, or one that is too small.
        ImageError: a picture that cannot be read.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder of training photos")
    paths = find_pictures(folder)
    if not paths:
        raise ConfigError(f"{folder}: holds no picture that pellucid can read")
    photos: list[Tensor] = []
    for path in paths:
        pixels = torch.from_numpy(to_depth(read_photo(path).pixels, np.uint8)).permute(2, 0, 1)
        if min(pixels.shape[1:]) < smallest:
            height, width = pixels.shape[1:]
            raise ConfigError(f"{path}: {width}x{height} is smaller than a patch of {smallest}")
        photos.append(pixels.expand(3, -1, -1).contiguous())
    return photos


@dataclass(frozen=True, kw_only=True)
class SyntheticPairs:
    """An endless, random-access stream of batches: batch ``step`` is a pure function of (seed, step).

    So a resumed run sees exactly what the undisturbed one would have, with no sampler to save.

    Attributes:
        photos: uint8 (3, H, W) each.
        degradation: what to do to the clean crops.
        patch: side of a crop.
        batch: crops per step.
        seed: of everything random.
    """

    photos: Sequence[Tensor]
    degradation: Degradation
    patch: int
    batch: int
    seed: int = 0

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Batch ``step``: (degraded, clean), float32 (B, 3, P, P), clean in [0, 1]."""
        rng = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        areas = torch.tensor([float(photo.shape[1] * photo.shape[2]) for photo in self.photos])
        chosen = torch.multinomial(areas, self.batch, replacement=True, generator=rng)
        clean = torch.stack([self._crop(self.photos[i], rng) for i in chosen.tolist()]).float() / 255
        params = self.degradation.sample(rng, self.batch)
        return self.degradation.apply(clean, params), clean

    def _crop(self, photo: Tensor, rng: torch.Generator) -> Tensor:
        height, width = photo.shape[1:]
        y = _draw(height - self.patch + 1, rng)
        x = _draw(width - self.patch + 1, rng)
        crop = photo[:, y : y + self.patch, x : x + self.patch]
        return symmetry(crop, _draw(SYMMETRIES, rng))


def _draw(count: int, rng: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=rng))
