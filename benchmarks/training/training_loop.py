"""What a training run spends its time on, for the ``denoise`` recipe.

    python -m benchmarks training_loop [--steps 250] [--data PHOTOS] [--val PHOTOS]

Runs the recipe as it is, from decoding to the last checkpoint, validating once every 250 steps, on scikit-image's
sample photos unless others are given. Prints seconds and shares, and what is not forward, backward or optimiser
step: data, averaging, inspection, validation, saving, and all that no clock saw.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import skimage.data
import torch
from PIL import Image

from pellucid.training import train
from pellucid.training.recipes import RECIPES

SAMPLES = ("astronaut", "chelsea", "coffee", "rocket")
NETWORK = ("forward", "backward", "optimizer")


def sample_photos(folder: Path) -> Path:
    folder.mkdir()
    for name in SAMPLES:
        Image.fromarray(getattr(skimage.data, name)()).save(folder / f"{name}.png")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--data", type=Path, help="a folder of clean photos to train on")
    parser.add_argument("--val", type=Path, help="a folder of clean photos to validate on")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        photos = arguments.data or sample_photos(folder / "photos")
        config = RECIPES["denoise"](photos, arguments.val or photos, folder / "run")
        config = replace(config, stages=(replace(config.stages[0], iterations=arguments.steps),))
        started = time.monotonic()
        train(config)
        wall = time.monotonic() - started
        seconds: dict[str, float] = torch.load(config.out / "last.ckpt", weights_only=True)["seconds"]
    print(f"{arguments.steps} steps of {config.stages[0].batch} patches of {config.stages[0].patch}², ", end="")
    print(f"{torch.get_num_threads()} threads: {arguments.steps * config.stages[0].batch / wall:.1f} patches a second")
    for name, spent in seconds.items():
        print(f"{name:<12}{spent:>9.2f} s {100 * spent / wall:>6.1f} %")
    rest = wall - sum(seconds[name] for name in NETWORK)
    print(f"{'the rest':<12}{rest:>9.2f} s {100 * rest / wall:>6.1f} %  (all but {', '.join(NETWORK)})")
