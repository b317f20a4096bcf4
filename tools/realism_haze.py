"""How near our haze and camera noise come to real ones, in numbers.

    python -m tools.realism_haze --data DATA

The folder holds clean photos in ``val`` and, each with ``input`` and ``target``, pairs in ``test/haze_sots4``,
``test/haze_revide4`` and ``test/realnoise_cc15``. Prints two tables. For haze: the dark channel (least of R, G, B in
15 by 15 pixels; He et al. 2009), saturation and contrast, of clean and of hazy, and the PSNR between them. For noise:
its strength, how alike neighbours and channels are, and how it depends on brightness.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from pellucid.degrade import DEGRADATIONS, create_degradation
from tools.pairs import of_file, print_table, real_pairs, synthetic_pairs

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
    rows = {name: real_pairs(test / name, shrunk) for name in ("haze_sots4", "haze_revide4")}
    rows |= {f"ours: {name}": synthetic_pairs(haze, photos, shrunk) for name, haze in hazes.items()}
    print_table("haze", haze_figures, rows)
    cameras = {"default": DEGRADATIONS["camera"].renderer, **DEGRADATIONS["camera"].levels}
    targets = sorted((test / "realnoise_cc15" / "target").iterdir())
    rows = {"realnoise_cc15": real_pairs(test / "realnoise_cc15")}
    rows |= {f"ours: {name}": synthetic_pairs(camera, targets, shrunk) for name, camera in cameras.items()}
    print_table("noise", noise_figures, rows)


def shrunk(path: Path) -> Image.Image:
    image = of_file(path)
    image.thumbnail((SIDE, SIDE))
    return image


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
