"""A folder to train on that has those photos more often whose texture a network takes most easily for damage.

    python -m tools.hard_photos ast-s-derain derain --decoy stretch --data PHOTOS --out HARDER

Every photo is linked into the folder once. Crops of each are put through one of the recipe's decoys, of which a network
should change nothing; the photos that it changes most are linked again and again. Prints these, with the PSNR in dB of
what it makes of their crops against the crops themselves.
"""

import argparse
import math
from pathlib import Path

import torch

from pellucid.checkpoints import load_network
from pellucid.data.photo_cache import PhotoCache, clean_photos
from pellucid.data.synthetic import SyntheticPairs
from pellucid.degrade import compose
from pellucid.training.recipes import RECIPES
from pellucid.zoo import find_model

CROPS, SIDE = 4, 256  # that each photo is judged by


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="the name of a bundled model, or a weights file")
    parser.add_argument("recipe", help="whose decoy it is")
    parser.add_argument("--decoy", required=True, help="name of a degradation")
    parser.add_argument("--data", type=Path, required=True, help="folder of clean photos")
    parser.add_argument("--out", type=Path, required=True, help="folder to make")
    parser.add_argument("--hardest", type=int, default=32, help="how many photos are seen more often")
    parser.add_argument("--times", type=int, default=9, help="how often")
    arguments = parser.parse_args()

    network = load_network(find_model(arguments.model))
    decoys = RECIPES[arguments.recipe](arguments.data, None, arguments.out).data.decoys
    decoy = compose({arguments.decoy: {**decoys.get(arguments.decoy, {}), "probability": 1.0}})
    paths = clean_photos(arguments.data)
    scores = {path: changed(network, SyntheticPairs(PhotoCache([path], 0), decoy)) for path in paths}
    hardest = sorted(paths, key=scores.__getitem__)[: arguments.hardest]

    arguments.out.mkdir(parents=True)
    for path in paths:
        for again in range(arguments.times if path in hardest else 1):
            (arguments.out / f"{again}_{path.name}").symlink_to(path.resolve())
    for path in hardest:
        print(f"{path.name}: {scores[path]:.1f} dB")


@torch.inference_mode()
def changed(network: torch.nn.Module, crops: SyntheticPairs) -> float:
    """PSNR in dB of what a network makes of what only looks degraded."""
    seen, _ = crops.batch(range(CROPS), SIDE)
    error = (network(seen) - seen).square().mean()
    return -10 * math.log10(float(error) + 1e-12)


if __name__ == "__main__":
    main()
