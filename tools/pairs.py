"""Degraded pictures beside clean ones, real and ours, and what they measure on average, as a table in Markdown."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pellucid.degrade.base import Degradation

Pair = tuple[Tensor, Tensor]  # degraded and clean, (1, 3, H, W) in [0, 1]
Load = Callable[[Path], Image.Image]


def of_file(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB")


def real_pairs(folder: Path, load: Load = of_file) -> Iterator[Pair]:
    """Of ``input/`` and ``target/``, by equal names."""
    for path in sorted((folder / "input").iterdir()):
        yield _tensor(load(path)), _tensor(load(folder / "target" / path.name))


def synthetic_pairs(degradation: Degradation, photos: Iterable[Path], load: Load) -> Iterator[Pair]:
    """One draw for each photo."""
    rng = torch.Generator().manual_seed(0)
    for path in photos:
        clean = _tensor(load(path))
        yield degradation.apply(clean, [degradation.sample(rng)]), clean


def _tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(image, np.float32) / 255).permute(2, 0, 1)[None]


def print_table(
    title: str, figures: Callable[[Tensor, Tensor], dict[str, float]], rows: Mapping[str, Iterable[Pair]]
) -> None:
    """One row of mean figures for each source of pairs; what a picture has not got (NaN) does not count."""
    print(f"\n### {title}\n")
    for number, (name, pairs) in enumerate(rows.items()):
        each = [figures(*pair) for pair in pairs]
        if number == 0:
            print("| |", " | ".join(each[0]), "|\n|---" + "|---:" * len(each[0]) + "|")
        values = np.array([[of_one[key] for key in each[0]] for of_one in each])
        counts = np.isfinite(values).sum(0)
        means = np.where(counts, np.nansum(values, 0) / np.maximum(counts, 1), np.nan)
        print(f"| {name} |", " | ".join(f"{mean:.2f}" for mean in means), "|", flush=True)
