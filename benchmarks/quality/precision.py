"""What less precision costs the bundled models: PSNR on validation photos in fp32, high, bf16 and fp16.

    python -m benchmarks precision --val DATA/val

The middles of the photos (``--side`` pixels; whole photos, shrunk, for models that work on a small copy), degraded as
the model's recipe validates. Prints for each model the PSNR in fp32, averaged over all levels, and the others' loss.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from pellucid.checkpoints import load_network
from pellucid.data.photo_cache import clean_photos
from pellucid.degrade import compose
from pellucid.imaging import read_photo, shrink, to_float
from pellucid.inference import Restorer
from pellucid.training.recipes import RECIPES
from pellucid.zoo import find_model, list_models

PRECISIONS = ("fp32", "high", "bf16", "fp16")


def middle(pixels: np.ndarray, side: int) -> np.ndarray:
    top, left = ((size - min(size, side)) // 2 for size in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--val", type=Path, required=True, help="folder of clean photos")
    parser.add_argument("--models", nargs="*", help="names (default: all that are bundled)")
    parser.add_argument("--side", type=int, default=256)
    arguments = parser.parse_args()

    photos = [to_float(read_photo(path).pixels) for path in clean_photos(arguments.val)]
    print("| model | fp32, dB | high loses | bf16 loses | fp16 loses |\n|---|---|---|---|---|")
    for name in arguments.models or [model.name for model in list_models()]:
        network = load_network(find_model(name))
        recipe = RECIPES[name.removeprefix("ast-s-")](Path("unused"), None, Path("unused"))
        restorers = {p: Restorer(network, tile="off", precision=p, keep_clean=False) for p in PRECISIONS}
        scores: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
        for label, options in recipe.data.val_degrade.items():
            degradation = compose(options)
            for index, photo in enumerate(photos):
                side = restorers["fp32"].working_side
                clean = shrink(photo, side) if side else middle(photo, arguments.side)
                image = torch.from_numpy(np.ascontiguousarray(clean)).permute(2, 0, 1)[None].float()
                params = [degradation.sample(torch.Generator().manual_seed(index))]
                degraded = degradation.apply(image, params)[0].permute(1, 2, 0).numpy()
                for precision, restorer in restorers.items():
                    if label != "clean":
                        error = restorer.restore_array(degraded).clip(0, 1) - clean
                        scores[precision].append(float(-10 * np.log10(np.square(error).mean())))
        exact, *losses = (np.mean(scores[precision]) for precision in PRECISIONS)
        print(f"| `{name}` | {exact:.3f} | {' | '.join(f'{exact - loss:.3f}' for loss in losses)} |", flush=True)
