"""How near our haze and camera noise come to real ones, in numbers.

    python benchmarks/realism_haze.py --data DATA

The folder holds clean photos in ``val`` and, each with ``input`` and ``target``, pairs in ``test/haze_sots4``,
``test/haze_revide4`` and ``test/realnoise_cc15``. Prints two tables. For haze: the dark channel (least of R, G, B in
15 by 15 pixels; He et al. 2009), saturation and contrast, of clean and of hazy, and the PSNR between them. For noise:
its strength, how alike neighbours and channels are, and how it depends on brightness.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from pellucid.degrade import DEGRADATIONS, Degradation, create_degradation

Pair = tuple[Tensor, Tensor]  # degraded and clean, (1, 3, H, W) in [0, 1]
SIDE = 640
BANDS = (0, 32, 96, 160, 256)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds test/ and val/")
    parser.add_argument("--photos", type=int, default=46, help="how many clean photos to degrade")
    options = parser.parse_args()
    torch.set_num_threads(1)
    test, photos = options.data / "test", sorted((options.data / "val").glob("*.webp"))[: options.photos]

    levels = {"default": None, **{name: name for name in DEGRADATIONS["haze"].levels}}
    hazes = {name: create_degradation("haze", level=level, window=(1, 1)) for name, level in levels.items()}
    show(
        "haze", {name: real(test / name, SIDE) for name in ("haze_sots4", "haze_revide4")}, hazes, photos, haze_figures
    )
    cameras = {"default": DEGRADATIONS["camera"].renderer, **DEGRADATIONS["camera"].levels}
    targets = sorted((test / "realnoise_cc15" / "target").iterdir())
    show("noise", {"realnoise_cc15": real(test / "realnoise_cc15")}, cameras, targets, noise_figures)


def show(
    title: str,
    measured: Mapping[str, Iterable[Pair]],
    degradations: Mapping[str, Degradation],
    photos: list[Path],
    figures: Callable[[Tensor, Tensor], dict[str, float]],
) -> None:
    """Print one line of mean figures for each source of pairs, ours after the real ones."""
    ours = {f"ours: {name}": degraded(degradation, photos) for name, degradation in degradations.items()}
    for count, (name, pairs) in enumerate({**measured, **ours}.items()):
        rows = [figures(*pair) for pair in pairs]
        if count == 0:
            print(f"\n{title:16}" + "".join(f"{key:>13}" for key in rows[0]))
        print(f"{name:16}" + "".join(f"{np.nanmean([row[key] for row in rows]):13.2f}" for key in rows[0]))


def real(folder: Path, side: int | None = None) -> Iterable[Pair]:
    for path in sorted((folder / "input").iterdir()):
        yield load(path, side), load(folder / "target" / path.name, side)


def degraded(degradation: Degradation, photos: list[Path]) -> Iterable[Pair]:
    rng = torch.Generator().manual_seed(0)
    for path in photos:
        clean = load(path, SIDE)
        yield degradation.apply(clean, [degradation.sample(rng)]), clean


def load(path: Path, side: int | None) -> Tensor:
    image = Image.open(path).convert("RGB")
    if side:
        image.thumbnail((side, side))
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255


def haze_figures(hazy: Tensor, clean: Tensor) -> dict[str, float]:
    figures = {"PSNR": -10 * (hazy - clean).square().mean().log10().item()}
    for name, image in (("clean", clean), ("hazy", hazy)):
        dark = -F.max_pool2d(-image.amin(1, keepdim=True), 15, 1, 7)
        figures |= {f"dark {name}": dark.mean().item()}
        if name == "hazy":
            figures |= {f"dark q{q}": dark.quantile(q / 100).item() for q in (5, 50, 95)}
        figures[f"sat {name}"] = ((image.amax(1) - image.amin(1)) / image.amax(1).clamp(min=1e-3)).mean().item()
        figures[f"std {name}"] = image.mean(1).std().item()
    return figures


def noise_figures(noisy: Tensor, clean: Tensor) -> dict[str, float]:
    noise, clean = (noisy - clean)[0].double() * 255, clean[0] * 255
    figures = {"PSNR": 20 * np.log10(255) - 10 * noise.square().mean().log10().item(), "std": noise.std().item()}
    for name, lag in (("lag 1", 1), ("lag 2", 2), ("lag 4", 4)):
        figures[f"{name} across"] = alike(noise[:, :, lag:], noise[:, :, :-lag])
        figures[f"{name} down"] = alike(noise[:, lag:], noise[:, :-lag])
    figures |= {"R~G": alike(noise[0], noise[1]), "G~B": alike(noise[1], noise[2]), "R~B": alike(noise[0], noise[2])}
    for low, high in pairwise(BANDS):
        inside = noise[(clean >= low) & (clean < high)]
        figures[f"std {low}-{high - 1}"] = inside.std().item() if len(inside) > 1000 else np.nan
    return figures


def alike(one: Tensor, other: Tensor) -> float:
    return torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1].item()


if __name__ == "__main__":
    main()
