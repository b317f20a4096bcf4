"""What is measured with where it need not be real: photos, and a network that does nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

ENDINGS = ("jpg", "png", "tif", "webp")


def write_photos(folder: Path, count: int, size: tuple[int, int]) -> list[Path]:
    """Smooth made-up photos of (width, height) in several formats, in three folders: where they are."""
    rng, paths = np.random.default_rng(0), list[Path]()
    for index in range(count):
        path = folder / f"sub{index % 3}" / f"{index}.{ENDINGS[index % len(ENDINGS)]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8))
        small.resize(size, Image.Resampling.BICUBIC).save(path)
        paths.append(path)
    return paths


class Identity(nn.Module):
    """A network that gives its input back, with ``added`` to it."""

    stride, alignment = 16, 128

    def __init__(self, config: Any, added: float = 0.0) -> None:
        super().__init__()
        self.config, self.added = config, added

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image + self.added
